"""The rows of a task's input, chunk by chunk: of a text that is cut, or of a whole body."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from typing import Any, Protocol

import msgspec

from api.formats import Reader, media
from api.service import Service
from api.settings import Settings
from api.tasks import files
from api.tasks.task import Store, Task
from models.engines import Rows
from models.errors import InvalidRows, MalformedBody, Place
from models.rows.batch import Batch
from models.text.contract import Contract
from models.text.csv import CsvReader
from models.text.cut import TEXTS, Chunk, Read, Text

LINE = re.compile(r"\bline (\d+)")
BYTE = re.compile(r"\bat byte (\d+)")
ROW = re.compile(r"/(\d+)")


class Input(Protocol):
    """The input of one task."""

    def after(self, chunk: Chunk, rows: int) -> Chunk | None:
        """The chunk behind another; None if that was the last."""

    def batch(self, chunk: Chunk) -> Batch:
        """The rows of a chunk; raises what `Reader.read` raises, with places in the whole input."""

    def decimals(self, chunk: Chunk) -> list[str]:
        """What stands before the decimals of a chunk, where chunks may differ in it."""


def opened(store: Store, task: Task, service: Service, settings: Settings) -> Input:
    """The input of a task that was accepted; raises Lost if it is not there any more."""
    reader = reader_of(service.contract, settings.max_task_rows)
    if not task.size:
        whole: Any = _whole
        return WholeInput(whole(store, task.id, task.media_type, task.ignore, reader))
    if task.uri:
        read = files.again(task.uri, task.stamp, settings).read
    else:
        read = functools.partial(store.read, task.id)
    return TextInput(read, task.size, reader, task.media_type, ignore=task.ignore)


@functools.lru_cache(maxsize=4)
def reader_of(contract: Contract, max_rows: int) -> Reader:
    """What reads the input of tasks for a model: as many rows as a task may have."""
    return Reader(msgspec.structs.replace(contract, max_rows=max_rows))


@functools.lru_cache(maxsize=1)
def _whole(store: Any, task_id: str, media_type: str, ignore: bool, reader: Reader) -> Batch:  # noqa: FBT001
    """All rows of a body, kept for the next chunk."""
    return reader.read(store.read(task_id, 0, None), media_type, ignore=ignore)


def forget() -> None:
    """Let go of a body that was kept for the next chunk: there is none."""
    _whole.cache_clear()


def can_be_cut(content_type: str) -> bool:
    """Whether a body of this Content-Type is a text that is cut while it is read."""
    found = media.format_of(content_type)
    _, options = media.parsed(content_type)
    charset = media.CHARSETS.get(options.get("charset", "utf-8").lower())
    return found is not None and found.media_type in TEXTS and charset == "utf-8"


class TextInput:
    """A text of `size` bytes, CSV or NDJSON."""

    def __init__(
        self, read: Read, size: int, reader: Reader, content_type: str, *, ignore: bool
    ) -> None:
        found = media.format_of(content_type)
        assert found is not None  # noqa: S101  (whoever accepted it has looked)
        _, options = media.parsed(content_type)
        self._header = options.get("header") != "absent"
        self._content_type = found.media_type + ("" if self._header else "; header=absent")
        self._reader = reader
        self._ignore = ignore
        self._text = Text(
            read,
            size,
            reader.contract,
            found.media_type,
            header=self._header,
            ignore=ignore,
        )

    def first(self, rows: int) -> Chunk | None:
        """The first chunk, of at most so many rows; None if there are no rows."""
        return self._text.first(rows)

    def after(self, chunk: Chunk, rows: int) -> Chunk | None:
        """See `Input.after`."""
        return self._text.after(chunk, rows)

    def batch(self, chunk: Chunk) -> Batch:
        """See `Input.batch`."""
        body = self._text.piece(chunk)
        # The first row, which stands in front to say how the fields are parted, was counted before.
        extra = int(not self._header and chunk.start > 0 and bool(self._text.head))
        try:
            batch = self._reader.read(body, self._content_type, ignore=self._ignore)
        except (InvalidRows, MalformedBody) as error:
            raise self._placed(error, chunk, extra) from None
        rows = batch.rows[extra:]
        if len(rows) != chunk.rows:
            raise RuntimeError(f"a chunk of {chunk.rows} rows was read as {len(rows)}")
        pointers = _below(batch.pointers, chunk.row, extra)
        return Batch(rows, pointers, batch.unknown, (), batch.ignored)

    def decimals(self, chunk: Chunk) -> list[str]:
        """What stands before the decimals in a chunk, where that may differ: see `CsvReader`."""
        if self._text.delimiter != ";":
            return []
        reader = CsvReader(self._reader.contract)
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


class WholeInput:
    """A body that was read as a whole; its chunks are from one row to another."""

    def __init__(self, batch: Batch) -> None:
        self._batch = batch

    def after(self, chunk: Chunk, rows: int) -> Chunk | None:
        """See `Input.after`."""
        if chunk.stop == self._batch.count:
            return None
        start = chunk.stop
        stop = min(start + max(rows, 1), self._batch.count)
        return Chunk(number=chunk.number + 1, start=start, stop=stop, row=start, rows=stop - start)

    def batch(self, chunk: Chunk) -> Batch:
        """See `Input.batch`."""
        whole = self._batch
        rows: Rows = whole.rows[chunk.start : chunk.stop]
        # What was not known is told once.
        unknown, ignored = (whole.unknown, whole.ignored) if not chunk.number else ({}, ())
        return Batch(rows, lambda i: whole.pointers(chunk.start + i), unknown, (), ignored)

    def decimals(self, _: Chunk) -> list[str]:
        """See `Input.decimals`: the body was read as a whole."""
        return []
