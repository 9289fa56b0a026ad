"""What all that Flask answers has in common with what the gateway answers."""

from __future__ import annotations

import functools
import time

from flask import Flask, Response, g, request
from werkzeug.exceptions import HTTPException

from api.errors import render
from api.gateway import METHODS, OTHER, STATUS_LINES
from api.metrics import count_request
from api.routes.misses import Asked, Misses
from api.service import Service
from api.telemetry import identify, names


def init_app(app: Flask, service: Service) -> None:
    """Name and count every request and its answer, and answer every exception in one form."""
    version = service.model.version
    misses = Misses(app, service)
    routes = functools.cache(lambda: {rule.rule for rule in app.url_map.iter_rules()})

    @app.before_request
    def begin() -> None:
        g.started = time.perf_counter()
        g.request_id = identify(request.environ)
        misses.check_slashes(Asked.of(request.environ))

    @app.after_request
    def end(response: Response) -> Response:
        response.headers.update(names(g.request_id, version))
        response.status = STATUS_LINES[response.status_code]
        # A path that has a route, but not for this method, comes without a rule.
        route = request.url_rule.rule if request.url_rule else request.path
        method = request.method if request.method in METHODS else OTHER
        count_request(
            route if route in routes() else OTHER, method, response.status_code, g.started
        )
        return response

    @app.errorhandler(Exception)
    def answer(error: Exception) -> Response:
        if isinstance(error, HTTPException):
            error = misses.explain(error, Asked.of(request.environ))
        status, headers, body = render(error, g.request_id, request.path)
        return Response(body, status, headers)
