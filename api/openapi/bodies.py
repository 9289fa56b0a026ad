"""The bodies that routes take and give, as the OpenAPI document describes them, by their names."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from api.formats.inference import datatype_of, tensor_methods
from api.openapi import row_schemas
from api.openapi.components import BINARY, OBJECT, TEXT, rows_body
from api.openapi.sample import Sample
from api.openapi.schemas import NO_PARAMETERS, NUMBER_REF, Schema, record, ref
from api.service import Service
from models.signature.types import Feature, Signature

PARAMETERS: Schema = {"type": ["object", "null"]}
SHAPE: Schema = {"type": "array", "items": {"type": "integer", "minimum": 1}}
OUTPUT: Schema = record(
    {
        "name": TEXT,
        "shape": SHAPE,
        "datatype": TEXT,
        "data": {
            "type": "array",
            "items": {"anyOf": [NUMBER_REF, {"type": ["boolean", "string", "null"]}]},
        },
    }
)
# Schemas that stand in their place, without a name of their own in the document.
INLINE: Mapping[str, Schema] = {"Text": TEXT, "Binary": BINARY, "Object": OBJECT}


def instances_body(_: Service, example: Sample) -> Schema:
    """`{"instances": [...]}`, or the rows under `inputs`, as KServe v1 has them."""
    inputs = record({"inputs": ref("Rows"), "parameters": NO_PARAMETERS}, ("parameters",))
    content = {
        "schema": {"anyOf": [ref("Instances"), inputs]},
        "example": {"instances": [example.row]},
    }
    return {"required": True, "content": {"application/json": content}}


def tensors_body(service: Service, example: Sample) -> Schema:
    """Tensors as JSON, as the Open Inference Protocol has them."""
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
    content = {"schema": body, "example": {"inputs": tensors(signature, example)}}
    return {"required": True, "content": {"application/json": content}}


def task_body(_: Service, example: Sample) -> Schema:
    """Rows as /predict takes them, or the name of a file that has them."""
    body = rows_body(example)
    named = record(
        {
            "uri": {
                **TEXT,
                "description": "A file in DATA_DIR, or an object gs://bucket/name or "
                "s3://bucket/name that TASK_URIS allows.",
            },
            "media_type": {**TEXT, "description": "What it is, unless its suffix tells."},
        },
        ("media_type",),
    )
    content = body["content"]["application/json"]
    content["schema"] = {"anyOf": [content["schema"], named]}
    return body


def activation_body(service: Service, _: Sample) -> Schema:
    """The version to activate."""
    body = record(
        {"version": {**TEXT, "minLength": 1, "description": "Its SHA-256, or the first digits."}}
    )
    content = {"schema": body, "example": {"version": service.model.version[:12]}}
    return {"required": True, "content": {"application/json": content}}


def choice_schema(service: Service) -> Schema:
    """What is true of one prediction."""
    classes = service.model.classes
    label: Schema = {"type": ["string", "number", "boolean", "null"]}
    if classes and not isinstance(classes[0], list):
        label = {"enum": [*classes, None]}
    label["description"] = "A class or a number; null for none of the classes."
    row = {
        "type": "integer",
        "minimum": 0,
        "maximum": 2**53,
        "description": "0 unless it is given.",
    }
    others: Schema = {"row": row, "label": label}
    plain = {**TEXT, "pattern": "^[0-9a-f]{32}$"}
    by_id = {**plain, "description": "The X-Prediction-Id of an answer."}
    by_row = {**TEXT, "pattern": "^[0-9a-f]{32}/[0-9]{1,9}$", "description": "ID/3 is row 3 of ID."}
    by_task = {**plain, "description": "The id of a task of /predict."}
    return {
        "anyOf": [
            record({"prediction_id": by_id, **others}, ("row",)),
            record({"prediction_id": by_row, "label": label}),
            record({"task_id": by_task, **others}, ("row",)),
        ]
    }


def choice_body(service: Service, _: Sample) -> Schema:
    """What is true of a prediction."""
    content = {"schema": choice_schema(service), "example": _choice(service)}
    return {"required": True, "content": {"application/json": content}}


def feedback_body(service: Service, _: Sample) -> Schema:
    """What is true of many predictions."""
    choices: Schema = {"type": "array", "minItems": 1, "items": choice_schema(service)}
    content = {"schema": choices, "example": [_choice(service)]}
    example = _choice(service)
    line = msgspec.json.encode(example).decode()
    table = f"prediction_id,label\n{example['prediction_id']},null\n"
    forms = {"application/x-ndjson": line, "text/csv": table}
    others = {name: {"schema": TEXT, "example": text} for name, text in forms.items()}
    return {"required": True, "content": {"application/json": content, **others}}


def _choice(service: Service) -> dict[str, Any]:
    classes = service.model.classes or [1.5]
    label = None if isinstance(classes[0], list) else classes[0]
    return {"prediction_id": "0" * 32, "label": label}


def index_body(_: Service, __: Sample) -> Schema:
    """Whether only versions that serve are asked for, as Triton's clients ask it."""
    body = {"type": "object", "properties": {"ready": {"type": "boolean"}}}
    content = {"schema": body, "example": {"ready": True}}
    return {"required": False, "content": {"application/json": content}}


def model_body(_: Service, __: Sample) -> Schema:
    """A model's file, in each form that can be sent."""
    from api.protocols.uploads import TYPES

    return {"required": True, "content": {name: {"schema": BINARY} for name in TYPES}}


def training_body(_: Service, __: Sample) -> Schema:
    """Whether the version that is trained takes over, and learns from selections."""
    activate = {
        "enum": ["never", "if-better"],
        "description": "Whether it takes over if it is better than the active version; `never` "
        "unless it is given.",
    }
    feedback = {
        "type": "boolean",
        "description": "Whether it learns from selections as well; false unless it is given.",
    }
    content = {
        "schema": record({"activate": activate, "feedback": feedback}, ("activate", "feedback")),
        "example": {"activate": "if-better", "feedback": True},
    }
    return {"required": False, "content": {"application/json": content}}


# The bodies of requests, by `Route.takes`.
BODIES: Mapping[str, Callable[[Service, Sample], Schema]] = {
    "rows": lambda _, example: rows_body(example),
    "task": task_body,
    "instances": instances_body,
    "tensors": tensors_body,
    "activation": activation_body,
    "index": index_body,
    "choice": choice_body,
    "feedback": feedback_body,
    "training": training_body,
    "model": model_body,
}


def tensor(feature: Feature, max_rows: int) -> Schema:
    """One value of one feature for each row."""
    values = row_schemas.value(feature)
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


def answers(service: Service) -> dict[str, Schema]:
    """The schemas of answers, by the names in `Route.gives`."""
    name = {"const": service.name}
    predictions = {"$ref": "#/components/schemas/predict_answer/properties/predictions"}
    predicts = "predict" in service.model.methods
    return {
        **({"V1Predictions": record({"predictions": predictions})} if predicts else {}),
        "Tensors": record(
            {
                "model_name": name,
                "model_version": TEXT,
                "id": TEXT,
                "outputs": {"type": "array", "minItems": 1, "items": OUTPUT},
            },
            ("id",),
        ),
    }
