"""What is answered ahead of Flask: every request that runs the model, and health checks.

Flask's routing and contexts take as long as all the rest of an answer that is not the model's.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, NoReturn

from api.errors import PHRASES, Answer, Problem, render
from api.http import targets, turns
from api.http.compression import MIN_BYTES, compress
from api.monitor import metrics, telemetry
from api.server import process

if TYPE_CHECKING:
    from flask import Flask

    from api.http.compression import Headers

# Precomputed: HTTPStatus lookups are slow.
STATUS_LINES = {status: f"{status} {phrase}" for status, phrase in PHRASES.items()}
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
# What metrics call any other method, and the route of a path that has no endpoint.
OTHER = "other"
# What can be asked for with OPTIONS *, RFC 9110, section 9.3.7.
SERVER_METHODS = "GET, HEAD, OPTIONS, POST"

Environ = dict[str, Any]
WSGI = Callable[[Environ, Callable[..., Any]], Iterable[bytes]]
Handler = Callable[[Environ], Answer]
# Raises a Problem if a request may not be answered.
Guard = Callable[[Environ], None]
# Is told of each answer, with its status and the start of its request by time.perf_counter, and may
# add headers.
Finish = Callable[[Environ, int, "Headers", float], None]


class Gateway:
    """Answers at the paths it is given, and hands everything else on to Flask.

    `build` makes the Flask application around it, which happens when it is first asked for.
    `handlers` answer, by method and path; that is as PEP 3333 has it, its bytes as if in Latin-1.
    `guard` sees each request before it is answered, `preflight` answers those of browsers (CORS),
    and each of `finish` sees each answer.
    """

    def __init__(
        self,
        version: str,
        build: Callable[[Gateway], Flask],
        *,
        guard: Guard | None = None,
        preflight: Handler | None = None,
        finish: Sequence[Finish] = (),
    ) -> None:
        self._version = version
        self._build = build
        self._preflight = preflight
        self.guard = guard
        self.finish = tuple(finish)
        self._building = threading.Lock()
        self._built: tuple[Flask, WSGI] | None = None
        self.handlers: dict[tuple[str, str], Handler] = {}

    @property
    def app(self) -> Flask:
        """The Flask application, which has the gateway in front of it."""
        return self._flask()[0]

    def get(self, path: str, handler: Handler) -> None:
        """Let `handler` answer `GET path`; what it raises is rendered as the path's errors are."""
        self._add("GET", path, handler)

    def post(self, path: str, handler: Handler) -> None:
        """Let `handler` answer `POST path`, in the same way."""
        self._add("POST", path, handler)

    def _add(self, method: str, path: str, handler: Handler) -> None:
        if self.guard is not None:
            handler = partial(_guarded, self.guard, handler)
        self.handlers[method, _raw(path)] = handler

    def alias(self, path: str, known: str) -> None:
        """Let `POST path` be answered as `POST known` is, unless it has an answer of its own."""
        self.handlers.setdefault(("POST", _raw(path)), self.handlers["POST", known])

    def __call__(self, environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Answer one request, PEP 3333."""
        token = telemetry.current.set(environ)
        try:
            try:
                handler = self.handlers.get((environ["REQUEST_METHOD"], environ["PATH_INFO"]))
            except KeyError:  # uWSGI has found no blank in the request line
                handler = None
            if handler is None or environ.get("SERVER_PROTOCOL") not in targets.VERSIONS:
                return self._answer_other(environ, start_response)
            return self._respond(handler, environ, start_response, environ["PATH_INFO"])
        finally:
            turns.leave()
            telemetry.current.reset(token)

    def _answer_other(
        self, environ: Environ, start_response: Callable[..., Any]
    ) -> Iterable[bytes]:
        """Answer a request that is not for a path of `handlers`, as it came."""
        try:
            targets.normalize(environ)
        except Problem as problem:
            return self._refuse(problem, environ, start_response)
        path = environ["PATH_INFO"]
        if self._preflight is not None and _is_preflight(environ):
            return self._respond(self._preflight, environ, start_response, OTHER)
        if path == "*":
            return self._respond(_tell_methods, environ, start_response, OTHER)
        if handler := self.handlers.get((environ["REQUEST_METHOD"], path)):
            return self._respond(handler, environ, start_response, path)
        # werkzeug looks for an endpoint that speaks it; nobody has to change the protocol.
        environ.pop("HTTP_UPGRADE", None)
        _, others = self._built or self._flask()
        return others(environ, start_response)

    def _refuse(
        self, problem: Problem, environ: Environ, start_response: Callable[..., Any]
    ) -> Iterable[bytes]:
        """Answer a request whose first line is none."""
        if environ["REQUEST_METHOD"] not in METHODS:
            environ["REQUEST_METHOD"] = OTHER
        connection = process.connection()
        if connection < 0:
            return self._respond(partial(_raise, problem), environ, start_response, OTHER)
        # uWSGI would begin the answer with what stands where the version should.
        heads: list[tuple[str, list[tuple[str, str]]]] = []
        body = self._respond(
            partial(_raise, problem), environ, lambda *head: heads.append(head), OTHER
        )
        process.send(connection, *heads[0], b"".join(body))
        return []

    def _flask(self) -> tuple[Flask, WSGI]:
        """The Flask application, and what it is without the gateway."""
        with self._building:
            if self._built is None:
                app = self._build(self)
                self._built = app, app.wsgi_app
                app.wsgi_app = self  # type: ignore[method-assign]
            return self._built

    def _respond(
        self,
        handler: Handler,
        environ: Environ,
        start_response: Callable[..., Any],
        route: str,
    ) -> Iterable[bytes]:
        started = time.perf_counter()
        request_id = telemetry.identify(environ)
        try:
            status, headers, body = handler(environ)
        except Exception as error:
            status, headers, body = render(error, request_id, environ["PATH_INFO"])
        headers |= telemetry.names(request_id, self._version)
        if len(body) >= MIN_BYTES:
            body = compress(body, environ.get("HTTP_ACCEPT_ENCODING", ""), headers)
        for finish in self.finish:
            finish(environ, status, headers, started)
        headers["Content-Length"] = str(len(body))
        metrics.count_request(route, environ["REQUEST_METHOD"], status, started)
        start_response(STATUS_LINES[status], list(headers.items()))
        return [body]


def _raise(problem: Problem, _: Environ) -> NoReturn:
    raise problem


def _guarded(guard: Guard, handler: Handler, environ: Environ) -> Answer:
    guard(environ)
    return handler(environ)


def _is_preflight(environ: Environ) -> bool:
    return (
        environ["REQUEST_METHOD"] == "OPTIONS"
        and "HTTP_ORIGIN" in environ
        and "HTTP_ACCESS_CONTROL_REQUEST_METHOD" in environ
    )


def _tell_methods(_: Environ) -> Answer:
    return Answer(HTTPStatus.OK, {"Allow": SERVER_METHODS}, b"")


def _raw(path: str) -> str:
    return path.encode().decode("latin-1")


def content_type(environ: Environ) -> str:
    """The Content-Type of a request, without parameters; "" if it has none."""
    given: str = environ.get("CONTENT_TYPE", "")
    return given.partition(";")[0].strip().lower()
