"""Tensors of the Open Inference Protocol: a name, a datatype, a shape, and values.

The values, in row-major order, are JSON, flat or nested, or bytes behind the JSON.
Sources: "Tensor Data" of the protocol's specification; "Binary Tensor Data Extension", Triton
Inference Server.
"""

from __future__ import annotations

import itertools
import math
import re
import struct
from typing import Any

import msgspec
import numpy as np

from api.errors import InvalidTensors
from api.formats import results
from models.errors import MalformedBody
from models.signature.types import is_missing

DTYPES = {
    "BOOL": np.dtype("?"),
    "UINT8": np.dtype("<u1"),
    "UINT16": np.dtype("<u2"),
    "UINT32": np.dtype("<u4"),
    "UINT64": np.dtype("<u8"),
    "INT8": np.dtype("<i1"),
    "INT16": np.dtype("<i2"),
    "INT32": np.dtype("<i4"),
    "INT64": np.dtype("<i8"),
    "FP16": np.dtype("<f2"),
    "FP32": np.dtype("<f4"),
    "FP64": np.dtype("<f8"),
}
BYTES = "BYTES"
DATATYPES = (*DTYPES, BYTES)
DATATYPE_OF = {(dtype.kind, dtype.itemsize): name for name, dtype in DTYPES.items()}
LENGTH = struct.Struct("<I")
MAX_INT64 = 2**63 - 1
NESTED = re.compile(rb"\[\s*\[")
# The place at the end of msgspec's messages.
PLACE = re.compile(r" - at `\$(.+)`$")
MAX_NAME_CHARACTERS = 80

# The JSON of a datatype, by numpy's letter for its kind; null is a missing value.
KINDS: dict[str, Any] = {"b": bool, "u": int, "i": int, "f": float, "O": str}
NAMES = {"b": "true or false", "u": "integers", "i": "integers", "f": "numbers", "O": "strings"}
_list: Any = list
_flat = {kind: msgspec.json.Decoder(_list[each | None]) for kind, each in KINDS.items()}
_nested = {kind: msgspec.json.Decoder(_list[_list[each | None]]) for kind, each in KINDS.items()}


class Tensor(msgspec.Struct, omit_defaults=True):
    """One input of a request, or one output of its answer."""

    name: str
    shape: list[int]
    datatype: str
    parameters: dict[str, Any] | None = None
    data: msgspec.Raw = msgspec.Raw()

    @property
    def called(self) -> str:
        """The tensor in a sentence."""
        return f"Tensor {self.name[:MAX_NAME_CHARACTERS]!r}"

    @property
    def kind(self) -> str:
        """Numpy's letter for the kind of the values."""
        return "O" if self.datatype == BYTES else DTYPES[self.datatype].kind

    @property
    def size(self) -> int | None:
        """The number of bytes behind the JSON; None if the values are in the JSON."""
        size = (self.parameters or {}).get("binary_data_size")
        if size is None:
            return None
        if type(size) is not int or not 0 <= size <= MAX_INT64:
            raise MalformedBody(f"{self.called}: binary_data_size is not a number of bytes.")
        return size


class Output(msgspec.Struct):
    """One output that a request asks for."""

    name: str
    parameters: dict[str, Any] | None = None


class Values(msgspec.Struct):
    """The values of a tensor: an array, or where some may be null or text, a list."""

    tensor: Tensor
    flat: np.ndarray | list[Any]

    def numbers(self) -> np.ndarray:
        """The values of a tensor of numbers as float64, where null is NaN."""
        return np.array(self.flat, dtype=np.float64)

    def plain(self) -> list[Any]:
        """The values as Python objects, where NaN is None."""
        values = self.flat.tolist() if isinstance(self.flat, np.ndarray) else self.flat
        if self.tensor.kind == "f":
            return [None if is_missing(value) else value for value in values]
        return values


def check(tensor: Tensor) -> None:
    """Raise MalformedBody if a tensor has no datatype or shape of the protocol."""
    if tensor.datatype not in DATATYPES:
        expected = ", ".join(DATATYPES)
        raise MalformedBody(f"{tensor.called}: expected one of the datatypes {expected}.")
    if not 1 <= len(tensor.shape) <= 2:
        count = len(tensor.shape)
        raise MalformedBody(f"{tensor.called}: expected a shape of 1 or 2 lengths, got {count}.")
    if not all(0 <= length <= MAX_INT64 for length in tensor.shape):
        raise MalformedBody(f"{tensor.called}: a length in its shape is negative, or too large.")


def values(tensors: list[Tensor], binary: memoryview) -> list[Values]:
    """The values of all tensors; `binary` holds those of binary tensors, one after the other.

    Raises MalformedBody where sizes do not add up, InvalidTensors where values are not of the
    datatype.
    """
    found = []
    start = 0
    for tensor in tensors:
        size, inside = tensor.size, bytes(memoryview(tensor.data)[:4]) not in (b"", b"null")
        if (size is None) != inside:
            has = "both data and" if inside else "neither data nor"
            raise MalformedBody(f"{tensor.called} has {has} binary_data_size.")
        if size is None:
            found.append(Values(tensor, _from_json(tensor)))
            continue
        if start + size > len(binary):
            raise MalformedBody(f"{tensor.called}: the body ends before its {size} bytes.")
        found.append(Values(tensor, _from_bytes(tensor, binary[start : start + size])))
        start += size
    if left := len(binary) - start:
        raise MalformedBody(f"{left} bytes are left behind those of {tensors[-1].called}.")
    return found


