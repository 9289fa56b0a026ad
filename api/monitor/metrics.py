"""Counts of what the processes of the service do, at a microsecond a request.

Each process counts in memory, and 0.25 s later writes its counts into a file that all share;
the process that is asked for `/metrics` adds them up. The counts of a dead process stay, so that no
counter ever goes back. The file is in memory and has no name: no disk can be full, and nobody can
delete it.
"""

from __future__ import annotations

import functools
import logging
import math
import os
import threading
import time
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Mapping

import msgspec

from api.monitor.shared import Shared

MILLISECOND = 0.001
SECONDS = tuple(
    MILLISECOND * n
    for n in (0.5, 1, 2.5, 5, 10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000)
)
ROWS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 4096, 16_384)
# From the first count in memory to the time at which it is written to the shared file.
FLUSH_SECONDS = 0.25
# Between two warnings that the shared file cannot be written.
WARNING_SECONDS = 60
# The name of the counts of all dead processes: no process has the pid 0.
DEAD = "0-0"

log = logging.getLogger("api")


def _times() -> list[float]:
    return [0] * (len(SECONDS) + 2)


def _sizes() -> list[float]:
    return [0] * (len(ROWS) + 2)


class Counts(msgspec.Struct):
    """The counts of a process.

    A histogram is the number of values between each two bounds, then the number above the last
    bound, then the sum of all values.
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
    # By the name of an API key.
    keys: dict[str, int] = msgspec.field(default_factory=lambda: defaultdict(int))
    # By the version of the model.
    versions: dict[str, int] = msgspec.field(default_factory=lambda: defaultdict(int))
    # By how they ended.
    swaps: dict[str, int] = msgspec.field(default_factory=lambda: defaultdict(int))
    # By the reason of the refusal, or "accepted".
    candidates: dict[str, int] = msgspec.field(default_factory=lambda: defaultdict(int))
    batches: list[float] = msgspec.field(default_factory=_sizes)
    waiting: int = 0

    def add(self, other: Counts) -> None:
        """Add the counts of another process, except `waiting`."""
        for key, answers in other.requests.items():
            self.requests[key] += answers
        for route, times in other.seconds.items():
            self.seconds[route] = [a + b for a, b in zip(self.seconds[route], times, strict=True)]
        for name in ("rows", "unknown", "keys", "versions", "swaps", "candidates"):
            counts = getattr(self, name)
            for label, number in getattr(other, name).items():
                counts[label] += number
        self.batches = [a + b for a, b in zip(self.batches, other.batches, strict=True)]


def _spread(histogram: list[float], bounds: tuple[float, ...], value: float) -> None:
    histogram[bisect_left(bounds, value)] += 1
    histogram[-1] += value


class Tally:
    """The counts of this process, which are written to the shared file every FLUSH_SECONDS.

    Writing takes about 10 microseconds, too long for each request.
    """

    def __init__(self) -> None:
        self.shared = Shared()
        self.begin()

    def begin(self) -> None:
        """Count from 0 under a name of its own, as a process has to after its fork."""
        self._counts = Counts()
        self._due = False
        self._counting = threading.Lock()
        self._writing = threading.Lock()
        self._warned = -math.inf
        # A pid can be reused; pid and start time together cannot.
        self._name = f"{os.getpid()}-{time.time_ns()}"

    def request(self, route: str, method: str, status: int, seconds: float, version: str) -> None:
        """Count an answer."""
        with self._counting:
            self._counts.requests[route, method, status] += 1
            self._counts.versions[version] += 1
            _spread(self._counts.seconds[route], SECONDS, seconds)
            due, self._due = self._due, True
        if not due:
            # A thread does not outlive a fork: there is one only while counts have to be written.
            timer = threading.Timer(FLUSH_SECONDS, self.write)
            timer.daemon = True
            try:
                timer.start()
            except RuntimeError:  # no memory for a thread: the next request tries again
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

    def one(self, kind: str, label: str) -> None:
        """Count one more of a kind that is counted by a label only: see Counts."""
        with self._counting:
            getattr(self._counts, kind)[label] += 1

    def write(self) -> None:
        """Write all to the file, at once or not at all."""
        try:
            with self._writing, self.shared.locked():
                with self._counting:
                    counts = msgspec.Raw(msgspec.msgpack.encode(self._counts))
                    self._due = False
                entries = self.shared.read()
                if self._name not in entries:
                    entries = _buried(entries)
                self.shared.write(entries | {self._name: counts})
        except OSError as error:
            if time.monotonic() - self._warned > WARNING_SECONDS:
                self._warned = time.monotonic()
                log.warning("the counts for /metrics cannot be shared: %s", error.strerror)

    def read(self) -> dict[str, Counts]:
        """The counts of each process by its name, of the others as of FLUSH_SECONDS ago."""
        self.write()
        with self._writing, self.shared.locked():
            entries = self.shared.read()
        return {name: msgspec.msgpack.decode(raw, type=Counts) for name, raw in entries.items()}


def _buried(entries: dict[str, msgspec.Raw]) -> dict[str, msgspec.Raw]:
    """The counts, with those of all dead processes added up under one name."""
    dead = Counts()
    living = {}
    for name, raw in entries.items():
        if name != DEAD and alive(_pid(name)):
            living[name] = raw
        else:
            dead.add(msgspec.msgpack.decode(raw, type=Counts))
    return {DEAD: msgspec.Raw(msgspec.msgpack.encode(dead))} | living


def _pid(name: str) -> int:
    return int(name.partition("-")[0])


@functools.cache
def tally() -> Tally:
    """The counts of this process; the first call is before the fork, so that all share one file."""
    found = Tally()
    os.register_at_fork(after_in_child=found.begin)
    return found


def count_request(route: str, method: str, status: int, started: float, version: str) -> None:
    """Count an answer by a version, to a request taken up at `started`, by time.perf_counter."""
    tally().request(route, method, status, time.perf_counter() - started, version)


def count_rows(route: str, rows: int, unknown: Mapping[str, int]) -> None:
    """Count the rows of a request, and the unknown categories in each feature."""
    tally().rows(route, rows, unknown)


def observe(rows: int, waiting: int) -> None:
    """Count one call of the model, and note how many requests wait behind it."""
    tally().batch(rows, waiting)


def count_key(name: str) -> None:
    """Count a request with the API key of this name."""
    tally().one("keys", name)


def count_swap(outcome: str) -> None:
    """Count a swap to another version that was done, or has failed."""
    tally().one("swaps", outcome)
    # There may be no request that brings the counts to the other processes.
    tally().write()


def count_candidate(outcome: str) -> None:
    """Count a new model that was accepted, or the reason why it was refused."""
    tally().one("candidates", outcome)
    tally().write()


def total() -> Counts:
    """The counts of all processes, of the others as of FLUSH_SECONDS ago.

    Requests wait in processes that are alive only.
    """
    counts = Counts()
    waiting = {}
    # Sorted, so that of a reused pid the newest process counts.
    for name, each in sorted(tally().read().items()):
        counts.add(each)
        waiting[_pid(name)] = each.waiting
    counts.waiting = sum(number for pid, number in waiting.items() if alive(pid))
    return counts


def alive(pid: int) -> bool:
    """Whether a process of this user has this pid."""
    try:
        os.kill(pid, 0)
    except OSError:
        return False
    return True
