"""Results to bytes: JSON, CSV or npy, as Accept asks.

JSON has no word for what is not a number: NaN, which is a missing value, becomes null, and the
infinities become the strings "Infinity" and "-Infinity", as in the JSON mapping of protobuf.
"""

from __future__ import annotations

import csv
import io
import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import msgspec
import numpy as np

from api.errors import NotAcceptable, TooLarge
from api.formats import npy
from models.engines import part

JSON, CSV, NPY = "application/json", "text/csv", "application/x-npy"
ANY = "*/*"
# Results of more numbers are encoded in pieces of about so many.
PIECE_NUMBERS = 100_000
# The fewest bytes of a number in JSON and CSV, by numpy's letter for its kind; and the most.
LEAST_BYTES = {"f": 4, "i": 2, "u": 2}
MOST_BYTES = 25
# An answer whose first pieces promise so many times the limit is refused at once.
MARGIN = 2
# Advice leaves room, for the next rows may have longer numbers.
SPARE = 0.9
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


def write(
    result: Any,
    media_type: str,
    columns: list[str],
    classes: list[Any] | None,
    max_bytes: int,
) -> bytes:
    """Encode one result a row; `columns` name the columns of CSV, if they fit.

    `classes`, if given, go into the JSON answer, to name the columns of probabilities.

    Raises TooLarge before much more than `max_bytes` are made.
    """
    if media_type == NPY:
        found = array(result, max_bytes)
        check_size(found.nbytes, len(found), max_bytes)
        return npy.write(found)
    if media_type == JSON and isinstance(result, np.ndarray) and _numbers(result) <= PIECE_NUMBERS:
        return _json(_plain(result), classes)
    rows = _count(result)
    if media_type == CSV:
        numbers = itertools.count()
        lines = encoded(
            result, lambda plain: _csv(plain, columns, header=next(numbers) == 0), rows, max_bytes
        )
        return b"".join(lines)
    lists = encoded(result, msgspec.json.encode, rows, max_bytes)
    return _json(msgspec.Raw(joined(lists)), classes)


def write_single(result: Any, classes: list[Any] | None) -> bytes:
    """Encode as JSON the only result of a request, which is plain already."""
    return _json([_finite(result)], classes)


def _json(predictions: list[Any] | msgspec.Raw, classes: list[Any] | None) -> bytes:
    document: dict[str, Any] = {"predictions": predictions}
    if classes is not None:
        document["classes"] = classes
    return msgspec.json.encode(document)


def array(result: Any, max_bytes: int) -> np.ndarray:
    """The result as one array, its rows first.

    Raises NotAcceptable where there is none, TooLarge if it has more than `max_bytes`.
    """
    foresee(result, _count(result), max_bytes)
    return _array(_dense(result))


def joined(lists: Sequence[bytes]) -> bytes:
    """Several lists of JSON as one; none is empty."""
    return lists[0] if len(lists) == 1 else b"[%b]" % b",".join([each[1:-1] for each in lists])


def encoded(
    result: Any, encode: Callable[[list[Any]], bytes], rows: int, max_bytes: int
) -> list[bytes]:
    """A result of so many rows in pieces, each encoded.

    Raises TooLarge before much more than `max_bytes` are made.
    """
    parts: list[bytes] = []
    done = size = 0
    for piece in _pieces(result):
        parts.append(encode(_plain(_dense(piece))))
        done += _count(piece)
        size += len(parts[-1])
        promised = size * _count(result) / max(done, 1)
        if size > max_bytes or promised > MARGIN * max_bytes:
            check_size(promised, rows, max_bytes)
    return parts


def _least_bytes(result: Any) -> int:
    """How many bytes an answer has at least, as far as its numbers tell."""
    if isinstance(result, (tuple, list)):
        return sum(map(_least_bytes, result))
    kind = result.dtype.kind if isinstance(result, np.ndarray) else "f"
    return int(math.prod(result.shape)) * LEAST_BYTES.get(kind, 1)


def check_size(size: float, rows: int, max_bytes: int) -> None:
    """Raise TooLarge if an answer for so many rows has, or would have, more than `max_bytes`."""
    if size > max_bytes:
        raise _too_large(max_bytes, int(rows * SPARE * max_bytes / size))


def foresee(result: Any, rows: int, max_bytes: int) -> None:
    """Raise TooLarge if so many rows with results like these fit into no answer."""
    count = _count(result)
    if rows * _least_bytes(result) > max_bytes * count:
        raise _too_large(max_bytes, max_bytes * count // (MOST_BYTES * _numbers(result)))


def _too_large(max_bytes: int, fit: int) -> TooLarge:
    advice = f"send at most {fit} rows in one request" if fit else "not even one row fits"
    return TooLarge(
        f"The answer would have over {max_bytes} bytes, the limit (MAX_ANSWER_BYTES): {advice}."
    )


def _count(result: Any) -> int:
    """How many rows a result has."""
    return _count(result[0]) if isinstance(result, (tuple, list)) else int(result.shape[0])


def _pieces(result: Any) -> Iterator[Any]:
    """A result in pieces of some rows; a small one as it is."""
    rows = _count(result)
    numbers = _numbers(result)
    if numbers <= PIECE_NUMBERS:
        yield result
        return
    step = max(1, rows * PIECE_NUMBERS // numbers)
    for start in range(0, rows, step):
        yield part(result, start, start + step)


def _numbers(result: Any) -> int:
    """How many numbers a result has, in lists of their own lengths too."""
    if isinstance(result, (tuple, list)):
        return sum(map(_numbers, result))
    if isinstance(result, np.ndarray):
        objects = result.dtype.kind == "O" and result.size > 0
        has_lists = objects and isinstance(result.flat[0], np.ndarray)
        return sum(map(len, result)) if has_lists else result.size
    return int(math.prod(result.shape))


def _dense(result: Any) -> Any:
    """The result with arrays for sparse matrices."""
    return result.toarray() if hasattr(result, "toarray") else result


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


def _csv(rows: list[Any], columns: list[str], *, header: bool) -> bytes:
    """A header row, if wanted, and one line a row; lists inside a row are written as JSON."""
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
    if header:
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
