"""The address of a service of Cloud Run: who may call, and which revision answers."""

from __future__ import annotations

import contextlib
import http.client
import http.server
import re
import secrets
import socketserver
import threading
import time
from collections.abc import Callable, Iterable
from email.message import Message
from typing import Any, Protocol

from tests.google_cloud.container import Instance, StartFailed
from tests.google_cloud.instances import Fleet, NoInstance
from tests.google_cloud.refusals import (
    BROKEN,
    NO_INSTANCE,
    TOO_SLOW,
    Refused,
    not_found,
    refusal,
    unavailable,
)

# Source: https://cloud.google.com/run/quotas, "Request limits".
MAX_BODY = 32 * 1024 * 1024
HOP_BY_HOP = {
    "connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "te", "trailer",
    "transfer-encoding", "upgrade",
}  # fmt: skip
Headers = list[tuple[str, str]]
Answer = tuple[int, Headers, bytes]
# Source: W3C Trace Context, section 3.2.
TRACEPARENT = re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}")
CLOUD_TRACE = re.compile(r"([0-9a-fA-F]{32})(?:/[0-9]+)?(?:;o=[0-9]+)?")
SIGNED = re.compile(r"^(Bearer [\w-]+\.[\w-]+)\.[\w-]+$", re.IGNORECASE)


class Split:
    """Chooses among revisions by their percentages, as evenly as can be from the first request on.

    Source: nginx's smooth weighted round-robin, commit 52327e0627f49dbda1e8db695e63a4b0af4448b1.
    """

    def __init__(self, shares: Iterable[tuple[Any, int]]) -> None:
        self.shares = [(name, percent) for name, percent in shares if percent > 0]
        self.credit = [0] * len(self.shares)
        self.lock = threading.Lock()

    def choose(self) -> Any:
        """The revision for the next request; None if there is none."""
        if not self.shares:
            return None
        with self.lock:
            self.credit = [
                credit + percent
                for credit, (_, percent) in zip(self.credit, self.shares, strict=True)
            ]
            best = self.credit.index(max(self.credit))
            self.credit[best] -= sum(percent for _, percent in self.shares)
            return self.shares[best][0]


class Revision(Protocol):
    """What a front asks of a revision."""

    @property
    def name(self) -> str: ...

    @property
    def fleet(self) -> Fleet | None: ...


class Target(Protocol):
    """What a front asks of the service behind it."""

    @property
    def ingress(self) -> str:
        """Who may reach it: all, internal, internal-and-cloud-load-balancing."""

    def revision(self, tag: str | None) -> Revision | None:
        """The revision for the next request to the service or to one of its tags."""

    def authorize(self, token: str | None) -> str | None:
        """None if the caller may invoke it, else why not.

        One of unauthenticated, invalid, unauthorized.
        """

    def log_request(self, revision: str, request: dict[str, Any], trace: str, note: str) -> None:
        """Write the log entry of one request."""


def exchange(
    instance: Instance,
    method: str,
    path: str,
    headers: Headers,
    body: bytes,
    timeout: float,
) -> tuple[int, Message, bytes]:
    """Send one request to an instance. ConnectionRefusedError means that it got nothing of it."""
    connection = http.client.HTTPConnection("127.0.0.1", instance.port, timeout=timeout)
    try:
        connection.connect()
        connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
        for name, value in headers:
            connection.putheader(name, value)
        # Who refuses a body for its length need not read it all.
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            connection.endheaders(body or None)
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read()
    finally:
        connection.close()


