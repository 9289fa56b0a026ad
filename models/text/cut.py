"""Cut a text, CSV or NDJSON, into chunks at the ends of its rows, while it is read.

A line end within quotes ends no row. So where there are quotes, Python's CSV reader, which reads
the rows later, finds where they end.
"""

from __future__ import annotations

import codecs
import csv
from collections.abc import Callable
from functools import cached_property

import msgspec
import numpy as np

from models.errors import TooLarge
from models.text import dialect
from models.text.contract import Contract
from models.text.records import Lines, records

CSV, TABS, NDJSON = "text/csv", "text/tab-separated-values", "application/x-ndjson"
TEXTS = (CSV, TABS, NDJSON)
# The most rows and bytes of a chunk: as Python objects they take up to 30 times the bytes.
MAX_ROWS = 32_768
MAX_BYTES = 2 * 1024 * 1024
# No row may be longer.
MAX_ROW_BYTES = 16 * MAX_BYTES
LINE_END, SPACE = b"\n "

# The bytes of a text from one place to another.
Read = Callable[[int, int], bytes]


class Chunk(msgspec.Struct, kw_only=True):
    """A piece of a task's input, from `start` to `stop`: bytes of a text, else rows.

    `line` and `row` count the lines and the rows of the input above it, `rows` its own. `attempts`
    is how often a worker began it, and `deaths` how often it ended the process that ran it.
    """

    number: int
    start: int
    stop: int
    line: int = 0
    row: int = 0
    rows: int = 0
    attempts: int = 0
    deaths: int = 0


