"""KServe's protocol v1, which is TensorFlow Serving's in shape.

Source: "Data Plane (V1)", KServe documentation.
"""

from __future__ import annotations

from functools import partial
from typing import NoReturn

import msgspec
from flask import Flask, Response, jsonify
from werkzeug.exceptions import NotFound
from werkzeug.routing import BaseConverter

from api.errors import Answer, InvalidRows, MalformedBody, Place, UnsupportedType
from api.formats import Reader, results
from api.formats.rows import Batch
from api.gateway import Environ, Gateway, content_type
from api.service import Service

EXPECTED = 'expected {"instances": [...]} or {"inputs": [...]}'


class NameConverter(BaseConverter):
    """The name of a model in a path, which ends before the colon of a verb."""

    regex = "[^/:]+"


_decoder = msgspec.json.Decoder(dict[str, msgspec.Raw])


def init_app(app: Flask, gateway: Gateway, service: Service) -> None:
    """Add `/v1/models`, `/v1/models/<model>` and `/v1/models/<model>:predict`."""
    gateway.post(f"/v1/models/{service.name}:predict", partial(predict, service))

    @app.get("/v1/models")
    def v1_models() -> Response:
        return jsonify(models=[service.name])

    app.url_map.converters["name"] = NameConverter

    @app.get("/v1/models/<name:name>")
    def v1_model(name: str) -> Response:
        service.check_name(name)
        return jsonify(name=name, ready=True)

    @app.post("/v1/models/<name>:<_verb>")
    def v1_other(name: str, _verb: str) -> NoReturn:
        service.check_name(name)
        raise NotFound


def predict(service: Service, environ: Environ) -> Answer:
    """Answer `{"instances": [...]}`, or the same under `inputs`, with one prediction a row."""
    service.check_method("predict")
    batch = read(service.reader, service.body(environ), content_type(environ))
    return service.answer(environ, "predict", batch, results.JSON)


def read(reader: Reader, body: bytes, media_type: str) -> Batch:
    """The rows of a request of this protocol; raises what `Reader.read` raises."""
    if media_type not in ("", results.JSON):
        raise UnsupportedType(f"The Content-Type {media_type} is not read: send {results.JSON}.")
    try:
        given = _decoder.decode(body)
    except msgspec.ValidationError:
        raise MalformedBody(f"The body is not of this protocol: {EXPECTED}.") from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return reader.read(body, results.JSON)  # which says what is wrong with it
    names = [name for name in ("instances", "inputs") if name in given]
    if len(names) != 1 or bytes(memoryview(given[names[0]])[:1]) != b"[":
        raise MalformedBody(f"The body is not of this protocol: {EXPECTED}.")
    if names == ["instances"]:
        return reader.read(body, results.JSON)
    return _read_inputs(reader, given)


def _read_inputs(reader: Reader, given: dict[str, msgspec.Raw]) -> Batch:
    """Rows under the name `inputs`, where the reader looks for `instances`."""
    given["instances"] = given.pop("inputs")
    try:
        batch = reader.read(msgspec.json.encode(given), results.JSON)
    except InvalidRows as error:
        places = [Place(_renamed(place.pointer), place.detail) for place in error.places]
        raise InvalidRows(places) from None
    pointers = batch.pointers
    batch.pointers = lambda i: _renamed(pointers(i))
    return batch


def _renamed(pointer: str) -> str:
    return pointer.replace("/instances", "/inputs", 1)
