"""SQLite for several processes and their threads: one connection a thread, one writer at a time."""

from __future__ import annotations

import contextlib
import fcntl
import os
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import ClassVar

# A reader waits so long for a checkpoint of another process.
BUSY_SECONDS = 5.0


# A file's device and inode: no other file has them while somebody has this one open.
FileId = tuple[int, int]


class _Opened:
    """A connection of one thread and the file that it locks; both are closed with the thread.

    `file` is the database that it is connected to: somebody may remove it, or put another one in
    its place.
    """

    # A child of the process may neither use nor close one: https://sqlite.org/howtocorrupt
    _inherited: ClassVar[list[sqlite3.Connection]] = []

    def __init__(self, db: sqlite3.Connection, lock: int, file: FileId | None) -> None:
        self.db, self.lock, self.file, self.pid = db, lock, file, os.getpid()

    def __del__(self) -> None:
        if self.pid == os.getpid():
            self.db.close()
        else:
            self._inherited.append(self.db)
        os.close(self.lock)


class Database:
    """The file at `path`, made by the statements of `schema` whenever it is not there.

    What is committed survives the end of any process; with `durable` it survives a loss of power,
    too. A connection caches at most `cache_kib` KiB. Raises OSError with a sentence where the file
    cannot be read or written, or is removed while it is written.
    """

    def __init__(
        self, path: Path, schema: Sequence[str], *, durable: bool, cache_kib: int = 2000
    ) -> None:
        self.path = path
        self._durable = durable
        self._cache_kib = cache_kib
        self._schema = schema
        self._own = threading.local()
        with self._explained():
            self._opened()

    @contextlib.contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """A connection to read from."""
        with self._explained():
            yield self._opened().db

    @contextlib.contextmanager
    def writing(self, *, durable: bool = False) -> Iterator[sqlite3.Connection]:
        """A transaction, for which others wait; it is undone where it raises.

        One that is `durable` survives a loss of power where the others do not.
        """
        with self._explained():
            opened = self._opened()
            fsynced = self._fsynced(opened.db) if durable else contextlib.nullcontext()
            with fsynced, self._locked(opened):
                opened.db.execute("BEGIN IMMEDIATE")
                try:
                    yield opened.db
                except BaseException:
                    opened.db.rollback()
                    raise
                opened.db.commit()
            if opened.file != self._file():
                raise OSError(f"{self.path} was removed while it was written")

    @contextlib.contextmanager
    def _locked(self, opened: _Opened) -> Iterator[None]:
        """Wait for other writers: SQLite's own waiting sleeps up to 0.1 s, and is not fair."""
        # The lock ends with its process.
        fcntl.flock(opened.lock, fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.flock(opened.lock, fcntl.LOCK_UN)

    @contextlib.contextmanager
    def _fsynced(self, db: sqlite3.Connection) -> Iterator[None]:
        db.execute("PRAGMA synchronous=FULL")
        try:
            yield
        finally:
            db.execute(self._synchronous)

    @property
    def _synchronous(self) -> str:
        return f"PRAGMA synchronous={'FULL' if self._durable else 'NORMAL'}"

    def _opened(self) -> _Opened:
        """The connection of this thread of this process to the file that is at `path` now."""
        opened: _Opened | None = getattr(self._own, "opened", None)
        if opened is None or opened.pid != os.getpid() or opened.file != self._file():
            self._own.opened = opened = self._open()
        return opened

    def _open(self) -> _Opened:
        self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        db = sqlite3.connect(
            self.path,
            timeout=BUSY_SECONDS,
            isolation_level=None,
            # Whatever thread drops the database closes it.
            check_same_thread=False,
        )
        db.row_factory = sqlite3.Row
        # Expired tasks give their room back.
        db.execute("PRAGMA auto_vacuum=INCREMENTAL")
        db.execute("PRAGMA journal_mode=WAL")
        db.execute(self._synchronous)
        # Each thread has a cache of its own.
        db.execute(f"PRAGMA cache_size=-{self._cache_kib}")
        lock = os.open(f"{self.path}.lock", os.O_RDWR | os.O_CREAT, 0o600)
        opened = _Opened(db, lock, self._file())
        with self._locked(opened):
            for statement in self._schema:
                db.execute(statement)
        return opened

    def _file(self) -> FileId | None:
        """Which file is at `path` now; None if there is none."""
        try:
            found = self.path.stat()
        except OSError:
            return None
        return found.st_dev, found.st_ino

    @contextlib.contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise OSError(f"{self.path} cannot be used: {error}") from None
