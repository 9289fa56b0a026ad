"""JSON Schemas of the rows that a model takes."""

from __future__ import annotations

from typing import Any

from api.openapi.schemas import NO_PARAMETERS, Schema, record, ref
from models.signature.types import Feature, Signature
from models.text.contract import Contract

TYPES = {
    "number": ["number"],
    "string": ["string"],
    "boolean": ["boolean"],
    "datetime": ["string"],
    "any": ["number", "string", "boolean"],
    "unused": ["number", "string", "boolean"],
}


def value(feature: Feature) -> Schema:
    """The schema of a value of this feature."""
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


def rows(contract: Contract, card: dict[str, Any]) -> dict[str, Schema]:
    """The schemas of a row in its forms, of several rows, and of a whole JSON body, by name."""
    signature, max_rows = contract.signature, contract.max_rows
    forms = _forms(signature, card)
    # A list in a body of one feature is a list of rows: its value alone is a row too.
    alone = ["Row", "Value"] if "Value" in forms else list(forms)
    return {
        **forms,
        "Rows": {
            "type": "array",
            "minItems": 1,
            "maxItems": max_rows,
            "items": _either(list(forms)),
        },
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


def _forms(signature: Signature, card: dict[str, Any]) -> dict[str, Schema]:
    """The schema of a row in each form that a list of rows may have."""
    if signature.form == "mapping":
        return {
            "Row": {
                "description": "A row of the model: names and values of your own.",
                "type": "object",
                "additionalProperties": {"type": TYPES["any"]},
            }
        }
    forms = {"Row": _object(signature, card), "RowList": _list(signature)}
    if len(signature.features) == 1:
        forms["Value"] = value(signature.features[0])
    return forms


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
    """An object of columns: a list of values for each feature."""

    def column(values: Schema) -> Schema:
        return {"type": "array", "items": values, "minItems": 1, "maxItems": max_rows}

    if not signature.features:
        return {"type": "object", "additionalProperties": column({"type": TYPES["any"]})}
    return record({feature.name: column(value(feature)) for feature in signature.features})


def _orients(signature: Signature, max_rows: int) -> list[Schema]:
    """Tables in pandas' forms `orient="columns"` and `orient="index"`, whose rows have labels."""
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
