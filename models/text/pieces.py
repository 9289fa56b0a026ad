"""A long list of samples in pieces.

Pieces bound what a body costs: rows are counted on the way, numbers become an array piece by piece,
and other threads get the GIL between two pieces.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import msgspec

from models.text.limits import PIECE_BYTES

# A list of samples, bare or as `instances`, from its bracket to its first sample; and its end.
LIST = re.compile(rb'[ \t\r\n]*+(\{[ \t\r\n]*+"instances"[ \t\r\n]*+:[ \t\r\n]*+)?\[[ \t\r\n]*+(.)')
LIST_END = re.compile(rb"\][ \t\r\n]*(\}?)[ \t\r\n]*$")
TAIL_BYTES = 64
# A sample that is longer than so many pieces is read slowly.
MAX_PIECES = 8
# What ends a sample that begins with this byte, before another sample.
SAMPLE_ENDS = {b"{": b"},", b"[": b"],", b'"': b'",'}


def pieces(body: bytes) -> tuple[Iterator[bytes], bool] | None:
    """The pieces of a list, and whether `{"instances": ...}` is around it; None if it is no list.

    The pieces raise DecodeError where no sample ends.
    """
    begin = LIST.match(body)
    end = LIST_END.search(body, len(body) - TAIL_BYTES)
    if begin is None or end is None or bool(begin[1]) != bool(end[1]):
        return None
    return _cut(body, begin.start(2), end.start(), begin[2]), bool(begin[1])


def _cut(body: bytes, start: int, end: int, first: bytes) -> Iterator[bytes]:
    """A list of samples from `start` to `end` as several lists, cut where a sample seems to end.

    A cut inside a sample leaves pieces that are no JSON.
    """
    ends = SAMPLE_ENDS.get(first, b",")
    view = memoryview(body)
    while end - start > PIECE_BYTES:
        cut = body.find(ends, start + PIECE_BYTES, min(end, start + MAX_PIECES * PIECE_BYTES))
        if cut < 0 and end - start > MAX_PIECES * PIECE_BYTES:
            raise msgspec.DecodeError("a sample does not seem to end")
        if cut < 0:
            break
        cut += len(ends) - 1
        yield b"".join((b"[", view[start:cut], b"]"))
        start = cut + 1
    yield b"".join((b"[", view[start:end], b"]"))