class Text:
    """A text of at most `size` bytes; `header` says whether it has a header row.

    `read` gives its bytes: those of each chunk once and again, and none that stand before the last
    chunk. It gives fewer than it is asked for only at the end of the text.

    `ignore` says whether names that are no features are ignored.
    """

    def __init__(
        self,
        read: Read,
        size: int,
        contract: Contract,
        media_type: str,
        *,
        header: bool,
        ignore: bool,
    ) -> None:
        self._read = read
        self._size = size
        self._contract = contract
        self._is_table = media_type != NDJSON
        self._delimiter = "\t" if media_type == TABS else ","
        self._header = header
        self._ignore = ignore

    @cached_property
    def head(self) -> bytes:
        """The first row of a table, with the empty lines above it; nothing of NDJSON.

        It stands in front of each chunk and decides how that is read: a header row, or where there
        is none, a row of values, which tells what parts its fields.

        Raises MalformedBody if it is not UTF-8.
        """
        if not self._is_table:
            return b""
        window, at_end = self._window(0, MAX_BYTES)
        blank = len(window) - len(window.removeprefix(codecs.BOM_UTF8).lstrip(b"\r\n"))
        ends = self._lines(window[blank:], 1, self._detected(window), at_end=at_end).ends
        return window[: blank + int(ends[0])] if len(ends) else window

    @property
    def delimiter(self) -> str:
        """The delimiter of a table; "" for NDJSON."""
        return self._parting[0]

    @cached_property
    def _parting(self) -> tuple[str, bool]:
        """The delimiter of a table, and whether a blank follows each one."""
        return self._detected(self.head) if self._is_table else ("", False)

    def _detected(self, window: bytes) -> tuple[str, bool]:
        return dialect.detect(
            self._contract,
            window,
            header=self._header,
            delimiter=self._delimiter,
            ignore=self._ignore,
        )

    @cached_property
    def _counts_empty(self) -> bool:
        """Whether an empty line is a row: in a table of one column it is a missing value."""
        if not self._is_table or not self._header:
            return self._is_table and self._contract.width == 1
        delimiter, spaced = self._parting
        head = self.head.removeprefix(codecs.BOM_UTF8).decode().strip("\r\n")
        rows = csv.reader([head], delimiter=delimiter, skipinitialspace=spaced)
        return len(next(rows, [])) == 1

    def first(self, rows: int) -> Chunk | None:
        """The first chunk, of at most so many rows; None if there are no rows.

        Raises TooLarge if a row does not end.
        """
        if not self._header:
            return self._next(0, rows, Chunk(number=-1, start=0, stop=0))
        line = self.head.count(b"\n")
        return self._next(len(self.head), rows, Chunk(number=-1, start=0, stop=0, line=line))

    def after(self, chunk: Chunk, rows: int) -> Chunk | None:
        """The chunk behind another; None if that was the last. Raises TooLarge."""
        line = chunk.line + self._read(chunk.start, chunk.stop).count(b"\n")
        above = Chunk(number=chunk.number, start=0, stop=0, line=line, row=chunk.row + chunk.rows)
        # Rows are about as long as those above, and a window is searched several times.
        size = min((chunk.stop - chunk.start) * max(rows, 1) // chunk.rows * 5 // 4, MAX_BYTES)
        return self._next(chunk.stop, rows, above, size)

    def piece(self, chunk: Chunk) -> bytes:
        """The text of a chunk, below the head where it does not begin with it."""
        body = self._read(chunk.start, chunk.stop)
        return body if chunk.start < len(self.head) else self.head + body

    def line(self, chunk: Chunk, row: int) -> int:
        """The number of the line in which a row of a chunk begins, both counted in the text."""
        body = self._read(chunk.start, chunk.stop)
        ends, empty = self._lines(body, chunk.rows, self._parting, at_end=True)
        starts = np.concatenate(([0], ends[:-1]))
        if not self._counts_empty:
            starts = starts[~empty]
        return chunk.line + body.count(b"\n", 0, int(starts[row - chunk.row])) + 1

    def _next(self, start: int, rows: int, above: Chunk, size: int = 0) -> Chunk | None:
        """The chunk from byte `start` on; a window of `size` bytes is searched first, if given."""
        size = size or MAX_BYTES
        rows = max(1, min(rows, MAX_ROWS))
        while True:
            window, at_end = self._window(start, size)
            ends, empty = self._lines(window, rows, self._parting, at_end=at_end)
            counts = np.arange(1, len(ends) + 1) if self._counts_empty else np.cumsum(~empty)
            # A chunk ends with a row: empty lines at its end would be none.
            ends, counts = ends[~empty], counts[~empty]
            if len(ends) >= rows or at_end or (len(ends) and size >= MAX_BYTES):
                break
            if size >= MAX_ROW_BYTES:
                raise TooLarge(
                    f"The row below line {above.line} has over {MAX_ROW_BYTES} bytes: end each "
                    "row with a line feed, and close each quote."
                )
            size = 4 * size if size >= MAX_BYTES else min(4 * size + 1, MAX_BYTES)
        if not len(ends):
            return None
        last = min(len(ends), rows) - 1
        return Chunk(
            number=above.number + 1,
            start=start,
            stop=start + int(ends[last]),
            line=above.line,
            row=above.row,
            rows=int(counts[last]),
        )

    def _window(self, start: int, size: int) -> tuple[bytes, bool]:
        """At most `size` bytes of the text, and whether nothing follows them.

        A last line that is cut off is left out.
        """
        stop = min(start + size, self._size)
        window = self._read(start, stop)
        if stop == self._size or len(window) < stop - start:
            return window, True
        cut = window.rfind(b"\n") + 1
        # The last byte may be the first half of a line end.
        return window[: cut or window.rfind(b"\r", 0, -1) + 1], False

    def _lines(self, window: bytes, rows: int, parted: tuple[str, bool], *, at_end: bool) -> Lines:
        """The lines of a piece of text; of a table with quotes only so many rows, and no more.

        `at_end` says that nothing follows the piece.
        """
        has_returns = window.count(b"\r") != window.count(b"\r\n")
        if self._is_table and (b'"' in window or has_returns):
            return records(window, parted, rows, at_end=at_end)
        view = np.frombuffer(window, np.uint8)
        ends = np.flatnonzero(view == LINE_END) + 1
        if window and window[-1] != LINE_END:
            ends = np.append(ends, len(window))
        starts = np.concatenate(([0], ends[:-1])).astype(int)
        empty = np.zeros(len(ends), bool)
        blanks = b"\r\n" if self._is_table else b" \t\r\n"
        for i in np.flatnonzero(view[starts[: len(ends)]] <= SPACE):
            empty[i] = not window[starts[i] : ends[i]].strip(blanks)
        return Lines(ends, empty)
