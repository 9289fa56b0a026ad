"""JSON Schemas of what a model's methods answer."""

from __future__ import annotations

from typing import Any

from api.openapi.schemas import NUMBER_REF, Schema, record
from models.model import PER_CLASS, Model


def answer(method: str, model: Model, result: Any) -> Schema:
    """The JSON answer of a method, read off its result for one row, None if that is not known."""
    properties: Schema = {
        "predictions": {
            "description": "One result a row, in the order of the rows.",
            "type": "array",
            "minItems": 1,
            "items": _row(method, model.classes, result),
        }
    }
    if method in PER_CLASS and model.classes:
        properties["classes"] = {
            "description": "What the columns of the results stand for.",
            "const": model.classes,
        }
    return record(properties)


def _row(method: str, classes: list[Any] | None, result: Any) -> Schema:
    if result is None:
        return {}
    if isinstance(result, tuple):
        return record(
            {
                "distances": _neighbors(result[0], NUMBER_REF),
                "indices": _neighbors(result[1], {"type": "integer"}),
            }
        )
    if isinstance(result, list):
        return _fixed([_row(method, None, output) for output in result])
    if method == "predict" and classes:
        if isinstance(classes[0], list):
            return _fixed([{"enum": labels} for labels in classes])
        if result.ndim == 1:
            return {"enum": classes}
    # scipy's sparse matrices have .dtype, ours only .data.dtype.
    kind = (result if hasattr(result, "dtype") else result.data).dtype.kind
    # A column that a transformer passes through may have another type in another row.
    kind = "f" if method == "transform" and kind in "iu" else kind
    return _cells(kind, result.shape[1:])


def _neighbors(array: Any, cell: Schema) -> Schema:
    """A list of these cells: of one length, unless the row has all neighbors in a radius."""
    schema: Schema = {"type": "array", "items": cell}
    if array.ndim > 1:
        schema |= {"minItems": array.shape[1], "maxItems": array.shape[1]}
    return schema


def _fixed(columns: list[Schema]) -> Schema:
    if all(column == columns[0] for column in columns):
        schema: Schema = {"items": columns[0]}
    else:
        schema = {"prefixItems": columns, "items": False}
    return {"type": "array", "minItems": len(columns), "maxItems": len(columns), **schema}


def _cells(kind: str, shape: tuple[int, ...]) -> Schema:
    """Numbers or labels of a dtype of this kind, in lists of this shape."""
    schema: Schema = {
        "f": NUMBER_REF,
        "i": {"type": "integer"},
        "u": {"type": "integer"},
        "b": {"type": "boolean"},
        "U": {"type": "string"},
    }.get(kind, {})
    for width in reversed(shape):
        schema = {"type": "array", "minItems": width, "maxItems": width, "items": schema}
    return schema
