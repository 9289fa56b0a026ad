"""Tasks in Redis, and in files where a folder is shared: the store of several machines.

Keys begin with `tasks:`. A task is one hash. A change watches it, and is made again where another
process was first. Sets, ordered by time, list the tasks by their states, and the chunks that are
not done by the time at which they are missed.
"""

from __future__ import annotations

import functools
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import msgspec
from redis import Redis
from redis.exceptions import RedisError

from api.errors import Busy
from api.tasks.blobs import STRAY_SECONDS, Blobs
from api.tasks.store import NO_ROOM, REMEMBERED, TOO_OLD, Reused
from api.tasks.task import ENDED, STATES, Chunk, Counts, Lost, Outcome, State, Task

# Larger bodies and results are files where there is a folder for them.
INLINE_BYTES = 512 * 1024
# A body in Redis is kept in pieces, of which a reader takes those that it needs.
PIECE_BYTES = 256 * 1024
# A chunk that nobody has put, begun or held for so long is missed.
MISSED_SECONDS = 10.0
ALL, OPEN, ENDS = "tasks:all", "tasks:open", "tasks:ended"
TOTALS, LOOK = "tasks:totals", "tasks:look"

# The types of redis-py say what all kinds of clients give together.
Pipe = Any

F = TypeVar("F", bound=Callable[..., Any])


class Keys(NamedTuple):
    """The keys of one task."""

    task: str
    body: str
    results: str
    gone: str


def keys_of(task_id: str) -> Keys:
    """The keys of the task with this id."""
    own = f"tasks:{task_id}"
    return Keys(own, f"{own}:body", f"{own}:results", f"{own}:gone")


def explained(method: F) -> F:
    """Raise OSError with a sentence where Redis cannot be reached, or refuses."""

    @functools.wraps(method)
    def explain(*args: Any, **named: Any) -> Any:
        try:
            return method(*args, **named)
        except RedisError as error:
            raise OSError(f"Redis cannot be used: {error}") from None

    return explain  # type: ignore[return-value]


