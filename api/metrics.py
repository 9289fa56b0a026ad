"""`GET /metrics`: what all processes together have done, in the form that Prometheus reads.

Each process counts in files of its own under PROMETHEUS_MULTIPROC_DIR; whoever is asked adds them
up. The files of a process that has died stay, so that no counter ever goes back.
"""

from __future__ import annotations

import functools
import os
import time
from pathlib import Path

import sklearn
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

# Looking labels up takes longer than counting.
_requests_of = functools.cache(_requests.labels)
_seconds_of = functools.cache(_seconds.labels)
_rows_of = functools.cache(_rows.labels)


def count_request(route: str, method: str, status: int, started: float) -> None:
    """Count an answer to a request that was taken up at `started`, by time.perf_counter."""
    _requests_of(route, method, status).inc()
    _seconds_of(route).observe(time.perf_counter() - started)


def count_rows(route: str, rows: int, unknown: dict[str, int]) -> None:
    """Count the rows of a request, and the unknown categories in each feature."""
    _rows_of(route).inc(rows)
    for feature, count in unknown.items():
        _unknown.labels(feature).inc(count)


def observe(rows: int, waiting: int) -> None:
    """Take note of one call of the model, and of how many requests wait behind it."""
    _batch_rows.observe(rows)
    _waiting.set(waiting)


def init_app(app: Flask, model: Model) -> None:
    """Add `/metrics`, and count what Flask answers: itself too, at the next time of asking."""
    _model.labels(model.version, model.kind, sklearn.__version__).set(1)
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
    """What all processes have counted."""
    folder = Path(os.environ["PROMETHEUS_MULTIPROC_DIR"])
    for path in folder.glob("gauge_live*.db"):
        pid = int(path.stem.rpartition("_")[2])
        if not alive(pid):
            mark_process_dead(pid)  # type: ignore[no-untyped-call]
    registry = CollectorRegistry()
    MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    return registry


def alive(pid: int) -> bool:
    """Whether a process of ours has this id."""
    try:
        os.kill(pid, 0)
    except OSError:
        return False
    return True
