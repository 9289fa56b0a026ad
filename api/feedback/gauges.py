"""What `/content/` tells of the last 24 hours, as metrics for Prometheus."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Iterator, Mapping

from prometheus_client import Metric
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

from api.feedback import content
from api.feedback.content import Span
from api.feedback.facts import HOUR_SECONDS
from api.feedback.recorder import recorder
from api.http.route import Site
from models.drift.psi import DRIFTED
from models.drift.report import Drift, Share

HOURS = 24
# The counts are read again after so long, however often and by whom the metrics are asked for.
READ_SECONDS = 10.0

Samples = Mapping[tuple[str, ...], float | None]


class _Read:
    """The metrics that were read last, of which version, and when."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._key = ("", "")
        self._until = 0.0
        self._found: list[Metric] = []

    def metrics(self, site: Site) -> list[Metric]:
        key = site.service.model.version, str(recorder.store.folder)
        with self._lock:
            if key != self._key or time.monotonic() > self._until:
                self._found = list(_metrics(site))
                self._key, self._until = key, time.monotonic() + READ_SECONDS
            return self._found


_read = _Read()


def metrics(site: Site) -> list[Metric]:
    """The metrics of feedback; none where nothing is kept, or its store cannot be read now."""
    if recorder.mode == "off":
        return []
    try:
        return _read.metrics(site)
    except OSError:
        return []


def _metrics(site: Site) -> Iterator[Metric]:
    span = Span(HOURS, int(time.time() // HOUR_SECONDS) - HOURS + 1, HOURS)
    yield GaugeMetricFamily(
        "predictions_kept", "Predictions that are kept.", recorder.store.count_predictions()
    )
    yield CounterMetricFamily(
        "selections", "Truths of predictions that were told.", recorder.store.count_selections()
    )
    yield from _accuracy(site, span)
    yield from _inputs(content.inputs(site, span).features)
    yield from _outputs(site, span)


def _accuracy(site: Site, span: Span) -> Iterator[Metric]:
    found = content.accuracy(site, span)
    versions = {(each.version,): each for each in found.versions}
    words = "accuracy" if found.metric == "accuracy" else "mean absolute error"
    yield _gauge(
        "live_answers",
        "Rows answered in the last 24 hours.",
        ["version"],
        {key: each.answers for key, each in versions.items()},
    )
    yield _gauge(
        "live_selections",
        "Predictions of the last 24 hours whose truth was told.",
        ["version"],
        {key: each.selected for key, each in versions.items()},
    )
    yield _gauge(
        "live_correct",
        "Selections of the last 24 hours that are equal to the prediction.",
        ["version"],
        {key: each.correct for key, each in versions.items()},
    )
    for end, of in (("", ""), ("_low", "lower end of the "), ("_high", "upper end of the ")):
        yield _gauge(
            f"live_{found.metric}{end}",
            f"The {of}{words} among selections of the last 24 hours.",
            ["version"],
            {key: getattr(each, end[1:] or found.metric) for key, each in versions.items()},
        )
        yield _gauge(
            f"card_{found.metric}{end}",
            f"The {of}{words} in the model's card.",
            ["version"],
            {(found.card.version,): getattr(found.card, end[1:] or found.metric)},
        )


def _inputs(features: Iterable[Drift]) -> Iterator[Metric]:
    by_name: dict[tuple[str, ...], Drift] = {(each.name,): each for each in features}
    yield from _drift("feature", "feature", by_name)
    shares: tuple[tuple[str, str], ...] = (
        ("missing_share", "rows without a value of the feature"),
        ("outside_share", "values out of the feature's range in training"),
        ("unknown_share", "values that training did not have"),
    )
    for name, of in shares:
        found: dict[tuple[str, ...], Share | None] = {
            key: getattr(each, name) for key, each in by_name.items()
        }
        yield _gauge(
            f"feature_{name}",
            f"The share of {of}, of the last 24 hours.",
            ["feature"],
            {key: each.share if each else None for key, each in found.items()},
        )


def _outputs(site: Site, span: Span) -> Iterator[Metric]:
    found = content.outputs(site, span)
    if found.answers is None:
        return
    yield from _drift("answer", "answers", {(): found.answers})
    rows = found.answers.rows
    yield _gauge(
        "live_label_share",
        "The share of each class or range among the counted answers of the last 24 hours.",
        ["label"],
        {(each.label,): each.count / rows for each in found.answers.bins if rows},
    )
    yield _gauge(
        "live_confidence",
        "The mean probability of the class that was answered, of the last 24 hours.",
        [],
        {(): found.confidence},
    )


def _drift(name: str, of: str, found: Mapping[tuple[str, ...], Drift]) -> Iterator[Metric]:
    labels = ["feature"] if name == "feature" else []
    yield _gauge(
        f"{name}_psi",
        f"Population stability index of the {of} of the last 24 hours against the training.",
        labels,
        {key: each.psi for key, each in found.items()},
    )
    yield _gauge(
        f"{name}_psi_critical",
        "The index above which it is drift.",
        labels,
        {key: each.critical for key, each in found.items()},
    )
    yield _gauge(
        f"{name}_drifted",
        "1 where the verdict is drifted or drifted much.",
        labels,
        {key: float(each.verdict in DRIFTED) for key, each in found.items()},
    )


def _gauge(name: str, documentation: str, labels: list[str], samples: Samples) -> Metric:
    """A gauge with the samples that are known."""
    family = GaugeMetricFamily(name, documentation, labels=labels)
    for key, value in samples.items():
        if value is not None:
            family.add_metric(list(key), value)
    return family
