"""`GET /metrics`, which Prometheus reads."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from http import HTTPStatus

from api.errors import Answer
from api.http.request import Request
from api.http.route import Route, Site
from api.protocols.native import SERVICE
from models.model import Model


def routes(site: Site) -> Iterator[Route]:
    """The one route, which counts itself at the next time of asking."""
    yield Route(
        verb="GET",
        path="/metrics",
        handler=partial(show, site.service.model),
        tag=SERVICE,
        name="metrics",
        summary="Metrics for Prometheus",
        gives={"text/plain": "Text", "application/openmetrics-text": "Text"},
        open=site.settings.lock_metrics == "false",
        listed=True,
    )


def show(model: Model, request: Request) -> Answer:
    """The counts of all processes, in the form that Accept asks for."""
    # Prometheus' library takes a good part of a start to import.
    from api.monitor import exposition

    body, content_type = exposition.write(exposition.registry(model), request.accept)
    return Answer(HTTPStatus.OK, {"Content-Type": content_type}, body)
