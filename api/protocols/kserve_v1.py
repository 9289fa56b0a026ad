"""KServe's protocol v1, which is TensorFlow Serving's in shape.

Source: "Data Plane (V1)", KServe documentation.
"""

from __future__ import annotations

import codecs
from functools import partial
from typing import Any

import msgspec

from api.errors import Answer, MalformedBody, UnsupportedType
from api.formats import json, media, results
from api.http.gateway import Environ, Gateway
from api.service import Service
from models.rows.check import Batch

EXPECTED = 'expected {"instances": [...]} or {"inputs": [...]}'


_decoder = msgspec.json.Decoder(dict[str, msgspec.Raw])


def init(gateway: Gateway, service: Service) -> None:
    """Add `POST /v1/models/<model>:predict`."""
    gateway.post(f"/v1/models/{service.name}:predict", partial(predict, service))


def predict(service: Service, environ: Environ) -> Answer:
    """Answer `{"instances": [...]}`, or the same under `inputs`, with one prediction a row."""
    service.check_method("predict")
    return service.answer(environ, "predict", read(service, environ), results.JSON)


def read(service: Service, environ: Environ) -> Batch:
    """The rows of a request of this protocol; raises what `Service.read` raises."""
    content_type = environ.get("CONTENT_TYPE", "")
    if not media.is_json(content_type):
        raise UnsupportedType(f"The Content-Type {content_type} is not read: send {results.JSON}.")
    body = service.body(environ).removeprefix(codecs.BOM_UTF8)
    service.reader.check_json(body)
    try:
        given: dict[str, Any] = _decoder.decode(body)
    except msgspec.ValidationError:
        raise MalformedBody(f"The body is not of this protocol: {EXPECTED}.") from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        # It may have NaN in it; if it is no JSON at all, this says why.
        document = json.parse(body)
        given = document if isinstance(document, dict) else {}
    names = [name for name in ("instances", "inputs") if name in given]
    if len(names) != 1 or not _is_list(given[names[0]]):
        raise MalformedBody(f"The body is not of this protocol: {EXPECTED}.")
    return service.reader.read(body, ignore=service.ignores(environ))


def _is_list(value: Any) -> bool:
    """Whether a value is a list, decoded or not."""
    if isinstance(value, msgspec.Raw):
        return bytes(memoryview(value)[:1]) == b"["
    return isinstance(value, list)
