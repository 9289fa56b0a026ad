"""A model for the Open Inference Protocol and Triton: its tensors, configuration and counts."""

from __future__ import annotations

from typing import Any

import numpy as np

from api.answers import ModelTensors, TensorFacts
from api.errors import Busy, NotAcceptable
from api.formats import inference, results, tensors
from api.monitor import metrics
from api.service import Service
from models.rows.batch import Batch, row_pointer
from models.rows.check import check
from models.signature.types import plain_rows

PLATFORM = "sklearn_joblib"


def answer_tensor(service: Service, method: str, batch: Batch) -> np.ndarray:
    """The results of a method as one array, its rows first."""
    if batch.only_row and method in service.dtypes and method in service.batcher.one_row:
        return np.array([service.run_one(method, batch)], dtype=service.dtypes[method])
    try:
        found = results.array(service.run(method, batch), service.contract.max_answer_bytes)
    except NotAcceptable:
        raise NotAcceptable(
            f"{method} has outputs of different widths, which make no tensor: POST /{method}."
        ) from None
    # An array of texts has a fixed length of text: a longer label would be cut.
    service.dtypes[method] = np.dtype(object) if found.dtype.kind in "SU" else found.dtype
    return found


def describe_model(service: Service) -> ModelTensors:
    """The metadata of the model: its tensors as they come and go."""
    methods = inference.tensor_methods(service.model.methods)
    return ModelTensors(
        service.name,
        [service.model.version],
        PLATFORM,
        [
            TensorFacts(feature.name, inference.datatype_of(feature.kind), [-1, 1])
            for feature in service.model.signature.features
        ],
        [describe_output(service, method) for method in methods],
    )


def describe_output(service: Service, method: str) -> TensorFacts:
    """The datatype and shape of the tensor of a method, found with a row that the model takes."""
    signature = service.model.signature
    row = signature.example or plain_rows(signature)[0]
    try:
        batch = check(signature, [row], row_pointer)
        array = answer_tensor(service, method, batch)
    except Busy:
        raise
    except Exception:
        # A request for this method says what is wrong.
        return TensorFacts(method, "FP64", [-1])
    return TensorFacts(method, tensors.datatype(array), [-1, *array.shape[1:]])


def configure(described: ModelTensors, max_rows: int) -> dict[str, Any]:
    """The metadata as Triton's model configuration, whose shapes leave the rows out."""

    def tensor(facts: TensorFacts) -> dict[str, Any]:
        name = facts.datatype.replace("BYTES", "STRING")
        return {"name": facts.name, "data_type": f"TYPE_{name}", "dims": facts.shape[1:]}

    return {
        "name": described.name,
        "platform": PLATFORM,
        "backend": "sklearn",
        "max_batch_size": max_rows,
        "input": [tensor(facts) for facts in described.inputs],
        "output": [tensor(facts) for facts in described.outputs],
    }


def statistics(service: Service, routes: list[str], name: str) -> dict[str, Any]:
    """What all processes have counted at these routes, where the model is asked."""
    counted = {"name": name, "version": service.model.version, **count(routes)}
    return {"model_stats": [counted]}


def count(routes: list[str]) -> dict[str, Any]:
    """The counts of all processes at these routes, and of all calls of the model."""
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
