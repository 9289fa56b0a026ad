"""What is tried in a process apart leaves nothing behind but its result."""

from __future__ import annotations

import faulthandler
import logging
import os
import signal
import sys
import threading
import time
import warnings
from collections.abc import Callable
from multiprocessing import Pipe
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier

from models.engines.trial import TrialError, apart, send


def tasks() -> int:
    return sum(1 for _ in Path("/proc/self/task").iterdir())


def test_the_result_is_of_another_process() -> None:
    assert apart(os.getpid, 30) != os.getpid()


def test_a_large_result_comes_whole() -> None:
    assert apart(lambda: b"x" * 10_000_000, 30) == b"x" * 10_000_000


def test_threads_that_are_started_apart_are_not_here() -> None:
    def starts() -> int:
        for _ in range(4):
            threading.Thread(target=time.sleep, args=(60,), daemon=True).start()
        return tasks()

    before = tasks()
    assert apart(starts, 30) >= 5
    # Threads of other tests may come and go.
    assert tasks() < before + 4


def crash() -> None:
    # pytest's, which would print where each thread was.
    faulthandler.disable()
    os.kill(os.getpid(), signal.SIGSEGV)


def fail() -> None:
    raise KeyError("a value of somebody's")


def test_a_library_that_warns_of_what_is_tried_says_nothing(
    capfd: pytest.CaptureFixture[str],
) -> None:
    def warn() -> int:
        warnings.warn("unseen value", UserWarning, stacklevel=1)
        return 1

    assert apart(warn, 30) == 1
    receiver, sender = Pipe(duplex=False)
    send(warn, sender)
    assert receiver.recv() == (1, "")
    assert "unseen" not in capfd.readouterr().err


@pytest.mark.parametrize(
    ("function", "seconds", "reason"),
    [
        (crash, 60, "it died of SIGSEGV"),
        (fail, 60, "it raised KeyError"),
        (sys.exit, 60, "it ended with the status 0"),
        (threading.Lock, 60, "it raised TypeError"),
        (lambda: time.sleep(60), 0.5, "it took longer than 0.5 seconds"),
    ],
)
def test_what_goes_wrong_is_said_and_ends(
    function: Callable[[], Any], seconds: float, reason: str
) -> None:
    started = time.monotonic()
    with pytest.raises(TrialError, match=f"^{reason}$"):
        apart(function, seconds)
    assert time.monotonic() - started < 30


def test_the_traceback_stands_in_the_log_of_who_asks_for_it(
    caplog: pytest.LogCaptureFixture,
) -> None:
    receiver, sender = Pipe(duplex=False)
    with caplog.at_level(logging.DEBUG, "models"):
        send(fail, sender)
    assert receiver.recv() == (None, "it raised KeyError")
    assert "a value of somebody's" in caplog.text


def test_a_library_that_has_started_its_threads_is_called_all_the_same() -> None:
    model = HistGradientBoostingClassifier(max_iter=1).fit(np.eye(4), range(4))
    own = model.predict(np.eye(4)).tolist()
    assert apart(lambda: model.predict(np.eye(4)).tolist(), 30) == own
