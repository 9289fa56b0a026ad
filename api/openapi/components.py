"""The parts of the OpenAPI document that are the same for every model."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

import msgspec

from api.answers import Document
from api.errors import CODE, PROBLEM, SENTENCE
from api.formats.readers import READERS
from api.formats.writers import JSON
from api.openapi.sample import Sample
from api.openapi.schemas import NUMBER, Schema, record, ref

TEXT: Schema = {"type": "string"}
OBJECT: Schema = {"type": "object"}
BINARY: Schema = {"type": "string", "format": "binary"}
FORMS = {
    "object": "one row by names",
    "list": "one row in the model's order",
    "value": "one row, which is one value",
    "rows": "several rows",
    "instances": "several rows in an object",
    "columns": "as pandas writes it, by columns",
    "split": "as pandas writes it with orient='split'",
}

FAULTS = {
    400: "The body is not what its Content-Type says.",
    401: "The request has no API key, or one that is not known.",
    403: "The key may ask the model and not change it, or nobody may: ADMIN_KEYS is not set.",
    404: "The model does not have this method, or what is asked for is not there.",
    405: "The path answers another method; `Allow` says which.",
    406: "The answer has no form that `Accept` asks for.",
    409: "It cannot be done now, or with the versions that are kept: `detail` says why.",
    410: "It is not kept any more: `detail` says why.",
    411: "The body came in another way than with a Content-Length or in chunks.",
    412: "`If-Match` names another version than the active one, which `ETag` has.",
    413: "The body or the answer is over a limit.",
    415: "The Content-Type or Content-Encoding is not read.",
    422: "Rows do not fit the model: `errors` has each place, and what is wrong there.",
    500: "Our fault: the log has it under the id of the request.",
    501: "This model cannot be explained here; `detail` says how to get it.",
    503: "Too many requests wait for the model, or one has waited too long.",
}

HEADERS: Schema = {
    "X-Request-Id": {
        "description": "The id of the request in the logs: the caller's, or a new one.",
        "required": True,
        "schema": TEXT,
    },
    "X-Model-Version": {
        "description": "The SHA-256 of the model's file.",
        "required": True,
        "schema": {"type": "string", "pattern": "^[0-9a-f]{64}$"},
    },
    "X-Unknown-Categories": {
        "description": "Categories that the model has not seen in training, and takes: how many "
        "in each feature, as in `city=2, floor=1`.",
        "schema": TEXT,
    },
    "X-Ignored-Columns": {
        "description": "Names in the body that are no features and were ignored: the first "
        "20, percent-encoded, as in `id, target`.",
        "schema": TEXT,
    },
    "X-Prediction-Id": {
        "description": "The id under which the rows and their answers are kept, where they are: "
        "with it the truth can be told.",
        "schema": {"type": "string", "pattern": "^[0-9a-f]{32}$"},
    },
    "Allow": {"description": "The methods of this path.", "required": True, "schema": TEXT},
    "WWW-Authenticate": {
        "description": "How a key is sent.",
        "required": True,
        "schema": {"const": "Bearer"},
    },
    "ETag": {"description": "The active version, in quotes.", "required": True, "schema": TEXT},
    "Location": {
        "description": "Where to ask what became of it.",
        "required": True,
        "schema": TEXT,
    },
    "Retry-After": {
        "description": "Seconds after which to try again.",
        "schema": {"type": "string", "pattern": "^[0-9]+$"},
    },
}
# The headers of some faults, besides those of every answer.
MORE_HEADERS = {401: "WWW-Authenticate", 405: "Allow", 412: "ETag", 503: "Retry-After"}
# The headers that an API key may come in, if the service has keys.
KEYS: Schema = {
    "Bearer": {"type": "http", "scheme": "bearer"},
    "X-Api-Key": {"type": "apiKey", "in": "header", "name": "X-Api-Key"},
}

PARAMETERS: Schema = {
    "X-Request-Id": {
        "name": "X-Request-Id",
        "in": "header",
        "description": "An id for the request, of up to 128 letters, digits and `.:_-`; anything "
        "else is replaced.",
        "schema": TEXT,
    },
    "X-Prediction-Log": {
        "name": "X-Prediction-Log",
        "in": "header",
        "description": "`off` for a request that is no real prediction: it is neither kept nor "
        "counted.",
        "schema": TEXT,
    },
    "extra": {
        "name": "extra",
        "in": "query",
        "description": "What to do with names that are no features: refuse them, or ignore them "
        "and tell them in X-Ignored-Columns. Where it is not said, EXTRA_FIELDS of the service "
        "decides.",
        "schema": {"enum": ["refuse", "ignore"]},
    },
}
PARAMETERS |= {
    "id": {"name": "id", "in": "path", "required": True, "schema": TEXT},
    "method": {
        "name": "method",
        "in": "query",
        "description": "The method of the model that answers the rows; `predict` unless it is "
        "given, or the first in /metadata where the model has none.",
        "schema": TEXT,
    },
    "Idempotency-Key": {
        "name": "Idempotency-Key",
        "in": "header",
        "description": "Any text: the same request with the same key is the same task, however "
        "often it comes.",
        "schema": TEXT,
    },
    "offset": {
        "name": "offset",
        "in": "query",
        "description": "The first row whose result is wanted; 0 unless it is given.",
        "schema": {"type": "integer", "minimum": 0},
    },
    "limit": {
        "name": "limit",
        "in": "query",
        "description": "How many are wanted at most; `Link` says where the next are.",
        "schema": {"type": "integer", "minimum": 0},
    },
    "format": {
        "name": "format",
        "in": "query",
        "description": "The form of the results, for links, which have no Accept of their own.",
        "schema": {"enum": ["json", "csv", "ndjson"]},
    },
    "table": {
        "name": "format",
        "in": "query",
        "description": "The form of the answer, for links, which have no Accept of their own: a "
        "document, or a table of its versions, features or labels.",
        "schema": {"enum": ["json", "csv"]},
    },
    "hours": {
        "name": "hours",
        "in": "query",
        "description": "How many hours are wanted, this one and those before it; 24 unless it is "
        "given.",
        "schema": {"type": "integer", "minimum": 1, "maximum": 8784},
    },
    "by": {
        "name": "by",
        "in": "query",
        "description": "Whether series are by the hour or by the day, in UTC; by the day for more "
        "than 48 hours. A table is that of the series.",
        "schema": {"enum": ["hour", "day"]},
    },
    "state": {
        "name": "state",
        "in": "query",
        "description": "Only tasks in this state.",
        "schema": {"enum": ["PENDING", "STARTED", "SUCCESS", "FAILURE", "REVOKED"]},
    },
    "accept": {
        "name": "accept",
        "in": "query",
        "description": "Features that the new version may lose, add or change, separated by "
        "commas; also classes, methods, order and form.",
        "schema": TEXT,
    },
    "Content-SHA256": {
        "name": "Content-SHA256",
        "in": "header",
        "description": "The SHA-256 of the body in hexadecimal digits, unless Repr-Digest has it.",
        "schema": {"type": "string", "pattern": "^[0-9A-Fa-f]{64}$"},
    },
    "Repr-Digest": {
        "name": "Repr-Digest",
        "in": "header",
        "description": "The SHA-256 of the body as RFC 9530 has it: sha-256=:<base64>:",
        "schema": TEXT,
    },
    "If-Match": {
        "name": "If-Match",
        "in": "header",
        "description": "The version that is active, in quotes: if another one is, nothing is done.",
        "schema": TEXT,
    },
}
WITH_ROWS_PARAMETERS: list[Schema] = [
    {"$ref": f"#/components/parameters/{name}"} for name in ("extra", "X-Prediction-Log")
]
# The headers of answers to rows.
NOTES = ("X-Unknown-Categories", "X-Ignored-Columns", "X-Prediction-Id")


def _structs() -> dict[str, Schema]:
    """The schemas of the answers whose fields are the same for every model."""
    template = "#/components/schemas/{name}"
    documents = Document.__subclasses__()
    return msgspec.json.schema_components(documents, ref_template=template)[1]


SCHEMAS: Schema = {
    "Number": NUMBER,
    **_structs(),
    "RepositoryIndex": {"type": "array", "items": ref("IndexEntry")},
    "OpenAPI": {
        "description": "A document of OpenAPI 3.1.",
        "type": "object",
        "properties": {"openapi": {"const": "3.1.0"}, "info": OBJECT, "paths": OBJECT},
        "required": ["openapi", "info", "paths"],
    },
}
# The media types of errors, by the name of their schema.
ERRORS = {renderer.schema: renderer.media_type for renderer in (PROBLEM, SENTENCE, CODE)}
# The statuses of errors of a request with rows, and of one without.
WITH_ROWS = (400, 404, 405, 406, 411, 413, 415, 422, 500, 503)
WITHOUT = (405, 500)


def with_headers(*names: str) -> Schema:
    """These headers of an answer, and those that every answer has."""
    return {
        name: {"$ref": f"#/components/headers/{name}"}
        for name in ("X-Request-Id", "X-Model-Version", *names)
    }


def fault(status: int, form: str) -> tuple[str, Schema]:
    """The name of the answer to a fault, and the answer."""
    more = (MORE_HEADERS[status],) if status in MORE_HEADERS else ()
    return f"{form}{status}", {
        "description": FAULTS[status],
        "headers": with_headers(*more),
        "content": {ERRORS[form]: {"schema": ref(form)}},
    }


def operation(
    tag: str,
    name: str,
    summary: str,
    answers: Schema,
    *,
    faults: tuple[int, ...] = WITHOUT,
    form: str = "Problem",
    headers: tuple[str, ...] = (),
    status: int = 200,
    **more: Any,
) -> Schema:
    """One operation: `answers` are the media types of the answer, each with what OpenAPI says.

    `faults` are the statuses of other answers, and `form` is the schema of those.
    """
    refused = {
        str(status): {"$ref": f"#/components/responses/{fault(status, form)[0]}"}
        for status in faults
    }
    where = ("Location",) if status == HTTPStatus.ACCEPTED else ()
    answer = {
        "description": "The answer.",
        "headers": with_headers(*headers, *where),
        "content": answers,
    }
    return {
        "tags": [tag],
        "operationId": name,
        "summary": summary,
        **more,
        "responses": {str(status): answer, **refused},
    }


def rows_body(example: Sample) -> Schema:
    """The body of a request with rows, in each format."""
    content: Schema = {}
    for each in READERS.values():
        if each.available() and (each.mappings or not example.mapping):
            schema = {**(TEXT if each.is_text else BINARY), "description": each.about}
            described: Schema = {"schema": schema}
            if each.example:
                described["example"] = each.example(example.row)
            content |= dict.fromkeys((each.media_type, *each.others), described)
    content[JSON] = {
        "schema": ref("Body"),
        "examples": {
            form: {"summary": FORMS[form], "value": body} for form, body in example.json().items()
        },
    }
    content["multipart/form-data"] = {
        "schema": {
            "description": "One file under any name, whose type or name says what it is.",
            **record({"file": BINARY}),
        },
        "encoding": {"file": {"contentType": "text/csv"}},
    }
    return {"required": True, "content": content}
