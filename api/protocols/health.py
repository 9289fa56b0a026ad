"""Whether the service is well, at the paths where platforms ask.

The model is loaded before the first request is taken, so whoever answers is ready.
"""

from __future__ import annotations

from functools import partial
from http import HTTPStatus
from typing import Any

import msgspec

from api.errors import Answer
from api.formats.writers import JSON
from api.http.gateway import Environ, Gateway
from api.settings import Settings

WELL: dict[str, dict[str, Any]] = {
    "/health": {"status": "ok"},
    "/ready": {"status": "ok"},
    # SageMaker's.
    "/ping": {"status": "ok"},
    # The one answer has the word that the specification gives it, the other KServe's.
    "/v2/health/live": {"ready": True, "live": True},
    "/v2/health/ready": {"ready": True, "live": True},
}
# What Flask answers there is a sign of health too, and more.
PAGES = frozenset(
    {
        "/",
        "/docs",
        "/metadata",
        "/metrics",
        "/openapi.json",
        "/redoc",
        "/snippets",
        "/v1/models",
        "/v2",
        "/v2/models",
        "/v2/models/stats",
        "/version",
    }
)


def init(gateway: Gateway, health_route: str) -> None:
    """Add `GET` at each of the paths, and at Vertex AI's, if it has one that is not taken.

    https://cloud.google.com/vertex-ai/docs/predictions/custom-container-requirements
    """
    for path, document in WELL.items():
        gateway.get(path, partial(answer, document))
    if health_route and health_route not in {*WELL, *PAGES}:
        gateway.get(health_route, partial(answer, WELL["/health"]))


def open_paths(settings: Settings, version: str) -> frozenset[str]:
    """The paths that need no API key: where platforms ask whether all is well, and the pages."""
    v2 = f"/v2/models/{settings.model_name}"
    models = {f"/v1/models/{settings.model_name}", f"{v2}/ready", f"{v2}/versions/{version}/ready"}
    paths = {"/", "/docs", "/redoc", settings.aip_health_route, *WELL, *models}
    if settings.lock_metrics == "false":
        paths.add("/metrics")
    return frozenset(paths - {""})


def answer(document: dict[str, Any], _: Environ) -> Answer:
    """Say that all is well, in these words."""
    return Answer(HTTPStatus.OK, {"Content-Type": JSON}, msgspec.json.encode(document))
