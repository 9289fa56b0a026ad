"""Chunks, and what goes wrong with them: in the model, in its process, on the disk."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from sklearn.linear_model import LinearRegression
from sklearn.preprocessing import FunctionTransformer

from api.errors import Busy
from api.tasks import inputs, isolate, outcome
from api.tasks.models import Models
from api.tasks.store import SqliteStore
from api.tasks.task import FIRST_ROWS, Lost, Task, merged
from models.text import answers
from models.text.cut import Chunk
from tests.tasks.conftest import ROW, Build, House


def moody(X: Any) -> Any:
    """Refuses one value, ends its process on another, and takes long for a third."""
    value = float(np.max(X))
    if value == 11.5:
        raise ValueError("eleven is too much")
    if value == 13.5:
        os.kill(os.getpid(), signal.SIGKILL)
    if value == 14.5:
        time.sleep(60)
    return X


@pytest.fixture
def moods(build: Build) -> House:
    return build(FunctionTransformer(moody).fit([[1.0]]), timeout=0.05)


def again(house: House, task_id: str) -> None:
    """Begin the first chunk as a worker that dies would, and do it then."""
    house.store.begin(task_id, 0)
    house.work()


# The model.


def test_a_row_that_the_model_refuses_fails_with_its_place(moods: House) -> None:
    task_id = moods.start([[1.0], [11.5], [2.0]])
    moods.work()
    error = moods.state(task_id)["error"]
    assert error["status"] == 422
    assert error["errors"] == [
        {"pointer": "/1", "detail": error["errors"][0]["detail"]},
    ]
    assert "the model refuses this row: eleven is too much" in error["errors"][0]["detail"]


def test_a_failure_that_is_ours_is_named_by_its_task(
    moods: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any) -> Any:
        raise KeyError("a fault of ours")

    monkeypatch.setattr(outcome, "_notes", fail)
    task_id = moods.start([[1.0]])
    moods.work()
    error = moods.state(task_id)["error"]
    assert (error["status"], task_id in error["detail"]) == (500, True)


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (13.5, "SIGKILL ended it, as the kernel does where memory is short."),
        (14.5, "it took over 0.5 seconds."),
    ],
)
def test_rows_that_end_their_process_fail_in_the_end(
    moods: House, value: float, reason: str
) -> None:
    task_id = moods.start([[value]])
    again(moods, task_id)
    assert moods.state(task_id)["error"]["detail"] == (
        f"The model ended its process 3 times on the rows 0 to 0: {reason}"
    )


def test_a_chunk_whose_worker_was_killed_is_done_in_a_child(moods: House) -> None:
    task_id = moods.start([[1.5], [2.5]])
    again(moods, task_id)
    assert moods.results(task_id).json["predictions"] == [[1.5], [2.5]]


def test_a_row_that_is_refused_in_a_child_fails_with_its_place(moods: House) -> None:
    task_id = moods.start([[11.5]])
    again(moods, task_id)
    assert moods.state(task_id)["error"]["errors"][0]["pointer"] == "/0"


def test_what_a_method_raises_and_no_row_explains_ends_its_task(
    moods: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(answers, "rejection", lambda *_: Busy("not now"))
    task_id = moods.start([[11.5]])
    moods.work()
    assert moods.state(task_id)["error"]["detail"] == "not now"


def test_many_rows_are_answered_in_calls_of_bounded_size(
    build: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(answers, "CALL_ROWS", 10)
    house = build(LinearRegression().fit([[1.0], [2.0]], [1.0, 2.0]))
    found = house.run([[float(i)] for i in range(25)])
    assert found["predictions"] == pytest.approx(list(range(25)))


# The versions of the model.


def test_a_task_of_another_version_says_so(house: House) -> None:
    task_id = house.start(ROW)
    other = msgspec.structs.replace(house.service.model, version="f" * 64)
    service = msgspec.structs.replace(house.service, model=other)
    worker = house.worker._replace(models=Models(service, house.settings))
    worker.work(task_id, 0)
    error = house.state(task_id)["error"]
    assert error["status"] == 410
    assert "this service has only the version ffffffffffff; start it again" in error["detail"]


def test_a_version_that_is_kept_answers_its_tasks(penguins_path: Path, build: Build) -> None:
    house = build(
        penguins_path, admin_keys=f"root:{'0' * 64}", model_store=str(penguins_path.parent)
    )
    from models.versions import Store

    version = Store(penguins_path.parent, "model").adopt(penguins_path).version
    other = msgspec.structs.replace(house.service.model, version="f" * 64)
    models = Models(msgspec.structs.replace(house.service, model=other), house.settings)
    assert models("f" * 64).model is other
    assert models(version).model.version == version
    assert models(version) is models(version)


def test_a_body_is_kept_until_its_last_chunk(house: House) -> None:
    house.start([ROW] * (2 * FIRST_ROWS))
    house.worker.work(*house.hints.pop(0)[:2])
    assert inputs._whole.cache_info().currsize == 1
    house.work()
    assert inputs._whole.cache_info().currsize == 0


# A process of its own.


def test_what_a_child_returns_or_raises_comes_back() -> None:
    assert isolate.run(lambda: [1, 2], 10) == [1, 2]
    with pytest.raises(Lost, match="gone"):
        isolate.run(lost, 10)


def lost() -> None:
    raise Lost("gone")


class Unsendable(Exception):
    def __init__(self, one: Any, two: Any) -> None:
        super().__init__(one)


def test_an_exception_that_cannot_be_sent_is_told() -> None:
    def fail() -> None:
        raise Unsendable("a", "b")

    with pytest.raises(RuntimeError, match="Unsendable: a"):
        isolate.run(fail, 10)


def test_a_child_that_leaves_is_told() -> None:
    with pytest.raises(isolate.ChildDied, match="it ended with the status 3"):
        isolate.run(lambda: os._exit(3), 10)


def test_a_child_whose_parent_has_died_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "getppid", lambda: 1)
    with pytest.raises(isolate.ChildDied, match="status 1"):
        isolate.run(lambda: 1, 10)


# The store.


def chunk(number: int = 0) -> Chunk:
    return Chunk(number=number, start=0, stop=1, rows=1)


def test_the_oldest_task_that_has_ended_makes_room(penguins_path: Path, build: Build) -> None:
    house = build(penguins_path, max_tasks=2)
    first = house.start(ROW)
    house.work()
    second, third = house.start(ROW), house.start(ROW)
    answer = house.client.get(f"/inference/status/{first}")
    assert (answer.status_code, "MAX_TASKS" in answer.json["detail"]) == (410, True)
    assert house.state(second)["status"] == house.state(third)["status"] == "PENDING"
    answer = house.client.post("/inference/start", json=ROW)
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1")
    assert "2 tasks wait or run (MAX_TASKS)" in answer.json["detail"]


def test_a_chunk_is_claimed_by_one_worker(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path, most=10)
    task = store.create(Task(), chunk(), b"{}")
    begun = store.claim(7, "small", "large")
    assert begun is not None
    assert (begun[0].id, begun[1].attempts) == (task.id, 1)
    assert store.claim(8, "small", "large") is None
    store.release(8)
    assert store.claim(8, "small", "large") is None
    store.release(7)
    assert store.claim(8, "small", "large") is not None
    store.release()
    assert store.claim(9, "small", "large") is not None


def test_small_tasks_are_claimed_first_and_trainings_by_their_own(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path, most=10)
    training = store.create(Task(type="training"), chunk(), None)
    large = store.create(Task(is_whole=False), chunk(), b"")
    small = store.create(Task(), chunk(), b"")
    claimed = [store.claim(7, "small", "large") for _ in range(3)]
    assert [found and found[0].id for found in claimed] == [small.id, large.id, None]
    found = store.claim(7, "training", "training")
    assert found is not None
    assert found[0].id == training.id


def test_a_chunk_that_is_done_twice_counts_once(house: House) -> None:
    task_id = house.start([ROW] * 1500)
    hint = house.hints[0]
    house.worker.work(*hint[:2])
    begun = house.store.get(task_id)
    house.worker.work(*hint[:2])
    assert house.store.get(task_id) == begun
    house.work()
    assert house.state(task_id)["rows_done"] == 1500


def test_a_chunk_that_nobody_has_begun_is_put_again(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path, most=10)
    task = store.create(Task(is_whole=False), chunk(), b"")
    assert store.add(task.id, chunk(1))
    assert store.add(task.id, chunk(1))
    store.begin(task.id, 1)
    assert not store.add(task.id, chunk(1))
    assert [number for _, number in store.waiting()] == [0, 1]


def test_what_is_expired_frees_the_disk(house: House) -> None:
    task_id = house.start([ROW] * 3000)
    house.work()
    folder = house.data / "tasks" / "files" / task_id
    assert list(folder.iterdir())
    house.store.expire(3600)
    assert house.state(task_id)["status"] == "SUCCESS"
    house.store.expire(0)
    assert not folder.exists()


def test_files_without_a_task_are_removed_after_a_while(house: House) -> None:
    folder = house.data / "tasks" / "files" / ("0" * 32)
    folder.mkdir()
    house.store.expire(60)
    assert folder.exists()
    os.utime(folder, (1, 1))
    house.store.expire(60)
    assert not folder.exists()


def test_a_store_that_survives_a_loss_of_power_keeps_tasks_too(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path, most=10, durable=True)
    task = store.create(Task(), chunk(), b"x" * 100_000)
    assert store.read(task.id, 0, None) == b"x" * 100_000


def test_a_file_that_is_no_store_is_told(tmp_path: Path) -> None:
    (tmp_path / "tasks.db").write_bytes(b"no database" * 1000)
    with pytest.raises(OSError, match=r"tasks\.db cannot be used: file is not a database"):
        SqliteStore(tmp_path, most=10)


def test_a_disk_without_room_is_told_and_the_chunk_waits(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    task_id = house.start([ROW] * 3000)
    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OSError, match="No space left"):
        house.work()
    assert house.state(task_id)["status"] == "STARTED"
    body = [ROW] * 3000
    answer = house.client.post("/inference/start", json=body)
    assert (answer.status_code, "No space left" in answer.json["detail"]) == (503, True)
    monkeypatch.undo()


def full(*_: Any) -> int:
    raise OSError(28, "No space left on device")


def test_an_input_that_is_removed_ends_its_task(house: House) -> None:
    task_id = house.start([ROW] * 3000)
    for path in (house.data / "tasks" / "files" / task_id).iterdir():
        path.unlink()
    house.work()
    assert "is not there any more" in house.state(task_id)["error"]["detail"]


def test_notes_of_chunks_are_added() -> None:
    some = {"unknown": {"a": 1}, "ignored": ["x"]}
    more = {"unknown": {"a": 2, "b": 1}, "ignored": ["x", "y"]}
    assert merged(some, more) == {"unknown": {"a": 3, "b": 1}, "ignored": ["x", "y"]}
    assert merged({}, some) == some
