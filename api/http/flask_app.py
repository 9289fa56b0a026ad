"""Everything that does not run the model, by Flask: one file for each family of endpoints."""

from __future__ import annotations

from functools import partial
from typing import NoReturn

from flask import Flask, Response, request
from werkzeug.exceptions import MethodNotAllowed

from api.http import hooks
from api.http.gateway import Gateway, Handler
from api.protocols import about, docs, metrics, page, v1_models, v2_models
from api.service import Service


def create(gateway: Gateway, service: Service) -> Flask:
    """The Flask application behind the gateway."""
    app = Flask("api", static_folder=None)
    # A redirect of Flask's would be HTML, and name any Host it was sent: see misses.py.
    app.url_map.merge_slashes = False
    app.json.sort_keys = False  # type: ignore[attr-defined]
    hooks.init_app(app, gateway, service)
    metrics.init_app(app, service.model)
    about.init_app(app, service)
    page.init_app(app)
    # Flask answers from these which method would have been right, and HEAD from those for GET.
    for (method, raw), handler in gateway.handlers.items():
        path = raw.encode("latin-1").decode()
        view = partial(_look, handler) if method == "GET" else _not_quite
        app.add_url_rule(path, f"{method} {path}", view, methods=[method])
    v1_models.init_app(app, service)
    v2_models.init_app(app, service)
    docs.init_app(app, service)
    return app


def _look(handler: Handler) -> Response:
    status, headers, body = handler(request.environ)
    return Response(body, status, headers)


def _not_quite() -> NoReturn:
    """Refuse `post`, which Flask takes for `POST`; the gateway answers each `POST`."""
    raise MethodNotAllowed(["OPTIONS", "POST"])
