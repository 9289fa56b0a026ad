"""The rows of a text, chunk by chunk, and their errors with places in the whole text."""

from __future__ import annotations

import re
from collections.abc import Callable

from models.errors import InvalidRows, MalformedBody, Place
from models.rows.batch import Batch
from models.text.contract import Contract
from models.text.csv import CsvReader
from models.text.cut import Chunk, Read, Text

LINE = re.compile(r"\bline (\d+)")
BYTE = re.compile(r"\bat byte (\d+)")
ROW = re.compile(r"/(\d+)")


class TextInput:
    """A text of at most `size` bytes, CSV or NDJSON; see `Text`.

    `rows` reads a text of this media type as a whole.
    """

    def __init__(
        self,
        read: Read,
        size: int,
        contract: Contract,
        media_type: str,
        rows: Callable[[bytes], Batch],
        *,
        header: bool = True,
        ignore: bool = False,
    ) -> None:
        self._rows = rows
        self._contract = contract
        self._header = header
        self._ignore = ignore
        self._text = Text(read, size, contract, media_type, header=header, ignore=ignore)

    def first(self, rows: int) -> Chunk | None:
        """The first chunk, of at most so many rows; None if there are no rows."""
        return self._text.first(rows)

    def after(self, chunk: Chunk, rows: int) -> Chunk | None:
        """The chunk behind another; None if that was the last."""
        return self._text.after(chunk, rows)

    def batch(self, chunk: Chunk) -> Batch:
        """The rows of a chunk; raises what `rows` raises, with places in the whole text."""
        body = self._text.piece(chunk)
        # The first row, which stands in front to say how the fields are parted, was counted before.
        extra = int(not self._header and chunk.start > 0 and bool(self._text.head))
        try:
            batch = self._rows(body)
        except (InvalidRows, MalformedBody) as error:
            raise self._placed(error, chunk, extra) from None
        rows = batch.rows[extra:]
        if len(rows) != chunk.rows:
            raise RuntimeError(f"a chunk of {chunk.rows} rows was read as {len(rows)}")
        pointers = _below(batch.pointers, chunk.row, extra)
        return Batch(rows, pointers, batch.unknown, (), batch.ignored)

    def refuse_empty(self) -> Batch:
        """Raise what is wrong with a text that has no chunk."""
        return self._rows(self._text.head)

    def line(self, chunk: Chunk, pointer: str) -> int | None:
        """The line of the row that a place in a chunk points to; None if it points to no row."""
        found = ROW.match(pointer)
        row = int(found[1]) if found else -1
        return self._text.line(chunk, row) if 0 <= row - chunk.row < chunk.rows else None

    def decimals(self, chunk: Chunk) -> list[str]:
        """What stands before the decimals in a chunk, where that may differ: see `CsvReader`."""
        if self._text.delimiter != ";":
            return []
        reader = CsvReader(self._contract)
        return reader.decimals(self._text.piece(chunk), header=self._header, ignore=self._ignore)

    def _placed(
        self, error: InvalidRows | MalformedBody, chunk: Chunk, extra: int
    ) -> InvalidRows | MalformedBody:
        """An error in a chunk, as an error in the whole input."""
        head = self._text.head
        is_below = chunk.start >= len(head)
        lines = chunk.line - (head.count(b"\n") if is_below else 0)
        size = chunk.start - (len(head) if is_below else 0)

        def shifted(text: str) -> str:
            text = LINE.sub(lambda found: f"line {_shift(int(found[1]), lines, head)}", text)
            return BYTE.sub(lambda found: f"at byte {int(found[1]) + size}", text)

        if isinstance(error, MalformedBody):
            return MalformedBody(shifted(error.detail))
        places = [
            Place(_moved(place.pointer, chunk.row - extra), shifted(place.detail))
            for place in error.places
        ]
        moved = InvalidRows(places)
        moved.detail = error.detail
        return moved


def _shift(line: int, lines: int, head: bytes) -> int:
    """The number of a line in the whole input; those of the header are the same."""
    return line if line <= head.count(b"\n") else line + lines


def _moved(pointer: str, rows: int) -> str:
    """A JSON Pointer into a chunk, as one into the whole input."""
    return ROW.sub(lambda found: f"/{int(found[1]) + rows}", pointer, count=1) if rows else pointer


def _below(pointers: Callable[[int], str], rows: int, extra: int) -> Callable[[int], str]:
    return lambda i: _moved(pointers(i + extra), rows - extra)
