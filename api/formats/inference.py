"""Requests of the Open Inference Protocol to rows, and results to its answers.

Rows are one tensor of shape (rows, features) under any name, or one of shape (rows,) or (rows, 1)
for each feature, under the feature's name.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from typing import Any

import msgspec
import numpy as np

from api.errors import InvalidTensors, MalformedBody
from api.formats import tensors
from api.formats.json import NOT_FAST, parse
from api.formats.limits import Limits, check_count
from api.formats.tensors import Output, Tensor, Values
from models.errors import InvalidRows, Place
from models.rows import check
from models.rows.check import Batch, check_array, count_unknown
from models.signature.types import Signature

SHOWN_REASON = 200
LENGTH = re.compile(r"[0-9]{1,18}", re.ASCII)
# Python's clients write a missing number so. In a text it stays what it is; one that does not end
# goes as far as the body.
NAN = re.compile(rb'"(?:[^"\\]++|\\.)*+"?|\bNaN\b')
DATATYPES = {"string": "BYTES", "datetime": "BYTES", "boolean": "BOOL"}
# Two results a row do not go into one tensor.
NO_TENSORS = ("kneighbors", "radius_neighbors")
# The kind of tensor that a kind of feature takes as it is.
OF_KIND = {"string": "O", "boolean": "b"}


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
    signature: Signature,
    max_rows: int,
    body: bytes,
    header_length: str | None,
    *,
    ignore: bool = False,
) -> tuple[Request, Batch]:
    """Read a request; `header_length` is how many bytes of the body are JSON, None if all are.

    `ignore` passes over tensors that are no features.

    Raises MalformedBody, InvalidTensors, TooLarge.
    """
    length = len(body)
    if header_length is None:
        # A text in JSON cannot have this: its quotes would be escaped.
        if b'"binary_data_size"' in body:
            raise MalformedBody("Binary tensors need the header Inference-Header-Content-Length.")
    else:
        if not LENGTH.fullmatch(header_length):
            raise MalformedBody("The Inference-Header-Content-Length is not a number.")
        length = int(header_length)
        if length > len(body):
            raise MalformedBody(
                f"The Inference-Header-Content-Length is {length}, the body has {len(body)} bytes."
            )
    limits = Limits(signature, max_rows)
    limits.check_json(body[:length])
    request = _decode(body[:length])
    if not request.inputs:
        raise MalformedBody("The request has no inputs.")
    for tensor in request.inputs:
        tensors.check(tensor)
    whole = _is_whole(signature, request.inputs)
    if not whole:
        _check_names(signature, request.inputs, ignore=ignore)
    _check_shapes(signature, request.inputs, whole=whole)
    check_count(request.inputs[0].shape[0], max_rows)
    values = tensors.values(request.inputs, memoryview(body)[length:])
    ignored: tuple[str, ...] = ()
    if not whole and signature.form != "mapping":
        by_name = {each.tensor.name: each for each in values}
        values = [by_name.pop(feature.name) for feature in signature.features]
        ignored = tuple(by_name)
    batch = _batch(signature, values, whole=whole)
    batch.ignored = ignored
    return request, batch


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


def describe_inputs(signature: Signature) -> list[dict[str, Any]]:
    """The tensors that a request may have, one for each feature."""
    return [
        {
            "name": feature.name,
            "datatype": datatype_of(feature.kind),
            "shape": [-1, 1],
        }
        for feature in signature.features
    ]


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
        reason = str(error)[:SHOWN_REASON]
        raise MalformedBody(f"The body is not a request of this protocol: {reason}.") from None
    except NOT_FAST as error:
        if again:
            plain = NAN.sub(lambda found: b"null" if found[0] == b"NaN" else found[0], head)
            return _decode(plain, again=False)
        parse(head)
        reason = "Infinity is not a JSON number" if b"Infinity" in head else str(error)
        raise MalformedBody(f"The body is not JSON that can be read: {reason}.") from None


def _is_whole(signature: Signature, inputs: list[Tensor]) -> bool:
    """Whether all features are in one tensor."""
    width = len(signature.features)
    if len(inputs) > 1 or signature.form == "mapping":
        return False
    known = any(feature.name == inputs[0].name for feature in signature.features)
    return not known or inputs[0].shape[1:] == [width]


def _check_names(signature: Signature, inputs: list[Tensor], *, ignore: bool) -> None:
    """Each feature has one tensor, and no tensor is anything else."""
    names = Counter(tensor.name for tensor in inputs)
    wrong = [
        f"{tensor.called} stands {names[tensor.name]} times"
        for tensor in {tensor.name: tensor for tensor in inputs}.values()
        if names[tensor.name] > 1
    ]
    if signature.form != "mapping":
        features = dict.fromkeys(feature.name for feature in signature.features)
        shown = check.some([*features])
        wrong += [
            f"{tensor.called} is not a feature of the model: expected {shown}, or all of them in "
            f"one tensor of shape [rows, {len(features)}]; {check.IGNORE_HINT}"
            for tensor in inputs
            if tensor.name not in features and not ignore
        ]
        wrong += [
            f"there is no tensor {feature.name!r}: expected {check.expectation(feature)}"
            for feature in signature.features
            if feature.name not in names
        ]
    if wrong:
        raise InvalidTensors(wrong)


def _check_shapes(signature: Signature, inputs: list[Tensor], *, whole: bool) -> None:
    """Tensors are as wide as the model, and as long as each other."""
    width = len(signature.features) if whole else 1
    narrow = [[], [1]] if width == 1 else [[width]]
    wrong = []
    for tensor in inputs:
        if tensor.shape[1:] not in narrow:
            expected = "[rows] or [rows, 1]" if width == 1 else f"[rows, {width}]"
            wrong.append(f"{tensor.called}: expected the shape {expected}, got {tensor.shape}")
        elif tensor.shape[0] != inputs[0].shape[0]:
            other = f"{inputs[0].called} {inputs[0].shape[0]}"
            wrong.append(f"{tensor.called} has {tensor.shape[0]} rows, {other}")
        elif tensor.shape[0] == 0:
            wrong.append(f"{tensor.called}: expected at least one row")
    if wrong:
        raise InvalidTensors(wrong)


def _batch(signature: Signature, values: list[Values], *, whole: bool) -> Batch:
    """Rows of the values: of all features in their order, or of one tensor that has them all."""
    width = len(signature.features)
    try:
        if signature.numeric and all(each.tensor.kind in "fiu" for each in values):
            # A copy, for memory that starts anywhere is slower, and may be added up otherwise.
            columns = [each.numbers() for each in values]
            table = columns[0].reshape(-1, width) if whole else np.column_stack(columns)
            return Batch(check_array(signature, table, check.pointer), _row)
        if len(values) == width and (batch := _fitting(signature, values)):
            return batch
        samples = _samples(signature, values, whole=whole)
        if whole:
            check.refuse_unclear(signature, samples, check.pointer)
        batch = check.check(signature, samples, check.pointer)
    except InvalidRows as error:
        prefix = f"{values[0].tensor.called}: " if whole else ""
        raise InvalidTensors([prefix + _sentence(signature, p) for p in error.places]) from None
    batch.pointers = _row
    return batch


def _fitting(signature: Signature, values: list[Values]) -> Batch | None:
    """Rows of columns that fit at a glance; None if they have to be looked at one by one."""
    columns = []
    for feature, each in zip(signature.features, values, strict=True):
        column = each.plain()
        if None in column and not feature.missing:
            return None
        number = feature.kind == "number" and feature.categories is None and not feature.sent
        if number and each.tensor.kind in "fiu":
            if np.isinf(each.numbers()).any():
                return None
            column = [None if value is None else float(value) for value in column]
        elif OF_KIND.get(feature.kind) != each.tensor.kind:
            return None
        columns.append(column)
    table = list(zip(*columns, strict=True))
    unknown = count_unknown(signature, table)
    return None if unknown is None else Batch(table, _row, unknown)


def _samples(signature: Signature, values: list[Values], *, whole: bool) -> list[Any]:
    if whole:
        flat, width = values[0].plain(), len(signature.features)
        return [tuple(flat[start : start + width]) for start in range(0, len(flat), width)]
    columns = zip(*(each.plain() for each in values), strict=True)
    if signature.form != "mapping":
        return list(columns)
    names = [each.tensor.name for each in values]
    return [check.named(names, row) for row in columns]


def _row(i: int) -> str:
    return f"row {i}"


def _sentence(signature: Signature, place: Place) -> str:
    """What is wrong in a row; the detail names the feature, or else the pointer does."""
    _, row, step = place.pointer.split("/", 2)
    name = step.replace("~1", "/").replace("~0", "~") + ": " if signature.form == "mapping" else ""
    return f"row {row}, {name}{place.detail}"
