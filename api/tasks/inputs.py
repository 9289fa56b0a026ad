"""The rows of a task's input, chunk by chunk: of a text that is cut, or of a whole body."""

from __future__ import annotations

import functools
from typing import Any, Protocol

import msgspec

from api.formats import Reader, media
from api.service import Service
from api.settings import Settings
from api.tasks import files
from api.tasks.task import Store, Task
from models.engines import Rows
from models.rows.batch import Batch
from models.text.chunks import TextInput
from models.text.contract import Contract
from models.text.cut import TEXTS, Chunk, Read


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
    return text_input(read, task.size, reader, task.media_type, ignore=task.ignore)


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


def text_input(
    read: Read, size: int, reader: Reader, content_type: str, *, ignore: bool
) -> TextInput:
    """The input of a text of `size` bytes, CSV or NDJSON."""
    found = media.format_of(content_type)
    assert found is not None  # noqa: S101  (whoever accepted it has looked)
    _, options = media.parsed(content_type)
    header = options.get("header") != "absent"
    body_type = found.media_type + ("" if header else "; header=absent")
    return TextInput(
        read,
        size,
        reader.contract,
        found.media_type,
        lambda body: reader.read(body, body_type, ignore=ignore),
        header=header,
        ignore=ignore,
    )


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
