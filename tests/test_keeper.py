"""The duties that one process of the service does for all, and each at its end."""

from __future__ import annotations

import fcntl
import logging
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from api.feedback import keeper
from api.feedback.keeper import Duty, Keeper
from api.feedback.recorder import recorder
from api.settings import Settings


def wait_for(done: Callable[[], bool]) -> None:
    end = time.monotonic() + 5
    while not done():
        assert time.monotonic() < end
        time.sleep(0.01)


@pytest.fixture
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keeper, "FINISH_SECONDS", 0.1)


def watching(folder: Path, *duties: Duty) -> Keeper:
    made = Keeper(folder, duties)
    threading.Thread(target=made.watch, daemon=True).start()
    return made


def test_duties_are_done_each_so_often(tmp_path: Path) -> None:
    done: list[str] = []
    made = Keeper(
        tmp_path, [Duty(0.0, lambda: done.append("often")), Duty(60.0, lambda: done.append("once"))]
    )
    made.look()
    made.look()
    assert done == ["often", "once", "often"]


def test_a_duty_that_fails_is_logged_and_the_others_are_done(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    done: list[str] = []

    def raises(error: Exception) -> Callable[[], None]:
        def run() -> None:
            raise error

        return run

    duties = [
        Duty(1, raises(OSError("the disk is full"))),
        Duty(1, raises(ValueError("no"))),
        Duty(1, lambda: done.append("last")),
    ]
    Keeper(tmp_path, duties).look()
    assert done == ["last"]
    assert [(each.levelno, each.message) for each in caplog.records] == [
        (logging.WARNING, "feedback has to wait: the disk is full"),
        (logging.ERROR, "feedback cannot be looked after"),
    ]


def test_one_process_does_them_and_another_one_after_its_end(tmp_path: Path) -> None:
    done: list[int] = []
    with (tmp_path / "keeper.lock").open("w") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        watching(tmp_path, Duty(60, lambda: done.append(1)))
        time.sleep(0.05)
        assert done == []
    wait_for(lambda: done == [1])


def test_the_process_that_does_duties_does_its_last_ones_itself(tmp_path: Path) -> None:
    done: list[str] = []
    made = watching(tmp_path, Duty(60, lambda: done.append("run"), lambda: done.append("finish")))
    wait_for(lambda: done == ["run"])
    made.finish()
    assert done == ["run", "finish"]


def test_another_process_does_its_last_ones_once_it_may(tmp_path: Path) -> None:
    done: list[str] = []
    made = Keeper(tmp_path, [Duty(60, lambda: None, lambda: done.append("finish"))])
    with (tmp_path / "keeper.lock").open("w") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        ending = threading.Thread(target=made.finish)
        ending.start()
        time.sleep(0.05)
        assert done == []
    ending.join(5)
    assert done == ["finish"]


@pytest.mark.usefixtures("_quick")
def test_the_end_does_not_wait_for_a_process_that_takes_too_long(tmp_path: Path) -> None:
    done: list[str] = []
    duty = Duty(60, lambda: None, lambda: done.append("finish"))
    with (tmp_path / "keeper.lock").open("w") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        Keeper(tmp_path, [duty]).finish()
    assert done == []


@pytest.mark.usefixtures("_quick")
def test_the_end_does_not_wait_for_a_duty_that_takes_too_long(tmp_path: Path) -> None:
    done: list[str] = []
    goes_on = threading.Event()
    made = watching(tmp_path, Duty(60, lambda: goes_on.wait(5), lambda: done.append("finish")))
    wait_for(made._doing.locked)
    made.finish()
    goes_on.set()
    assert done == []


def test_without_last_duties_the_end_waits_for_nobody(tmp_path: Path) -> None:
    Keeper(tmp_path, [Duty(60, lambda: None)]).finish()
    assert not (tmp_path / "keeper.lock").exists()


def test_settings_that_do_nothing_are_named(caplog: pytest.LogCaptureFixture) -> None:
    recorder.begin(Settings(prediction_log="off"))
    keeper.say_unused(Settings())
    assert caplog.messages == []
    keeper.say_unused(Settings(feedback_uri="gs://a/b", alert_url="https://hooks.example/secret"))
    assert caplog.messages == [
        f"{name} is set, and nothing comes of it: {recorder.reason}"
        for name in ("FEEDBACK_URI", "ALERT_URL")
    ]
