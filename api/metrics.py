"""What the processes of the service have done, counted so that a request hardly notices.

Each process counts in memory, and soon after writes all its counts to a file of its own in a folder
that they share; whoever is asked adds the files up. The file of a process that has died stays, so
that no counter ever goes back.
"""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
import threading
import time
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Mapping
from functools import partial
from pathlib import Path

import msgspec

MILLISECOND = 0.001
SECONDS = tuple(
    MILLISECOND * n
    for n in (0.5, 1, 2.5, 5, 10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000)
)
ROWS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 4096, 16_384)
# Counts go to the file after so many seconds.
SOON = 0.25


def _times() -> list[float]:
    return [0] * (len(SECONDS) + 2)


def _sizes() -> list[float]:
    return [0] * (len(ROWS) + 2)


class Counts(msgspec.Struct):
    """What has been counted.

    A histogram is the number of values up to each bound and above the bound before, of those above
    all, and their sum.
    """

    # By route, method and status.
    requests: dict[tuple[str, str, int], int] = msgspec.field(
        default_factory=lambda: defaultdict(int)
    )
    # By route.
    seconds: dict[str, list[float]] = msgspec.field(default_factory=lambda: defaultdict(_times))
    rows: dict[str, int] = msgspec.field(default_factory=lambda: defaultdict(int))
    # By feature.
    unknown: dict[str, int] = msgspec.field(default_factory=lambda: defaultdict(int))
    batches: list[float] = msgspec.field(default_factory=_sizes)
    waiting: int = 0

    def add(self, other: Counts) -> None:
        """Add all that another process has counted, but for what waits."""
        for key, answers in other.requests.items():
            self.requests[key] += answers
        for route, times in other.seconds.items():
            self.seconds[route] = [a + b for a, b in zip(self.seconds[route], times, strict=True)]
        for route, rows in other.rows.items():
            self.rows[route] += rows
        for feature, values in other.unknown.items():
            self.unknown[feature] += values
        self.batches = [a + b for a, b in zip(self.batches, other.batches, strict=True)]


def _spread(histogram: list[float], bounds: tuple[float, ...], value: float) -> None:
    histogram[bisect_left(bounds, value)] += 1
    histogram[-1] += value


class Tally:
    """The counts of this process, which go to a file in `folder` now and then.

    To write them takes some ten microseconds, which is a good part of an answer.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.begin()

    def begin(self) -> None:
        """Count from nothing, into another file: what a process that was forked has to do."""
        self._counts = Counts()
        self._due = False
        self._counting = threading.Lock()
        self._writing = threading.Lock()
        # An id can come again, with the time it cannot.
        self._name = f"{os.getpid()}-{time.time_ns()}"

    def request(self, route: str, method: str, status: int, seconds: float) -> None:
        """Count an answer."""
        with self._counting:
            self._counts.requests[route, method, status] += 1
            _spread(self._counts.seconds[route], SECONDS, seconds)
            due, self._due = self._due, True
        if not due:
            # A thread does not outlive a fork: there is one only while there is something to add.
            timer = threading.Timer(SOON, self.write)
            timer.daemon = True
            try:
                timer.start()
            except RuntimeError:  # there is no room for a thread: the next request tries again
                self._due = False

    def rows(self, route: str, rows: int, unknown: Mapping[str, int]) -> None:
        """Count rows that got a result, and the unknown categories in each feature."""
        with self._counting:
            self._counts.rows[route] += rows
            for feature, values in unknown.items():
                self._counts.unknown[feature] += values

    def batch(self, rows: int, waiting: int) -> None:
        """Count a call of the model, and note how many requests wait behind it."""
        with self._counting:
            _spread(self._counts.batches, ROWS, rows)
            self._counts.waiting = waiting

    def write(self) -> None:
        """Write all to the file, at once or not at all."""
        with self._writing:
            with self._counting:
                counts = msgspec.msgpack.encode(self._counts)
                self._due = False
            unfinished = self.folder / f"{self._name}.unfinished"
            unfinished.write_bytes(counts)
            unfinished.replace(self.folder / f"{self._name}.counts")


def _shared() -> Path:
    """A folder in which all processes count, and which the first of them removes at its end."""
    folder = tempfile.mkdtemp(prefix="metrics-")
    remove = partial(shutil.rmtree, folder, ignore_errors=True)
    atexit.register(remove)
    # A process that is forked leaves the folder to the one that made it.
    os.register_at_fork(after_in_child=partial(atexit.unregister, remove))
    return Path(folder)


tally = Tally(_shared())
os.register_at_fork(after_in_child=tally.begin)


def count_request(route: str, method: str, status: int, started: float) -> None:
    """Count an answer to a request that was taken up at `started`, by time.perf_counter."""
    tally.request(route, method, status, time.perf_counter() - started)


def count_rows(route: str, rows: int, unknown: Mapping[str, int]) -> None:
    """Count the rows of a request, and the unknown categories in each feature."""
    tally.rows(route, rows, unknown)


def observe(rows: int, waiting: int) -> None:
    """Take note of one call of the model, and of how many requests wait behind it."""
    tally.batch(rows, waiting)


def total() -> Counts:
    """What all processes have counted, the others up to SOON ago; what waits, in those alive."""
    tally.write()
    counts = Counts()
    waiting = {}
    # The last of those that had the same id comes last.
    for path in sorted(tally.folder.glob("*.counts")):
        each = msgspec.msgpack.decode(path.read_bytes(), type=Counts)
        counts.add(each)
        waiting[int(path.name.partition("-")[0])] = each.waiting
    counts.waiting = sum(number for pid, number in waiting.items() if alive(pid))
    return counts


def alive(pid: int) -> bool:
    """Whether a process of ours has this id."""
    try:
        os.kill(pid, 0)
    except OSError:
        return False
    return True
