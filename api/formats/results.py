"""Results to bytes: JSON, CSV or npy, as Accept asks.

JSON has no word for what is not a number: NaN, which is a missing value, becomes null, and the
infinities become the strings "Infinity" and "-Infinity", as in the JSON mapping of protobuf.
"""

from __future__ import annotations

import csv
import io
import math
from typing import Any

import msgspec
import numpy as np

from api.errors import NotAcceptable, TooLarge
from api.formats import npy

JSON, CSV, NPY = "application/json", "text/csv", "application/x-npy"
ANY = "*/*"
# An answer of more numbers than this is refused; as JSON it would have about 200 MB.
MAX_NUMBERS = 10_000_000
# What JSON has as it is.
READY = {str, int, bool, type(None)}


def choose(accept: str) -> str:
    """The type of the answer: the one that the Accept header likes best, or JSON.

    Raises NotAcceptable.
    """
    chosen = preferred(accept, [JSON, CSV, NPY])
    if chosen is None:
        raise NotAcceptable(f"The answer can be {JSON}, {CSV} or {NPY}.")
    return chosen


def preferred(accept: str, types: list[str]) -> str | None:
    """The type that the Accept header likes best, or the first if it says nothing; or none."""
    if accept in ("", ANY):
        return types[0]
    if ";" not in accept:
        # As most clients have it, without what takes a good part of a start to import.
        named = {name.strip().lower() for name in accept.split(",")}
        if found := [name for name in types if name in named]:
            return found[0]
        if {name for name in named if "*" in name} == {ANY}:
            return types[0]
    from werkzeug.datastructures import MIMEAccept
    from werkzeug.http import parse_accept_header

    parsed = parse_accept_header(accept, MIMEAccept)
    return parsed.best_match(types) if parsed else types[0]


def write(result: Any, media_type: str, columns: list[str], classes: list[Any] | None) -> bytes:
    """Encode one result a row; `columns` name the columns of CSV, if they fit.

    `classes`, if given, go into the JSON answer, to name the columns of probabilities.
    """
    result = _dense(result)
    if media_type == JSON:
        return _json(_plain(result), classes)
    if media_type == CSV:
        return _csv(_plain(result), columns)
    return npy.write(_array(result))


def write_single(result: Any, classes: list[Any] | None) -> bytes:
    """Encode as JSON the only result of a request, which is plain already."""
    return _json([_finite(result)], classes)


def _json(predictions: list[Any], classes: list[Any] | None) -> bytes:
    document: dict[str, Any] = {"predictions": predictions}
    if classes is not None:
        document["classes"] = classes
    return msgspec.json.encode(document)


def array(result: Any) -> np.ndarray:
    """The result as one array, its rows first. Raises NotAcceptable where there is none."""
    return _array(_dense(result))


def flat(array: np.ndarray) -> list[Any]:
    """The values of an array one after the other, as JSON has them."""
    return _plain(array.ravel())


def _dense(result: Any) -> Any:
    """The result with arrays for sparse matrices, if that is not too much."""
    if not hasattr(result, "toarray"):
        return result
    rows, width = result.shape
    if rows * width > MAX_NUMBERS:
        raise TooLarge(
            f"The answer would have {rows} rows of {width} numbers: "
            f"at most {MAX_NUMBERS // width} rows of these fit into one answer."
        )
    return result.toarray()


def _plain(result: Any) -> list[Any]:
    """One plain value a row: a label, a number, a list, or an object for `kneighbors`."""
    if isinstance(result, tuple):
        distances, indices = map(_plain, result)
        return [
            {"distances": near, "indices": which}
            for near, which in zip(distances, indices, strict=True)
        ]
    if isinstance(result, list):
        return [list(row) for row in zip(*map(_plain, result), strict=True)]
    plain: list[Any] = result.tolist()
    if result.dtype == object:
        if set(map(type, plain)) <= READY:
            return plain
        return [_plain(row) if isinstance(row, np.ndarray) else _finite(row) for row in result]
    if result.dtype.kind == "f" and not np.isfinite(result).all():
        return [_finite(value) for value in plain]
    return plain


def _finite(value: Any) -> Any:
    if isinstance(value, list):
        return [_finite(inner) for inner in value]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    return value


def _csv(rows: list[Any], columns: list[str]) -> bytes:
    """A header row and one line a row; lists inside a row are written as JSON."""
    if rows and isinstance(rows[0], dict):
        columns, rows = list(rows[0]), [list(row.values()) for row in rows]
    elif not rows or not isinstance(rows[0], list):
        rows = [[row] for row in rows]
    elif all(isinstance(cell, list) for cell in rows[0]) and sum(map(len, rows[0])) == len(columns):
        rows = [[value for cell in row for value in cell] for row in rows]
    if len(columns) != len(rows[0]):
        columns = [f"{columns[0]}_{i}" for i in range(len(rows[0]))]
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    for row in rows:
        writer.writerow(
            [msgspec.json.encode(cell).decode() if isinstance(cell, list) else cell for cell in row]
        )
    return text.getvalue().encode()


def _array(result: Any) -> np.ndarray:
    """The result as one array that npy holds without pickling."""
    if isinstance(result, tuple):
        distances, indices = result
        if distances.dtype == object:
            raise NotAcceptable("Rows of different lengths do not fit into npy: ask for JSON.")
        width = distances.shape[1]
        fields = [("distances", distances.dtype, width), ("indices", indices.dtype, width)]
        array = np.empty(len(distances), dtype=fields)
        array["distances"], array["indices"] = distances, indices
        return array
    if isinstance(result, list):
        widths = {array.shape[1:] for array in result}
        if len(widths) > 1:
            raise NotAcceptable("Outputs of different widths do not fit into npy: ask for JSON.")
        return np.stack(result, axis=1)
    return np.array(result.tolist()) if result.dtype == object else result
