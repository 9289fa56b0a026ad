"""JSON Schemas (2020-12) of what the model takes and what its methods answer."""

from __future__ import annotations

from typing import Any

from models.model import PER_CLASS, Model
from models.signature.types import Feature, Signature

Schema = dict[str, Any]

TYPES = {
    "number": ["number"],
    "string": ["string"],
    "boolean": ["boolean"],
    "datetime": ["string"],
    "any": ["number", "string", "boolean"],
    "unused": ["number", "string", "boolean"],
}
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


def value(feature: Feature) -> Schema:
    """What a value of this feature may be."""
    types = [*TYPES[feature.kind], *(["null"] if feature.missing else [])]
    if feature.kind == "number" and feature.categories is None:
        # true is 1, as pandas and numpy have it.
        types.insert(1, "boolean")
    schema: Schema = {"type": types[0] if len(types) == 1 else types}
    if feature.unknown == "refused":
        known = [*(feature.categories or ()), *([None] if feature.missing else [])]
        return {**schema, "enum": known} if known else {"not": {}}
    if feature.categories:
        schema["examples"] = list(feature.categories)
    return schema


def describe(feature: Feature, facts: Any) -> str:
    """What is known of a feature besides its type; `facts` is what the card says of it."""
    said = []
    if feature.kind == "unused":
        said.append("The model does not use it.")
    if feature.categories and feature.unknown == "passed":
        said.append("The model knows the examples; it takes others too, and they are counted.")
    low, high, mean = (
        facts.get(name) if isinstance(facts, dict) else None for name in ("min", "max", "mean")
    )
    if feature.kind == "datetime" and low and high:
        said.append(f"In training from {low} to {high}.")
    elif all(isinstance(known, (int, float)) for known in (low, high, mean)):
        said.append(f"In training from {low:g} to {high:g}, {mean:.4g} on average.")
    if feature.missing:
        said.append("null where it is missing.")
    return " ".join(said)


def rows(signature: Signature, card: dict[str, Any], max_rows: int) -> dict[str, Schema]:
    """The schemas of a row in its forms, of several, and of a whole JSON body, by name."""
    many = {"type": "array", "minItems": 1, "maxItems": max_rows}
    if signature.form == "mapping":
        forms = {
            "Row": {
                "description": "A row of the model: names and values of your own.",
                "type": "object",
                "additionalProperties": {"type": TYPES["any"]},
            }
        }
        alone = ["Row"]
    else:
        forms = {"Row": _object(signature, card), "RowList": _list(signature)}
        alone = list(forms)
        if len(signature.features) == 1:
            # A list in a body is one of rows here: its value alone is a row too.
            forms["Value"] = value(signature.features[0])
            alone = ["Row", "Value"]
    return {
        **forms,
        "Rows": {**many, "items": _either(list(forms))},
        "Instances": record(
            {
                "instances": ref("Rows"),
                "parameters": {"description": "This model takes none.", **NO_PARAMETERS},
            },
            optional=("parameters",),
        ),
        "Split": _split(signature),
        "Columns": _columns(signature, max_rows),
        "Body": {
            "description": "One row, a list of rows, an object around such a list, or what pandas "
            "writes of a DataFrame with to_json, in any orient.",
            "anyOf": [
                *map(ref, [*alone, "Rows", "Instances", "Split"]),
                record({"data": ref("Rows")}),
                record({"dataframe_split": ref("Split")}),
                record({"dataframe_records": ref("Rows")}),
                record({"inputs": {"anyOf": [ref("Rows"), ref("Row"), ref("Columns")]}}),
                *_orients(signature, max_rows),
            ],
        },
    }


def _either(names: list[str]) -> Schema:
    return {"anyOf": [ref(name) for name in names]} if len(names) > 1 else ref(names[0])


def _split(signature: Signature) -> Schema:
    names = [feature.name for feature in signature.features]
    columns = {
        "description": "They may stand in any order, which is then that of the data.",
        "enum": [names, None],
    }
    properties = {"columns": columns, "data": ref("Rows")} if names else {"data": ref("Rows")}
    return record(
        properties,
        ("columns",),
        description="As pandas writes it with `orient='split'`; an `index` is ignored.",
    )


def _columns(signature: Signature, max_rows: int) -> Schema:
    """A list of values for each feature, as long as each other."""

    def column(values: Schema) -> Schema:
        return {"type": "array", "items": values, "minItems": 1, "maxItems": max_rows}

    if not signature.features:
        return {"type": "object", "additionalProperties": column({"type": TYPES["any"]})}
    return record({feature.name: column(value(feature)) for feature in signature.features})


def _orients(signature: Signature, max_rows: int) -> list[Schema]:
    """What pandas writes with `orient="columns"` and `orient="index"`; rows have labels in it."""
    if not signature.features:
        return []
    many = {"type": "object", "minProperties": 1, "maxProperties": max_rows}
    columns = {
        feature.name: {**many, "additionalProperties": value(feature)}
        for feature in signature.features
    }
    if not signature.named:
        return [ref("Columns"), record(columns)]
    return [ref("Columns"), record(columns), {**many, "additionalProperties": ref("Row")}]


def _object(signature: Signature, card: dict[str, Any]) -> Schema:
    known = card.get("features")
    known = known if isinstance(known, dict) else {}
    properties = {}
    for feature in signature.features:
        properties[feature.name] = value(feature)
        if text := describe(feature, known.get(feature.name)):
            properties[feature.name]["description"] = text
    return {
        "description": "A row of the model, its values by the names of the features.",
        **record(properties, tuple(f.name for f in signature.features if f.kind == "unused")),
    }


def _list(signature: Signature) -> Schema:
    values = [value(feature) for feature in signature.features]
    width = len(values)
    names = ", ".join(feature.name for feature in signature.features)
    schema: Schema = {
        "description": f"A row of the model, its values in this order: {names}.",
        "type": "array",
        "minItems": width,
        "maxItems": width,
    }
    if all(each == values[0] for each in values):
        return {**schema, "items": values[0]}
    titled = [
        {"title": feature.name, **each}
        for feature, each in zip(signature.features, values, strict=True)
    ]
    return {**schema, "prefixItems": titled, "items": False}


def answer(method: str, model: Model, result: Any) -> Schema:
    """The JSON answer of a method, told from its result for one row; None: nothing is known."""
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
    # Of the two kinds of sparse results, one says it only of its data.
    kind = (result if hasattr(result, "dtype") else result.data).dtype.kind
    # What a transformer lets through may have another type in another row.
    kind = "f" if method == "transform" and kind in "iu" else kind
    return _cells(kind, result.shape[1:])


def _neighbors(array: Any, cell: Schema) -> Schema:
    """A list of these: as long for each row, or not where they are all within a radius."""
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
