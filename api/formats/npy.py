"""Rows from and results to npy, numpy's own format (NEP 1), never with pickled objects."""

from __future__ import annotations

import ast
import contextlib
import io
import math
import struct
from typing import Any, BinaryIO

import numpy as np
from numpy.lib import format as npy

from api.errors import MalformedBody
from api.formats.limits import Limits, check_count
from models.errors import CallError, InvalidRows, Place
from models.rows import dates
from models.rows.check import Batch, check, check_array, pointer, refuse_unclear
from models.rows.names import Names
from models.signature.types import Signature, is_missing

MAX_HEADER_BYTES = 65536


def read(signature: Signature, max_rows: int, body: bytes, *, ignore: bool = False) -> Batch:
    """Read an array of shape (n_samples, n_features), or (n_features,) for one sample.

    A structured array of shape (n_samples,) names the features, in any order. Where the model
    takes one feature, shape (n_samples,) is enough. NaN is a missing value. With `ignore`, fields
    that are no features are ignored.
    """
    width = len(signature.features)
    array = _load(body, Limits(signature, max_rows))
    if array.dtype.names:
        fields = array.dtype.names
        columns = zip(*(_plain(array[name].ravel()) for name in fields), strict=True)
        samples = [dict(zip(fields, row, strict=True)) for row in columns]
        check_count(len(samples), max_rows)
        ignored: dict[str, None] = {}
        names = Names(signature)
        rows = [names.row(sample, ignored if ignore else None) for sample in samples]
        batch = _checked(signature, max_rows, rows)
        batch.ignored = tuple(ignored)
        return batch
    if array.ndim == 1:
        array = array.reshape(-1, 1) if width == 1 else array.reshape(1, -1)
    if array.ndim != 2 or array.shape[1] != width or signature.form == "mapping":
        raise InvalidRows(
            [Place("", f"expected an array of shape (rows, {width}), got {array.shape}")]
        )
    if signature.numeric and array.dtype.kind in "fiu":
        check_count(len(array), max_rows)
        numbers = np.ascontiguousarray(array, dtype=np.float64)
        return Batch(check_array(signature, numbers, pointer), pointer)
    values = _plain(array.ravel())
    return _checked(
        signature, max_rows, [values[i : i + width] for i in range(0, len(values), width)]
    )


def write(array: np.ndarray) -> bytes:
    """An array as npy, without pickled objects."""
    file = io.BytesIO()
    npy.write_array(file, np.ascontiguousarray(array), allow_pickle=False)
    return file.getvalue()


def _load(body: bytes, limits: Limits) -> np.ndarray:
    """The array; its header may not promise another number of bytes than came."""
    try:
        file = io.BytesIO(body)
        dtype, header = _header(file, limits)
        array = np.frombuffer(body, dtype, offset=file.tell())
        array = array.reshape(header["shape"], order="F" if header["fortran_order"] else "C")
        if dtype.kind in "UV":
            array.tolist()  # fails where bytes are no text
    except (CallError, MemoryError):
        raise
    except Exception as error:
        # The header is a Python literal, in which anything can be wrong.
        reason = str(error).partition("\n")[0] or type(error).__name__
        raise MalformedBody(f"The body is not an npy array that can be read: {reason}.") from None
    return array


def _header(file: BinaryIO, limits: Limits) -> tuple[np.dtype, Any]:
    """The dtype of an array, and the header that it is from; TooLarge if it has too many values."""
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
    """Looks at the header of an array that is decompressed."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._seen = False

    def __call__(self, piece: bytes) -> None:
        """Raise TooLarge if the array, whose first piece comes first, has too many values."""
        if not self._seen:
            self._seen = True
            # All other faults are told once the whole body is there.
            with contextlib.suppress(ValueError, TypeError, LookupError, SyntaxError, struct.error):
                _header(io.BytesIO(piece), self._limits)


def _parse(header: str) -> Any:
    try:
        return ast.literal_eval(header)
    except MemoryError:
        # Not of memory: it is Python's word for what is nested too deeply.
        raise ValueError("the header is nested too deeply") from None


def _checked(signature: Signature, max_rows: int, samples: list[Any]) -> Batch:
    check_count(len(samples), max_rows)
    refuse_unclear(signature, samples, pointer)
    return check(signature, samples, pointer)


def _plain(values: np.ndarray) -> list[Any]:
    """Values as Python's own: a date is ISO 8601, and NaN and NaT are None."""
    if values.dtype.kind == "M":
        return dates.texts(values)
    return [None if is_missing(value) else value for value in values.tolist()]
