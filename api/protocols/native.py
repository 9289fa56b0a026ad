"""The service's own endpoints: one for each method that the estimator has, and what is served."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

from api.answers import Alive
from api.errors import Answer
from api.formats.writers import JSON, WRITERS
from api.http.request import Request
from api.http.route import Route, Site, Tag
from api.metadata import describe
from api.protocols import page
from models.model import METHODS

MODEL = Tag("Model", "What the model can do.")
SERVICE = Tag("Service", "What is served, and whether it is well.")
SUMMARIES = {
    "predict": "Predict",
    "predict_proba": "The probability of each class",
    "predict_log_proba": "The logarithm of the probability of each class",
    "predict_joint_log_proba": "The logarithm of the probability of each class with the row",
    "decision_function": "How far a row is on the side of each class",
    "score_samples": "How usual a row is",
    "mahalanobis": "The squared Mahalanobis distance of a row",
    "transform": "Transform",
    "kneighbors": "The nearest rows of the training data",
    "radius_neighbors": "The rows of the training data within a radius",
    "apply": "The leaf that a row ends in, of each tree",
}


def routes(site: Site) -> Iterator[Route]:
    """`POST /<method>` for each method, `/` and `/metadata`."""
    yield from _methods(site)
    yield from _about(site)


def _methods(site: Site) -> Iterator[Route]:
    """All methods, also those that this model lacks; and the path that Vertex AI names."""
    service = site.service
    for method in METHODS:
        has = method in service.model.methods
        yield Route(
            verb="POST",
            path=f"/{method}",
            handler=partial(call, site, method),
            tag=MODEL,
            name=method,
            summary=SUMMARIES[method] if has else "",
            takes="rows",
            gives=every_form(f"{method}_answer"),
            listed=has,
        )
    if site.settings.aip_predict_route:
        yield Route(
            verb="POST",
            path=site.settings.aip_predict_route,
            handler=partial(call, site, "predict"),
            yields=True,
        )


def call(site: Site, method: str, request: Request) -> Answer:
    """Answer rows; later, where the client prefers that and tasks are taken: RFC 7240."""
    if "HTTP_PREFER" in request.environ:
        from api.protocols import inference

        if answer := inference.preferred_later(site, method, request):
            return answer
    return site.service.call(method, request)


def _about(site: Site) -> Iterator[Route]:
    yield Route(
        verb="GET",
        path="/",
        handler=partial(root, site),
        by_flask=True,
        tag=SERVICE,
        name="alive",
        summary="The service is alive",
        gives={JSON: "Alive"},
        open=True,
    )
    described = describe(site.service.name, site.service.model).plain()
    yield Route(
        verb="GET",
        path="/metadata",
        handler=lambda: described,
        by_flask=True,
        tag=SERVICE,
        name="metadata",
        summary="What is served",
        gives={JSON: "Metadata"},
        listed=True,
    )


def every_form(schema: str) -> dict[str, str]:
    """The schema of an answer in each media type; `schema` is that of its JSON."""
    other = {name: "Text" if writer.is_text else "Binary" for name, writer in WRITERS.items()}
    return other | {JSON: schema}


def root(site: Site) -> Any:
    """The page for browsers; for programs, that all is well, and where to go on."""
    if page.is_wanted():
        response = page.show(site.settings)
        response.vary.add("Accept")
        return response
    listed = sorted((route for route in site.routes if route.listed), key=lambda route: route.verb)
    paths = [route.path for route in listed]
    return Alive("alive", site.service.model.kind, paths).plain(), {"Vary": "Accept"}
