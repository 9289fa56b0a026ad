"""The process of a check: `python -m models.candidate DESCRIPTOR`, with a Job on standard input.

It forks the process that loads the model, ends it at its limits with all that it has started, and
says how it ended if that one no longer can.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
from collections.abc import Callable
from math import ceil
from pathlib import Path
from typing import NoReturn

import msgspec

from models.candidate import sandbox
from models.candidate.facts import Job, Message

Say = Callable[[Message], None]

NICENESS = 10
# Between two looks whether all processes have ended.
POLL_SECONDS = 0.001


class TimeUp(Exception):
    """The wall clock has passed the limit of the check."""


def main(job: Job, report: int) -> None:
    """Do a check, and say on the descriptor `report` what was found, in lines of JSON."""
    sandbox.unblock_signals()
    # The service that answers meanwhile goes first.
    os.nice(NICENESS)
    if job.hostile:
        sandbox.leave_namespaces()
    # Last, since the kernel forgets it where a process gets other rights.
    sandbox.prctl(sandbox.PR_SET_PDEATHSIG, signal.SIGKILL)
    sandbox.prctl(sandbox.PR_SET_CHILD_SUBREAPER, 1)

    def say(message: Message) -> None:
        # Nobody reads it any more where the check took too long.
        with contextlib.suppress(BrokenPipeError):
            os.write(report, msgspec.json.encode(message) + b"\n")

    child = os.fork() or _examine(job, say)
    if reason := _wait(child, job):
        say(reason)


def _examine(job: Job, say: Say) -> NoReturn:
    """Examine the candidate in this process, and end it."""
    status = 1
    try:
        os.setpgid(0, 0)
        sandbox.prctl(sandbox.PR_SET_PDEATHSIG, signal.SIGKILL)
        seconds = ceil(job.settings.check_seconds)
        sandbox.limit(seconds, job.settings.check_bytes, hostile=job.hostile)
        from models.candidate.examine import examine

        say(examine(job, say))
        status = 0
    finally:
        os._exit(status)


def _wait(child: int, job: Job) -> Message | None:
    """Wait for the process that examines, then end all others; why it did not end by itself."""
    seconds = job.settings.check_seconds

    def time_up(*_: object) -> NoReturn:
        raise TimeUp

    signal.signal(signal.SIGALRM, time_up)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        _, status, usage = os.wait4(child, 0)
        signal.setitimer(signal.ITIMER_REAL, 0)
    except TimeUp:
        end_all(child)
        return Message(
            kind="time", reason=f"its check took longer than {seconds:g} seconds (CHECK_SECONDS)"
        )
    end_all(child)
    return ending(os.waitstatus_to_exitcode(status), usage.ru_utime + usage.ru_stime, seconds)


def ending(code: int, cpu_seconds: float, most: float) -> Message | None:
    """Why a process did not end by itself: its exit status, or minus the signal that ended it."""
    if code == 0:
        return None
    if code < 0 and cpu_seconds >= most:
        said = f"its check took more than {most:g} seconds of CPU time (CHECK_SECONDS)"
        return Message(kind="time", reason=said)
    if -code == signal.SIGKILL:
        said = "the process that checked it was killed, as where the machine's memory runs out"
        return Message(kind="memory", reason=said)
    how = f"died of {signal.Signals(-code).name}" if code < 0 else f"ended with the status {code}"
    return Message(kind="process", reason=f"the process that checked it {how}")


def end_all(child: int) -> None:
    """End a child process, and all that it has started: they are this process's children then."""
    with contextlib.suppress(OSError):
        os.killpg(child, signal.SIGKILL)
    end_children()


def end_children() -> None:
    """End all children of this process."""
    while True:
        for task in Path("/proc/self/task").glob("*/children"):
            for pid in task.read_text().split():
                with contextlib.suppress(OSError):
                    os.kill(int(pid), signal.SIGKILL)
        try:
            os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        time.sleep(POLL_SECONDS)


if __name__ == "__main__":
    main(msgspec.json.decode(sys.stdin.buffer.read(), type=Job), int(sys.argv[1]))
