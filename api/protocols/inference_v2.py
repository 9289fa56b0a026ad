"""The Open Inference Protocol, which is KServe's protocol v2, over REST: `POST .../infer`.

Sources: its specification, "HTTP/REST"; the extension of Triton Inference Server for binary
tensors.
"""

from __future__ import annotations

from functools import partial
from http import HTTPStatus

import numpy as np

from api.errors import Answer, MalformedBody, NotAcceptable, UnsupportedType
from api.formats import inference, media, results, tensors
from api.formats.inference import Request
from api.formats.writers import JSON
from api.http.gateway import Environ, Gateway, content_type
from api.service import Service, notes
from models.model import Model
from models.rows.batch import Batch

BINARY = "application/octet-stream"


def paths(service: Service) -> list[str]:
    """Where the model itself is asked, with its version and without."""
    own = f"/v2/models/{service.name}"
    return [f"{path}/infer" for path in (own, f"{own}/versions/{service.model.version}")]


def init(gateway: Gateway, service: Service) -> None:
    """Add `POST /v2/models/<model>/infer`, and the same for its version."""
    for path in paths(service):
        gateway.post(path, partial(infer, service))


def infer(service: Service, environ: Environ) -> Answer:
    """Answer tensors with one tensor for each method that is asked for."""
    if (given := content_type(environ)) != BINARY and not media.is_json(given):
        raise UnsupportedType(f"The Content-Type {given} is not read: send {JSON}.")
    body = service.body(environ)
    length = environ.get("HTTP_INFERENCE_HEADER_CONTENT_LENGTH")
    ignore = service.ignores(environ)
    request, batch = inference.read(service.contract, body, length, ignore=ignore)
    outputs = [
        (method, run(service, method, batch), binary)
        for method, binary in wanted(service.model, request).items()
    ]
    response = inference.Response(service.name, service.model.version, [], request.id)
    answer, header_length = inference.write(response, outputs, service.contract.max_answer_bytes)
    results.check_size(len(answer), batch.count, service.contract.max_answer_bytes)
    service.count(environ, batch)
    headers = {"Content-Type": JSON}
    if header_length is not None:
        headers = {"Content-Type": BINARY, "Inference-Header-Content-Length": str(header_length)}
    return Answer(HTTPStatus.OK, headers | notes(batch), answer)


def run(service: Service, method: str, batch: Batch) -> np.ndarray:
    """The results of a method as one array, its rows first."""
    try:
        return results.array(service.run(method, batch), service.contract.max_answer_bytes)
    except NotAcceptable:
        raise NotAcceptable(
            f"{method} has outputs of different widths, which make no tensor: POST /{method}."
        ) from None


def wanted(model: Model, request: Request) -> dict[str, bool]:
    """The methods that a request asks for, or the first, and whether each shall be binary."""
    have = inference.tensor_methods(model.methods)
    if not have:
        raise NotAcceptable(
            f"The results of this {model.kind} make no tensors: POST /{model.methods[0]}."
        )
    outputs = request.outputs or [tensors.Output(have[0])]
    found = {output.name: request.wants_binary(output) for output in outputs}
    if len(found) < len(outputs):
        raise MalformedBody("An output is asked for twice.")
    if not found.keys() <= set(have):
        raise MalformedBody(f"Expected as outputs some of {', '.join(have)}.")
    return found
