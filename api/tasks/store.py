"""Tasks in SQLite and in files beside it: the store of one machine."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterator
from http import HTTPStatus
from pathlib import Path
from typing import Any

from api.errors import Busy, Problem
from api.tasks import records
from api.tasks.blobs import Blobs
from api.tasks.database import Database
from api.tasks.task import ENDED, Counts, Outcome, Queue, State, Task
from models.text.cut import Chunk

# Larger bodies and results are files.
INLINE_BYTES = 64 * 1024
# So long the store tells that a task was there, in lives of its results.
REMEMBERED = 10
TOO_OLD = "Its results were kept for {:g} seconds after its end (RESULT_TTL): start it again."
NO_ROOM = "It made room for newer tasks, of which the service keeps {} (MAX_TASKS): start it again."


class Reused(Problem):
    """An Idempotency-Key came before with another request."""

    status = HTTPStatus.UNPROCESSABLE_ENTITY

    def __init__(self) -> None:
        super().__init__(
            "This Idempotency-Key came before with another request: send each request with a key "
            "of its own."
        )


class SqliteStore:
    """A `Store` in the folder `tasks` of DATA_DIR; `most` is how many tasks it keeps."""

    def __init__(self, folder: Path, *, most: int, durable: bool = False) -> None:
        self.folder = folder
        self._most = most
        self._blobs = Blobs(folder / "files", durable=durable)
        self._database = Database(folder / "tasks.db", records.SCHEMA, durable=durable)

    def create(self, task: Task, chunk: Chunk, body: bytes | None) -> Task:
        """See `Store.create`."""
        if body is not None and len(body) > INLINE_BYTES:
            self._blobs.write_bytes(task.id, "input", body)
            body = None
        with self._database.writing() as db:
            if task.key is not None and (found := records.select(db, "key", task.key)):
                if found.digest != task.digest:
                    raise Reused
                return found
            self._make_room(db)
            records.insert(db, task, body)
            records.insert_chunk(db, task.id, chunk, task.queue)
            records.count(db, "kept", 1)
        return task

    def keep_input(self, task_id: str, write: Callable[[Path], object]) -> None:
        """Have `write` write the input of a task to a file, before the task is created."""
        self._blobs.write(task_id, "input", write)

    def _make_room(self, db: sqlite3.Connection) -> None:
        """Remove the oldest task that has ended if there are as many as may be; or raise Busy."""
        if records.total(db, "kept") < self._most:
            return
        states = ",".join(f"'{state}'" for state in sorted(ENDED))
        oldest = db.execute(
            f"SELECT id FROM tasks WHERE state IN ({states}) ORDER BY number LIMIT 1"  # noqa: S608
        ).fetchone()
        if oldest is None:
            raise Busy(f"{self._most} tasks wait or run (MAX_TASKS): try again later.")
        self._remove(db, oldest["id"], NO_ROOM.format(self._most))

    def get(self, task_id: str) -> Task | None:
        """See `Store.get`."""
        with self._database.reading() as db:
            return records.select(db, "id", task_id)

    def gone(self, task_id: str) -> str:
        """See `Store.gone`."""
        with self._database.reading() as db:
            found = db.execute("SELECT reason FROM gone WHERE id = ?", (task_id,)).fetchone()
        return found["reason"] if found else ""

    def begin(self, task_id: str, number: int) -> tuple[Task, Chunk] | None:
        """See `Store.begin`."""
        with self._database.writing() as db:
            return records.begin(db, task_id, number, 0)

    def claim(self, worker: int, first: Queue, last: Queue) -> tuple[Task, Chunk] | None:
        """Begin the chunk whose turn it is, which no other worker gets then; None if none waits.

        It is of the first of these queues, and waits longest there. `worker` is a pid.
        """
        queues = (records.QUEUES[first], records.QUEUES[last])
        with self._database.reading() as db:
            if db.execute(records.NEXT, queues).fetchone() is None:
                return None
        with self._database.writing() as db:
            found = db.execute(records.NEXT, queues).fetchone()
            return found and records.begin(db, found["task"], found["number"], worker)

    def release(self, worker: int | None = None) -> None:
        """Let others have the chunks of a worker that has ended; of all workers for None."""
        where = "worker != 0" if worker is None else f"worker = {worker:d}"
        with self._database.writing() as db:
            db.execute(f"UPDATE chunks SET worker = 0 WHERE done = 0 AND {where}")  # noqa: S608

    def add(self, task_id: str, chunk: Chunk | None) -> bool:
        """See `Store.add`."""
        with self._database.writing() as db:
            task = records.select(db, "id", task_id)
            # Nobody would do a chunk of a task that has ended: it would be in the way of others.
            if task is None or task.has_ended:
                return False
            if chunk is None:
                db.execute("UPDATE tasks SET is_whole = 1 WHERE id = ?", (task_id,))
                return False
            if records.insert_chunk(db, task_id, chunk, "large"):
                db.execute("UPDATE tasks SET left = left + 1 WHERE id = ?", (task_id,))
                return True
            known = records.waiting_chunk(db, task_id, chunk.number)
        return known is not None and known.attempts == 0

    def finish(self, task_id: str, number: int, outcome: Outcome) -> None:
        """See `Store.finish`."""
        results: bytes | None = outcome.results
        if len(outcome.results) > INLINE_BYTES:
            self._blobs.write_bytes(task_id, str(number), outcome.results)
            results = None
        with self._database.writing() as db:
            task, chunk = (
                records.select(db, "id", task_id),
                records.waiting_chunk(db, task_id, number),
            )
            if task is None or task.has_ended or chunk is None:
                return
            db.execute(
                "UPDATE chunks SET done = 1, rows = ?, results = ? WHERE task = ? AND number = ?",
                (outcome.rows, results, task_id, number),
            )
            records.count(db, "rows", outcome.rows)
            task.take(chunk, outcome)
            if task.has_ended:
                records.count(db, task.state, 1)
            records.update(db, task, *records.CHANGING)
        if task.has_ended:
            self._blobs.drop(task.id, "input")

    def note(self, task_id: str, notes: dict[str, Any]) -> None:
        """See `Store.note`."""
        with self._database.writing() as db:
            task = records.select(db, "id", task_id)
            if task is not None and not task.has_ended:
                task.notes |= notes
                records.update(db, task, "notes")

    def bury(self, task_id: str, number: int) -> int:
        """See `Store.bury`."""
        with self._database.writing() as db:
            db.execute(
                "UPDATE chunks SET deaths = deaths + 1 WHERE task = ? AND number = ?",
                (task_id, number),
            )
            chunk = records.waiting_chunk(db, task_id, number)
        return chunk.deaths if chunk else 0

    def fail(self, task_id: str, error: dict[str, Any]) -> None:
        """See `Store.fail`."""
        self._end(task_id, "FAILURE", error)

    def revoke(self, task_id: str) -> bool:
        """See `Store.revoke`."""
        return self._end(task_id, "REVOKED", None)

    def _end(self, task_id: str, state: State, error: dict[str, Any] | None) -> bool:
        with self._database.writing() as db:
            task = records.select(db, "id", task_id)
            if task is None or task.has_ended:
                return False
            task.state, task.ended, task.error = state, time.time(), error
            records.update(db, task, *records.CHANGING)
            db.execute("DELETE FROM chunks WHERE task = ? AND done = 0", (task_id,))
            records.count(db, state, 1)
        self._blobs.drop(task.id, "input")
        return True

    def chunks(self, task_id: str) -> list[Chunk]:
        """See `Store.chunks`."""
        with self._database.reading() as db:
            found = db.execute(
                "SELECT * FROM chunks WHERE task = ? ORDER BY number", (task_id,)
            ).fetchall()
        return [records.chunk_in(row) for row in found]

    def results(self, task_id: str, number: int) -> bytes:
        """See `Store.results`."""
        with self._database.reading() as db:
            found = db.execute(
                "SELECT results FROM chunks WHERE task = ? AND number = ?", (task_id, number)
            ).fetchone()
        if found and found["results"] is not None:
            return bytes(found["results"])
        return self._blobs.read(task_id, str(number))

    def has_results(self, task_id: str) -> bool:
        """See `Store.has_results`."""
        with self._database.reading() as db:
            found = db.execute(
                "SELECT number FROM chunks WHERE task = ? AND results IS NULL", (task_id,)
            ).fetchall()
        return self._blobs.names(task_id).issuperset(str(row["number"]) for row in found)

    def read(self, task_id: str, start: int, stop: int | None) -> bytes:
        """See `Store.read`."""
        with self._database.reading() as db:
            found = db.execute("SELECT body FROM tasks WHERE id = ?", (task_id,)).fetchone()
        if found and found["body"] is not None:
            return bytes(found["body"][start:stop])
        return self._blobs.read(task_id, "input", start, stop)

    def waiting(self) -> Iterator[tuple[Task, int]]:
        """See `Store.waiting`."""
        with self._database.reading() as db:
            found = db.execute(
                "SELECT tasks.*, chunks.number AS chunk FROM tasks JOIN chunks ON task = id "
                "WHERE state IN ('PENDING', 'STARTED') AND done = 0 "
                "ORDER BY tasks.number, chunks.number"
            ).fetchall()
        return ((records.task_in(row), row["chunk"]) for row in found)

    def recent(self, state: str, limit: int) -> list[Task]:
        """See `Store.recent`."""
        where, values = ("WHERE state = ?", (state,)) if state else ("", ())
        with self._database.reading() as db:
            found = db.execute(
                f"SELECT * FROM tasks {where} ORDER BY number DESC LIMIT ?",  # noqa: S608
                (*values, limit),
            ).fetchall()
        return [records.task_in(row) for row in found]

    def counts(self) -> Counts:
        """See `Store.counts`."""
        with self._database.reading() as db:
            states = dict(db.execute("SELECT state, count(*) FROM tasks GROUP BY state").fetchall())
            oldest = db.execute(
                "SELECT min(created) FROM tasks WHERE state IN ('PENDING', 'STARTED')"
            ).fetchone()[0]
            totals = dict(db.execute("SELECT name, value FROM totals").fetchall())
        return Counts(
            states=states,
            oldest=oldest,
            rows=totals.get("rows", 0),
            attempts=totals.get("attempts", 0),
            ended={state: totals.get(state, 0) for state in sorted(ENDED)},
        )

    def expire(self, ttl: float) -> None:
        """See `Store.expire`."""
        now = time.time()
        with self._database.writing() as db:
            old = db.execute("SELECT id FROM tasks WHERE ended < ?", (now - ttl,)).fetchall()
            for row in old:
                self._remove(db, row["id"], TOO_OLD.format(ttl))
            db.execute("DELETE FROM gone WHERE at < ?", (now - REMEMBERED * ttl,))
        if old:
            with self._database.reading() as db:
                db.execute("PRAGMA incremental_vacuum")
        self._blobs.remove_strays(now, self.get)

    def _remove(self, db: sqlite3.Connection, task_id: str, reason: str) -> None:
        db.execute("DELETE FROM tasks WHERE id = ?", (task_id,))
        db.execute("DELETE FROM chunks WHERE task = ?", (task_id,))
        db.execute("INSERT OR REPLACE INTO gone VALUES (?, ?, ?)", (task_id, time.time(), reason))
        records.count(db, "kept", -1)
        self._blobs.remove(task_id)
