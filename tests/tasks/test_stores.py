"""What a store promises, whether it is SQLite or Redis."""

from __future__ import annotations

import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import redis

from api.errors import Busy
from api.tasks.blobs import STRAY_SECONDS, Blobs
from api.tasks.redis_contents import INLINE_BYTES, PIECE_BYTES
from api.tasks.redis_records import ALL
from api.tasks.redis_store import RedisStore
from api.tasks.store import Reused, SqliteStore
from api.tasks.task import Lost, Outcome, Store, Task
from models.text.cut import Chunk
from tests.brokers import Redis

TTL = 100.0
LONG = bytes(range(256)) * 4096
MOST = 5

Make = Callable[..., Any]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Redis]:
    server = Redis(tmp_path_factory.mktemp("redis"))
    server.start()
    yield server
    server.stop()


@pytest.fixture
def client(server: Redis) -> Iterator[Any]:
    with redis.Redis.from_url(server.url) as client:
        client.flushall()
        yield client


@pytest.fixture(params=["SQLite", "Redis", "Redis with files"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    if request.param == "SQLite":
        return SqliteStore(tmp_path, most=MOST)
    blobs = Blobs(tmp_path / "files", durable=False) if "files" in request.param else None
    return RedisStore(request.getfixturevalue("client"), blobs, most=MOST, ttl=TTL)


def chunk(number: int = 0, rows: int = 2) -> Chunk:
    return Chunk(number=number, start=number * rows, stop=(number + 1) * rows, rows=rows)


def outcome(results: bytes = b"[1,2]", rows: int = 2, **notes: Any) -> Outcome:
    return Outcome(rows=rows, results=results, chunk_rows=4, notes=notes)


def created(store: Store, body: bytes | None = b"body", **facts: Any) -> Task:
    return store.create(Task(**facts), chunk(), body)


def ended(store: Store, **facts: Any) -> str:
    """The id of a task that is done."""
    task = created(store, **facts)
    store.begin(task.id, 0)
    store.finish(task.id, 0, outcome())
    return task.id


def found(store: Store, task_id: str) -> Task:
    task = store.get(task_id)
    assert task is not None
    return task


def expire(store: Store) -> None:
    """Remove all that has ended."""
    time.sleep(0.01)
    store.expire(0.005)


def test_a_task_is_kept_as_it_was_made(store: Store) -> None:
    task = created(store, method="predict_proba", classes=["a", "b"], owner="me", size=4)
    assert found(store, task.id) == task
    assert store.get("0" * 32) is None


@pytest.mark.parametrize("body", [b"", b"short", LONG, LONG[: PIECE_BYTES + 1]])
def test_a_body_is_read_in_parts(store: Store, body: bytes) -> None:
    task = created(store, body)
    for start, stop in ((0, None), (1, 3), (PIECE_BYTES - 1, PIECE_BYTES + 1), (0, len(body))):
        if body:
            assert store.read(task.id, start, stop) == body[start:stop]


def test_an_input_is_written_before_its_task_comes(store: Store) -> None:
    task = Task()
    store.keep_input(task.id, lambda path: path.write_bytes(LONG))
    store.create(task, chunk(), None)
    assert store.read(task.id, 300_000, 600_000) == LONG[300_000:600_000]


def test_an_idempotency_key_brings_back_its_task(store: Store) -> None:
    first = created(store, key="k", digest="d")
    assert created(store, key="k", digest="d").id == first.id
    with pytest.raises(Reused, match="with a key of its own"):
        created(store, key="k", digest="other")


def test_a_key_may_come_again_once_its_task_is_not_kept(store: Store) -> None:
    task_id = ended(store, key="k", digest="d")
    expire(store)
    assert created(store, key="k", digest="other").id != task_id


def test_a_chunk_is_begun_as_often_as_it_is_brought(store: Store) -> None:
    task = created(store)
    attempts = []
    for _ in range(3):
        begun = store.begin(task.id, 0)
        assert begun is not None
        attempts.append((begun[0].state, begun[1].attempts))
    assert attempts == [("STARTED", 1), ("STARTED", 2), ("STARTED", 3)]
    assert store.begin(task.id, 1) is None
    assert store.begin("0" * 32, 0) is None


def test_the_last_chunk_ends_the_task(store: Store) -> None:
    task = created(store, is_whole=False, rows=None)
    store.begin(task.id, 0)
    assert store.add(task.id, chunk(1))
    store.finish(task.id, 0, outcome(b"[1,2]"))
    assert (found(store, task.id).state, found(store, task.id).rows_done) == ("STARTED", 2)
    store.begin(task.id, 1)
    assert not store.add(task.id, None)
    store.finish(task.id, 1, outcome(b"[3,4]"))
    assert (found(store, task.id).state, found(store, task.id).rows) == ("SUCCESS", 4)
    assert [each.number for each in store.chunks(task.id)] == [0, 1]
    assert [store.results(task.id, n) for n in (0, 1)] == [b"[1,2]", b"[3,4]"]
    assert store.has_results(task.id)


def test_the_first_results_of_a_chunk_count(store: Store) -> None:
    task = created(store, is_whole=False)
    for _ in range(2):
        store.begin(task.id, 0)
    store.finish(task.id, 0, outcome(b"[1,2]"))
    store.finish(task.id, 0, outcome(b"[3,4]"))
    assert store.results(task.id, 0) == b"[1,2]"
    assert found(store, task.id).rows_done == 2


def test_a_chunk_is_added_again_until_a_worker_begins_it(store: Store) -> None:
    task = created(store, is_whole=False)
    assert store.add(task.id, chunk(1))
    assert store.add(task.id, chunk(1))
    store.begin(task.id, 1)
    assert not store.add(task.id, chunk(1))
    store.finish(task.id, 1, outcome())
    assert not store.add(task.id, chunk(1))
    assert found(store, task.id).left == 1


def test_nothing_is_done_for_a_task_that_has_ended(store: Store) -> None:
    task = created(store, is_whole=False)
    store.begin(task.id, 0)
    assert store.revoke(task.id)
    assert not store.revoke(task.id)
    assert store.begin(task.id, 0) is None
    assert not store.add(task.id, chunk(1))
    store.finish(task.id, 0, outcome())
    store.fail(task.id, {"status": 500})
    store.note(task.id, {"progress": 1.0})
    assert (found(store, task.id).state, found(store, task.id).notes) == ("REVOKED", {})
    assert list(store.waiting()) == []


def test_a_failure_has_its_reason(store: Store) -> None:
    task = created(store)
    store.fail(task.id, {"status": 500, "detail": "why"})
    assert found(store, task.id).error == {"status": 500, "detail": "why"}
    with pytest.raises(Lost):
        store.read(task.id, 0, None)


def test_notes_of_a_task_are_set_while_it_goes_on(store: Store) -> None:
    task = created(store, notes={"a": ["b"]})
    store.note(task.id, {"progress": 0.5})
    assert found(store, task.id).notes == {"a": ["b"], "progress": 0.5}


def test_deaths_of_a_chunk_are_counted(store: Store) -> None:
    task = created(store)
    assert [store.bury(task.id, 0) for _ in range(3)] == [1, 2, 3]
    assert store.bury(task.id, 7) == 0


def test_large_results_are_kept(store: Store) -> None:
    task = created(store, LONG)
    store.begin(task.id, 0)
    assert len(LONG) > INLINE_BYTES
    store.finish(task.id, 0, outcome(LONG))
    assert store.results(task.id, 0) == LONG
    assert store.has_results(task.id)
    with pytest.raises(Lost):
        store.results(task.id, 1)
    with pytest.raises(Lost):
        store.read(task.id, 0, 1)


def test_what_waits_is_each_chunk_that_is_not_done(store: Store) -> None:
    one, two = created(store, is_whole=False), created(store)
    store.add(one.id, chunk(1))
    store.finish(one.id, 0, outcome())
    ended(store)
    assert {(task.id, number) for task, number in store.waiting()} == {(one.id, 1), (two.id, 0)}


def test_tasks_are_listed_with_the_newest_first(store: Store) -> None:
    ids = [created(store, created=float(i)).id for i in range(3)]
    store.revoke(ids[1])
    assert [task.id for task in store.recent("", 2)] == [ids[2], ids[1]]
    assert [task.id for task in store.recent("PENDING", 9)] == [ids[2], ids[0]]
    assert store.recent("", 0) == []


def test_tasks_are_counted(store: Store) -> None:
    assert store.counts().oldest is None
    ended(store)
    waits = created(store, created=1.0)
    store.fail(created(store).id, {})
    counts = store.counts()
    assert counts.states == {"SUCCESS": 1, "PENDING": 1, "FAILURE": 1}
    assert counts.ended == {"SUCCESS": 1, "FAILURE": 1, "REVOKED": 0}
    assert (counts.oldest, counts.rows, counts.attempts) == (waits.created, 2, 1)


def test_what_is_expired_is_gone_with_its_reason(store: Store) -> None:
    task_id = ended(store, body=LONG)
    store.expire(TTL)
    assert store.get(task_id) is not None
    expire(store)
    assert store.get(task_id) is None
    assert "RESULT_TTL" in store.gone(task_id)
    assert store.gone("0" * 32) == ""
    assert store.counts().states == {}
    assert not store.has_results(task_id) or store.chunks(task_id) == []


def test_the_oldest_task_that_has_ended_makes_room(store: Store) -> None:
    first = ended(store)
    ids = [created(store).id for _ in range(MOST)]
    assert "MAX_TASKS" in store.gone(first)
    assert all(store.get(each) for each in ids)
    with pytest.raises(Busy, match=f"{MOST} tasks wait or run"):
        created(store)


def test_files_without_a_task_are_removed_in_time(
    tmp_path: Path, client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    blobs = Blobs(tmp_path / "files", durable=True)
    store = RedisStore(client, blobs, most=MOST, ttl=TTL)
    store.keep_input("stray", lambda path: path.write_bytes(b"x"))
    store.expire(TTL)
    assert blobs.names("stray") == {"input"}
    later = time.time() + STRAY_SECONDS + 1
    monkeypatch.setattr(time, "time", lambda: later)
    store.expire(TTL)
    assert blobs.names("stray") == set()


def test_a_store_whose_folder_was_removed_keeps_the_next_tasks(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "tasks", most=MOST)
    created(store, LONG)
    shutil.rmtree(tmp_path / "tasks")
    store.expire(TTL)
    task = created(store, LONG)
    assert store.get(task.id) == task
    assert store.read(task.id, 0, None) == LONG


def test_threads_that_have_ended_leave_no_file_of_sqlite_open(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path, most=MOST)
    counts = []
    for _ in range(3):
        asking = threading.Thread(target=store.get, args=("0" * 32,))
        asking.start()
        asking.join()
        counts.append(len(list(Path("/proc/self/fd").iterdir())))
    # SQLite itself may keep one file of the first thread for the next.
    assert counts[1:] == counts[:1] * 2


def test_a_child_of_the_process_leaves_its_parents_files_as_they_are(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path, most=MOST)
    task = created(store)
    if (child := os.fork()) == 0:
        os._exit(store.get(task.id) is None)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert (tmp_path / "tasks.db-wal").exists()
    assert store.get(task.id) == task


# What Redis alone promises.


@pytest.fixture
def own(client: Any) -> RedisStore:
    return RedisStore(client, None, most=MOST, ttl=TTL)


def test_a_chunk_that_nobody_holds_is_missed_once(
    own: RedisStore, client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = created(own)
    assert own.missed() == []
    later = time.time() + 60
    monkeypatch.setattr(time, "time", lambda: later)
    # One process looks at a time.
    assert own.missed() == []
    client.delete("tasks:look")
    assert [(each.id, number) for each, number in own.missed()] == [(task.id, 0)]
    client.delete("tasks:look")
    assert own.missed() == []


def test_a_change_is_made_again_where_another_process_was_first(
    own: RedisStore, client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = created(own)
    own.begin(task.id, 0)
    take, other = Task.take, RedisStore(client, None, most=MOST, ttl=TTL)
    calls = []

    def taken(self: Task, chunk: Chunk, outcome: Outcome) -> None:
        calls.append(outcome.results)
        if len(calls) == 1:
            other.finish(task.id, 0, outcome_of_another)
        take(self, chunk, outcome)

    outcome_of_another = outcome(b"[5,6]")
    monkeypatch.setattr(Task, "take", taken)
    own.finish(task.id, 0, outcome())
    assert (own.results(task.id, 0), found(own, task.id).rows_done) == (b"[5,6]", 2)


def test_a_task_whose_record_is_lost_is_passed_over(own: RedisStore, client: Any) -> None:
    task = created(own, key="k", digest="d")
    client.delete(f"tasks:{task.id}")
    assert list(own.waiting()) == []
    assert own.recent("", 9) == []
    own.note(task.id, {})
    assert client.zcard(ALL) == 1
    assert created(own, key="k", digest="d").id != task.id


def test_a_redis_that_is_not_there_is_told(tmp_path: Path) -> None:
    away = Redis(tmp_path)
    store = RedisStore(redis.Redis.from_url(away.url), None, most=MOST, ttl=TTL)
    with pytest.raises(OSError, match="Redis cannot be used: .*Connection refused"):
        store.get("0" * 32)


def test_a_redis_without_room_is_told(own: RedisStore, client: Any) -> None:
    client.config_set("maxmemory", "1mb")
    try:
        with pytest.raises(OSError, match="Redis cannot be used: .*maxmemory"):
            created(own, LONG * 4)
    finally:
        client.config_set("maxmemory", "0")
