"""The foreman and its workers, step by step: the tests of the real server kill them."""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import os
import select
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from api.settings import Settings
from api.tasks import desk, embedded, foreman
from api.tasks.desk import NoTasks
from api.tasks.embedded import Bell, Hall
from api.tasks.foreman import CHUNKS, TRAINING, Foreman
from tests.tasks.conftest import ROW, House


@pytest.fixture
def hall(monkeypatch: pytest.MonkeyPatch) -> Hall:
    hall = Hall()
    monkeypatch.setattr(embedded, "hall", hall)
    monkeypatch.setattr(foreman, "hall", hall)
    return hall


@pytest.fixture
def boss(house: House) -> Foreman:
    found = Foreman(house.settings, house.service, None, Bell(), os.getppid())
    found._store = house.store
    return found


class Left(BaseException):
    """Stands for the end of a process that the test goes on in."""


@pytest.fixture
def _stays(boss: Foreman, monkeypatch: pytest.MonkeyPatch) -> None:
    def leave(status: int) -> None:
        raise Left(status)

    monkeypatch.setattr(os, "_exit", leave)
    monkeypatch.setattr(os, "nice", lambda _: 0)
    monkeypatch.setattr(signal, "pthread_sigmask", lambda *_: None)
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    monkeypatch.setattr(embedded, "end_with", lambda _: None)
    monkeypatch.setattr(foreman, "end_with", lambda _: None)


def turns(monkeypatch: pytest.MonkeyPatch, parent: int, count: int) -> None:
    """Have this process have a parent for so many looks, and then another."""
    seen = iter([parent] * count)
    monkeypatch.setattr(os, "getppid", lambda: next(seen, -1))


# The bell.


def test_a_bell_wakes_who_waits() -> None:
    bell = Bell()
    started = time.monotonic()
    bell.ring()
    bell.wait(30)
    assert time.monotonic() - started < 20
    bell.wait(0)


def test_a_bell_that_is_rung_by_many_holds_nobody_up() -> None:
    bell = Bell()
    for _ in range(70_000):
        bell.ring()
    bell.wait(0)


def test_a_worker_may_find_that_another_one_has_woken(monkeypatch: pytest.MonkeyPatch) -> None:
    bell = Bell()
    monkeypatch.setattr(select, "select", lambda *_: ([1], [], []))
    bell.wait(0)


# The service.


@contextlib.contextmanager
def begun(settings: Settings, service: Any) -> Iterator[None]:
    try:
        embedded.begin(settings, service, None)
        yield
    finally:
        embedded.end()
        if embedded.hall.foreman:
            os.waitpid(embedded.hall.foreman, 0)


def test_a_service_begins_with_a_foreman(house: House, hall: Hall) -> None:
    assert hall.reason
    with begun(house.settings, house.service):
        embedded.check()
        task_id = house.start(ROW)
        hall.put(task_id, 0, "small")
        deadline = time.monotonic() + 30
        while house.state(task_id)["status"] != "SUCCESS":
            assert time.monotonic() < deadline
            time.sleep(0.01)
    with pytest.raises(NoTasks, match="start the service again"):
        embedded.check()


