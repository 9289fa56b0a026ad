"""Have a process train, and follow what it says."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator

import msgspec

from models.training.facts import Job, Message
from models.waiting import readable

# Between two looks whether the training is still wanted.
LOOK_SECONDS = 0.25
# The process has so long to end all that it has started.
GRACE_SECONDS = 10.0


class Cancelled(Exception):
    """The training is not wanted any more, and its process has ended."""


def run(job: Job, say: Callable[[str], object], is_wanted: Callable[[], bool]) -> Message:
    """What came of a training; `say` is called with each step as it begins.

    Raises Cancelled once `is_wanted` says that it is not.
    """
    receiver, sender = os.pipe()
    last = None
    with open(receiver, "rb", buffering=0):  # noqa: PTH123
        process = start(job, sender)
        os.close(sender)
        try:
            for line in _lines(receiver, is_wanted):
                message = msgspec.json.decode(line, type=Message)
                if message.step:
                    say(message.step)
                else:
                    last = message
        finally:
            _end(process)
    return last or Message(died=True, reason="the process of the training ended without a word")


def start(job: Job, report: int) -> subprocess.Popen[bytes]:
    """Start the process of a training, which writes on the descriptor `report`."""
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
        "PYTHONDONTWRITEBYTECODE": "1",
        # What is temporary ends with the folder.
        **dict.fromkeys(("TMPDIR", "JOBLIB_TEMP_FOLDER"), job.folder),
    }
    process = subprocess.Popen(  # noqa: S603
        [sys.executable, "-P", "-m", "models.training", str(report)],
        stdin=subprocess.PIPE,
        env=environment,
        pass_fds=(report,),
        start_new_session=True,
    )
    assert process.stdin is not None  # noqa: S101
    with contextlib.suppress(BrokenPipeError), process.stdin:
        process.stdin.write(msgspec.json.encode(job))
    return process


def _lines(descriptor: int, is_wanted: Callable[[], bool]) -> Iterator[bytes]:
    """The lines that come, until the descriptor is closed. Raises Cancelled."""
    rest = b""
    looked = time.monotonic()
    while True:
        came = readable(descriptor, LOOK_SECONDS)
        if time.monotonic() - looked >= LOOK_SECONDS:
            looked = time.monotonic()
            if not is_wanted():
                raise Cancelled
        if not came:
            continue
        part = os.read(descriptor, 65536)
        if not part:
            return
        *lines, rest = (rest + part).split(b"\n")
        yield from lines


def _end(process: subprocess.Popen[bytes]) -> None:
    """End the process, which ends all others before; one that does not is killed."""
    end = time.monotonic() + GRACE_SECONDS
    while time.monotonic() < end:
        # Again: it may have ignored the signal as it began.
        with contextlib.suppress(OSError):
            process.send_signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(LOOK_SECONDS)
            return
    with contextlib.suppress(OSError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
