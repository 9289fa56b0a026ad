"""What the OpenAPI document says of the protocols of others that the service speaks."""

from __future__ import annotations

from typing import Any

from api.formats.inference import datatype_of, tensor_methods
from api.openapi import schemas
from api.openapi.components import (
    EXPLANATION,
    NOTES,
    OBJECT,
    TEXT,
    WITH_EXTRA,
    WITH_ROWS,
    answers,
    operation,
    rows_body,
)
from api.openapi.sample import Sample
from api.openapi.schemas import NO_PARAMETERS, NUMBER_REF, Schema, record, ref
from api.service import Service
from models.signature.types import Feature, Signature

V1, V2, MLFLOW = "KServe v1", "Open Inference v2", "MLflow and SageMaker"
PARAMETERS: Schema = {"type": ["object", "null"]}
SHAPE: Schema = {"type": "array", "items": {"type": "integer", "minimum": 1}}


def explain(_: Service, example: Sample) -> Schema:
    """What each feature adds, for rows in any of the formats."""
    return _explain("Model", "explain", "Problem", rows_body(example))


def v1_explain(_: Service, example: Sample) -> Schema:
    """The same for rows as KServe v1 sends them."""
    return _explain(V1, "v1_explain", "Error", _v1_body(example))


def v1_predict(_: Service, example: Sample) -> Schema:
    """`{"instances": [...]}`, or the same under `inputs`."""
    return operation(
        V1,
        "v1_predict",
        "Predict",
        {"application/json": {"schema": record({"predictions": _predictions("predict")})}},
        faults=WITH_ROWS,
        form="Error",
        headers=NOTES,
        parameters=WITH_EXTRA,
        requestBody=_v1_body(example),
    )


def _explain(tag: str, name: str, form: str, body: Schema) -> Schema:
    return operation(
        tag,
        name,
        "What each feature adds to the model's output",
        {"application/json": {"schema": EXPLANATION}},
        faults=(*WITH_ROWS, 501),
        form=form,
        headers=NOTES,
        parameters=WITH_EXTRA,
        requestBody=body,
    )


def _v1_body(example: Sample) -> Schema:
    inputs = record({"inputs": ref("Rows"), "parameters": NO_PARAMETERS}, ("parameters",))
    content = {
        "schema": {"anyOf": [ref("Instances"), inputs]},
        "example": {"instances": [example.row]},
    }
    return {"required": True, "content": {"application/json": content}}


def invocations(service: Service, example: Sample) -> Schema:
    """All that `/predict` takes, MLflow's four forms of JSON among it."""
    return operation(
        MLFLOW,
        "invocations",
        "Predict",
        answers(service.model.default_method),
        faults=WITH_ROWS,
        form="ErrorCode",
        headers=NOTES,
        parameters=WITH_EXTRA,
        requestBody=rows_body(example),
    )


def infer(service: Service, example: Sample) -> Schema:
    """Tensors to tensors, as JSON."""
    signature = service.model.signature
    described = [tensor(feature, service.contract.max_rows) for feature in signature.features]
    if len(described) == 1:
        # The one tensor may have any name: it has all features.
        described[0]["properties"]["name"] = TEXT
    inputs: Schema = {"type": "array", "minItems": 1, "items": OBJECT}
    if described:
        count = len(described)
        inputs = {"type": "array", "prefixItems": described, "items": False}
        inputs |= {"minItems": count, "maxItems": count}
    names = tensor_methods(service.model.methods)
    output = {**record({"name": {"enum": names}, "parameters": PARAMETERS}, ("parameters",))}
    del output["additionalProperties"]
    body = record(
        {
            "inputs": {
                "description": "A tensor for each feature, in any order; or one tensor of another "
                "name and of shape [rows, features] that has all of them. Numbers may have any of "
                "the protocol's datatypes, and tensors may be binary.",
                **inputs,
            },
            "outputs": {"type": ["array", "null"], "maxItems": 1, "items": output},
            "id": {"type": ["string", "null"]},
            "parameters": PARAMETERS,
        },
        ("outputs", "id", "parameters"),
    )
    answer = record(
        {
            "model_name": {"const": service.name},
            "model_version": TEXT,
            "id": TEXT,
            "outputs": {
                "type": "array",
                "minItems": 1,
                "items": record(
                    {
                        "name": TEXT,
                        "shape": SHAPE,
                        "datatype": TEXT,
                        "data": {
                            "type": "array",
                            "items": {
                                "anyOf": [NUMBER_REF, {"type": ["boolean", "string", "null"]}]
                            },
                        },
                    }
                ),
            },
        },
        ("id",),
    )
    content = {"schema": body, "example": {"inputs": tensors(signature, example)}}
    return operation(
        V2,
        "v2_infer",
        "Tensors to tensors",
        {"application/json": {"schema": answer}},
        faults=WITH_ROWS,
        form="Error",
        headers=NOTES,
        parameters=WITH_EXTRA,
        requestBody={"required": True, "content": {"application/json": content}},
    )


