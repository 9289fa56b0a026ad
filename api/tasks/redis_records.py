"""Tasks in Redis as they are written: their keys, the fields of chunks, the sets that list them."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

import msgspec
from redis.exceptions import RedisError

from api.tasks.task import State, Task
from models.text.cut import Chunk

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


def open_field(number: int) -> str:
    """The field of a chunk that is not done."""
    return f"open/{number}"


def done_field(number: int) -> str:
    """The field of a chunk that is done."""
    return f"done/{number}"


def numbers_of(fields: list[bytes], kind: str) -> list[int]:
    """The numbers of the chunks among fields that are open, or done."""
    names = (field.decode().partition("/") for field in fields)
    return [int(number) for name, _, number in names if name == kind]


def place_of(task_id: str, number: int) -> str:
    """The member of OPEN for a chunk."""
    return f"{task_id}/{number}"


def state_key(state: str) -> str:
    """The key of the set of the tasks in a state."""
    return f"tasks:state:{state}"


def encoded(thing: Task | Chunk) -> bytes:
    """A task or a chunk as it is written."""
    return msgspec.json.encode(thing)


def decoded(found: bytes) -> Chunk:
    """A chunk as it was written."""
    return msgspec.json.decode(found, type=Chunk)


def task_of(found: bytes | None) -> Task | None:
    """A task as it was written; None for None."""
    return None if found is None else msgspec.json.decode(found, type=Task)


def read(pipe: Pipe, key: str, number: int) -> tuple[Task | None, Chunk | None]:
    """A task and one of its chunks, unless that is done."""
    task, chunk = pipe.hmget(key, ["task", open_field(number)])
    return task_of(task), None if chunk is None else decoded(chunk)


def write(pipe: Pipe, task: Task, before: State, more: dict[str, bytes] | None = None) -> None:
    """Write a task, whose state was another one before, and fields of its chunks."""
    keys = keys_of(task.id)
    pipe.hset(keys.task, mapping={"task": encoded(task), **(more or {})})
    if task.state == before:
        return
    pipe.zrem(state_key(before), task.id)
    pipe.zadd(state_key(task.state), {task.id: task.created})
    if task.has_ended:
        pipe.zadd(ENDS, {task.id: task.ended})
        pipe.hincrby(TOTALS, task.state, 1)
        pipe.delete(keys.body)