class Handler(http.server.BaseHTTPRequestHandler):
    """One connection of a caller."""

    protocol_version = "HTTP/1.1"
    server: Front
    timeout = 60

    def __getattr__(self, name: str) -> Callable[[], None]:
        if name.startswith("do_"):
            return self.answer
        raise AttributeError(name)

    def log_message(self, format: str, *arguments: Any) -> None:  # noqa: A002
        """The log is Cloud Logging's."""

    def answer(self) -> None:
        began = time.monotonic()
        note = ""
        self.revision = ""  # whose instance answers, for the log
        self.trace, self.span = self.find_trace()
        try:
            body = self.read_body()
            try:
                self.check()
                status, headers, content = self.forward(body)
            except Refused as refused:
                status, content, note = refused.status, refused.body, refused.note
                headers = [("Content-Type", "text/html; charset=UTF-8"), *refused.headers.items()]
            size = self.send(status, headers, content)
        except (OSError, ValueError):
            self.close_connection = True  # the caller has gone
            return
        self.server.target.log_request(
            self.revision,
            {
                "requestMethod": self.command,
                "requestUrl": self.server.url + self.path,
                "requestSize": str(len(body)),
                "status": status,
                "responseSize": str(size),
                "userAgent": self.headers.get("User-Agent", ""),
                "remoteIp": self.client_address[0],
                "serverIp": "127.0.0.1",
                "latency": f"{time.monotonic() - began:.9f}s",
                "protocol": self.request_version,
            },
            self.trace,
            note,
        )

    def find_trace(self) -> tuple[str, str]:
        """The trace that the caller has begun, or a new one, and a span in it."""
        span = secrets.token_hex(8)
        if found := TRACEPARENT.fullmatch(self.headers.get("traceparent", "")):
            return found[1], span
        if found := CLOUD_TRACE.fullmatch(self.headers.get("X-Cloud-Trace-Context", "")):
            return found[1].lower(), span
        return secrets.token_hex(16), span

    def read_body(self) -> bytes:
        """The body; of one that is too large, one byte more than is allowed."""
        if "chunked" in self.headers.get("Transfer-Encoding", "").lower():
            chunks = []
            while size := int(self.rfile.readline().partition(b";")[0], 16):
                chunks.append(self.rfile.read(size))
                self.rfile.readline()
            while self.rfile.readline().strip():
                pass
            return b"".join(chunks)
        length = int(self.headers.get("Content-Length") or 0)
        kept = self.rfile.read(min(length, MAX_BODY + 1))
        # Who sends too much reads the answer only after the last byte.
        left = length - len(kept)
        while left > 0 and (part := self.rfile.read(min(left, 1 << 20))):
            left -= len(part)
        return kept

    def check(self) -> None:
        """Refuse what never reaches a container."""
        path = self.path.partition("?")[0]
        if path == "/healthz" or self.server.target.ingress != "all" or self.server.closed:
            raise not_found()
        headers = self.headers
        given = headers.get("X-Serverless-Authorization", headers.get("Authorization", ""))
        scheme, _, token = str(given).partition(" ")
        why = self.server.target.authorize(token.strip() if scheme.lower() == "bearer" else None)
        if why is not None:
            raise refusal(why, path)

    def forward(self, body: bytes) -> Answer:
        """The answer of an instance of the revision whose turn it is."""
        if len(body) > MAX_BODY:
            raise Refused(
                413, "Request Entity Too Large", "Your client issued a request that was too large."
            )
        revision = self.server.target.revision(self.server.tag)
        if revision is None or revision.fleet is None:
            raise not_found()
        self.revision = revision.name
        fleet = revision.fleet
        deadline = time.monotonic() + fleet.plan.timeout
        while True:
            left = max(deadline - time.monotonic(), 0.001)
            try:
                with fleet.instance() as instance:
                    try:
                        answer = exchange(
                            instance, self.command, self.path, self.passed_on(body), body, left
                        )
                    except ConnectionRefusedError:
                        # It has crashed, and has seen nothing of the request: another takes it.
                        fleet.dismiss(instance)
                        continue
            except StartFailed as error:
                raise unavailable(str(error)) from error
            except NoInstance as error:
                raise Refused(429, "Rate exceeded.", "Rate exceeded.", note=NO_INSTANCE) from error
            except TimeoutError as error:
                text = "upstream request timeout"
                raise Refused(504, "Server Error", text, note=TOO_SLOW) from error
            except (OSError, http.client.HTTPException) as error:
                raise unavailable(BROKEN) from error
            return self.passed_back(*answer)

    def passed_back(self, status: int, headers: Message, content: bytes) -> Answer:
        """The answer of an instance, without what belongs to its connection only."""
        dropped = HOP_BY_HOP | {"server", "date"}
        if self.command != "HEAD":  # whose answer names the length of what it leaves out
            dropped |= {"content-length"}
        kept = [(name, value) for name, value in headers.items() if name.lower() not in dropped]
        return status, kept, content

    def passed_on(self, body: bytes) -> Headers:
        """The headers that an instance sees."""
        replaced = HOP_BY_HOP | {
            "content-length", "x-cloud-trace-context", "traceparent", "x-forwarded-for",
            "x-forwarded-proto", "forwarded", "x-serverless-authorization", "expect",
        }  # fmt: skip
        headers = [
            (name, value) for name, value in self.headers.items() if name.lower() not in replaced
        ]
        # Source: https://cloud.google.com/run/docs/tutorials/secure-services: no instance can use
        # the token for itself, since its signature is taken away.
        headers = [
            (name, SIGNED.sub(r"\1.SIGNATURE_REMOVED_BY_GOOGLE", value))
            if name.lower() == "authorization"
            else (name, value)
            for name, value in headers
        ]
        client = self.client_address[0]
        before = self.headers.get("X-Forwarded-For")
        headers += [
            ("X-Cloud-Trace-Context", f"{self.trace}/{int(self.span, 16)};o=1"),
            ("traceparent", f"00-{self.trace}-{self.span}-01"),
            ("X-Forwarded-For", f"{before},{client}" if before else client),
            ("X-Forwarded-Proto", "https"),
            ("Forwarded", f'for="{client}";proto=https'),
        ]
        if body or "Content-Length" in self.headers or "Transfer-Encoding" in self.headers:
            headers.append(("Content-Length", str(len(body))))
        return headers

    def send(self, status: int, headers: Headers, content: bytes) -> int:
        self.send_response_only(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Date", self.date_time_string())
        self.send_header("Server", "Google Frontend")
        self.send_header("X-Cloud-Trace-Context", f"{self.trace};o=1")
        if status >= 200 and status not in (204, 304):
            length = next(
                (value for name, value in headers if name.lower() == "content-length"), None
            )
            self.send_header("Content-Length", length or str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)
        return len(content)


class Front(http.server.ThreadingHTTPServer):
    """A port of its own on loopback for a service or one of its tags."""

    daemon_threads = True
    request_queue_size = 512

    def __init__(self, target: Target, tag: str | None = None) -> None:
        self.target = target
        self.tag = tag
        self.closed = False
        super().__init__(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server_port}"
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()

    def server_bind(self) -> None:
        # The base class asks a resolver for this machine's name, which may take seconds.
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = "127.0.0.1", self.socket.getsockname()[1]

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A caller who hangs up is no matter of ours."""

    def close(self) -> None:
        self.closed = True
        self.shutdown()
        self.server_close()
