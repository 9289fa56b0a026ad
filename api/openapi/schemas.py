"""JSON Schemas, 2020-12: what all of them are made of."""

from __future__ import annotations

from typing import Any

Schema = dict[str, Any]

NUMBER: Schema = {
    "description": "A number. JSON has no word for some: what is not a number is null, and the "
    "infinities are text.",
    "anyOf": [{"type": "number"}, {"enum": [None, "Infinity", "-Infinity"]}],
}
NUMBER_REF = {"$ref": "#/components/schemas/Number"}
# Parameters that protocols know, and no model of scikit-learn needs.
NO_PARAMETERS: Schema = {"type": ["object", "null"], "maxProperties": 0}


def ref(name: str) -> Schema:
    """A schema of the document's components."""
    return {"$ref": f"#/components/schemas/{name}"}


def record(properties: Schema, optional: tuple[str, ...] = (), **more: Any) -> Schema:
    """An object with these properties and, unless `more` says so, no others."""
    return {
        "type": "object",
        "properties": properties,
        "required": [name for name in properties if name not in optional],
        "additionalProperties": False,
        **more,
    }
