"""How long a bake may take, and, on a terminal, how far it is."""

from __future__ import annotations

import os
import resource
import signal
import sys
import time
from collections.abc import Callable
from math import ceil

# One that waits instead of working is not let go on for ever.
WALL_SECONDS_PER_CPU_SECOND = 10
# What is left to a bake that notices by itself that its time is up.
GRACE_SECONDS = 5
# So often the line of progress is written anew.
PROGRESS_SECONDS = 0.2
# What ends a process whose time is up.
TIME_IS_UP = (signal.SIGXCPU, signal.SIGALRM)


class Bound:
    """The CPU time that a bake may take, and the line that says what it does.

    CPU time, since another program's work must not change what a bake finds.
    """

    def __init__(self, seconds: float = 120) -> None:
        self.seconds = seconds
        self._started = _now()
        self._said = ""
        self._said_at = 0.0

    def left(self) -> float:
        """The seconds that are left; none are left if it is not above zero."""
        cpu, wall = (now - then for now, then in zip(_now(), self._started, strict=True))
        return self.seconds - max(cpu, wall / WALL_SECONDS_PER_CPU_SECOND)

    def part(self, most: float, parts: int) -> Bound:
        """A bound for one of so many parts of what is to be done, of at most so many seconds."""
        return Bound(min(most, max(self.left(), 0.0) / parts))

    def say(self, what: str) -> None:
        """Write what is being done on the terminal, over what stood there; nothing elsewhere."""
        now = time.monotonic()
        if not sys.stderr.isatty() or (what and now - self._said_at < PROGRESS_SECONDS):
            return
        print(f"\r{what:{len(self._said)}}", end="" if what else "\r", file=sys.stderr, flush=True)
        self._said, self._said_at = what, now


def in_child(job: Callable[[], int], seconds: float) -> int:
    """Do a job in a process of its own; its exit status, or less the signal that ended it.

    What a library does in one long call, or its crash, ends that process alone: SIGXCPU or SIGALRM
    after so many seconds.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    child = os.fork()
    if not child:
        limit = ceil(seconds) + GRACE_SECONDS
        for number in TIME_IS_UP:
            signal.signal(number, signal.SIG_DFL)
        _, most = resource.getrlimit(resource.RLIMIT_CPU)
        resource.setrlimit(resource.RLIMIT_CPU, (limit, most))
        signal.alarm(limit * WALL_SECONDS_PER_CPU_SECOND)
        status = 1
        try:
            status = job()
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def _now() -> tuple[float, float]:
    return time.process_time(), time.monotonic()
