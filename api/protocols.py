"""What the OpenAPI document says of the protocols of others that the service speaks."""

from __future__ import annotations

from typing import Any

from api.components import TEXT, record
from api.sample import Sample
from api.schemas import Schema, ref

MODELS = record({"models": {"type": "array", "items": TEXT}})
# Parameters that the protocols know, and no model of scikit-learn needs.
NO_PARAMETERS: Schema = {"type": ["object", "null"], "maxProperties": 0}
DATATYPES = {"number": "FP64", "boolean": "BOOL", "string": "BYTES"}


def json_body(schema: Schema, example: Any) -> Schema:
    """A body that is JSON."""
    return {
        "required": True,
        "content": {"application/json": {"schema": schema, "example": example}},
    }


def v1_body(example: Sample) -> Schema:
    """`{"instances": [...]}`, or `inputs`."""
    named = record({"inputs": ref("Rows"), "parameters": NO_PARAMETERS}, optional=("parameters",))
    return json_body({"anyOf": [ref("Instances"), named]}, {"instances": [example.row]})


def predictions(method: str) -> Schema:
    """`{"predictions": [...]}`, as `method` answers, without the classes."""
    answer = f"#/components/schemas/{method}_answer/properties/predictions"
    return record({"predictions": {"$ref": answer}})
