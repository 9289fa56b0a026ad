"""Tables of CSV that hold nothing but numbers and gaps, read as JSON: 4 x faster."""

from __future__ import annotations

import codecs
import contextlib
import functools
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import numpy as np

from models.rows.batch import Batch, array_of, row_pointer
from models.rows.check import check_array
from models.text.contract import Contract
from models.text.limits import PIECE_BYTES

# Of two gaps side by side, the second is found the second time.
GAPS = ((b",,", b",null,"),) * 2 + ((b"\n,", b"\nnull,"), (b",\n", b",null\n"))


def read_numbers(contract: Contract, body: bytes, *, header: bool) -> Batch | None:
    """Read a table with commas, whose numbers are written as in JSON; None if it is another.

    Raises InvalidRows with the places, TooLarge.
    """
    text = body.removeprefix(codecs.BOM_UTF8).removesuffix(b"\n").removesuffix(b"\r")
    names = contract.names.names
    if header:
        line, _, text = text.partition(b"\n")
        names = _names(line.removesuffix(b"\r"), len(names))
    places = {name: j for j, name in enumerate(names)}
    try:
        order = [places.pop(name) for name in contract.names.names]
    except KeyError:
        return None
    parts = []
    total = 0
    for piece in _pieces(text):
        rows = _read_piece(piece, len(names))
        if rows is None:
            return None
        total += len(rows)
        contract.limits.check_rows(total)
        parts.append(array_of(rows))
    table = np.concatenate(parts).take(np.array(order, dtype=np.intp), axis=1)
    return Batch(check_array(contract.signature, table, row_pointer), row_pointer)


def _names(line: bytes, width: int) -> list[str]:
    """The names of a header; none if there are not as many as the model has."""
    # A decoder is kept for each width, so only for the model's.
    if b'"' in line or line.count(b",") != width - 1:
        return []
    try:
        return line.decode().split(",")
    except UnicodeDecodeError:
        return []


def _pieces(text: bytes) -> Iterator[bytes]:
    """A text in pieces of whole lines, without the line end between them."""
    start = 0
    while len(text) - start > PIECE_BYTES and (cut := text.find(b"\n", start + PIECE_BYTES)) >= 0:
        yield text[start:cut]
        start = cut + 1
    yield text[start:]


def _read_piece(text: bytes, width: int) -> list[Any] | None:
    """Rows of numbers and gaps; None if there is something else."""
    text = text.removesuffix(b"\r").replace(b"\r\n", b"\n")
    # In JSON these would be the end of the list, null, and white space.
    if any(sign in text for sign in (b"]", b"n", b"\r")):
        return None
    decode: Callable[[bytes], list[Any]] = _table(width).decode
    with contextlib.suppress(msgspec.DecodeError):
        return decode(_as_json(text))
    text = b"\n%b\n" % text
    for gap, null in GAPS:
        text = text.replace(gap, null)
    with contextlib.suppress(msgspec.DecodeError):
        return decode(_as_json(text[1:-1]))
    return None


def _as_json(text: bytes) -> bytes:
    return b"[[%b]]" % text.replace(b"\n", b"],[")


@functools.cache
def _table(width: int) -> Any:
    """A decoder for rows of so many numbers; msgspec is slower for rows of any length."""
    return msgspec.json.Decoder(list[tuple[(float | None,) * width]])  # type: ignore[misc]
