"""Requests and answers of the Open Inference Protocol."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

import msgspec
import numpy as np

from api.formats import tensors
from api.formats.tensor_rows import read_tensors
from api.formats.tensors import Output, Tensor
from models.errors import MalformedBody
from models.rows.batch import Batch
from models.text.contract import Contract
from models.text.parse import parse
from models.text.samples import NOT_FAST

MAX_REASON_CHARACTERS = 200
LENGTH = re.compile(r"[0-9]{1,18}", re.ASCII)
# json.dumps writes NaN. It is matched outside of strings only; an unterminated string goes to the
# end of the body.
NAN = re.compile(rb'"(?:[^"\\]++|\\.)*+"?|\bNaN\b')
DATATYPES = {"string": "BYTES", "datetime": "BYTES", "boolean": "BOOL"}
# Two results a row do not go into one tensor.
NO_TENSORS = ("kneighbors", "radius_neighbors")


class Request(msgspec.Struct, forbid_unknown_fields=True):
    """The JSON of a request. The name and the version of the model are in its path."""

    inputs: list[Tensor]
    id: str | None = None
    parameters: dict[str, Any] | None = None
    outputs: list[Output] | None = None
    model_name: str | None = None
    model_version: str | None = None

    def wants_binary(self, output: Output) -> bool:
        """Whether an output shall be binary."""
        everything = (self.parameters or {}).get("binary_data_output", False)
        return (output.parameters or {}).get("binary_data", everything) is True


class Response(msgspec.Struct, omit_defaults=True):
    """The JSON of an answer."""

    model_name: str
    model_version: str
    outputs: list[Tensor]
    id: str | None = None


_decoder = msgspec.json.Decoder(Request)


def read(
    contract: Contract, body: bytes, header_length: str | None, *, ignore: bool = False
) -> tuple[Request, Batch]:
    """Read a request; `header_length` is how many bytes of the body are JSON, None if all are.

    With `ignore`, tensors that are no features are ignored.

    Raises MalformedBody, InvalidTensors, InvalidRows, TooLarge.
    """
    length = _length(body, header_length)
    contract.limits.check_json(body[:length])
    request = _decode(body[:length])
    if not request.inputs:
        raise MalformedBody("The request has no inputs.")
    binary = memoryview(body)[length:]
    return request, read_tensors(contract, request.inputs, binary, ignore=ignore)


def _length(body: bytes, header_length: str | None) -> int:
    """How many bytes of the body are JSON."""
    if header_length is None:
        # No text in JSON can hold this, for its quotes would be escaped.
        if b'"binary_data_size"' in body:
            raise MalformedBody("Binary tensors need the header Inference-Header-Content-Length.")
        return len(body)
    if not LENGTH.fullmatch(header_length):
        raise MalformedBody("The Inference-Header-Content-Length is not a number.")
    length = int(header_length)
    if length > len(body):
        raise MalformedBody(
            f"The Inference-Header-Content-Length is {length}, the body has {len(body)} bytes."
        )
    return length


def write(
    response: Response, outputs: list[tuple[str, np.ndarray, bool]], max_bytes: int
) -> tuple[bytes, int | None]:
    """The body of an answer, and how many bytes of it are JSON; None if all are.

    Each of `outputs` is a name, its array, and whether it goes out as binary data. Raises TooLarge
    where one of them has more than `max_bytes`.
    """
    encoded = [
        tensors.encode(name, array, binary=binary, max_bytes=max_bytes)
        for name, array, binary in outputs
    ]
    response.outputs = [tensor for tensor, _ in encoded]
    head = msgspec.json.encode(response)
    if not any(binary for _, _, binary in outputs):
        return head, None
    return head + b"".join(data for _, data in encoded), len(head)


def datatype_of(kind: str) -> str:
    """The datatype of a feature of this kind."""
    return DATATYPES.get(kind, "FP64")


def tensor_methods(methods: Iterable[str]) -> list[str]:
    """Those of a model's methods whose results are tensors."""
    return [method for method in methods if method not in NO_TENSORS]


def _decode(head: bytes, *, again: bool = True) -> Request:
    try:
        return _decoder.decode(head)
    except msgspec.ValidationError as error:
        reason = str(error)[:MAX_REASON_CHARACTERS]
        raise MalformedBody(f"The body is not a request of this protocol: {reason}.") from None
    except NOT_FAST as error:
        if again:
            plain = NAN.sub(lambda found: b"null" if found[0] == b"NaN" else found[0], head)
            return _decode(plain, again=False)
        parse(head)
        reason = "Infinity is not a JSON number" if b"Infinity" in head else str(error)
        raise MalformedBody(f"The body is not JSON that can be read: {reason}.") from None
