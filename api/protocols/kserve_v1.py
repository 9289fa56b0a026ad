"""KServe's protocol v1, which is TensorFlow Serving's in shape.

Source: "Data Plane (V1)", KServe documentation.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any, NoReturn

from api.answers import ModelReady, Models
from api.errors import SENTENCE, Answer, UnsupportedType
from api.formats import media
from api.formats.writers import JSON
from api.http.request import Request
from api.http.route import Route, Site, Tag
from api.service import Service
from models.rows.batch import Batch

TAG = Tag("KServe v1", "The protocol of KServe v1 and TensorFlow Serving.")


def routes(site: Site) -> Iterator[Route]:
    """`POST /v1/models/<model>:predict`, the models, and what is said of models of other names."""
    service = site.service
    own = partial(Route, tag=TAG, render=SENTENCE)
    yield own(
        verb="POST",
        path=f"/v1/models/{service.name}:predict",
        handler=partial(predict, service),
        name="v1_predict",
        summary="Predict" if "predict" in service.model.methods else "",
        takes="instances",
        gives={JSON: "V1Predictions"},
    )
    yield own(
        verb="GET",
        path="/v1/models",
        handler=Models([service.name]).plain,
        by_flask=True,
        name="v1_models",
        summary="The models",
        gives={JSON: "Models"},
    )

    yield own(
        verb="GET",
        path="/v1/models/<name:name>",
        handler=partial(ready, service),
        by_flask=True,
        name="v1_model",
        summary="The model is loaded",
        gives={JSON: "ModelReady"},
        open=True,
    )
    other = partial(refuse_verb, service)
    yield own(verb="POST", path="/v1/models/<name>:<verb>", handler=other, by_flask=True)


def ready(service: Service, name: str) -> dict[str, Any]:
    """Say that the model of this name is loaded; raises UnknownModel."""
    service.check_name(name)
    return ModelReady(name, ready=True).plain()


def refuse_verb(service: Service, name: str, verb: str) -> NoReturn:  # noqa: ARG001
    """Refuse another name than the model's, or another verb than those of the model."""
    from werkzeug.exceptions import NotFound

    service.check_name(name)
    raise NotFound


def predict(service: Service, request: Request) -> Answer:
    """Answer `{"instances": [...]}`, or the rows under `inputs`, with one prediction a row."""
    service.check_method("predict")
    return service.answer(request, "predict", read(service, request), JSON)


def read(service: Service, request: Request) -> Batch:
    """The rows of a request of this protocol; raises what `Service.read` raises."""
    content_type = request.content_type
    if not media.is_json(content_type):
        raise UnsupportedType(f"The Content-Type {content_type} is not read: send {JSON}.")
    body = service.body(request)
    ignore = service.ignores(request)
    return service.reader.read_enveloped(body, ("instances", "inputs"), ignore=ignore)
