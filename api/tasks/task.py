"""What is known of a task and of its chunks, and what a store of them does."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal, Protocol

import msgspec

from models.text import dialect
from models.text.cut import Chunk

State = Literal["PENDING", "STARTED", "SUCCESS", "FAILURE", "REVOKED"]
STATES: tuple[State, ...] = ("PENDING", "STARTED", "SUCCESS", "FAILURE", "REVOKED")
ENDED = frozenset({"SUCCESS", "FAILURE", "REVOKED"})
# The rows of a first chunk; later ones have more or fewer, as they take less or more time.
FIRST_ROWS = 1024

MIXED_DECIMALS: dict[str, Any] = {
    "type": "about:blank",
    "title": "Unprocessable Entity",
    "status": 422,
    "detail": dialect.MIXED_DECIMALS,
}

# The chunks of large tasks wait behind small tasks; a training runs beside both.
Queue = Literal["small", "large", "training"]
QUEUES: tuple[Queue, ...] = ("small", "large", "training")
# Brings a chunk to a worker: its task, its number, its queue. Raises OSError where it cannot.
Put = Callable[[str, int, Queue], None]


class Lost(Exception):
    """A file that a task needs is not there any more; the message says which."""


class Task(msgspec.Struct, kw_only=True):
    """One task, as it is stored.

    `media_type` is the Content-Type of its input, and `ignore` whether names that are no features
    are ignored. The input is the body that came, or the file or object `uri`, which changes where
    `stamp` does. `size` is its length in bytes if its chunks are cut at line ends; it is 0 if the
    body is read as a whole, and its chunks are rows. `version` is the SHA-256 of the model,
    `classes` are those that a result has values for, and `columns` the names of its values.
    `owner` is the name of the API key, `key` the Idempotency-Key; `digest` tells requests apart.

    Times are in seconds since 1970. `rows` is None until it is known. `left` counts chunks that are
    not done; `is_whole` says that there are no more chunks than these. `chunk_rows` is how many
    rows the next chunk gets. `error` is what went wrong, as problem details.
    """

    id: str = msgspec.field(default_factory=lambda: secrets.token_hex(16))
    type: str = "inference"
    method: str = "predict"
    media_type: str = "application/json"
    ignore: bool = False
    uri: str = ""
    size: int = 0
    stamp: str = ""
    version: str = ""
    classes: list[Any] | None = None
    columns: list[str] = []
    owner: str = ""
    key: str | None = None
    digest: str = ""
    created: float = msgspec.field(default_factory=time.time)
    state: State = "PENDING"
    started: float | None = None
    ended: float | None = None
    rows: int | None = None
    rows_done: int = 0
    bytes_done: int = 0
    left: int = 1
    is_whole: bool = True
    chunk_rows: int = FIRST_ROWS
    error: dict[str, Any] | None = None
    notes: dict[str, Any] = {}

    @property
    def has_ended(self) -> bool:
        """Whether nothing more is done for it."""
        return self.state in ENDED

    @property
    def queue(self) -> Queue:
        """Where its first chunk waits: a task of one chunk passes large ones."""
        if self.type == "training":
            return "training"
        return "small" if self.is_whole else "large"

    @property
    def progress(self) -> float:
        """The part of its input, or of the steps of a training, that is done, from 0 to 1."""
        if self.type == "training":
            return float(self.notes.get("progress", 0))
        if self.size:
            return min(self.bytes_done / self.size, 1.0)
        return self.rows_done / self.rows if self.rows else 0.0

    def take(self, chunk: Chunk, outcome: Outcome) -> None:
        """Count a chunk that is done; the last one ends the task."""
        self.rows_done += outcome.rows
        self.bytes_done += chunk.stop - chunk.start
        self.left -= 1
        self.chunk_rows = outcome.chunk_rows
        self.notes = merged(self.notes, outcome.notes)
        if self.left or not self.is_whole:
            return
        self.state, self.ended, self.rows = "SUCCESS", time.time(), self.rows_done
        if len(self.notes.get("decimals", ())) > 1:
            self.state, self.error = "FAILURE", MIXED_DECIMALS


class Outcome(msgspec.Struct, kw_only=True):
    """What came of a chunk: its rows, the lines of its results, and what to tell of them.

    `results` is one JSON list a line, each with one value a row: the method's, and for `predict` of
    a classifier the probabilities of its classes. `notes` are those of `notes_of`, and
    `chunk_rows` is how many rows a later chunk gets.
    """

    rows: int
    results: bytes
    chunk_rows: int
    notes: dict[str, Any] = {}


def merged(some: dict[str, Any], more: dict[str, Any]) -> dict[str, Any]:
    """The notes of several chunks: counts of categories are added, lists joined."""
    found = dict(some)
    for name, value in more.items():
        if isinstance(value, dict):
            known = found.get(name, {})
            found[name] = known | {key: known.get(key, 0) + n for key, n in value.items()}
        else:
            found[name] = sorted({*found.get(name, ()), *value})
    return found


class Counts(msgspec.Struct, kw_only=True):
    """The tasks that are kept, by state; and since the store was made: rows, attempts, ends."""

    states: dict[str, int]
    oldest: float | None
    rows: int
    attempts: int
    ended: dict[str, int]


class Store(Protocol):
    """Where tasks, their chunks and their results are kept.

    Each change is whole or not at all. All methods raise OSError, with a sentence, where the store
    cannot be reached or has no room.
    """

    def create(self, task: Task, chunk: Chunk, body: bytes | None) -> Task:
        """Take a task with its first chunk, and give it.

        Where another one has its `key` and `digest`, that one is given. Raises Reused if the key
        has another digest, Busy if there is no room for one more. `body` is None if `keep_input`
        has kept it, or the task has a `uri`.
        """

    def keep_input(self, task_id: str, write: Callable[[Path], object]) -> None:
        """Have `write` write the input of a task to a file, before the task is created."""

    def get(self, task_id: str) -> Task | None:
        """The task; None if there is none, or not any more."""

    def gone(self, task_id: str) -> str:
        """Why a task that was there is not any more; "" if it never was."""

    def begin(self, task_id: str, number: int) -> tuple[Task, Chunk] | None:
        """Count an attempt at a chunk; None if there is nothing left to do for it."""

    def add(self, task_id: str, chunk: Chunk | None) -> bool:
        """Add the next chunk, None if there is none; True if no worker has begun it."""

    def finish(self, task_id: str, number: int, outcome: Outcome) -> None:
        """Keep the outcome of a chunk if it has none yet; the last one ends the task."""

    def note(self, task_id: str, notes: dict[str, Any]) -> None:
        """Set some notes of a task that goes on."""

    def bury(self, task_id: str, number: int) -> int:
        """Count a death of a process that ran a chunk, and give the number of deaths."""

    def fail(self, task_id: str, error: dict[str, Any]) -> None:
        """End a task that goes on with FAILURE, and problem details."""

    def revoke(self, task_id: str) -> bool:
        """End a task that goes on with REVOKED; False if it had ended."""

    def chunks(self, task_id: str) -> list[Chunk]:
        """The chunks of a task, in order."""

    def results(self, task_id: str, number: int) -> bytes:
        """The results of a chunk that is done; raises Lost."""

    def has_results(self, task_id: str) -> bool:
        """Whether the results of all chunks are there."""

    def read(self, task_id: str, start: int, stop: int | None) -> bytes:
        """Bytes of the body of a task, to its end for None; raises Lost."""

    def waiting(self) -> Iterator[tuple[Task, int]]:
        """Each chunk that is not done, of tasks that go on."""

    def recent(self, state: str, limit: int) -> list[Task]:
        """Tasks, the newest first; those in one state, or "" for all."""

    def counts(self) -> Counts:
        """What the metrics tell."""

    def expire(self, ttl: float) -> None:
        """Remove tasks that ended over `ttl` seconds ago, and files without a task."""
