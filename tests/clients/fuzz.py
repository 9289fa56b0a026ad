# mypy: ignore-errors
# ruff: noqa: INP001
"""Hooks for Schemathesis: how to write rows in the formats that it does not know.

The rows are made from the document's own schema of a row.
"""

import csv
import io
import json
import os
import urllib.request

import jsonschema_rs
import numpy as np
import schemathesis
from hypothesis import strategies as st

KINDS = {
    "number": st.floats(allow_nan=False, allow_infinity=False),
    "string": st.text(min_size=1, max_size=20),
    "boolean": st.booleans(),
    "null": st.none(),
}


def values(schema: dict) -> st.SearchStrategy:
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    types = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    return st.one_of(KINDS[kind] for kind in types)


with urllib.request.urlopen(os.environ["OPENAPI"], timeout=60) as answer:
    DOCUMENT = json.load(answer)
ROW = DOCUMENT["components"]["schemas"]["Row"]
# Whether a body of one of these paths is what its schema says.
TAKES = {
    path: jsonschema_rs.validator_for(
        {
            **item["post"]["requestBody"]["content"]["application/json"]["schema"],
            "components": DOCUMENT["components"],
        }
    ).is_valid
    for path, item in DOCUMENT["paths"].items()
    if "application/json" in item.get("post", {}).get("requestBody", {}).get("content", {})
}
row = st.fixed_dictionaries({name: values(schema) for name, schema in ROW["properties"].items()})
names = ROW["properties"].keys()
rows = st.lists(row, min_size=1, max_size=3)


def lines(rows: list) -> str:
    return "\n".join(map(json.dumps, rows))


def table(rows: list, delimiter: str = ",") -> str:
    text = io.StringIO(newline="")
    writer = csv.writer(text, delimiter=delimiter, quoting=csv.QUOTE_ALL)
    writer.writerow(rows[0])
    for row in rows:
        writer.writerow(
            [
                "" if v is None else json.dumps(v) if not isinstance(v, str) else v
                for v in (row[name] for name in rows[0])
            ]
        )
    return text.getvalue()


def array(rows: list) -> bytes:
    kinds = [
        (name, "U99" if any(isinstance(row[name], str) for row in rows) else "f8")
        for name in rows[0]
    ]
    values = [tuple(row[name] for name in rows[0]) for row in rows]
    file = io.BytesIO()
    np.save(file, np.array(values, dtype=kinds))
    return file.getvalue()


def whole(rows: list) -> bool:
    """Whether no text is missing, for which npy has no word."""
    texts = [name for name, schema in ROW["properties"].items() if "enum" in schema]
    return all(row[name] is not None for row in rows for name in texts)


@schemathesis.hook
def before_load_schema(_: schemathesis.HookContext, document: dict) -> None:
    """Examples of formats that have a strategy of their own must be bytes."""
    feedback = document["paths"]["/feedback"]["post"]["requestBody"]["content"]
    for media_type in set(feedback) - {"application/json"}:
        # The strategies make rows, and this takes choices.
        del feedback[media_type]
    for path in document["paths"].values():
        for content in path.get("post", {}).get("requestBody", {}).get("content", {}).values():
            if isinstance(content.get("example"), str):
                content["example"] = content["example"].encode()


@schemathesis.hook
def before_call(_: schemathesis.HookContext, case: schemathesis.Case, __: dict) -> None:
    """No schema can tell that tensors and columns are as long as each other."""
    valid = (
        isinstance(case.body, dict)
        and case.media_type == "application/json"
        and case.path in TAKES
        and TAKES[case.path](case.body)
    )
    # A second request with the same key is refused unless it is the first one again.
    (case.headers or {}).pop("Idempotency-Key", None)
    if case.query and case.query.get("extra") == "ignore":
        # Names that the schema refuses are taken then.
        case.query = {**case.query, "extra": "refuse"}
    if valid and not case.path.endswith("/infer"):
        case.body = even(case.body)
    inputs = case.body.get("inputs") if valid else None
    if case.path.endswith("/infer") and valid:
        rows = min(len(tensor["data"]) for tensor in inputs)
        inputs = [{**t, "shape": [rows, *t["shape"][1:]], "data": t["data"][:rows]} for t in inputs]
    elif isinstance(inputs, dict) and all(isinstance(v, list) for v in inputs.values()):
        rows = min(map(len, inputs.values()))
        inputs = {name: values[:rows] for name, values in inputs.items()}
    if inputs is not None:
        case.body = {**case.body, "inputs": inputs}


def even(columns: dict) -> dict:
    """Columns with as many rows each as the shortest of them has."""
    if columns.keys() != names or not all(isinstance(v, (list, dict)) for v in columns.values()):
        return columns
    rows = min(map(len, columns.values()))
    return {
        name: values[:rows]
        if isinstance(values, list)
        else {str(i): value for i, value in zip(range(rows), values.values(), strict=False)}
        for name, values in columns.items()
    }


@schemathesis.serializer(
    "application/x-ndjson", "text/csv", "text/tab-separated-values", "application/x-npy"
)
def plain(_: schemathesis.SerializationContext, value: bytes | str) -> bytes:
    return value.encode() if isinstance(value, str) else value


@schemathesis.deserializer("text/csv")
def text_of(_: schemathesis.DeserializationContext, response: schemathesis.Response) -> str:
    return response.content.decode()


@schemathesis.deserializer("application/x-npy")
def array_of(_: schemathesis.DeserializationContext, response: schemathesis.Response) -> str:
    return str(np.load(io.BytesIO(response.content)).tolist())


for media_type in ("application/x-ndjson", "application/jsonl", "application/jsonlines"):
    schemathesis.openapi.media_type(media_type, rows.map(lines).map(str.encode))
schemathesis.openapi.media_type("text/csv", rows.map(table).map(str.encode))
schemathesis.openapi.media_type(
    "text/tab-separated-values", rows.map(lambda rows: table(rows, "\t")).map(str.encode)
)
schemathesis.openapi.media_type("application/x-npy", rows.filter(whole).map(array))
