"""HTTP requests of sources: redirects, retries, and a deadline that no slow server outlives."""

from __future__ import annotations

import base64
import contextlib
import http.client
import json
import socket
import ssl
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from typing import IO, Any
from urllib.parse import SplitResult, unquote, urlsplit

from models.sources.transfer import Deadline, Failure, PassingFailure, Saved, Transfer

BLOCK_BYTES = 256 * 1024
# A server that sends nothing for these seconds is lost.
SILENCE_SECONDS = 30
# The largest JSON document of a source, in bytes.
MAX_JSON_BYTES = 16 * 1024 * 1024
# Of the answer that refuses a request, in bytes.
MAX_REFUSAL_BYTES = 4096
MAY_PASS = frozenset({408, 425, 429})
LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})

Headers = Mapping[str, str]
Answer = http.client.HTTPResponse


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follow redirects to https only; credentials stay with the server that they are for."""

    max_redirections = 5

    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: http.client.HTTPMessage,
        newurl: str,
    ) -> urllib.request.Request | None:
        """The request that follows a redirect; raises Failure where it would not be safe."""
        if req.data is not None:
            fp.close()
            raise Failure("it redirects, and what is posted goes to its own address only")
        old, new = urlsplit(req.full_url), urlsplit(newurl)
        if not is_safe(new) and (is_safe(old) or new.scheme != old.scheme):
            fp.close()
            raise Failure(f"it redirects to {new.scheme}://{new.hostname}, which is not https")
        request = super().redirect_request(req, fp, code, msg, headers, newurl)
        if request and _origin(old) != _origin(new):
            request.remove_header("Authorization")
        return request


def is_safe(url: SplitResult) -> bool:
    """Whether nobody between here and the server reads or changes what it sends."""
    return url.scheme == "https" or (url.scheme == "http" and url.hostname in LOOPBACK)


def _origin(url: SplitResult) -> tuple[str, str | None, int | None]:
    return url.scheme, url.hostname, url.port


class _Watch:
    """Closes the connections of one request at the deadline, even while bytes trickle in."""

    def __init__(self, seconds: float) -> None:
        self._sockets: list[socket.socket] = []
        self._timer = threading.Timer(seconds, self._close)
        self._timer.daemon = True
        self._timer.start()

    def _close(self) -> None:
        for connection in self._sockets:
            with contextlib.suppress(OSError):
                # The method of SSLSocket would let a reader see what is encrypted.
                socket.socket.shutdown(connection, socket.SHUT_RDWR)

    def stop(self) -> None:
        self._timer.cancel()

    def handlers(self) -> tuple[urllib.request.BaseHandler, ...]:
        """Handlers of http and https whose connections are watched."""
        sockets = self._sockets

        class Plain(http.client.HTTPConnection):
            def connect(self) -> None:
                super().connect()
                sockets.append(self.sock)

        class Secure(http.client.HTTPSConnection):
            def connect(self) -> None:
                super().connect()
                sockets.append(self.sock)

        class PlainHandler(urllib.request.HTTPHandler):
            def http_open(self, req: urllib.request.Request) -> Answer:
                return self.do_open(Plain, req)

        class SecureHandler(urllib.request.HTTPSHandler):
            def https_open(self, req: urllib.request.Request) -> Answer:
                return self.do_open(Secure, req, context=ssl.create_default_context())

        return PlainHandler(), SecureHandler()


@contextlib.contextmanager
def opened(
    transfer: Deadline,
    url: str,
    headers: Headers,
    *,
    direct: bool = False,
    data: bytes | None = None,
) -> Iterator[Answer]:
    """A context with the answer to a GET of `url`, or a POST of `data`; `direct` passes proxies by.

    A user and a password in the address are sent as a header.

    Raises Failure, and ModelError at the deadline.
    """
    left = transfer.seconds_left()
    watch = _Watch(left)
    proxies = [urllib.request.ProxyHandler({})] if direct else []
    opener = urllib.request.build_opener(_Redirects(), *watch.handlers(), *proxies)
    try:
        request = _request(url, headers, data)
        with opener.open(request, timeout=min(left, SILENCE_SECONDS)) as answer:
            yield answer
    except (OSError, http.client.HTTPException, ValueError) as error:
        transfer.seconds_left()
        raise _failure(error) from None
    finally:
        watch.stop()


def _request(url: str, headers: Headers, data: bytes | None) -> urllib.request.Request:
    parts = urlsplit(url)
    if parts.username is not None:
        pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        encoded = base64.b64encode(pair.encode()).decode()
        headers = {"Authorization": f"Basic {encoded}", **headers}
        url = parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
    return urllib.request.Request(url, data, dict(headers))  # noqa: S310


def _failure(error: Exception) -> Failure:
    if isinstance(error, urllib.error.HTTPError):
        text = b""
        with error, contextlib.suppress(OSError, http.client.HTTPException):
            text = error.read(MAX_REFUSAL_BYTES)
        wait = error.headers.get("Retry-After", "")
        passes = error.code in MAY_PASS or error.code >= 500
        return (PassingFailure if passes else Failure)(
            f"{error.code} {_line(error.reason)}",
            error.code,
            int(wait) if wait.isdecimal() else 0,
            text.decode(errors="replace"),
        )
    cause = getattr(error, "reason", error)
    if isinstance(cause, ssl.SSLCertVerificationError):
        return Failure(f"its certificate is not trusted: {cause.verify_message}")
    if isinstance(cause, socket.gaierror):
        # EAI_AGAIN is what a resolver says that is not there yet.
        passes = cause.errno == socket.EAI_AGAIN
        return (PassingFailure if passes else Failure)(f"no such host: {cause.strerror}")
    if isinstance(error, http.client.InvalidURL) or type(error) is ValueError:
        return Failure("no address")
    if isinstance(error, http.client.IncompleteRead):
        return PassingFailure("the connection ended too early")
    if isinstance(error, http.client.BadStatusLine) and not isinstance(error, OSError):
        return PassingFailure("its answer is not HTTP")
    return PassingFailure(_line(cause) or type(cause).__name__)


def _line(text: object) -> str:
    return " ".join(str(text).split())


def _blocks(transfer: Deadline, answer: Answer) -> Iterator[bytes]:
    """The body of an answer, as it comes; raises PassingFailure if it ends too early."""
    try:
        # read() would wait until a block is full.
        while block := answer.read1(BLOCK_BYTES):
            yield block
    except (OSError, http.client.HTTPException) as error:
        transfer.seconds_left()
        raise _failure(error) from None
    # A connection that was closed at the deadline looks like the end of the body.
    transfer.seconds_left()
    if answer.length:
        raise PassingFailure("the connection ended too early")


def get_json(transfer: Deadline, url: str, headers: Headers, *, direct: bool = False) -> Any:
    """The JSON document at `url`; raises Failure, and ModelError at the deadline."""

    def attempt() -> Any:
        with opened(transfer, url, headers, direct=direct) as answer:
            content = b""
            for block in _blocks(transfer, answer):
                content += block
                if len(content) > MAX_JSON_BYTES:
                    raise Failure("its answer is too long")
        try:
            return json.loads(content)
        except (ValueError, RecursionError):
            raise Failure("its answer is not JSON") from None

    return transfer.retry(attempt)


def post(transfer: Deadline, url: str, headers: Headers, data: bytes) -> None:
    """Send `data` to `url` by a POST; raises Failure, and ModelError at the deadline."""

    def attempt() -> None:
        # The connection is closed after the status: the rest of the answer is of no interest.
        with opened(transfer, url, headers, data=data):
            pass

    transfer.retry(attempt)


def download(
    transfer: Transfer,
    url: str,
    headers: Headers,
    name: str,
    *,
    length: int | None = None,
    md5: str = "",
) -> Saved:
    """Save what is at `url` as the unfinished file `name`; see `Transfer.save`.

    Raises Failure, and ModelError.
    """

    def attempt() -> Saved:
        with opened(transfer, url, headers) as answer:
            size = answer.length if length is None else length
            return transfer.save(_blocks(transfer, answer), name, length=size, md5=md5)

    return transfer.retry(attempt)
