"""`GET /metrics`: what all processes together have done, in the form that Prometheus reads.

Each process counts in files of its own under PROMETHEUS_MULTIPROC_DIR; whoever is asked adds them
up. The files of a process that has died stay, so that no counter ever goes back.
"""

from __future__ import annotations

import contextlib
import functools
import os
import threading
import time
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from flask import Flask, Response, g, request
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.exposition import choose_encoder
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead

from api.model import Model

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
OTHER = "other"
MILLISECOND = 0.001
SECONDS = tuple(
    MILLISECOND * n
    for n in (0.5, 1, 2.5, 5, 10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000)
)
# Counts go to the files after so many seconds.
SOON = 0.25
ROWS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 4096, 16_384)

_requests = Counter("http_requests", "Requests answered.", ["route", "method", "status"])
_seconds = Histogram(
    "http_request_duration_seconds",
    "Time from taking a request up to having its answer.",
    ["route"],
    buckets=SECONDS,
)
_rows = Counter("prediction_rows", "Rows answered with a result.", ["route"])
_unknown = Counter(
    "unknown_categories",
    "Values outside a feature's categories that the model let pass.",
    ["feature"],
)
_batch_rows = Histogram("engine_batch_rows", "Rows in one call of the model.", buckets=ROWS)
_waiting = Gauge(
    "requests_waiting", "Requests that wait for the model.", multiprocess_mode="livesum"
)
# A process that has not set it says 0.
_model = Gauge(
    "model_info",
    "The model that is served.",
    ["version", "estimator", "scikit_learn"],
    multiprocess_mode="max",
)


class Tally:
    """Counts in memory, to be added to the files now and then.

    Each number in a file takes a microsecond and a request has eight of them, which is a good part
    of an answer. Added up first, they are as good as nothing.
    """

    def __init__(self) -> None:
        self._counts: defaultdict[Any, float] = defaultdict(float)
        self._waiting = 0
        self._due = False
        self._counting = threading.Lock()
        self._writing = threading.Lock()

    def request(self, route: str, method: str, status: int, seconds: float) -> None:
        """Count an answer."""
        answers, times = _of_request(route, method, status)
        with self._counting:
            self._counts[answers] += 1
            self._spread(times, SECONDS, seconds)
            due, self._due = self._due, True
        if not due:
            # A thread does not outlive a fork: there is one only while there is something to add.
            timer = threading.Timer(SOON, self.write)
            timer.daemon = True
            try:
                timer.start()
            except RuntimeError:  # there is no room for a thread: the next request tries again
                self._due = False

    def rows(self, route: str, rows: int) -> None:
        """Count rows that got a result."""
        with self._counting:
            self._counts[_of_rows(route)] += rows

    def batch(self, rows: int, waiting: int) -> None:
        """Count a call of the model."""
        with self._counting:
            self._spread(_batch_rows, ROWS, rows)
            self._waiting = waiting

    def _spread(self, histogram: Histogram, bounds: tuple[float, ...], value: float) -> None:
        """What `observe` does, which has no form for many values at once."""
        self._counts[histogram._buckets[bisect_left(bounds, value)]] += 1  # noqa: SLF001
        self._counts[histogram._sum] += value  # noqa: SLF001

    def write(self) -> None:
        """Add all to the files."""
        with self._writing:
            with self._counting:
                counts, self._counts = self._counts, defaultdict(float)
                self._due = False
            for each, count in counts.items():
                each.inc(count)
            _waiting.set(self._waiting)


tally = Tally()


@functools.cache
def _of_request(route: str, method: str, status: int) -> tuple[Counter, Histogram]:
    return _requests.labels(route, method, status), _seconds.labels(route)


@functools.cache
def _of_rows(route: str) -> Counter:
    return _rows.labels(route)


def count_request(route: str, method: str, status: int, started: float) -> None:
    """Count an answer to a request that was taken up at `started`, by time.perf_counter."""
    tally.request(route, method, status, time.perf_counter() - started)


def count_rows(route: str, rows: int, unknown: Mapping[str, int]) -> None:
    """Count the rows of a request, and the unknown categories in each feature."""
    tally.rows(route, rows)
    for feature, count in unknown.items():
        _unknown.labels(feature).inc(count)


def observe(rows: int, waiting: int) -> None:
    """Take note of one call of the model, and of how many requests wait behind it."""
    tally.batch(rows, waiting)


def init_app(app: Flask, model: Model) -> None:
    """Add `/metrics`, and count what Flask answers: itself too, at the next time of asking."""
    _model.labels(model.version, model.kind, model.versions["scikit-learn"]).set(1)
    routes = functools.cache(lambda: {rule.rule for rule in app.url_map.iter_rules()})

    @app.get("/metrics")
    def metrics() -> Response:
        encode, content_type = choose_encoder(request.headers.get("Accept", ""))
        return Response(encode(collect()), content_type=content_type)

    @app.before_request
    def start() -> None:
        g.started = time.perf_counter()

    @app.after_request
    def count(response: Response) -> Response:
        # A path that has a route, but not for this method, comes without a rule.
        route = request.url_rule.rule if request.url_rule else request.path
        method = request.method if request.method in METHODS else OTHER
        count_request(
            route if route in routes() else OTHER, method, response.status_code, g.started
        )
        return response


def collect() -> CollectorRegistry:
    """What all processes have counted; the others up to SOON ago."""
    tally.write()
    folder = Path(os.environ["PROMETHEUS_MULTIPROC_DIR"])
    for path in folder.glob("gauge_live*.db"):
        pid = int(path.stem.rpartition("_")[2])
        if not alive(pid):
            # Another request may be faster.
            with contextlib.suppress(FileNotFoundError):
                mark_process_dead(pid)  # type: ignore[no-untyped-call]
    registry = CollectorRegistry()
    _Begun(registry)  # type: ignore[no-untyped-call]
    return registry


class _Begun(MultiProcessCollector):
    """Adds up the files that have something in them: one is empty for a moment when it is made."""

    def collect(self) -> Any:
        files = [path for path in Path(self._path).glob("*.db") if _size(path)]
        return self.merge(list(map(str, files)))  # type: ignore[no-untyped-call]


def _size(path: Path) -> int:
    """Bytes of a file, 0 if another request has removed it meanwhile."""
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def alive(pid: int) -> bool:
    """Whether a process of ours has this id."""
    try:
        os.kill(pid, 0)
    except OSError:
        return False
    return True
