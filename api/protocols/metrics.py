"""`GET /metrics`, which Prometheus reads."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING

from api.errors import Answer
from api.http.request import Request
from api.http.route import Route, Site
from api.protocols.native import SERVICE
from api.settings import Settings

if TYPE_CHECKING:
    from api.tasks.task import Counts


def routes(site: Site) -> Iterator[Route]:
    """The one route, which counts itself at the next time of asking."""
    yield Route(
        verb="GET",
        path="/metrics",
        handler=partial(show, site),
        tag=SERVICE,
        name="metrics",
        summary="Metrics for Prometheus",
        gives={"text/plain": "Text", "application/openmetrics-text": "Text"},
        open=site.settings.lock_metrics == "false",
        listed=True,
    )


def show(site: Site, request: Request) -> Answer:
    """The counts of all processes, in the form that Accept asks for."""
    # Prometheus' library takes a good part of a start to import.
    from api.feedback import gauges
    from api.monitor import exposition

    counts = exposition.registry(
        site.service.model, partial(_tasks, site.settings), partial(gauges.metrics, site)
    )
    body, content_type = exposition.write(counts, request.accept)
    return Answer(HTTPStatus.OK, {"Content-Type": content_type}, body)


def _tasks(settings: Settings) -> Counts | None:
    """The counts of tasks; None where none are taken, or the store cannot be asked now."""
    from api.tasks.desk import NoTasks, asked, desk

    try:
        with asked():
            return desk(settings).store.counts()
    except NoTasks:
        return None
