"""Results as Python objects, as arrays, and in pieces; and how large an answer may get.

JSON has no word for some numbers: NaN, which is a missing value, becomes null, and the infinities
become the strings "Infinity" and "-Infinity", as in the JSON mapping of protobuf.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from api.errors import NotAcceptable
from models.engines import slice_results
from models.errors import TooLarge
from models.text.results import as_python, count, dense

# Results of more numbers are encoded in pieces of about so many.
PIECE_NUMBERS = 100_000
# The fewest bytes of a number in JSON and CSV, by numpy's letter for its kind; and the most.
MIN_NUMBER_BYTES = {"f": 4, "i": 2, "u": 2}
MAX_NUMBER_BYTES = 25
# Stop encoding when the pieces so far promise an answer of so many times the limit.
MAX_PROMISED = 2
# Advise so much of the rows that would fit, for the next rows may have longer numbers.
ADVISED = 0.9


def array(result: Any, max_bytes: int) -> np.ndarray:
    """The result as one array, its rows first.

    Raises NotAcceptable where there is none, TooLarge if it has more than `max_bytes`.
    """
    foresee(result, count(result), max_bytes)
    return _array(dense(result))


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
        parts.append(encode(as_python(dense(piece))))
        done += count(piece)
        size += len(parts[-1])
        promised = size * count(result) / max(done, 1)
        if size > max_bytes or promised > MAX_PROMISED * max_bytes:
            check_size(promised, rows, max_bytes)
    return parts


def _least_bytes(result: Any) -> int:
    """The fewest bytes that the numbers of a result may take in an answer."""
    if isinstance(result, (tuple, list)):
        return sum(map(_least_bytes, result))
    kind = result.dtype.kind if isinstance(result, np.ndarray) else "f"
    return int(math.prod(result.shape)) * MIN_NUMBER_BYTES.get(kind, 1)


def check_size(size: float, rows: int, max_bytes: int) -> None:
    """Raise TooLarge if an answer for so many rows has, or would have, more than `max_bytes`."""
    if size > max_bytes:
        raise _too_large(max_bytes, int(rows * ADVISED * max_bytes / size))


def foresee(result: Any, rows: int, max_bytes: int) -> None:
    """Raise TooLarge if the results of so many rows, as large as these, fit into no answer."""
    known = count(result)
    if rows * _least_bytes(result) > max_bytes * known:
        raise _too_large(max_bytes, max_bytes * known // (MAX_NUMBER_BYTES * _numbers(result)))


def _too_large(max_bytes: int, fit: int) -> TooLarge:
    advice = f"send at most {fit} rows in one request" if fit else "not even one row fits"
    return TooLarge(
        f"The answer would have over {max_bytes} bytes, the limit (MAX_ANSWER_BYTES): {advice}."
    )


def is_small(result: Any) -> bool:
    """Whether a result is encoded in one piece."""
    return _numbers(result) <= PIECE_NUMBERS


def _pieces(result: Any) -> Iterator[Any]:
    """A result in pieces of some rows; a small one as it is."""
    if is_small(result):
        yield result
        return
    rows = count(result)
    step = max(1, rows * PIECE_NUMBERS // _numbers(result))
    for start in range(0, rows, step):
        yield slice_results(result, start, start + step)


def _numbers(result: Any) -> int:
    """The number of numbers of a result, which may have rows of different lengths."""
    if isinstance(result, (tuple, list)):
        return sum(map(_numbers, result))
    if isinstance(result, np.ndarray):
        objects = result.dtype.kind == "O" and result.size > 0
        has_lists = objects and isinstance(result.flat[0], np.ndarray)
        return sum(map(len, result)) if has_lists else result.size
    return int(math.prod(result.shape))


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
