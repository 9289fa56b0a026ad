"""Health checks, at the paths where platforms look.

The model is loaded before the first request is accepted, so a service that answers is ready.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from http import HTTPStatus

import msgspec

from api.answers import Document, Well
from api.errors import Answer
from api.formats.writers import JSON
from api.http.request import Request
from api.http.route import Route, Site
from api.protocols.native import SERVICE

WELL = Well("ok")


def routes(site: Site) -> Iterator[Route]:
    """`/health`, `/ready`, SageMaker's `/ping`, and Vertex AI's path, where it names one.

    https://cloud.google.com/vertex-ai/docs/predictions/custom-container-requirements
    """
    for name in ("health", "ready", "ping"):
        yield Route(
            verb="GET",
            path=f"/{name}",
            handler=partial(answer, WELL),
            tag=SERVICE,
            name=name,
            summary="The model is loaded",
            gives={JSON: "Well"},
            open=True,
            listed=name != "ping",
        )
    if site.settings.aip_health_route:
        yield Route(
            verb="GET",
            path=site.settings.aip_health_route,
            handler=partial(answer, WELL),
            open=True,
            yields=True,
        )


def answer(document: Document, _: Request) -> Answer:
    """Answer with this document."""
    return Answer(HTTPStatus.OK, {"Content-Type": JSON}, msgspec.json.encode(document))
