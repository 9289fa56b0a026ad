"""Rows from Parquet, where pyarrow is installed: a table whose columns name the features.

pandas writes the index as columns too, and names these in the file: they are ignored.
"""

from __future__ import annotations

import io
from collections import Counter
from datetime import date
from typing import Any

import numpy as np

from api.errors import MalformedBody, TooLarge, UnsupportedType
from api.formats.limits import Limits, check_count
from models.errors import CallError, InvalidRows, Place, limit_faults
from models.rows import dates
from models.rows.check import (
    IGNORE_HINT,
    UNKNOWN,
    Batch,
    check,
    check_array,
    escape,
    named,
    pointer,
)
from models.rows.names import Names
from models.signature.types import Signature, is_missing

MAGIC = b"PAR1"
# pyarrow makes a kilobyte of objects out of thirty bytes.
MAX_FOOTER_BYTES = 4 * 1024 * 1024


def read(
    signature: Signature, max_rows: int, max_bytes: int, body: bytes, *, ignore: bool = False
) -> Batch:
    """Read a table whose columns come in any order; with `ignore`, others are ignored.

    Raises UnsupportedType without pyarrow, MalformedBody, InvalidRows with the places, TooLarge.
    """
    try:
        from pyarrow import float64, parquet, types  # type: ignore[import-not-found]
    except ModuleNotFoundError:
        raise UnsupportedType(
            "Parquet is read where pyarrow is installed, and here it is not: name it in "
            "models/requirements.txt, which the image is built with."
        ) from None
    try:
        _check_footer(body)
        schema = parquet.read_schema(io.BytesIO(body))
        texts = [field.name for field in schema if _is_text(types, field.type)]
        # A text that stands in many rows is kept once.
        file = parquet.ParquetFile(io.BytesIO(body), read_dictionary=texts)
        given = (schema.pandas_metadata or {}).get("index_columns", [])
        index = frozenset(name for name in given if isinstance(name, str))
    except Exception as error:
        raise _malformed(error) from None
    _check_size(signature, max_rows, max_bytes, file.metadata)
    order, ignored = _order(types, signature, schema, index, ignore=ignore)
    names = list(order.values())
    numeric = (
        signature.numeric
        and len(names) == len(signature.features)
        and all(_is_number(types, schema.field(name)) for name in names)
    )
    try:
        table = file.read(columns=names)
        columns: list[Any] = [table[name] for name in names]
        if numeric:
            columns = [column.cast(float64(), safe=False).to_numpy() for column in columns]
        else:
            columns = [_values(column) for column in columns]
    except Exception as error:
        # Text is decoded only here.
        raise _malformed(error) from None
    if numeric:
        rows = np.ascontiguousarray(np.column_stack(columns))
        batch = Batch(check_array(signature, rows, pointer), pointer)
    elif signature.form == "mapping":
        values = zip(*columns, strict=True)
        batch = check(signature, [named(names, row) for row in values], pointer)
    else:
        values = zip(*columns, strict=True)
        batch = check(signature, [dict(zip(order, row, strict=True)) for row in values], pointer)
    batch.ignored = ignored
    return batch


def _check_size(signature: Signature, max_rows: int, max_bytes: int, metadata: Any) -> None:
    """Refuse what unpacks to more than a request may have, before it is unpacked."""
    groups = [metadata.row_group(i) for i in range(metadata.num_row_groups)]
    count = sum(group.num_rows for group in groups)
    check_count(count, max_rows)
    packing = {group.column(j).compression for group in groups for j in range(group.num_columns)}
    if not packing <= {"UNCOMPRESSED", "SNAPPY"}:
        # These unpack to as much as they like, whatever the file says of its size.
        raise UnsupportedType("Parquet is read uncompressed, or with snappy as pandas writes it.")
    # Packed, a column of one value in all rows is next to nothing.
    if (
        max(sum(group.total_byte_size for group in groups), count * metadata.num_columns)
        > max_bytes
    ):
        raise TooLarge(f"Unpacked, the body is over the limit of {max_bytes} bytes.")
    Limits(signature, max_rows).check_values(count * metadata.num_columns)


def _check_footer(body: bytes) -> None:
    """Raise TooLarge if what describes the columns would take far more memory than it has bytes."""
    footer = int.from_bytes(body[-8:-4], "little")
    if body[-4:] == MAGIC and footer > MAX_FOOTER_BYTES:
        raise TooLarge(
            f"The columns and row groups of the body take {footer} bytes to describe, over the "
            f"limit of {MAX_FOOTER_BYTES}: send fewer of them."
        )


def _order(
    types: Any, signature: Signature, schema: Any, index: frozenset[str], *, ignore: bool
) -> tuple[dict[str, str], tuple[str, ...]]:
    """The column of each feature, in the features' order, and the columns that are ignored."""
    names = Names(signature)
    given = Counter(name for name in schema.names if name in names.known or name not in index)
    meant = names.resolve(given)
    columns = {feature: name for name, feature in meant.items()}
    places = []
    for name, count in given.items():
        at = f"/{escape(name)}"
        if name not in meant:
            if not ignore:
                places.append(Place(at, f"{UNKNOWN}; {IGNORE_HINT}"))
        elif count > 1:
            places.append(Place(at, "this column stands twice"))
        elif not _is_plain(types, type_ := schema.field(name).type):
            places.append(Place(at, f"expected numbers, text, booleans or dates, got {type_}"))
    places += [
        Place(f"/{escape(name)}", "the table lacks this feature")
        for name in names.required
        if name not in columns
    ]
    if places:
        raise InvalidRows(limit_faults(places))
    order = names.names or list(given)
    ignored = tuple(name for name in given if name not in meant)
    return {name: columns[name] for name in order if name in columns}, ignored


def _is_text(types: Any, type_: Any) -> bool:
    return bool(types.is_string(type_) or types.is_large_string(type_))


def _is_number(types: Any, field: Any) -> bool:
    return bool(types.is_integer(field.type) or types.is_floating(field.type))


def _is_plain(types: Any, type_: Any) -> bool:
    if types.is_dictionary(type_):
        type_ = type_.value_type
    tests = (
        types.is_boolean,
        types.is_integer,
        types.is_floating,
        types.is_null,
        types.is_timestamp,
        types.is_date,
    )
    return _is_text(types, type_) or any(test(type_) for test in tests)


def _values(column: Any) -> list[Any]:
    """The values of a column, with None for those that are missing."""
    values: list[Any] = []
    for chunk in column.chunks:
        if hasattr(chunk, "dictionary"):
            known = chunk.dictionary.to_pylist()
            values += [None if i is None else known[i] for i in chunk.indices.to_pylist()]
        elif hasattr(chunk.type, "tz"):
            values += dates.texts(chunk.to_numpy(zero_copy_only=False), zone=chunk.type.tz)
        else:
            values += chunk.to_pylist()
    return [_plain(value) for value in values]


def _plain(value: Any) -> Any:
    if isinstance(value, date):
        return value.isoformat()
    return None if is_missing(value) else value


def _malformed(error: Exception) -> Exception:
    if isinstance(error, (CallError, MemoryError)):
        return error
    reason = str(error).partition("\n")[0]
    return MalformedBody(f"The body is not Parquet that can be read: {reason}")