def tensor(feature: Feature, max_rows: int) -> Schema:
    """One value of one feature for each row."""
    values = schemas.value(feature)
    if feature.kind in ("any", "unused", "number") and feature.categories is None:
        values = {"type": ["number", "null"] if feature.missing else "number"}
    return {
        "type": "object",
        "properties": {
            "name": {"const": feature.name},
            "shape": {
                "description": "The number of rows, and 1 behind it or not.",
                "type": "array",
                "prefixItems": [
                    {"type": "integer", "minimum": 1, "maximum": max_rows},
                    {"const": 1},
                ],
                "items": False,
                "minItems": 1,
                "maxItems": 2,
            },
            "datatype": {"const": datatype_of(feature.kind)},
            "data": {"type": "array", "items": values, "minItems": 1, "maxItems": max_rows},
            "parameters": PARAMETERS,
        },
        "required": ["name", "shape", "datatype", "data"],
    }


def tensors(signature: Signature, example: Sample) -> list[dict[str, Any]]:
    """The example as tensors."""
    kinds: dict[str, str] = {feature.name: feature.kind for feature in signature.features}
    return [
        {
            "name": name,
            "shape": [1],
            "datatype": datatype_of(kinds.get(name, "number")),
            "data": [value],
        }
        for name, value in (example.row or {"a": 1.0}).items()
    ]


def about(_: Service, __: Sample, tag: str, name: str, summary: str, schema: Schema) -> Schema:
    """What takes no rows, and answers JSON."""
    return operation(tag, name, summary, {"application/json": {"schema": schema}}, form="Error")


def others(name: str) -> list[tuple[str, str, str, str, str, Schema]]:
    """Path, HTTP method, tag, name, summary and answer of what takes no rows."""
    ready = record({"name": {"const": name}, "ready": {"type": "boolean"}})
    models = record({"models": {"type": "array", "items": TEXT}})
    well = record({"ready": {"const": True}, "live": {"const": True}})
    server = record({"name": TEXT, "version": TEXT, "extensions": {"type": "array", "items": TEXT}})
    described = {
        "type": "array",
        "items": record({"name": TEXT, "datatype": TEXT, "shape": {"type": "array"}}),
    }
    metadata = record(
        {
            "name": {"const": name},
            "versions": {"type": "array", "items": TEXT},
            "platform": TEXT,
            "inputs": described,
            "outputs": described,
        }
    )
    own = f"/v2/models/{name}"
    return [
        ("/v1/models", "GET", V1, "v1_models", "The models", models),
        (f"/v1/models/{name}", "GET", V1, "v1_model", "The model is loaded", ready),
        ("/v2", "GET", V2, "v2", "The server", server),
        ("/v2/health/live", "GET", V2, "v2_live", "The server is alive", well),
        ("/v2/health/ready", "GET", V2, "v2_ready", "The model is loaded", well),
        ("/v2/models", "GET", V2, "v2_models", "The models", models),
        (own, "GET", V2, "v2_model", "The tensors of the model", metadata),
        (f"{own}/ready", "GET", V2, "v2_model_ready", "The model is loaded", ready),
        (f"{own}/config", "GET", V2, "v2_config", "The model, as Triton has it", OBJECT),
        (f"{own}/stats", "GET", V2, "v2_stats", "What was counted", OBJECT),
    ]


def _predictions(method: str) -> Schema:
    return {"$ref": f"#/components/schemas/{method}_answer/properties/predictions"}
