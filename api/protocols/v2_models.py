"""The Open Inference Protocol, as far as it does not run the model.

Sources: its specification, "HTTP/REST"; the extensions of Triton Inference Server for the model
repository, configuration and statistics, as far as clients ask for them.
"""

from __future__ import annotations

import functools
from functools import partial
from typing import Any, NoReturn

from flask import Blueprint, Flask, Response, jsonify

from api.errors import Busy
from api.formats import inference, tensors
from api.monitor import metrics
from api.protocols.inference_v2 import paths, run
from api.service import Service
from models.rows.batch import row_pointer
from models.rows.check import check
from models.signature.types import plain_rows

EXTENSIONS = ["binary_tensor_data", "model_repository", "model_configuration", "statistics"]
PLATFORM = "sklearn_joblib"


def init_app(app: Flask, service: Service) -> None:
    """Add `/v2` and its models, and say of other models that they are not here."""
    model = service.model
    describe = functools.cache(partial(describe_model, service))
    v2 = Blueprint("v2", __name__, url_prefix="/v2")

    @v2.get("")
    def server() -> Response:
        return jsonify(name="machine-learning-api", version=model.version, extensions=EXTENSIONS)

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
        return jsonify(configure(describe(), service.contract.max_rows))

    @v2.get("/models/stats")
    @v2.get("/models/<name>/stats")
    @v2.get("/models/<name>/versions/<version>/stats")
    def stats(name: str = service.name, version: str = "") -> Response:
        service.check_name(name, version)
        counts = count(paths(service))
        return jsonify(model_stats=[{"name": name, "version": model.version, **counts}])

    # The gateway has the paths of the model itself.
    @v2.post("/models/<name>/infer")
    @v2.post("/models/<name>/versions/<version>/infer")
    def other(name: str, **_: str) -> NoReturn:
        raise service.unknown(name)

    app.register_blueprint(v2)


def describe_model(service: Service) -> dict[str, Any]:
    """The metadata of the model: its tensors as they come and go."""
    methods = inference.tensor_methods(service.model.methods)
    return {
        "name": service.name,
        "versions": [service.model.version],
        "platform": PLATFORM,
        "inputs": inference.describe_inputs(service.model.signature),
        "outputs": [describe_output(service, method) for method in methods],
    }


def describe_output(service: Service, method: str) -> dict[str, Any]:
    """The tensor of a method, as it comes out for a row that the model takes."""
    signature = service.model.signature
    row = signature.example or plain_rows(signature)[0]
    try:
        batch = check(signature, [row], row_pointer)
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


def count(routes: list[str]) -> dict[str, Any]:
    """What all processes counted at these routes, and how often they called the model at all."""
    counts = metrics.total()

    def answers(*classes: int) -> int:
        return sum(
            number
            for (route, _, status), number in counts.requests.items()
            if route in routes and status // 100 in classes
        )

    return {
        "inference_count": sum(counts.rows.get(route, 0) for route in routes),
        "execution_count": int(sum(counts.batches[:-1])),
        "inference_stats": {
            "success": {"count": answers(2)},
            "fail": {"count": answers(4, 5)},
        },
    }