class RedisStore:
    """A `Store` in Redis, which keeps `most` tasks.

    `blobs` are the files that all processes of the service share, or None if there are none. The
    store tells of a task that was removed for REMEMBERED times `ttl` seconds.
    """

    def __init__(self, client: Redis, blobs: Blobs | None, *, most: int, ttl: float) -> None:
        self._redis: Any = client
        self._blobs = blobs
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
                if (first := _task(pipe.hget(keys_of(task_id).task, "task"))) is not None:
                    return first
            pipe.multi()
            if task.key is not None:
                pipe.set(known, f"{task.digest} {task.id}")
            pipe.hset(keys.task, mapping={"task": _encoded(task), _open(0): _encoded(chunk)})
            pipe.persist(keys.body)
            pipe.zadd(ALL, {task.id: task.created})
            pipe.zadd(_state(task.state), {task.id: task.created})
            pipe.zadd(OPEN, {_place(task.id, 0): time.time() + MISSED_SECONDS})
            return task

        self._make_room()
        if body is not None:
            self._keep_body(task.id, body)
        found: Task = self._change(change, known)
        return found

    def _change(self, change: Callable[[Pipe], Any], *watched: str) -> Any:
        """Read and write; again where another process writes a watched key meanwhile."""
        return self._redis.transaction(change, *watched, value_from_callable=True)

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

    def _keep_body(self, task_id: str, body: bytes) -> None:
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

    def _make_room(self) -> None:
        """Remove the task that ended first if there are as many as may be; or raise Busy."""
        if self._redis.zcard(ALL) < self._most:
            return
        first = self._redis.zrange(ENDS, 0, 0)
        if not first:
            raise Busy(f"{self._most} tasks wait or run (MAX_TASKS): try again later.")
        self._remove(first[0].decode(), NO_ROOM.format(self._most))

    @explained
    def get(self, task_id: str) -> Task | None:
        """See `Store.get`."""
        return _task(self._redis.hget(keys_of(task_id).task, "task"))

    @explained
    def gone(self, task_id: str) -> str:
        """See `Store.gone`."""
        return (self._redis.get(keys_of(task_id).gone) or b"").decode()

    @explained
    def begin(self, task_id: str, number: int) -> tuple[Task, Chunk] | None:
        """See `Store.begin`."""
        key = keys_of(task_id).task

        def change(pipe: Pipe) -> tuple[Task, Chunk] | None:
            task, chunk = _read(pipe, key, number)
            if task is None or task.has_ended or chunk is None:
                return None
            before = task.state
            chunk.attempts += 1
            if before == "PENDING":
                task.state, task.started = "STARTED", time.time()
            pipe.multi()
            _write(pipe, task, before, {_open(number): _encoded(chunk)})
            pipe.zadd(OPEN, {_place(task_id, number): time.time() + MISSED_SECONDS})
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
            task, known = _read(pipe, key, number)
            if task is None or task.has_ended:
                return False
            if known is not None or pipe.hexists(key, _done(number)):
                return known is not None and known.attempts == 0
            pipe.multi()
            if chunk is None:
                task.is_whole = True
                _write(pipe, task, task.state)
                return False
            task.left += 1
            _write(pipe, task, task.state, {_open(number): _encoded(chunk)})
            pipe.zadd(OPEN, {_place(task_id, number): time.time() + MISSED_SECONDS})
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
            task, chunk = _read(pipe, keys.task, number)
            if task is None or task.has_ended or chunk is None:
                return False
            before = task.state
            task.take(chunk, outcome)
            chunk.rows = outcome.rows
            pipe.multi()
            _write(pipe, task, before, {_done(number): _encoded(chunk)})
            pipe.hdel(keys.task, _open(number))
            pipe.zrem(OPEN, _place(task_id, number))
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
            task, _ = _read(pipe, key, 0)
            if task is None or task.has_ended:
                return
            task.notes |= notes
            pipe.multi()
            _write(pipe, task, task.state)

        self._change(change, key)

    @explained
    def bury(self, task_id: str, number: int) -> int:
        """See `Store.bury`."""
        key = keys_of(task_id).task

        def change(pipe: Pipe) -> int:
            _, chunk = _read(pipe, key, number)
            if chunk is None:
                return 0
            chunk.deaths += 1
            pipe.multi()
            pipe.hset(key, _open(number), _encoded(chunk))
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
            task = _task(pipe.hget(key, "task"))
            if task is None or task.has_ended:
                return False
            before = task.state
            task.state, task.ended, task.error = state, time.time(), error
            places = [_place(task_id, n) for n in _numbers(pipe.hkeys(key), "open")]
            pipe.multi()
            _write(pipe, task, before)
            pipe.zrem(OPEN, *places)
            return True

        has_ended = bool(self._change(change, key))
        if has_ended and self._blobs is not None:
            self._blobs.drop(task_id, "input")
        return has_ended

    @explained
    def chunks(self, task_id: str) -> list[Chunk]:
        """See `Store.chunks`."""
        found = self._redis.hgetall(keys_of(task_id).task)
        found.pop(b"task", None)
        chunks = [msgspec.json.decode(value, type=Chunk) for value in found.values()]
        return sorted(chunks, key=lambda chunk: chunk.number)

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
        missing = set(_numbers(self._redis.hkeys(keys.task), "done")) - kept
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

    @explained
    def waiting(self) -> Iterator[tuple[Task, int]]:
        """See `Store.waiting`."""
        return iter(self._chunks_open(float("inf")))

    @explained
    def hold(self, task_id: str, number: int) -> None:
        """Say that a worker is at a chunk, which is missed later then."""
        self._redis.zadd(OPEN, {_place(task_id, number): time.time() + MISSED_SECONDS}, xx=True)

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
        key = _state(state) if state else ALL
        ids = self._redis.zrevrange(key, 0, limit - 1) if limit else []
        with self._redis.pipeline(transaction=False) as pipe:
            for task_id in ids:
                pipe.hget(keys_of(task_id.decode()).task, "task")
            return [task for task in map(_task, pipe.execute()) if task is not None]

    @explained
    def counts(self) -> Counts:
        """See `Store.counts`."""
        with self._redis.pipeline() as pipe:
            for state in STATES:
                pipe.zcard(_state(state))
            for state in ("PENDING", "STARTED"):
                pipe.zrange(_state(state), 0, 0, withscores=True)
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
            for name in (ALL, ENDS, *map(_state, STATES)):
                pipe.zrem(name, task_id)
            pipe.set(keys.gone, reason, ex=max(int(REMEMBERED * self._ttl), 1))
            pipe.execute()
        if self._blobs is not None:
            self._blobs.remove(task_id)


def _open(number: int) -> str:
    """The field of a chunk that is not done."""
    return f"open/{number}"


def _done(number: int) -> str:
    """The field of a chunk that is done."""
    return f"done/{number}"


def _numbers(fields: list[bytes], kind: str) -> list[int]:
    """The numbers of the chunks among fields that are open, or done."""
    names = (field.decode().partition("/") for field in fields)
    return [int(number) for name, _, number in names if name == kind]


def _place(task_id: str, number: int) -> str:
    return f"{task_id}/{number}"


def _state(state: str) -> str:
    return f"tasks:state:{state}"


def _encoded(thing: Task | Chunk) -> bytes:
    return msgspec.json.encode(thing)


def _task(found: bytes | None) -> Task | None:
    return None if found is None else msgspec.json.decode(found, type=Task)


def _read(pipe: Pipe, key: str, number: int) -> tuple[Task | None, Chunk | None]:
    """A task and one of its chunks, unless that is done."""
    task, chunk = pipe.hmget(key, ["task", _open(number)])
    return _task(task), None if chunk is None else msgspec.json.decode(chunk, type=Chunk)


def _write(pipe: Pipe, task: Task, before: State, more: dict[str, bytes] | None = None) -> None:
    """Write a task, whose state was another one before, and fields of its chunks."""
    keys = keys_of(task.id)
    pipe.hset(keys.task, mapping={"task": _encoded(task), **(more or {})})
    if task.state == before:
        return
    pipe.zrem(_state(before), task.id)
    pipe.zadd(_state(task.state), {task.id: task.created})
    if task.has_ended:
        pipe.zadd(ENDS, {task.id: task.ended})
        pipe.hincrby(TOTALS, task.state, 1)
        pipe.delete(keys.body)
