"""The counts of all processes, in the form that Prometheus reads."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import accumulate
from typing import Any

from prometheus_client import CollectorRegistry, Metric
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
)
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from api.monitor import metrics
from api.tasks import task
from models.model import Model

Tasks = Callable[[], task.Counts | None]
More = Callable[[], Iterable[Metric]]


def registry(
    model: Model, tasks: Tasks = lambda: None, more: More = lambda: ()
) -> CollectorRegistry:
    """A registry that gathers the counts when they are asked for.

    `tasks` gives those of tasks, None where there are none; `more` gives further metrics.
    """
    found = CollectorRegistry()
    found.register(_Counted(model, tasks, more))
    return found


def write(counts: CollectorRegistry, accept: str) -> tuple[bytes, str]:
    """The counts as text, and the Content-Type of it, as Accept asks."""
    encode, content_type = choose_encoder(accept)
    return encode(counts), content_type


class _Counted(Collector):
    """The counts of all processes, and the model's name."""

    def __init__(self, model: Model, tasks: Tasks, more: More) -> None:
        self._model = model
        self._tasks = tasks
        self._more = more

    def collect(self) -> Iterator[Metric]:
        counts = metrics.total()
        yield from _counters(counts)
        yield from _histograms(counts)
        yield GaugeMetricFamily(
            "requests_waiting", "Requests that wait for the model.", counts.waiting
        )
        model = GaugeMetricFamily(
            "model_info",
            "The model that is served.",
            labels=["version", "estimator", "scikit_learn"],
        )
        facts = self._model
        model.add_metric([facts.version, facts.kind, facts.versions["scikit-learn"]], 1)
        yield model
        if (found := self._tasks()) is not None:
            yield from _of_tasks(found)
        yield from self._more()


def _of_tasks(counts: task.Counts) -> Iterator[Metric]:
    states = GaugeMetricFamily("tasks", "Tasks that are kept.", labels=["state"])
    for state in task.STATES:
        states.add_metric([state], counts.states.get(state, 0))
    yield states
    age = 0.0 if counts.oldest is None else max(time.time() - counts.oldest, 0.0)
    yield GaugeMetricFamily(
        "oldest_task_seconds", "The age of the oldest task that has not ended.", age
    )
    ended = CounterMetricFamily("tasks_ended", "Tasks that have ended.", labels=["state"])
    for end, count in counts.ended.items():
        ended.add_metric([end], count)
    yield ended
    yield CounterMetricFamily("task_rows", "Rows of tasks answered with a result.", counts.rows)
    yield CounterMetricFamily("task_attempts", "Chunks of tasks begun.", counts.attempts)


def _counters(counts: metrics.Counts) -> Iterator[Metric]:
    yield _counter(
        "http_requests", "Requests answered.", ["route", "method", "status"], counts.requests
    )
    for name, documentation, label, found in (
        ("prediction_rows", "Rows answered with a result.", "route", counts.rows),
        (
            "unknown_categories",
            "Values outside a feature's categories that the model let pass.",
            "feature",
            counts.unknown,
        ),
        (
            "http_requests_by_key",
            "Requests let in, by the name of their API key.",
            "key",
            counts.keys,
        ),
        (
            "http_requests_by_version",
            "Requests answered, by the version of the model.",
            "version",
            counts.versions,
        ),
        ("model_swaps", "Swaps to another version of the model.", "outcome", counts.swaps),
        (
            "model_candidates",
            "New models that were checked: accepted, or why they were refused.",
            "outcome",
            counts.candidates,
        ),
    ):
        yield _counter(name, documentation, [label], {(of,): n for of, n in found.items()})


def _histograms(counts: metrics.Counts) -> Iterator[Metric]:
    seconds = HistogramMetricFamily(
        "http_request_duration_seconds",
        "Time from taking a request up to having its answer.",
        labels=["route"],
    )
    for route, histogram in counts.seconds.items():
        seconds.add_metric([route], *_buckets(metrics.SECONDS, histogram))
    yield seconds
    batches = HistogramMetricFamily("engine_batch_rows", "Rows in one call of the model.")
    batches.add_metric([], *_buckets(metrics.ROWS, counts.batches))
    yield batches


def _counter(
    name: str, documentation: str, labels: list[str], counts: Mapping[tuple[Any, ...], int]
) -> Metric:
    """A counter, with one sample for each combination of its labels' values."""
    family = CounterMetricFamily(name, documentation, labels=labels)
    for values, number in counts.items():
        family.add_metric(list(map(str, values)), number)
    return family


def _buckets(
    bounds: tuple[float, ...], histogram: list[float]
) -> tuple[list[tuple[str, float]], float]:
    """The cumulative counts of a histogram by upper bound, and the sum of its values."""
    *counts, total = histogram
    names = [*(str(float(bound)) for bound in bounds), "+Inf"]
    return list(zip(names, accumulate(counts), strict=True)), total
