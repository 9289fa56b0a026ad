"""Rows from and results to npy, numpy's own format (NEP 1), never with pickled objects."""

from __future__ import annotations

import ast
import contextlib
import io
import math
import struct
from functools import partial
from typing import Any, BinaryIO

import numpy as np
from numpy.lib import format as npy

from api.formats.format import Format
from models.errors import CallError, InvalidRows, MalformedBody, Place
from models.rows import dates
from models.rows.batch import Batch, row_pointer
from models.rows.check import check, check_array, refuse_ambiguous_floats
from models.signature.types import Signature, is_missing
from models.text.contract import Contract
from models.text.limits import Limits

MAX_HEADER_BYTES = 65536


def read(contract: Contract, body: bytes, *, ignore: bool = False) -> Batch:
    """Read an array of shape (n_samples, n_features), or (n_features,) for one sample.

    A structured array of shape (n_samples,) names the features, in any order. Where the model
    takes one feature, shape (n_samples,) is enough. NaN is a missing value. With `ignore`, fields
    that are no features are ignored.

    Raises MalformedBody, InvalidRows with the places, TooLarge.
    """
    signature, width = contract.signature, contract.width
    array = _load(body, contract.limits)
    if array.dtype.names:
        return _read_fields(contract, array, ignore=ignore)
    if array.ndim == 1:
        array = array.reshape(-1, 1) if width == 1 else array.reshape(1, -1)
    if array.ndim != 2 or array.shape[1] != width or signature.form == "mapping":
        expected = f"expected an array of shape (rows, {width})"
        raise InvalidRows([Place("", f"{expected}, got {array.shape}")])
    contract.check_count(len(array))
    if signature.numeric and array.dtype.kind in "fiu":
        numbers = np.ascontiguousarray(array, dtype=np.float64)
        return Batch(check_array(signature, numbers, row_pointer), row_pointer)
    values = _plain(array.ravel())
    return _check(signature, [values[i : i + width] for i in range(0, len(values), width)])


def _read_fields(contract: Contract, array: np.ndarray, *, ignore: bool) -> Batch:
    """Read a structured array."""
    contract.check_count(array.size)
    fields = array.dtype.names or ()
    columns = zip(*(_plain(array[name].ravel()) for name in fields), strict=True)
    samples = [dict(zip(fields, row, strict=True)) for row in columns]
    rows, ignored = contract.names.rows(samples, ignore=ignore)
    return _check(contract.signature, rows, ignored)


def _check(signature: Signature, samples: list[Any], ignored: tuple[str, ...] = ()) -> Batch:
    refuse_ambiguous_floats(signature, samples, row_pointer)
    return check(signature, samples, row_pointer, ignored)


def write(array: np.ndarray) -> bytes:
    """An array as npy, without pickled objects."""
    file = io.BytesIO()
    npy.write_array(file, np.ascontiguousarray(array), allow_pickle=False)
    return file.getvalue()


def _load(body: bytes, limits: Limits) -> np.ndarray:
    """The array of a body. Its header may not promise another number of bytes than came."""
    try:
        file = io.BytesIO(body)
        dtype, header = _header(file, limits)
        array = np.frombuffer(body, dtype, offset=file.tell())
        array = array.reshape(header["shape"], order="F" if header["fortran_order"] else "C")
        if dtype.kind in "UV":
            array.tolist()  # raises where the bytes are no text
    except (CallError, MemoryError):
        raise
    except Exception as error:
        # The header is a Python literal: anything can be wrong with it.
        reason = str(error).partition("\n")[0] or type(error).__name__
        raise MalformedBody(f"The body is not an npy array that can be read: {reason}.") from None
    return array


def _header(file: BinaryIO, limits: Limits) -> tuple[np.dtype, Any]:
    """The dtype of an array, and its header; raises TooLarge if it has too many values."""
    version = npy.read_magic(file)
    size, encoding = ("<H", "latin-1") if version == (1, 0) else ("<I", "utf-8")
    (length,) = struct.unpack(size, file.read(struct.calcsize(size)))
    if length > MAX_HEADER_BYTES:
        raise ValueError("the header is too long")
    header = _parse(file.read(length).decode(encoding))
    dtype = npy.descr_to_dtype(header["descr"])
    fields = [dtype[name] for name in dtype.names] if dtype.names else [dtype]
    if wrong := [field for field in fields if field.kind not in "fiubUM" or field.shape]:
        raise ValueError(f"an array of {wrong[0]} is not read")
    limits.check_values(math.prod(header["shape"]) * len(fields))
    return dtype, header


class Watch:
    """Checks the header of an array while the array is decompressed."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._seen = False

    def __call__(self, piece: bytes) -> None:
        """Raise TooLarge if the array, whose first piece comes first, has too many values."""
        if not self._seen:
            self._seen = True
            # `read` tells all other faults, once the whole body is there.
            with contextlib.suppress(ValueError, TypeError, LookupError, SyntaxError, struct.error):
                _header(io.BytesIO(piece), self._limits)


def _parse(header: str) -> Any:
    try:
        return ast.literal_eval(header)
    except MemoryError:
        # Python raises MemoryError for a literal that is nested too deeply.
        raise ValueError("the header is nested too deeply") from None


def _plain(values: np.ndarray) -> list[Any]:
    """Values as Python objects: dates in ISO 8601, and None for NaN and NaT."""
    if values.dtype.kind == "M":
        return dates.texts(values)
    return [None if is_missing(value) else value for value in values.tolist()]


FORMAT = Format(
    "application/x-npy",
    lambda contract, **_: partial(read, contract),
    "A numpy array of shape (rows, features), or of one dimension whose fields have the names of "
    "the features; NaN is a missing value.",
    suffixes=(".npy",),
    start=b"\x93NUMPY",
    watch=Watch,
    mappings=False,
)
