"""KServe's protocol v1, which is TensorFlow Serving's in shape.

Source: "Data Plane (V1)", KServe documentation.
"""

from __future__ import annotations

from functools import partial

from api.errors import Answer, UnsupportedType
from api.formats import media
from api.formats.writers import JSON
from api.http.gateway import Environ, Gateway
from api.service import Service
from models.rows.batch import Batch


def init(gateway: Gateway, service: Service) -> None:
    """Add `POST /v1/models/<model>:predict`."""
    gateway.post(f"/v1/models/{service.name}:predict", partial(predict, service))


def predict(service: Service, environ: Environ) -> Answer:
    """Answer `{"instances": [...]}`, or the same under `inputs`, with one prediction a row."""
    service.check_method("predict")
    return service.answer(environ, "predict", read(service, environ), JSON)


def read(service: Service, environ: Environ) -> Batch:
    """The rows of a request of this protocol; raises what `Service.read` raises."""
    content_type = environ.get("CONTENT_TYPE", "")
    if not media.is_json(content_type):
        raise UnsupportedType(f"The Content-Type {content_type} is not read: send {JSON}.")
    body = service.body(environ)
    ignore = service.ignores(environ)
    return service.reader.read_enveloped(body, ("instances", "inputs"), ignore=ignore)