def _from_json(tensor: Tensor) -> list[Any]:
    if tensor.datatype == "FP16":
        raise MalformedBody(f"{tensor.called}: FP16 is read as binary data only.")
    nested = NESTED.match(tensor.data) is not None
    flat: list[Any]
    try:
        if nested:
            rows = _nested[tensor.kind].decode(tensor.data)
            if tensor.shape != [len(rows), *{len(row) for row in rows}]:
                raise MalformedBody(f"{tensor.called}: its data has not the shape {tensor.shape}.")
            flat = list(itertools.chain.from_iterable(rows))
        else:
            flat = _flat[tensor.kind].decode(tensor.data)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        place = PLACE.search(str(error))
        at = f" at data{place[1]}" if place else ""
        expected = f"expected {NAMES[tensor.kind]} for {tensor.datatype}"
        raise InvalidTensors([f"{tensor.called}: {expected}{at}"]) from None
    _check_count(tensor, len(flat))
    if tensor.kind in "iu":
        limits = np.iinfo(tensor.datatype.lower())
        if any(value is not None and not limits.min <= value <= limits.max for value in flat):
            raise InvalidTensors(
                [f"{tensor.called}: {tensor.datatype} is {limits.min} to {limits.max}"]
            )
    return flat


def _check_count(tensor: Tensor, count: int) -> None:
    if count != (expected := math.prod(tensor.shape)):
        raise MalformedBody(
            f"{tensor.called}: the shape {tensor.shape} has {expected} values, its data {count}."
        )


def _from_bytes(tensor: Tensor, data: memoryview) -> np.ndarray | list[Any]:
    if tensor.datatype == BYTES:
        return _strings(tensor, data)
    dtype = DTYPES[tensor.datatype]
    expected = math.prod(tensor.shape) * dtype.itemsize
    if len(data) != expected:
        raise MalformedBody(
            f"{tensor.called}: {tensor.datatype} of shape {tensor.shape} takes {expected} bytes, "
            f"its binary_data_size is {len(data)}."
        )
    if dtype.kind == "b" and np.frombuffer(data, np.uint8).max(initial=0) > 1:
        raise InvalidTensors([f"{tensor.called}: expected bytes of 0 and 1 for BOOL"])
    return np.frombuffer(data, dtype)


def _strings(tensor: Tensor, data: memoryview) -> list[str]:
    """The strings of a binary tensor, each behind its length."""
    found: list[str] = []
    start = 0
    expected = math.prod(tensor.shape)
    try:
        while start < len(data) and len(found) <= expected:
            (length,) = LENGTH.unpack_from(data, start)
            start += LENGTH.size + length
            found.append(str(data[start - length : start], "utf-8"))
    except UnicodeDecodeError:
        raise InvalidTensors([f"{tensor.called}: value {len(found)} is not UTF-8"]) from None
    except struct.error:
        start = len(data) + 1
    if start != len(data) and len(found) <= expected:
        raise MalformedBody(
            f"{tensor.called}: value {len(found)} ends behind its {len(data)} bytes."
        )
    _check_count(tensor, len(found))
    return found


def datatype(array: np.ndarray) -> str:
    """The datatype of an array in an answer."""
    if array.dtype.kind == "f":
        # JSON has no FP16, and no datatype has more than 64 bits.
        return "FP32" if array.dtype.itemsize < 8 else "FP64"
    return DATATYPE_OF.get((array.dtype.kind, array.dtype.itemsize), BYTES)


def encode(name: str, array: np.ndarray, *, binary: bool, max_bytes: int) -> tuple[Tensor, bytes]:
    """An output, with its values as JSON inside, or as bytes.

    Raises TooLarge before much more than `max_bytes` are made.
    """
    tensor = Tensor(name, list(array.shape), datatype(array))
    if not binary:
        values = _texts if tensor.datatype == BYTES else msgspec.json.encode
        lists = results.encoded(array.ravel(), values, len(array), max_bytes)
        tensor.data = msgspec.Raw(results.joined(lists))
        return tensor, b""
    results.check_size(array.nbytes, len(array), max_bytes)
    if tensor.datatype == BYTES:
        texts = [str(value).encode() for value in array.ravel().tolist()]
        data = b"".join(LENGTH.pack(len(text)) + text for text in texts)
    else:
        data = array.astype(DTYPES[tensor.datatype]).tobytes()
    tensor.parameters = {"binary_data_size": len(data)}
    return tensor, data


def _texts(values: list[Any]) -> bytes:
    return msgspec.json.encode([str(value) for value in values])
