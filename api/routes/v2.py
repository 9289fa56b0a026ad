"""The Open Inference Protocol, which is KServe's protocol v2, over REST.

Sources: its specification, "HTTP/REST"; the extensions of Triton Inference Server for binary
tensors, the model repository, configuration and statistics, as far as clients ask for them.
"""

from __future__ import annotations

import functools
from functools import partial
from http import HTTPStatus
from typing import Any, NoReturn

import numpy as np
from flask import Blueprint, Flask, Response, jsonify

from api import compression, metrics
from api.errors import Answer, Busy, MalformedBody, NotAcceptable, UnsupportedType
from api.formats import inference, results, rows, tensors
from api.formats.inference import Request
from api.gateway import Environ, Gateway, content_type
from api.model import Model
from api.service import Service
from api.signature import plain_rows

EXTENSIONS = ["binary_tensor_data", "model_repository", "model_configuration", "statistics"]
PLATFORM = "sklearn_joblib"
BINARY = "application/octet-stream"
TYPES = ("", results.JSON, BINARY)


def init_app(app: Flask, gateway: Gateway, service: Service) -> None:
    """Add `/v2`, its health checks, its models, and `POST .../infer`."""
    model = service.model
    own = f"/v2/models/{service.name}"
    paths = [f"{path}/infer" for path in (own, f"{own}/versions/{model.version}")]
    for path in paths:
        gateway.post(path, partial(infer, service))
    describe = functools.cache(partial(describe_model, service))
    v2 = Blueprint("v2", __name__, url_prefix="/v2")

    @v2.get("")
    def server() -> Response:
        return jsonify(name="machine-learning-api", version=model.version, extensions=EXTENSIONS)

    # The one answer has the word that the specification gives it, the other KServe's.
    @v2.get("/health/live")
    @v2.get("/health/ready")
    def well() -> Response:
        return jsonify(ready=True, live=True)

    @v2.get("/models")
    def models() -> Response:
        return jsonify(models=[service.name])

    @v2.post("/repository/index")
    def index() -> Response:
        entry = {"name": service.name, "version": model.version, "state": "READY", "reason": ""}
        return jsonify([entry])

    @v2.get("/models/<name>")
    @v2.get("/models/<name>/versions/<version>")
    def metadata(name: str, version: str = "") -> Response:
        service.check_name(name, version)
        return jsonify(describe())

    @v2.get("/models/<name>/ready")
    @v2.get("/models/<name>/versions/<version>/ready")
    def ready(name: str, version: str = "") -> Response:
        service.check_name(name, version)
        return jsonify(name=name, ready=True)

    @v2.get("/models/<name>/config")
    @v2.get("/models/<name>/versions/<version>/config")
    def config(name: str, version: str = "") -> Response:
        service.check_name(name, version)
        return jsonify(configure(describe(), service.max_rows))

    @v2.get("/models/stats")
    @v2.get("/models/<name>/stats")
    @v2.get("/models/<name>/versions/<version>/stats")
    def stats(name: str = service.name, version: str = "") -> Response:
        service.check_name(name, version)
        return jsonify(model_stats=[{"name": name, "version": model.version, **count(paths)}])

    # The gateway has the paths of the model itself.
    @v2.post("/models/<name>/infer")
    @v2.post("/models/<name>/versions/<version>/infer")
    def other(name: str, **_: str) -> NoReturn:
        raise service.unknown(name)

    app.register_blueprint(v2)


def infer(service: Service, environ: Environ) -> Answer:
    """Answer tensors with one tensor for each method that is asked for."""
    if (given := content_type(environ)) not in TYPES:
        raise UnsupportedType(f"The Content-Type {given} is not read: send {results.JSON}.")
    body = service.body(environ)
    length = environ.get("HTTP_INFERENCE_HEADER_CONTENT_LENGTH")
    request, batch = inference.read(service.signature, service.max_rows, body, length)
    outputs = [
        (method, run(service, method, batch), binary)
        for method, binary in wanted(service.model, request).items()
    ]
    response = inference.Response(service.name, service.model.version, [], request.id)
    answer, header_length = inference.write(response, outputs)
    service.count(environ, batch)
    headers = {"Content-Type": results.JSON}
    if header_length is not None:
        headers = {"Content-Type": BINARY, "Inference-Header-Content-Length": str(header_length)}
    answer, encoding = compression.compress(answer, environ.get("HTTP_ACCEPT_ENCODING", ""))
    return Answer(HTTPStatus.OK, headers | encoding, answer)


def run(service: Service, method: str, batch: rows.Batch) -> np.ndarray:
    """The results of a method as one array, its rows first."""
    try:
        return results.array(service.run(method, batch))
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


def describe_model(service: Service) -> dict[str, Any]:
    """The metadata of the model: its tensors as they come and go."""
    methods = inference.tensor_methods(service.model.methods)
    return {
        "name": service.name,
        "versions": [service.model.version],
        "platform": PLATFORM,
        "inputs": inference.describe_inputs(service.signature),
        "outputs": [describe_output(service, method) for method in methods],
    }


def describe_output(service: Service, method: str) -> dict[str, Any]:
    """The tensor of a method, as it comes out for a row that the model takes."""
    signature = service.signature
    row = signature.example or plain_rows(signature)[0]
    try:
        batch = rows.check(signature, [row], rows.pointer)
        array = run(service, method, batch)
    except Busy:
        raise
    except Exception:
        # Nothing else tells; the request for it will say what is wrong.
        return {"name": method, "datatype": "FP64", "shape": [-1]}
    return {"name": method, "datatype": tensors.datatype(array), "shape": [-1, *array.shape[1:]]}


def configure(described: dict[str, Any], max_rows: int) -> dict[str, Any]:
    """The same as Triton's model configuration, where the shape lacks the rows."""

    def tensor(facts: dict[str, Any]) -> dict[str, Any]:
        name = facts["datatype"].replace("BYTES", "STRING")
        return {"name": facts["name"], "data_type": f"TYPE_{name}", "dims": facts["shape"][1:]}

    return {
        "name": described["name"],
        "platform": PLATFORM,
        "backend": "sklearn",
        "max_batch_size": max_rows,
        "input": [tensor(facts) for facts in described["inputs"]],
        "output": [tensor(facts) for facts in described["outputs"]],
    }


def count(paths: list[str]) -> dict[str, Any]:
    """What all processes counted at these paths, and how often they called the model at all."""
    samples = [sample for metric in metrics.collect().collect() for sample in metric.samples]

    def total(name: str, *statuses: str) -> int:
        return int(
            sum(
                sample.value
                for sample in samples
                if sample.name == name
                and sample.labels.get("route", paths[0]) in paths
                and sample.labels.get("status", "").startswith(statuses or "")
            )
        )

    return {
        "inference_count": total("prediction_rows_total"),
        "execution_count": total("engine_batch_rows_count"),
        "inference_stats": {
            "success": {"count": total("http_requests_total", "2")},
            "fail": {"count": total("http_requests_total", "4", "5")},
        },
    }
