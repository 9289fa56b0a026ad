"""The service's own endpoints: one for each method that the estimator has."""

from __future__ import annotations

from functools import partial

from api.errors import Answer
from api.formats import accept
from api.http.gateway import Environ, Gateway
from api.service import Service
from models.model import METHODS


def init(gateway: Gateway, service: Service) -> None:
    """Add `POST /<method>` for each method; one that this model lacks says which it has."""
    for method in METHODS:
        gateway.post(f"/{method}", partial(answer, service, method))


def answer(service: Service, method: str, environ: Environ) -> Answer:
    """Answer rows in any of the formats with results in any of them, as Accept asks."""
    service.check_method(method)
    media_type = accept.choose(environ.get("HTTP_ACCEPT", ""))
    batch = service.read(environ)
    return service.answer(environ, method, batch, media_type)
