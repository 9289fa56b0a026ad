"""The bodies and results of tasks in Redis, or in files where a folder is shared."""

from __future__ import annotations

import functools
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from redis import Redis

from api.tasks.blobs import STRAY_SECONDS, Blobs
from api.tasks.redis_records import explained, keys_of, numbers_of
from api.tasks.task import Lost

# Larger bodies and results are files where there is a folder for them.
INLINE_BYTES = 512 * 1024
# A body in Redis is kept in pieces, of which a reader takes those that it needs.
PIECE_BYTES = 256 * 1024


class Contents:
    """What clients have sent, and what they get. `blobs` are the files that all processes share."""

    def __init__(self, client: Redis, blobs: Blobs | None) -> None:
        self._redis: Any = client
        self._blobs = blobs

    @explained
    def keep_input(self, task_id: str, write: Callable[[Path], object]) -> None:
        """See `Store.keep_input`."""
        if self._blobs is not None:
            self._blobs.write(task_id, "input", write)
            return
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "input"
            write(path)
            with path.open("rb") as file:
                self._keep_pieces(task_id, iter(functools.partial(file.read, PIECE_BYTES), b""))

    def keep_body(self, task_id: str, body: bytes) -> None:
        """Keep the body of a task, before the task is created."""
        if self._blobs is not None and len(body) > INLINE_BYTES:
            self._blobs.write_bytes(task_id, "input", body)
            return
        starts = range(0, len(body), PIECE_BYTES)
        self._keep_pieces(task_id, (body[start : start + PIECE_BYTES] for start in starts))

    def _keep_pieces(self, task_id: str, pieces: Iterator[bytes]) -> None:
        """Keep a body in pieces, for a time until its task is created."""
        key = keys_of(task_id).body
        for i, piece in enumerate(pieces):
            with self._redis.pipeline() as pipe:
                pipe.hset(key, str(i), piece)
                pipe.expire(key, int(STRAY_SECONDS))
                pipe.execute()

    @explained
    def results(self, task_id: str, number: int) -> bytes:
        """See `Store.results`."""
        found = self._redis.hget(keys_of(task_id).results, str(number))
        return self._read_file(task_id, str(number)) if found is None else bytes(found)

    @explained
    def has_results(self, task_id: str) -> bool:
        """See `Store.has_results`."""
        keys = keys_of(task_id)
        kept = {int(name) for name in self._redis.hkeys(keys.results)}
        missing = set(numbers_of(self._redis.hkeys(keys.task), "done")) - kept
        names = self._blobs.names(task_id) if missing and self._blobs is not None else set()
        return names.issuperset(str(number) for number in missing)

    @explained
    def read(self, task_id: str, start: int, stop: int | None) -> bytes:
        """See `Store.read`."""
        key = keys_of(task_id).body
        pieces = self._redis.hlen(key)
        if not pieces:
            return self._read_file(task_id, "input", start, stop)
        first = start // PIECE_BYTES
        last = pieces if stop is None else min(-(-stop // PIECE_BYTES), pieces)
        names = [str(i) for i in range(first, last)]
        text = b"".join(self._redis.hmget(key, names)) if names else b""
        skipped = first * PIECE_BYTES
        return text[start - skipped : None if stop is None else stop - skipped]

    def _read_file(self, task_id: str, name: str, start: int = 0, stop: int | None = None) -> bytes:
        if self._blobs is None:
            raise Lost(f"its {name} is not in Redis any more")
        return self._blobs.read(task_id, name, start, stop)
