"""What all that Flask answers has in common with what the gateway answers."""

from __future__ import annotations

import functools
import time
from http import HTTPStatus

from flask import Flask, Response, g, request
from werkzeug.exceptions import HTTPException

from api.errors import Problem, render
from api.metrics import count_request
from api.telemetry import identify, names

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
OTHER = "other"


def init_app(app: Flask, version: str) -> None:
    """Name and count every request and its answer, and answer every exception in one form."""
    routes = functools.cache(lambda: {rule.rule for rule in app.url_map.iter_rules()})

    @app.before_request
    def begin() -> None:
        g.started = time.perf_counter()
        g.request_id = identify(request.environ)

    @app.after_request
    def end(response: Response) -> Response:
        response.headers.update(names(g.request_id, version))
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
            error = _problem(error)
        status, headers, body = render(error, g.request_id, request.path)
        return Response(body, status, headers)


def _problem(error: HTTPException) -> Problem:
    """What Flask finds wrong with a request, as what everything else finds."""
    allowed = {name: value for name, value in error.get_headers() if name == "Allow"}
    problem = Problem(error.description or "", (), **allowed)
    problem.status = HTTPStatus(error.code or HTTPStatus.INTERNAL_SERVER_ERROR)
    return problem
