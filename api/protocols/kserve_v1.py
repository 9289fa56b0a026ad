"""KServe's protocol v1, which is TensorFlow Serving's in shape.

Source: "Data Plane (V1)", KServe documentation.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any, NoReturn

from api.answers import Models, V1Model, V1Status, V1Version
from api.errors import SENTENCE, Answer, UnsupportedType
from api.formats import media
from api.formats.writers import JSON
from api.http.request import Request
from api.http.route import Route, Site, Tag
from api.protocols import model_names
from api.service import Service
from models.rows.batch import Batch

TAG = Tag("KServe v1", "The protocol of KServe v1 and TensorFlow Serving.")


def routes(site: Site) -> Iterator[Route]:
    """`POST /v1/models/<model>:predict`, the models, and what is said of models of other names."""
    service = site.service
    own = partial(Route, tag=TAG, render=SENTENCE)
    version = f"/versions/{service.model.version}"
    for suffix, of in (("", ""), (version, "_version")):
        yield own(
            verb="POST",
            path=f"/v1/models/{service.name}{suffix}:predict",
            handler=partial(predict, service),
            name=f"v1_predict{of}",
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
    other = partial(refuse_verb, site)
    for suffix, of in (("", ""), ("/versions/<name:version>", "_version")):
        path = f"/v1/models/<name:name>{suffix}"
        yield own(
            verb="GET",
            path=path,
            handler=partial(ready, site),
            by_flask=True,
            name=f"v1_model{of}",
            summary="The model is loaded",
            gives={JSON: "V1Model"},
            open=True,
        )
        yield own(verb="POST", path=f"{path}:<verb>", handler=other, by_flask=True)


def ready(site: Site, name: str, version: str = "") -> dict[str, Any]:
    """Say that the model of this name and version is loaded; raises UnknownModel."""
    model_names.check(site, name, version)
    state = V1Version(site.service.model.version, "AVAILABLE", V1Status("OK", ""))
    return V1Model(name, ready=True, model_version_status=[state]).plain()


def refuse_verb(site: Site, name: str, verb: str, version: str = "") -> NoReturn:  # noqa: ARG001
    """Refuse another name or version than the model's, or a verb that is not the model's."""
    from werkzeug.exceptions import NotFound

    model_names.check(site, name, version)
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
