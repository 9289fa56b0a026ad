"""What is answered ahead of Flask: every request that runs the model.

Flask's routing and contexts take as long as all the rest of an answer that is not the model's.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import Any

from flask import Flask

from api import metrics, telemetry
from api.compression import decompress
from api.errors import Answer, LengthRequired, MalformedBody, TooLarge, render

# Looking a phrase up takes longer than all else about it.
STATUS_LINES = {status.value: f"{status.value} {status.phrase}" for status in HTTPStatus}

# No length has more; Python refuses to read thousands of them.
MAX_DIGITS = 18

Environ = dict[str, Any]
WSGI = Callable[[Environ, Callable[..., Any]], Iterable[bytes]]
Handler = Callable[[Environ], Answer]


class Gateway:
    """Answers `POST` at the paths it is given, and hands everything else on to Flask."""

    def __init__(self, app: Flask, version: str) -> None:
        self._app = app
        self._others: WSGI = app.wsgi_app
        self._version = version
        self._handlers: dict[str, Handler] = {}
        app.wsgi_app = self  # type: ignore[method-assign]

    def post(self, path: str, handler: Handler) -> None:
        """Let `handler` answer `POST path`; what it raises is rendered as the path's errors are."""
        # As PEP 3333 has a path: its bytes as if they were Latin-1.
        self._handlers[path.encode().decode("latin-1")] = handler
        # This rule has no view: Flask answers from it which method would have been right.
        self._app.add_url_rule(path, path, methods=["POST"])

    def alias(self, path: str, known: str) -> None:
        """Let `POST path` be answered as `POST known` is, unless it has an answer of its own."""
        if path not in self._handlers:
            self.post(path, self._handlers[known])

    def __call__(self, environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Answer one request, PEP 3333."""
        token = telemetry.current.set(environ)
        try:
            handler = self._handlers.get(environ["PATH_INFO"])
            if handler is None or environ["REQUEST_METHOD"] != "POST":
                return self._others(environ, start_response)
            return self._respond(handler, environ, start_response)
        finally:
            telemetry.current.reset(token)

    def _respond(
        self, handler: Handler, environ: Environ, start_response: Callable[..., Any]
    ) -> Iterable[bytes]:
        started = time.perf_counter()
        request_id = telemetry.identify(environ)
        path = environ["PATH_INFO"]
        try:
            status, headers, body = handler(environ)
        except Exception as error:
            status, headers, body = render(error, request_id, path)
        headers |= telemetry.names(request_id, self._version)
        headers["Content-Length"] = str(len(body))
        metrics.count_request(path, "POST", status, started)
        start_response(STATUS_LINES[status], list(headers.items()))
        return [body]


def read_body(environ: Environ, max_bytes: int) -> bytes:
    """Read the whole body of a request, and decompress it.

    Raises LengthRequired if its length is not known, TooLarge, MalformedBody if it ends too early,
    and what `compression.decompress` raises.
    """
    if "HTTP_TRANSFER_ENCODING" in environ:
        raise LengthRequired("Send the body with a Content-Length instead of in chunks.")
    given = environ.get("CONTENT_LENGTH") or "0"
    if not (given.isascii() and given.isdigit() and len(given) <= MAX_DIGITS):
        raise MalformedBody("The Content-Length is not a number.")
    length = int(given)
    if length > max_bytes:
        raise TooLarge(f"The body is over the limit of {max_bytes} bytes.")
    try:
        body: bytes = environ["wsgi.input"].read(length)
    except OSError:
        body = b""
    if len(body) < length:
        raise MalformedBody(f"The body ended before its {length} bytes had come.")
    if encoding := environ.get("HTTP_CONTENT_ENCODING"):
        return decompress(body, encoding.strip().lower(), max_bytes)
    return body


def content_type(environ: Environ) -> str:
    """The Content-Type of a request, without parameters; "" if it has none."""
    given: str = environ.get("CONTENT_TYPE", "")
    return given.partition(";")[0].strip().lower()
