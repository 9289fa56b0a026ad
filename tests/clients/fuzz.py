"""Hooks for Schemathesis: how to write rows in the formats that it does not know.

The rows are made from the document's own schema of a row.
"""

import csv
import io
import json
import os
import urllib.request

import numpy as np
import schemathesis
from hypothesis import strategies as st
from hypothesis_jsonschema import from_schema

with urllib.request.urlopen(os.environ["OPENAPI"], timeout=60) as answer:
    ROW = json.load(answer)["components"]["schemas"]["Row"]
rows = st.lists(from_schema(ROW), min_size=1, max_size=3)


def lines(rows: list) -> str:
    return "\n".join(map(json.dumps, rows))


def table(rows: list) -> str:
    text = io.StringIO(newline="")
    writer = csv.writer(text, quoting=csv.QUOTE_ALL)
    writer.writerow(rows[0])
    for row in rows:
        writer.writerow(
            [
                "" if v is None else json.dumps(v) if not isinstance(v, str) else v
                for v in row.values()
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


schemathesis.openapi.media_type("application/x-ndjson", rows.map(lines).map(str.encode))
schemathesis.openapi.media_type("text/csv", rows.map(table).map(str.encode))
schemathesis.openapi.media_type("application/x-npy", rows.filter(whole).map(array))
