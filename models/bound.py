"""Bound the time of a bake, and show its progress on a terminal."""

from __future__ import annotations

import os
import resource
import signal
import sys
import time
from collections.abc import Callable
from math import ceil
from typing import NoReturn

# A process that waits uses no CPU time, so its time on the wall clock is bounded too.
WALL_SECONDS_PER_CPU_SECOND = 10
# The time that a bake has to end by itself after its limit.
GRACE_SECONDS = 5
# The shortest time between two updates of the progress line.
PROGRESS_SECONDS = 0.2
# The signals that end a process whose time is up.
TIME_IS_UP = (signal.SIGXCPU, signal.SIGALRM)


class Bound:
    """The CPU time that a bake may take, and the line that says what the bake does.

    It counts CPU time, since other programs' work must not change what a bake finds.
    """

    def __init__(self, seconds: float = 120) -> None:
        self.seconds = seconds
        self._started = _now()
        self._said = ""
        self._said_at = 0.0

    def left(self) -> float:
        """The seconds that are left; zero or less if the time is up."""
        cpu, wall = (now - then for now, then in zip(_now(), self._started, strict=True))
        return self.seconds - max(cpu, wall / WALL_SECONDS_PER_CPU_SECOND)

    def part(self, most: float, parts: int) -> Bound:
        """A bound for one of `parts` equal parts of the work: at most `most` seconds."""
        return Bound(min(most, max(self.left(), 0.0) / parts))

    def say(self, what: str) -> None:
        """Rewrite the line of progress on a terminal; do nothing if there is no terminal."""
        now = time.monotonic()
        if not sys.stderr.isatty() or (what and now - self._said_at < PROGRESS_SECONDS):
            return
        print(f"\r{what:{len(self._said)}}", end="" if what else "\r", file=sys.stderr, flush=True)
        self._said, self._said_at = what, now


def in_child(job: Callable[[], int], seconds: float) -> int:
    """Do a job in a child process; its exit status, or minus the signal that ended it.

    A library's long call or crash ends the child alone: SIGXCPU comes GRACE_SECONDS after so many
    seconds of CPU time, SIGALRM after WALL_SECONDS_PER_CPU_SECOND times as long on the clock.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    child = os.fork() or _do_and_exit(job, ceil(seconds) + GRACE_SECONDS)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def _do_and_exit(job: Callable[[], int], limit: int) -> NoReturn:
    """Do a job and end this process, within `limit` seconds of CPU time."""
    for number in TIME_IS_UP:
        signal.signal(number, signal.SIG_DFL)
    _, most = resource.getrlimit(resource.RLIMIT_CPU)
    within = limit if most == resource.RLIM_INFINITY else min(limit, most)
    resource.setrlimit(resource.RLIMIT_CPU, (within, most))
    signal.alarm(limit * WALL_SECONDS_PER_CPU_SECOND)
    status = 1
    try:
        status = job()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def _now() -> tuple[float, float]:
    return time.process_time(), time.monotonic()
