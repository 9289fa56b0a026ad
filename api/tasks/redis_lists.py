"""What is known of tasks in Redis: one by one, by state, by what waits, in numbers."""

from __future__ import annotations

import time
from collections.abc import Iterator

from api.tasks.redis_contents import Contents
from api.tasks.redis_records import (
    ALL,
    LOOK,
    MISSED_SECONDS,
    OPEN,
    TOTALS,
    decoded,
    explained,
    keys_of,
    place_of,
    state_key,
    task_of,
)
from api.tasks.task import ENDED, STATES, Counts, Task
from models.text.cut import Chunk


class Lists(Contents):
    """The questions of a `Store`."""

    @explained
    def get(self, task_id: str) -> Task | None:
        """See `Store.get`."""
        return task_of(self._redis.hget(keys_of(task_id).task, "task"))

    @explained
    def gone(self, task_id: str) -> str:
        """See `Store.gone`."""
        return (self._redis.get(keys_of(task_id).gone) or b"").decode()

    @explained
    def chunks(self, task_id: str) -> list[Chunk]:
        """See `Store.chunks`."""
        found = self._redis.hgetall(keys_of(task_id).task)
        found.pop(b"task", None)
        chunks = [decoded(value) for value in found.values()]
        return sorted(chunks, key=lambda chunk: chunk.number)

    @explained
    def waiting(self) -> Iterator[tuple[Task, int]]:
        """See `Store.waiting`."""
        return iter(self._chunks_open(float("inf")))

    @explained
    def hold(self, task_id: str, number: int) -> None:
        """Say that a worker is at a chunk, which is missed later then."""
        self._redis.zadd(OPEN, {place_of(task_id, number): time.time() + MISSED_SECONDS}, xx=True)

    @explained
    def missed(self) -> list[tuple[Task, int]]:
        """The chunks that should have been begun, or done, by now; for one process at a time."""
        if not self._redis.set(LOOK, b"", nx=True, px=int(1000 * MISSED_SECONDS / 3)):
            return []
        found = self._chunks_open(time.time())
        for task, number in found:
            self.hold(task.id, number)
        return found

    def _chunks_open(self, until: float) -> list[tuple[Task, int]]:
        found = []
        for place in self._redis.zrangebyscore(OPEN, "-inf", until):
            task_id, _, number = place.decode().partition("/")
            if (task := self.get(task_id)) is not None:
                found.append((task, int(number)))
        return found

    @explained
    def recent(self, state: str, limit: int) -> list[Task]:
        """See `Store.recent`."""
        key = state_key(state) if state else ALL
        ids = self._redis.zrevrange(key, 0, limit - 1) if limit else []
        with self._redis.pipeline(transaction=False) as pipe:
            for task_id in ids:
                pipe.hget(keys_of(task_id.decode()).task, "task")
            return [task for task in map(task_of, pipe.execute()) if task is not None]

    @explained
    def counts(self) -> Counts:
        """See `Store.counts`."""
        with self._redis.pipeline() as pipe:
            for state in STATES:
                pipe.zcard(state_key(state))
            for state in ("PENDING", "STARTED"):
                pipe.zrange(state_key(state), 0, 0, withscores=True)
            pipe.hgetall(TOTALS)
            *sizes, pending, started, totals = pipe.execute()
        total = {name.decode(): int(value) for name, value in totals.items()}
        return Counts(
            states={state: n for state, n in zip(STATES, sizes, strict=True) if n},
            oldest=min((created for _, created in (*pending, *started)), default=None),
            rows=total.get("rows", 0),
            attempts=total.get("attempts", 0),
            ended={state: total.get(state, 0) for state in sorted(ENDED)},
        )
