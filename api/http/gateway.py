"""Answers every request: at the paths of routes that need no Flask, and through Flask elsewhere.

Flask's routing and contexts take 120 of the 160 microseconds of a request through Flask. Ids, API
keys, compression, counts and the form of errors are done here, once for all routes.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, NoReturn, Protocol

from api.errors import PHRASES, Answer, Problem, Renderer, render
from api.http import big_body, targets
from api.http.compression import MIN_BYTES, compress
from api.http.request import OTHER, Environ, Request, current
from api.http.route import Handler, Route
from api.monitor import metrics
from api.server import process

if TYPE_CHECKING:
    from flask import Flask

# Precomputed: HTTPStatus lookups are slow.
STATUS_LINES = {status: f"{status} {phrase}" for status, phrase in PHRASES.items()}
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
# What can be asked for with OPTIONS *, RFC 9110, section 9.3.7.
SERVER_METHODS = "GET, HEAD, OPTIONS, POST, PUT"

WSGI = Callable[[Environ, Callable[..., Any]], Iterable[bytes]]
# Raises a Problem where a request is refused.
Guard = Callable[[Request], None]
# Called with each answer, its status and headers; may add headers.
Finish = Callable[[Request, int, dict[str, str]], None]


class FlaskApp(Protocol):
    """A Flask application, and the way to ask it: `api.http.flask_app.FlaskApp`."""

    app: Flask

    def answer(self, request: Request) -> Answer:
        """Answer one request; raises a Problem, or what a view raises."""


class Gateway:
    """A WSGI application of routes; Flask answers what no route answers ahead of it.

    `version` is the model's, in the header of each answer. `build` makes the Flask application when
    it is first needed. `guard` is called with each request before its handler; the Flask app
    calls it itself. `preflight` answers the OPTIONS requests of browsers (CORS), and each of
    `finish` is called with each answer.
    """

    def __init__(
        self,
        version: str,
        routes: Sequence[Route],
        build: Callable[[], FlaskApp],
        *,
        guard: Guard | None = None,
        preflight: Handler | None = None,
        finish: Sequence[Finish] = (),
    ) -> None:
        self.version = version
        self._build = build
        self._guard = guard
        self._preflight = preflight
        self._finish = tuple(finish)
        self._building = threading.Lock()
        self._flask: FlaskApp | None = None
        self._handlers = {
            (route.verb, _raw(route.path)): self._guarded(route.handler)
            for route in routes
            if not route.by_flask
        }
        self._renderers = {
            _first_step(route.path): route.render for route in routes if route.render is not None
        }

    @property
    def app(self) -> Flask:
        """The Flask application, which has the gateway in front of it."""
        app = self._made().app
        app.wsgi_app = self  # type: ignore[method-assign]
        return app

    def __call__(self, environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Answer one request, PEP 3333."""
        request = Request(environ)
        token = current.set(request)
        try:
            handler = self._handlers.get((request.verb, request.path))
            if handler is None or environ.get("SERVER_PROTOCOL") not in targets.VERSIONS:
                return self._answer_other(request, start_response)
            request.route = request.path
            return self._respond(handler, request, start_response)
        finally:
            if request.is_big:
                big_body.release()
            current.reset(token)

    def _answer_other(
        self, request: Request, start_response: Callable[..., Any]
    ) -> Iterable[bytes]:
        """Answer a request that no handler answers in the form in which it came."""
        try:
            targets.normalize(request)
        except Problem as problem:
            return self._refuse(problem, request, start_response)
        if self._preflight is not None and _is_preflight(request):
            return self._respond(self._preflight, request, start_response)
        if request.path == "*":
            return self._respond(_tell_methods, request, start_response)
        verb = "GET" if request.verb == "HEAD" else request.verb
        if handler := self._handlers.get((verb, request.path)):
            request.route = request.path
            return self._respond(handler, request, start_response)
        return self._respond(self._ask_flask, request, start_response)

    def _refuse(
        self, problem: Problem, request: Request, start_response: Callable[..., Any]
    ) -> Iterable[bytes]:
        """Answer a request whose request line cannot be read."""
        if request.verb not in METHODS:
            request.verb = OTHER
        connection = process.connection()
        if connection < 0:
            return self._respond(partial(_raise, problem), request, start_response)
        # uWSGI would begin the answer with the version that the client sent.
        heads: list[tuple[str, list[tuple[str, str]]]] = []
        body = self._respond(partial(_raise, problem), request, lambda *head: heads.append(head))
        process.send(connection, *heads[0], b"".join(body))
        return []

    def _respond(
        self, handler: Handler, request: Request, start_response: Callable[..., Any]
    ) -> Iterable[bytes]:
        try:
            status, headers, body = handler(request)
        except Exception as error:
            status, headers, body = render(error, request.id, self._renderer(request.path))
        headers["X-Request-Id"] = request.id
        headers["X-Model-Version"] = self.version
        if request.prediction:
            headers["X-Prediction-Id"] = request.prediction
        if len(body) >= MIN_BYTES:
            body = compress(body, request.environ.get("HTTP_ACCEPT_ENCODING", ""), headers)
        for finish in self._finish:
            finish(request, status, headers)
        if request.stream is not None:
            return self._send(request.stream, request, status, headers, start_response)
        if body or status != HTTPStatus.NOT_MODIFIED:
            headers["Content-Length"] = str(len(body))
        verb = request.verb if request.verb in METHODS else OTHER
        metrics.count_request(request.route, verb, status, request.started, self.version)
        start_response(STATUS_LINES[status], list(headers.items()))
        return [b"" if verb == "HEAD" else body]

    def _send(
        self,
        parts: Iterator[bytes],
        request: Request,
        status: int,
        headers: dict[str, str],
        start_response: Callable[..., Any],
    ) -> Iterable[bytes]:
        """Send an answer in parts, whose length nobody knows before."""
        from api.http import streams

        metrics.count_request(request.route, request.verb, status, request.started, self.version)
        found = streams.framed(parts, request.environ, headers)
        start_response(STATUS_LINES[status], list(headers.items()))
        return [b""] if request.verb == "HEAD" else found

    def _renderer(self, path: str) -> Renderer | None:
        """The renderer of errors at this path; None for problem details."""
        return self._renderers.get(_first_step(path) if path.startswith("/") else "")

    def _ask_flask(self, request: Request) -> Answer:
        # Without the lock, once Flask is there.
        return (self._flask or self._made()).answer(request)

    def _made(self) -> FlaskApp:
        with self._building:
            if self._flask is None:
                self._flask = self._build()
            return self._flask

    def _guarded(self, handler: Handler) -> Handler:
        if self._guard is None:
            return handler
        return partial(_guard, self._guard, handler)


def _first_step(path: str) -> str:
    return path.lstrip("/").partition("/")[0]


def _raise(problem: Problem, _: Request) -> NoReturn:
    raise problem


def _guard(guard: Guard, handler: Handler, request: Request) -> Answer:
    guard(request)
    return handler(request)


def _is_preflight(request: Request) -> bool:
    return (
        request.verb == "OPTIONS"
        and "HTTP_ORIGIN" in request.environ
        and "HTTP_ACCESS_CONTROL_REQUEST_METHOD" in request.environ
    )


def _tell_methods(_: Request) -> Answer:
    return Answer(HTTPStatus.OK, {"Allow": SERVER_METHODS}, b"")


def _raw(path: str) -> str:
    """A path as PEP 3333 has it: its bytes as if in Latin-1."""
    return path.encode().decode("latin-1")
