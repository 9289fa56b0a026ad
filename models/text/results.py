"""Results as Python objects, and as lines of CSV.

JSON has no word for some numbers: NaN, which is a missing value, becomes null, and the infinities
become the strings "Infinity" and "-Infinity", as in the JSON mapping of protobuf.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Sequence
from itertools import chain
from typing import Any

import msgspec
import numpy as np

# Types whose values JSON has as they are.
JSON_TYPES = {str, int, bool, type(None)}


def count(result: Any) -> int:
    """The number of rows of a result."""
    return count(result[0]) if isinstance(result, (tuple, list)) else int(result.shape[0])


def dense(result: Any) -> Any:
    """The result, as an array if it is a sparse matrix."""
    return result.toarray() if hasattr(result, "toarray") else result


def as_python(result: Any) -> list[Any]:
    """One Python object a row: a label, a number, a list, or a dict for `kneighbors`."""
    if isinstance(result, tuple):
        distances, indices = map(as_python, result)
        return [
            {"distances": near, "indices": which}
            for near, which in zip(distances, indices, strict=True)
        ]
    if isinstance(result, list):
        return [list(row) for row in zip(*map(as_python, result), strict=True)]
    values: list[Any] = result.tolist()
    if result.dtype == object:
        if set(map(type, values)) <= JSON_TYPES:
            return values
        return [as_python(row) if isinstance(row, np.ndarray) else finite(row) for row in result]
    if result.dtype.kind == "f" and not np.isfinite(result).all():
        return [finite(value) for value in values]
    return values


def finite(value: Any) -> Any:
    """A value, or a list of values, with JSON's words for NaN and the infinities."""
    if isinstance(value, list):
        return [finite(inner) for inner in value]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    return value


def table(rows: list[Any], columns: list[str]) -> tuple[list[str], list[Sequence[Any]]]:
    """Results as rows of a table, and a name for each of its columns.

    `columns` are the names, or the first is what their names begin with.
    """
    if isinstance(rows[0], dict):
        return list(rows[0]), [list(row.values()) for row in rows]
    if not isinstance(rows[0], list):
        rows = list(zip(rows, strict=True))
    elif all(isinstance(cell, list) for cell in rows[0]) and sum(map(len, rows[0])) == len(columns):
        rows = [[value for cell in row for value in cell] for row in rows]
    if len(columns) != len(rows[0]):
        columns = [f"{columns[0]}_{i}" for i in range(len(rows[0]))]
    return columns, rows


def csv_lines(rows: list[Any], columns: list[str], *, header: bool) -> bytes:
    """A header row, if wanted, and one line a row; lists inside a row are written as JSON."""
    if not isinstance(rows[0], (list, dict)):
        above = _written([table(rows[:1], columns)[0]]) if header else ""
        return (above + _column(rows)).encode()
    columns, cells = table(rows, columns)
    above = _written([columns]) if header else ""
    if list in set(map(type, chain.from_iterable(cells))):
        cells = [
            [msgspec.json.encode(cell).decode() if isinstance(cell, list) else cell for cell in row]
            for row in cells
        ]
    return (above + _written(cells)).encode()


def _column(values: list[Any]) -> str:
    """The lines of one column. Labels are few, and each is written once."""
    labels = set(values) if set(map(type, values)) == {str} else ()
    if 0 < len(labels) < len(values) // 4:
        lines = {label: _written([(label,)]) for label in labels}
        return "".join(map(lines.__getitem__, values))
    return _written(zip(values, strict=True))


def _written(rows: Iterable[Sequence[Any]]) -> str:
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()
