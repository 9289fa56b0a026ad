"""A table in Parquet to rows, by pyarrow: its columns name the features.

pandas writes the index as columns too, and lists these in the file's metadata: they are ignored.
"""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Iterator
from datetime import date
from typing import Any

import numpy as np
from pyarrow import float64, parquet, types  # type: ignore[import-not-found]

from api.errors import UnsupportedType
from models.errors import InvalidRows, MalformedBody, Place, TooLarge, limit_faults
from models.rows import dates
from models.rows.batch import Batch, row_pointer
from models.rows.check import check, check_array
from models.rows.names import as_mapping
from models.rows.words import IGNORE_HINT, NOT_A_FEATURE, escape
from models.signature.types import is_missing
from models.text.contract import Contract

MAGIC = b"PAR1"
# pyarrow makes a kilobyte of objects out of thirty bytes.
MAX_FOOTER_BYTES = 4 * 1024 * 1024


def read(contract: Contract, body: bytes, *, ignore: bool = False) -> Batch:
    """Read a table whose columns come in any order; with `ignore`, others are ignored.

    Raises UnsupportedType, MalformedBody, InvalidRows with the places, TooLarge.
    """
    file = _open(body)
    _check_size(contract, file.metadata)
    order, ignored = _order(contract, file.schema_arrow, ignore=ignore)
    signature = contract.signature
    numeric = (
        signature.numeric
        and len(order) == contract.width
        and all(_is_number(file.schema_arrow.field(name).type) for name in order.values())
    )
    columns = _columns(file, list(order.values()), numeric=numeric)
    if numeric:
        array = check_array(signature, np.ascontiguousarray(np.column_stack(columns)), row_pointer)
        return Batch(array, row_pointer, ignored=ignored)
    names = list(order)
    to_sample: Any = as_mapping if signature.form == "mapping" else _as_object
    samples = (to_sample(names, row) for row in zip(*columns, strict=True))
    return check(signature, samples, row_pointer, ignored)


def _open(body: bytes) -> Any:
    """The file of a body, with its footer read; raises MalformedBody, TooLarge."""
    footer = int.from_bytes(body[-8:-4], "little")
    if body[-4:] == MAGIC and footer > MAX_FOOTER_BYTES:
        raise TooLarge(
            f"The columns and row groups of the body take {footer} bytes to describe, over the "
            f"limit of {MAX_FOOTER_BYTES}: send fewer of them."
        )
    try:
        schema = parquet.read_schema(io.BytesIO(body))
        texts = [field.name for field in schema if _is_text(field.type)]
        # A text that stands in many rows is kept once.
        return parquet.ParquetFile(io.BytesIO(body), read_dictionary=texts)
    except Exception as error:
        raise _malformed(error) from None


def _check_size(contract: Contract, metadata: Any) -> None:
    """Refuse a file that unpacks to more than a request may have, before it is unpacked."""
    groups = [metadata.row_group(i) for i in range(metadata.num_row_groups)]
    count = sum(group.num_rows for group in groups)
    contract.check_count(count)
    packing = {group.column(j).compression for group in groups for j in range(group.num_columns)}
    if not packing <= {"UNCOMPRESSED", "SNAPPY"}:
        # Others unpack to any number of bytes, whatever the file says of its size.
        raise UnsupportedType("Parquet is read uncompressed, or with snappy as pandas writes it.")
    # A column of one value in all rows takes next to no bytes in the file.
    values = count * metadata.num_columns
    if max(sum(group.total_byte_size for group in groups), values) > contract.max_bytes:
        raise TooLarge(f"Unpacked, the body is over the limit of {contract.max_bytes} bytes.")
    contract.limits.check_values(values)


def _order(
    contract: Contract, schema: Any, *, ignore: bool
) -> tuple[dict[str, str], tuple[str, ...]]:
    """The column of each feature, in the features' order, and the columns that are ignored."""
    names, index = contract.names, _index(schema)
    given = Counter(name for name in schema.names if name in names.known or name not in index)
    meant = names.resolve(given)
    columns = {feature: name for name, feature in meant.items()}
    places = list(_wrong_columns(schema, given, meant, ignore=ignore))
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


def _index(schema: Any) -> frozenset[str]:
    """The names of the columns that hold the index of a DataFrame; raises MalformedBody."""
    try:
        given = (schema.pandas_metadata or {}).get("index_columns", [])
        return frozenset(name for name in given if isinstance(name, str))
    except Exception as error:
        raise _malformed(error) from None


def _wrong_columns(
    schema: Any, given: Counter[str], meant: dict[str, str], *, ignore: bool
) -> Iterator[Place]:
    for name, count in given.items():
        at = f"/{escape(name)}"
        if name not in meant:
            if not ignore:
                yield Place(at, f"{NOT_A_FEATURE}; {IGNORE_HINT}")
        elif count > 1:
            yield Place(at, "this column stands twice")
        elif not _is_plain(type_ := schema.field(name).type):
            yield Place(at, f"expected numbers, text, booleans or dates, got {type_}")


def _columns(file: Any, names: list[str], *, numeric: bool) -> list[Any]:
    """The columns of these names: arrays if all are numbers, else lists of values."""
    try:
        table = file.read(columns=names)
        columns = [table[name] for name in names]
        if numeric:
            return [column.cast(float64(), safe=False).to_numpy() for column in columns]
        return [_values(column) for column in columns]
    except Exception as error:
        # pyarrow decodes text only here.
        raise _malformed(error) from None


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


def _as_object(names: list[str], row: tuple[Any, ...]) -> dict[str, Any]:
    return dict(zip(names, row, strict=True))


def _is_text(type_: Any) -> bool:
    return bool(types.is_string(type_) or types.is_large_string(type_))


def _is_number(type_: Any) -> bool:
    return bool(types.is_integer(type_) or types.is_floating(type_))


def _is_plain(type_: Any) -> bool:
    if types.is_dictionary(type_):
        type_ = type_.value_type
    tests = (types.is_boolean, types.is_null, types.is_timestamp, types.is_date)
    return _is_text(type_) or _is_number(type_) or any(test(type_) for test in tests)


def _malformed(error: Exception) -> Exception:
    reason = str(error).partition("\n")[0]
    malformed = MalformedBody(f"The body is not Parquet that can be read: {reason}")
    return error if isinstance(error, MemoryError) else malformed
