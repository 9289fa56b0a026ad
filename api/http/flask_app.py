"""Flask, for the routes that do not run the model: pages, documents, and paths with a name in them.

It also answers what no route answers: it knows which methods a path has.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, NoReturn

from flask import Flask, Response, request
from werkzeug.exceptions import HTTPException, MethodNotAllowed
from werkzeug.routing import BaseConverter, Map, Rule
from werkzeug.test import run_wsgi_app

from api.errors import Answer
from api.http.misses import Misses
from api.http.request import Request, current

if TYPE_CHECKING:
    from collections.abc import Callable

    from api.http.gateway import Guard
    from api.http.route import Handler, Route, Site


class NameConverter(BaseConverter):
    """A name in a path, which ends before the colon of a verb, as in `/v1/models/name:predict`."""

    regex = "[^/:]+"


class TaskConverter(BaseConverter):
    """The id of a task in a path that has a word beside it, as in `/inference/start`."""

    regex = "[0-9a-f]{32}"


class FlaskApp:
    """A Flask application for the routes of a site, and the way to ask it.

    `guard` is called with each request once its route is known, so that the metrics count refused
    requests under that route.
    """

    def __init__(self, site: Site, guard: Guard | None = None) -> None:
        self._guard = guard
        self.app = Flask("api", static_folder=None)
        self.app.json.sort_keys = False  # type: ignore[attr-defined]
        # What a view raises is rendered by the gateway, as all other errors are.
        self.app.config["PROPAGATE_EXCEPTIONS"] = True
        views = {(route.verb, route.path): _view(route) for route in site.routes}
        self.app.url_map = _url_map(*views)
        self.app.view_functions = {_endpoint(*rule): view for rule, view in views.items()}
        self._misses = Misses(self.app, site)
        self._paths = {rule.rule for rule in self.app.url_map.iter_rules()}
        self._wsgi = self.app.wsgi_app
        self.app.before_request(self._begin)
        self.app.register_error_handler(HTTPException, self._explain)

    def answer(self, asked: Request) -> Answer:
        """Answer one request; raises a Problem, or whatever a view raises."""
        environ = dict(asked.environ)
        # werkzeug looks for an endpoint that speaks it; nobody has to change the protocol.
        environ.pop("HTTP_UPGRADE", None)
        if asked.verb == "HEAD":
            # The gateway leaves the body out, and needs it for its length.
            environ["REQUEST_METHOD"] = "GET"
        # A Response of werkzeug's would give a 304 a Content-Type.
        body, status, headers = run_wsgi_app(self._wsgi, environ, buffered=True)
        return Answer(int(status.split()[0]), dict(headers), b"".join(body))

    def _begin(self) -> None:
        """Note which route answers; raise Moved where only slashes are wrong."""
        asked = _asked()
        # A path that has a route, but not for this method, comes without a rule.
        rule = request.url_rule.rule if request.url_rule else request.path
        if rule in self._paths:
            asked.route = rule
        if self._guard is not None:
            self._guard(asked)
        self._misses.check_slashes(asked)

    def _explain(self, error: HTTPException) -> NoReturn:
        raise self._misses.explain(error, _asked())


class _Rule(Rule):
    """A rule that matches paths and builds none: to compile how takes 90 % of its time."""

    def _compile_builder(self, append_unknown: bool = True) -> Callable[..., Any]:  # noqa: ARG002, FBT001, FBT002
        return _build_nothing


def _build_nothing(*_: Any) -> None:
    """Stand in for the builder of a path that nobody asks for."""


def _url_map(*rules: tuple[str, str]) -> Map:
    """The rules of these verbs and paths."""
    app = Flask("api", static_folder=None)
    app.url_rule_class = _Rule
    # A redirect of Flask's would be HTML, and name any Host it was sent: see misses.py.
    app.url_map.merge_slashes = False
    app.url_map.converters |= {"name": NameConverter, "task": TaskConverter}
    for verb, path in rules:
        app.add_url_rule(path, _endpoint(verb, path), methods=[verb])
    return app.url_map


def _endpoint(verb: str, path: str) -> str:
    return f"{verb} {path}"


def _asked() -> Request:
    asked = current.get()
    assert asked is not None  # noqa: S101  (the gateway sets it)
    return asked


def _view(route: Route) -> Callable[..., Any]:
    if route.by_flask:
        return route.handler
    return partial(_look, route.handler) if route.verb == "GET" else partial(_miss, route.verb)


def _look(handler: Handler) -> Response:
    """Answer `get`, which Flask takes for `GET`; the gateway answers each `GET`."""
    status, headers, body = handler(_asked())
    return Response(body, status, headers)


def _miss(verb: str, **_: Any) -> NoReturn:
    """Refuse `post`, which Flask takes for `POST`: the gateway answers each `POST` itself."""
    raise MethodNotAllowed(["OPTIONS", verb])
