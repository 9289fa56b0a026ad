"""What all that Flask answers has in common with what the gateway answers."""

from __future__ import annotations

import functools
import time

from flask import Flask, Response, g, request
from werkzeug.exceptions import HTTPException

from api.errors import render
from api.http.compression import MIN_BYTES, compress
from api.http.gateway import METHODS, OTHER, STATUS_LINES, Gateway
from api.http.misses import Asked, Misses
from api.monitor.metrics import count_request
from api.monitor.telemetry import identify, names
from api.service import Service


def init_app(app: Flask, gateway: Gateway, service: Service) -> None:
    """Name and count every request and its answer, and answer every exception in one form."""
    version = service.model.version
    misses = Misses(app, service)
    routes = functools.cache(lambda: {rule.rule for rule in app.url_map.iter_rules()})

    @app.before_request
    def begin() -> None:
        g.started = time.perf_counter()
        g.request_id = identify(request.environ)
        if gateway.guard is not None:
            gateway.guard(request.environ)
        misses.check_slashes(Asked.of(request.environ))

    @app.after_request
    def end(response: Response) -> Response:
        response.headers.update(names(g.request_id, version))
        response.status = STATUS_LINES[response.status_code]
        _compress(response)
        for finish in gateway.finish:
            finish(request.environ, response.status_code, response.headers, g.started)
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


def _compress(response: Response) -> None:
    body = response.get_data()
    if len(body) < MIN_BYTES:
        return
    packed = compress(body, request.headers.get("Accept-Encoding", ""), response.headers)
    if packed is not body:
        response.set_data(packed)
        # Its bytes are others, and what they mean is the same: RFC 9110, section 8.8.1.
        etag, _ = response.get_etag()
        if etag:
            response.set_etag(etag, weak=True)