def test_a_folder_that_another_service_holds_is_told(house: House, hall: Hall) -> None:
    with (house.data / "tasks" / "foreman.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with begun(house.settings, house.service):
            with pytest.raises(NoTasks, match="set another folder"):
                embedded.check()
            hall.put("", 0, "small")


def test_a_folder_that_cannot_be_written_is_told(house: House, hall: Hall) -> None:
    settings = Settings(data_dir="/proc/data")
    with begun(settings, house.service), pytest.raises(NoTasks, match="cannot be written"):
        embedded.check()


def test_a_service_that_can_start_no_process_says_so(
    house: House, hall: Hall, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse() -> int:
        raise BlockingIOError(11, "Resource temporarily unavailable")

    with monkeypatch.context() as patched:
        patched.setattr(os, "fork", refuse)
        embedded.begin(house.settings, house.service, None)
    with pytest.raises(NoTasks, match="no process can be started"):
        embedded.check()


def test_a_service_without_workers_says_what_to_set(house: House, hall: Hall) -> None:
    settings = Settings(task_workers=0)
    with begun(settings, house.service), pytest.raises(NoTasks, match="set TASK_WORKERS=1"):
        embedded.check()


@pytest.mark.parametrize(
    "settings",
    [Settings(k_service="service"), Settings(celery_broker_url="redis://localhost:1")],
)
def test_a_service_whose_tasks_are_done_elsewhere_has_no_foreman(
    house: House, hall: Hall, settings: Settings
) -> None:
    embedded.begin(settings, house.service, None)
    assert (hall.bell, hall.foreman) == (None, 0)


def test_cloud_run_is_told_what_to_set(penguins_path: Path) -> None:
    with pytest.raises(NoTasks, match="CELERY_BROKER_URL"):
        desk.desk(Settings(k_service="service"))


def test_a_service_with_a_broker_has_the_desk_of_celery() -> None:
    settings = Settings(
        celery_broker_url="redis://127.0.0.1:1", celery_backend_url="redis://127.0.0.1:1"
    )
    found = desk.desk(settings)
    assert found.put.__module__ == "api.tasks.celery"
    assert found is desk.desk(settings)


def test_the_child_of_a_service_is_its_foreman(
    house: House, hall: Hall, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran: list[Any] = []

    class Overseer:
        def __init__(self, *args: Any) -> None:
            ran.append(args)

        def run(self) -> None:
            ran.append("run")

    monkeypatch.setattr(foreman, "Foreman", Overseer)
    with monkeypatch.context() as patched:
        patched.setattr(os, "fork", lambda: 0)
        patched.setattr(embedded, "forever", lambda run: run())
        embedded.begin(house.settings, house.service, None)
    assert ran[1:] == ["run"]
    assert hall.bell is not None


def test_a_process_is_given_one_desk(house: House, hall: Hall) -> None:
    with begun(house.settings, house.service):
        found = desk._made(house.settings)
        assert found is desk._made(house.settings)
        assert found.put == hall.put


def test_a_child_never_goes_on_as_its_parent(monkeypatch: pytest.MonkeyPatch) -> None:
    ended: list[int] = []
    monkeypatch.setattr(os, "_exit", ended.append)
    embedded.forever(lambda: int("x"))
    assert ended == [1]


def test_a_process_ends_with_its_parent(monkeypatch: pytest.MonkeyPatch) -> None:
    ended: list[int] = []
    monkeypatch.setattr(os, "_exit", ended.append)
    monkeypatch.setattr(ctypes, "CDLL", lambda _: object())
    embedded.end_with(os.getppid())
    embedded.end_with(-1)
    assert ended == [1]


# The foreman.


@pytest.mark.usefixtures("_stays")
def test_a_foreman_looks_after_workers_and_the_store_until_the_service_ends(
    boss: Foreman, house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    forked: list[Any] = []
    monkeypatch.setattr(boss, "_fork", forked.append)
    monkeypatch.setattr(foreman, "LOOK_SECONDS", 0.01)
    turns(monkeypatch, boss._parent, 2)
    with pytest.raises(Left) as left:
        boss.run()
    assert left.value.args == (0,)
    assert forked == [CHUNKS, CHUNKS]


def test_a_training_has_a_worker_of_its_own(boss: Foreman) -> None:
    boss._settings = Settings(task_workers=2, admin_keys=f"root:{'0' * 64}")
    assert boss._missing() == [CHUNKS, CHUNKS, TRAINING]
    boss._workers = {1: (CHUNKS, 0.0), 2: (TRAINING, 0.0)}
    assert boss._missing() == [CHUNKS]


@pytest.mark.parametrize(
    ("end", "words"),
    [
        (lambda: os._exit(3), "ended with the status 3"),
        (lambda: os.kill(os.getpid(), 9), "SIGKILL"),
    ],
)
def test_the_chunk_of_a_dead_worker_is_given_back(
    boss: Foreman,
    house: House,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    end: Callable[[], None],
    words: str,
) -> None:
    house.start(ROW)
    monkeypatch.setattr(foreman, "LEAST_SECONDS", 0.0)

    def work(*_: Any) -> None:
        time.sleep(0.05)
        end()

    monkeypatch.setattr(boss, "_work", work)
    boss._fork(CHUNKS)
    (pid,) = boss._workers
    assert house.store.claim(pid, *CHUNKS) is not None
    boss._bury()
    deadline = time.monotonic() + 30
    while boss._workers:
        assert time.monotonic() < deadline
        boss._bury()
    assert words in caplog.text
    assert house.store.claim(1, *CHUNKS) is not None


def test_a_foreman_goes_on_where_the_disk_is_full(
    boss: Foreman, caplog: pytest.LogCaptureFixture
) -> None:
    def fail() -> None:
        raise OSError("no space")

    boss._try(fail)
    assert "tasks cannot be looked after: no space" in caplog.text


def test_a_foreman_ends_once_the_service_has_no_other_process(
    boss: Foreman, monkeypatch: pytest.MonkeyPatch
) -> None:
    children = iter(["1", "1 2", *["1"] * 9])
    monkeypatch.setattr(Path, "read_text", lambda _: next(children))
    assert [boss._is_alone() for _ in range(6)] == [False] * 5 + [True]


def test_a_foreman_cannot_tell_it_everywhere(
    boss: Foreman, monkeypatch: pytest.MonkeyPatch
) -> None:
    boss._parent = 0
    assert not boss._is_alone()


# A worker.


@pytest.mark.usefixtures("_stays")
def test_a_worker_does_what_waits_until_the_foreman_ends(
    boss: Foreman, house: House, hall: Hall, monkeypatch: pytest.MonkeyPatch
) -> None:
    task_id = house.start(ROW)
    monkeypatch.setattr(foreman, "LOOK_SECONDS", 0.01)
    turns(monkeypatch, 5, 2)
    with pytest.raises(Left):
        boss._work(CHUNKS, 5)
    assert house.state(task_id)["status"] == "SUCCESS"


@pytest.mark.usefixtures("_stays")
def test_a_worker_waits_where_the_disk_is_full(
    boss: Foreman,
    house: House,
    hall: Hall,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    task_id = house.start([ROW] * 1000)

    def fail(*_: Any) -> None:
        raise OSError("no space")

    monkeypatch.setattr("api.tasks.blobs.Blobs.write_bytes", fail)
    monkeypatch.setattr("api.tasks.store.INLINE_BYTES", 10)
    monkeypatch.setattr(foreman, "PAUSE_SECONDS", 0.0)
    turns(monkeypatch, 5, 1)
    with pytest.raises(Left):
        boss._work(CHUNKS, 5)
    assert "a task has to wait: no space" in caplog.text
    assert house.state(task_id)["status"] == "STARTED"
    assert house.store.claim(1, *CHUNKS) is not None


def test_a_child_asks_the_store_itself(house: House) -> None:
    quick = foreman.Quick(house.store)
    task_id = house.start(ROW)
    assert quick.get(task_id).id == task_id
    quick._pid = -1
    assert quick._call(int) == 0
