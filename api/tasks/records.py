"""The tables of tasks and chunks in SQLite, and their rows as records."""

from __future__ import annotations

import functools
import sqlite3
import time
from typing import Any

import msgspec

from api.tasks.task import Queue, Task
from models.text.cut import Chunk

SCHEMA = (
    """CREATE TABLE IF NOT EXISTS tasks (
        number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, state TEXT NOT NULL, created REAL,
        started REAL, ended REAL, key TEXT UNIQUE, digest TEXT, rows INTEGER, rows_done INTEGER,
        bytes_done INTEGER, left INTEGER, is_whole INTEGER, chunk_rows INTEGER, error TEXT,
        notes TEXT, fixed BLOB, body BLOB)""",
    "CREATE INDEX IF NOT EXISTS by_state ON tasks (state, number)",
    """CREATE TABLE IF NOT EXISTS chunks (
        turn INTEGER PRIMARY KEY, task TEXT, number INTEGER, start INTEGER, stop INTEGER,
        line INTEGER, row INTEGER, rows INTEGER, attempts INTEGER, deaths INTEGER, done INTEGER,
        queue INTEGER, worker INTEGER, results BLOB, UNIQUE (task, number))""",
    "CREATE INDEX IF NOT EXISTS by_turn ON chunks (queue, turn) WHERE done = 0 AND worker = 0",
    "CREATE TABLE IF NOT EXISTS gone (id TEXT PRIMARY KEY, at REAL, reason TEXT) WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS totals (name TEXT PRIMARY KEY, value INTEGER) WITHOUT ROWID",
)
# The queues in the order in which their chunks are done.
QUEUES: dict[Queue, int] = {"small": 0, "large": 1, "training": 2}
# The chunk whose turn it is in some of the queues.
NEXT = (
    "SELECT task, number FROM chunks WHERE done = 0 AND worker = 0 AND queue BETWEEN ? AND ? "
    "ORDER BY queue, turn LIMIT 1"
)
# The columns of a task that change; the others are one document, `fixed`.
CHANGING = (
    *("state", "started", "ended", "rows", "rows_done", "bytes_done", "left", "is_whole"),
    *("chunk_rows", "error", "notes"),
)
JSON = ("error", "notes")
CHUNK = ("number", "start", "stop", "line", "row", "rows", "attempts", "deaths")


def select(db: sqlite3.Connection, column: str, value: str) -> Task | None:
    """The task with this value in a column that has no value twice."""
    row = db.execute(f"SELECT * FROM tasks WHERE {column} = ?", (value,)).fetchone()  # noqa: S608
    return row and task_in(row)


def task_in(row: sqlite3.Row) -> Task:
    """The task of a row."""
    values = msgspec.json.decode(row["fixed"])
    for name in CHANGING:
        value = row[name]
        values[name] = msgspec.json.decode(value) if name in JSON and value else value
    values["is_whole"] = bool(values["is_whole"])
    return msgspec.convert(values, Task)


@functools.cache
def _fixed() -> tuple[str, ...]:
    return tuple(name for name in Task.__struct_fields__ if name not in CHANGING)


def _changing(task: Task, *names: str) -> list[Any]:
    values = [getattr(task, name) for name in names]
    return [
        msgspec.json.encode(value).decode() if name in JSON and value is not None else value
        for name, value in zip(names, values, strict=True)
    ]


def insert(db: sqlite3.Connection, task: Task, body: bytes | None) -> None:
    """Insert a task with its body."""
    fixed = msgspec.json.encode({name: getattr(task, name) for name in _fixed()})
    names = ("id", "created", "key", "digest", *CHANGING, "fixed", "body")
    values = [task.id, task.created, task.key, task.digest, *_changing(task, *CHANGING)]
    db.execute(
        f"INSERT INTO tasks ({', '.join(names)}) VALUES ({', '.join('?' * len(names))})",  # noqa: S608
        (*values, fixed, body),
    )


def update(db: sqlite3.Connection, task: Task, *names: str) -> None:
    """Write these columns of a task; one that has ended loses its body."""
    sets = ", ".join(f"{name} = ?" for name in names)
    body = ", body = NULL" if task.has_ended else ""
    db.execute(
        f"UPDATE tasks SET {sets}{body} WHERE id = ?",  # noqa: S608
        (*_changing(task, *names), task.id),
    )


def begin(
    db: sqlite3.Connection, task_id: str, number: int, worker: int
) -> tuple[Task, Chunk] | None:
    """Count an attempt at a chunk by a worker; None if there is nothing left to do for it."""
    task, chunk = select(db, "id", task_id), waiting_chunk(db, task_id, number)
    if task is None or task.has_ended or chunk is None:
        return None
    chunk.attempts += 1
    db.execute(
        "UPDATE chunks SET attempts = ?, worker = ? WHERE task = ? AND number = ?",
        (chunk.attempts, worker, task_id, number),
    )
    if task.state == "PENDING":
        task.state, task.started = "STARTED", time.time()
        update(db, task, "state", "started")
    count(db, "attempts", 1)
    return task, chunk


def insert_chunk(db: sqlite3.Connection, task_id: str, chunk: Chunk, queue: Queue) -> bool:
    """Insert a chunk; False if it is there."""
    names = ", ".join(CHUNK)
    values = (task_id, 0, 0, QUEUES[queue], *(getattr(chunk, name) for name in CHUNK))
    return bool(
        db.execute(
            f"INSERT OR IGNORE INTO chunks (task, done, worker, queue, {names}) "  # noqa: S608
            f"VALUES ({', '.join('?' * len(values))})",
            values,
        ).rowcount
    )


def waiting_chunk(db: sqlite3.Connection, task_id: str, number: int) -> Chunk | None:
    """A chunk that is not done; None if it is, or if there is none."""
    row = db.execute(
        "SELECT * FROM chunks WHERE task = ? AND number = ? AND done = 0", (task_id, number)
    ).fetchone()
    return row and chunk_in(row)


def chunk_in(row: sqlite3.Row) -> Chunk:
    """The chunk of a row."""
    return Chunk(**{name: row[name] for name in CHUNK})


def total(db: sqlite3.Connection, name: str) -> int:
    """A count since the store was made."""
    found = db.execute("SELECT value FROM totals WHERE name = ?", (name,)).fetchone()
    return int(found["value"]) if found else 0


def count(db: sqlite3.Connection, name: str, value: int) -> None:
    """Add to a count."""
    db.execute(
        "INSERT INTO totals VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = value + ?",
        (name, value, value),
    )
