"""The service's own endpoints: one for each method that the estimator has."""

from __future__ import annotations

from functools import partial
from http import HTTPStatus
from urllib.parse import quote

from api.errors import Answer
from api.formats import results
from api.formats.rows import Batch
from api.gateway import Environ, Gateway, content_type
from api.model import METHODS, PER_CLASS
from api.service import Service


def init_app(gateway: Gateway, service: Service) -> None:
    """Add `POST /<method>` for each method; one that this model lacks says which it has."""
    for method in METHODS:
        gateway.post(f"/{method}", partial(answer, service, method))


def answer(service: Service, method: str, environ: Environ) -> Answer:
    """Answer rows in any of the formats with results in any of them, as Accept asks."""
    service.check_method(method)
    model = service.model
    media_type = results.choose(environ.get("HTTP_ACCEPT", ""))
    batch = service.reader.read(service.body(environ), content_type(environ))
    result = service.run(method, batch)
    classes = model.classes if method in PER_CLASS else None
    columns = [str(label) for label in classes] if classes else [column_name(method)]
    body = results.write(result, media_type, columns, classes)
    service.count(environ, batch)
    return Answer(HTTPStatus.OK, {"Content-Type": media_type, **unknown_categories(batch)}, body)


def unknown_categories(batch: Batch) -> dict[str, str]:
    """The header that counts categories which the model lets pass, if there are any."""
    if not batch.unknown:
        return {}
    counts = [f"{quote(name)}={count}" for name, count in batch.unknown.items()]
    return {"X-Unknown-Categories": ", ".join(counts)}


def column_name(method: str) -> str:
    """The column of CSV for a method's results."""
    return "prediction" if method == "predict" else method
