"""Tasks in Redis, and in files where a folder is shared: the store of several machines.

Keys begin with `tasks:`. A task is one hash. A change watches it, and is made again where another
process was first. Sets, ordered by time, list the tasks by their states, and the chunks that are
not done by the time at which they are missed.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from redis import Redis

from api.errors import Busy
from api.tasks.blobs import Blobs
from api.tasks.redis_contents import INLINE_BYTES
from api.tasks.redis_lists import Lists
from api.tasks.redis_records import (
    ALL,
    ENDS,
    MISSED_SECONDS,
    OPEN,
    TOTALS,
    Pipe,
    done_field,
    encoded,
    explained,
    keys_of,
    numbers_of,
    open_field,
    place_of,
    read,
    state_key,
    task_of,
    write,
)
from api.tasks.store import NO_ROOM, REMEMBERED, TOO_OLD, Reused
from api.tasks.task import STATES, Outcome, State, Task
from models.text.cut import Chunk


class RedisStore(Lists):
    """A `Store` in Redis, which keeps `most` tasks.

    `blobs` are the files that all processes of the service share, or None if there are none. The
    store tells of a task that was removed for REMEMBERED times `ttl` seconds.
    """

    def __init__(self, client: Redis, blobs: Blobs | None, *, most: int, ttl: float) -> None:
        super().__init__(client, blobs)
        self._most = most
        self._ttl = ttl

    @explained
    def create(self, task: Task, chunk: Chunk, body: bytes | None) -> Task:
        """See `Store.create`."""
        keys, known = keys_of(task.id), f"tasks:key:{task.key}"

        def change(pipe: Pipe) -> Task:
            if task.key is not None and (found := pipe.get(known)):
                digest, task_id = found.decode().split()
                if digest != task.digest:
                    raise Reused
                if (first := task_of(pipe.hget(keys_of(task_id).task, "task"))) is not None:
                    return first
            pipe.multi()
            if task.key is not None:
                pipe.set(known, f"{task.digest} {task.id}")
            pipe.hset(keys.task, mapping={"task": encoded(task), open_field(0): encoded(chunk)})
            pipe.persist(keys.body)
            pipe.zadd(ALL, {task.id: task.created})
            pipe.zadd(state_key(task.state), {task.id: task.created})
            pipe.zadd(OPEN, {place_of(task.id, 0): time.time() + MISSED_SECONDS})
            return task

        self._make_room()
        if body is not None:
            self.keep_body(task.id, body)
        found: Task = self._change(change, known)
        return found

    def _change(self, change: Callable[[Pipe], Any], *watched: str) -> Any:
        """Read and write; again where another process writes a watched key meanwhile."""
        return self._redis.transaction(change, *watched, value_from_callable=True)

    def _make_room(self) -> None:
        """Remove the task that ended first if there are as many as may be; or raise Busy."""
        if self._redis.zcard(ALL) < self._most:
            return
        first = self._redis.zrange(ENDS, 0, 0)
        if not first:
            raise Busy(f"{self._most} tasks wait or run (MAX_TASKS): try again later.")
        self._remove(first[0].decode(), NO_ROOM.format(self._most))

    @explained
    def begin(self, task_id: str, number: int) -> tuple[Task, Chunk] | None:
        """See `Store.begin`."""
        key = keys_of(task_id).task

        def change(pipe: Pipe) -> tuple[Task, Chunk] | None:
            task, chunk = read(pipe, key, number)
            if task is None or task.has_ended or chunk is None:
                return None
            before = task.state
            chunk.attempts += 1
            if before == "PENDING":
                task.state, task.started = "STARTED", time.time()
            pipe.multi()
            write(pipe, task, before, {open_field(number): encoded(chunk)})
            pipe.zadd(OPEN, {place_of(task_id, number): time.time() + MISSED_SECONDS})
            pipe.hincrby(TOTALS, "attempts", 1)
            return task, chunk

        found: tuple[Task, Chunk] | None = self._change(change, key)
        return found

    @explained
    def add(self, task_id: str, chunk: Chunk | None) -> bool:
        """See `Store.add`."""
        key = keys_of(task_id).task

        def change(pipe: Pipe) -> bool:
            number = -1 if chunk is None else chunk.number
            task, known = read(pipe, key, number)
            if task is None or task.has_ended:
                return False
            if known is not None or pipe.hexists(key, done_field(number)):
                return known is not None and known.attempts == 0
            pipe.multi()
            if chunk is None:
                task.is_whole = True
                write(pipe, task, task.state)
                return False
            task.left += 1
            write(pipe, task, task.state, {open_field(number): encoded(chunk)})
            pipe.zadd(OPEN, {place_of(task_id, number): time.time() + MISSED_SECONDS})
            return True

        return bool(self._change(change, key))

    @explained
    def finish(self, task_id: str, number: int, outcome: Outcome) -> None:
        """See `Store.finish`."""
        keys = keys_of(task_id)
        results = outcome.results
        is_inline = self._blobs is None or len(results) <= INLINE_BYTES
        if self._blobs is not None and not is_inline:
            self._blobs.write_bytes(task_id, str(number), results)

        def change(pipe: Pipe) -> bool:
            task, chunk = read(pipe, keys.task, number)
            if task is None or task.has_ended or chunk is None:
                return False
            before = task.state
            task.take(chunk, outcome)
            chunk.rows = outcome.rows
            pipe.multi()
            write(pipe, task, before, {done_field(number): encoded(chunk)})
            pipe.hdel(keys.task, open_field(number))
            pipe.zrem(OPEN, place_of(task_id, number))
            if is_inline:
                pipe.hset(keys.results, str(number), results)
            pipe.hincrby(TOTALS, "rows", outcome.rows)
            return task.has_ended

        if self._change(change, keys.task) and self._blobs is not None:
            self._blobs.drop(task_id, "input")

    @explained
    def note(self, task_id: str, notes: dict[str, Any]) -> None:
        """See `Store.note`."""
        key = keys_of(task_id).task

        def change(pipe: Pipe) -> None:
            task, _ = read(pipe, key, 0)
            if task is None or task.has_ended:
                return
            task.notes |= notes
            pipe.multi()
            write(pipe, task, task.state)

        self._change(change, key)

    @explained
    def bury(self, task_id: str, number: int) -> int:
        """See `Store.bury`."""
        key = keys_of(task_id).task

        def change(pipe: Pipe) -> int:
            _, chunk = read(pipe, key, number)
            if chunk is None:
                return 0
            chunk.deaths += 1
            pipe.multi()
            pipe.hset(key, open_field(number), encoded(chunk))
            return chunk.deaths

        return int(self._change(change, key))

    def fail(self, task_id: str, error: dict[str, Any]) -> None:
        """See `Store.fail`."""
        self._end(task_id, "FAILURE", error)

    def revoke(self, task_id: str) -> bool:
        """See `Store.revoke`."""
        return self._end(task_id, "REVOKED", None)

    @explained
    def _end(self, task_id: str, state: State, error: dict[str, Any] | None) -> bool:
        key = keys_of(task_id).task

        def change(pipe: Pipe) -> bool:
            task = task_of(pipe.hget(key, "task"))
            if task is None or task.has_ended:
                return False
            before = task.state
            task.state, task.ended, task.error = state, time.time(), error
            places = [place_of(task_id, n) for n in numbers_of(pipe.hkeys(key), "open")]
            pipe.multi()
            write(pipe, task, before)
            pipe.zrem(OPEN, *places)
            return True

        has_ended = bool(self._change(change, key))
        if has_ended and self._blobs is not None:
            self._blobs.drop(task_id, "input")
        return has_ended

    @explained
    def expire(self, ttl: float) -> None:
        """See `Store.expire`."""
        now = time.time()
        for task_id in self._redis.zrangebyscore(ENDS, "-inf", now - ttl):
            self._remove(task_id.decode(), TOO_OLD.format(ttl))
        if self._blobs is not None:
            self._blobs.remove_strays(now, self.get)

    def _remove(self, task_id: str, reason: str) -> None:
        keys = keys_of(task_id)
        task = self.get(task_id)
        with self._redis.pipeline() as pipe:
            pipe.delete(keys.task, keys.body, keys.results)
            if task is not None and task.key is not None:
                pipe.delete(f"tasks:key:{task.key}")
            for name in (ALL, ENDS, *map(state_key, STATES)):
                pipe.zrem(name, task_id)
            pipe.set(keys.gone, reason, ex=max(int(REMEMBERED * self._ttl), 1))
            pipe.execute()
        if self._blobs is not None:
            self._blobs.remove(task_id)
