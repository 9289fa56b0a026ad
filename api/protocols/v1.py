"""KServe's protocol v1, which is TensorFlow Serving's in shape.

Source: "Data Plane (V1)", KServe documentation.
"""

from __future__ import annotations

from functools import partial

import msgspec

from api.errors import Answer, InvalidRows, MalformedBody, Place, UnsupportedType
from api.formats import Reader, results
from api.formats.rows import Batch
from api.gateway import Environ, Gateway, content_type
from api.service import Service

EXPECTED = 'expected {"instances": [...]} or {"inputs": [...]}'


_decoder = msgspec.json.Decoder(dict[str, msgspec.Raw])


def init(gateway: Gateway, service: Service) -> None:
    """Add `POST /v1/models/<model>:predict`."""
    gateway.post(f"/v1/models/{service.name}:predict", partial(predict, service))


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
