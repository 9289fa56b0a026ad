"""The answers of `/content/` about predictions, made of counts and sums of feedback."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from typing import Any, Literal, NamedTuple

import numpy as np

from api.content_answers import (
    AccuracyAt,
    CardAccuracy,
    ContentAccuracy,
    ContentPredictions,
    ContentSelections,
    CountsAt,
    LabelCount,
    SelectionsAt,
    VersionAccuracy,
    VersionCounts,
)
from api.drift_answers import ContentInputs, ContentOutputs, LabelsAt, Window
from api.feedback import sums
from api.feedback.confusion import MAX_LABELS, confusion
from api.feedback.facts import HOUR_SECONDS
from api.feedback.recorder import recorder
from api.feedback.sums import Sum
from api.http.route import Site
from models.drift import Layout, report
from models.drift.accuracy import Measured, compare, mean_absolute, of_card, share_correct
from models.model import Model

HOURS_A_DAY = 24
Metric = Literal["accuracy", "mean_absolute_error"]
NO_STATISTICS = (
    "Training statistics of this model are not known: `make card DATA=train.csv` writes them."
)
NO_FEATURES = "This model takes no table of features."
NOTHING_YET = "This version has answered nothing in this time."


class Span(NamedTuple):
    """The hours that are asked about, and over how many of them a series sums."""

    hours: int
    first: int
    each: int

    @property
    def window(self) -> Window:
        """The hours as they are answered."""
        return Window(self.hours, at(self.first), "day" if self.each > 1 else "hour")


def time_at(seconds: float) -> str:
    """A time in ISO 8601, in UTC."""
    return dt.datetime.fromtimestamp(seconds, dt.UTC).isoformat(timespec="seconds")


def at(hour: int) -> str:
    """When an hour begins."""
    return time_at(hour * HOUR_SECONDS)


def predictions(_: Site, span: Span) -> ContentPredictions:
    """How many rows each version answered, and when."""
    parts = sums.sums(recorder.store, span.first, span.each)
    versions = [
        VersionCounts(each.version, each.answers, each.selected, _coverage(each))
        for each in sums.by_version(parts)
    ]
    series = [CountsAt(at(e.hour), e.version, e.answers, e.selected) for e in parts]
    return ContentPredictions(span.window, sum(each.answers for each in versions), versions, series)


def inputs(site: Site, span: Span) -> ContentInputs:
    """The features of the version that serves, against its training."""
    model = site.service.model
    layout = recorder.layout(model)
    total, _ = _counted(model, layout, span)
    note = "" if total[0] else NOTHING_YET
    counted = [column for column in layout.features if not column.hidden]
    if not layout.features:
        note = NO_FEATURES
    elif counted and all(column.trained is None for column in counted):
        note = NO_STATISTICS
    return ContentInputs(
        span.window, model.version, int(total[0]), report.features(layout, total), note
    )


def outputs(site: Site, span: Span) -> ContentOutputs:
    """The answers of the version that serves, against its training."""
    model = site.service.model
    layout = recorder.layout(model)
    total, parts = _counted(model, layout, span)
    answers = report.answers(layout, total)
    shown = report.answer_series(layout, list(parts.values())) if answers else []
    series = [LabelsAt(at(start), part) for start, part in zip(parts, shown, strict=False)]
    note = "" if total[0] else NOTHING_YET
    if answers is None:
        note = "This model answers several values a row."
    elif answers.verdict == "unknown":
        note = note or "The answers in training are not known."
    return ContentOutputs(
        window=span.window,
        version=model.version,
        rows=int(total[0]),
        answers=answers,
        confidence=report.confidence(total),
        series=series,
        note=note,
    )


def selections(_: Site, span: Span) -> ContentSelections:
    """The selections by class, and by the hour or day of their predictions."""
    parts = sums.sums(recorder.store, span.first, span.each)
    total = Sum(hour=span.first, version="")
    for part in parts:
        total.add(part)
    counts: dict[str, LabelCount] = {}
    for _, label, count in sums.told(recorder.store, span.first):
        counts.setdefault(repr(label), _uncounted(label)).count += count
    return ContentSelections(
        span.window,
        total.answers,
        total.selected,
        total.none,
        _coverage(total),
        sorted(counts.values(), key=lambda each: -each.count)[:MAX_LABELS],
        [SelectionsAt(at(e.hour), e.version, e.selected, e.none) for e in parts if e.selected],
    )


def _uncounted(label: Any) -> LabelCount:
    """A label that was told, not counted yet."""
    return LabelCount(label, "none of the classes" if label is None else "class", 0)


def accuracy(site: Site, span: Span) -> ContentAccuracy:
    """How good the answers were, against the card of each version."""
    parts = sums.sums(recorder.store, span.first, span.each)
    versions = sums.by_version(parts)
    metric = metric_of(site.service.model, versions)
    model = site.service.model
    card = of_card(model.card, metric)
    cards = _cards(site, versions)
    return ContentAccuracy(
        window=span.window,
        metric=metric,
        versions=[_of_version(each, metric, cards.get(each.version, {})) for each in versions],
        card=CardAccuracy(
            version=model.version,
            low=card.low,
            high=card.high,
            rows=card.rows,
            **_value(card, metric),
        ),
        days=[_at(each, metric) for each in parts if measured(each, metric).rows],
        confusion=confusion(model.classes, cards.values(), sums.told(recorder.store, span.first)),
    )


def metric_of(model: Model, versions: Iterable[Sum]) -> Metric:
    """The metric of a model: accuracy for labels, the mean absolute error for numbers.

    Of a model without classes, its own selections tell it, or its card.
    """
    own = next((each for each in versions if each.version == model.version), None)
    is_labelled = model.classes is not None or of_card(model.card, "accuracy").value is not None
    if model.classes is None and own is not None and (own.numbers or own.labels > own.none):
        is_labelled = not own.numbers
    return "accuracy" if is_labelled else "mean_absolute_error"


def measured(total: Sum, metric: Metric) -> Measured:
    """The metric of what was told of one version."""
    if metric == "accuracy":
        return share_correct(total.correct, total.labels)
    return mean_absolute(total.absolute, total.squared, total.numbers)


def _of_version(total: Sum, metric: Metric, card: dict[str, Any]) -> VersionAccuracy:
    """How good the answers of one version were, against its own card."""
    live = measured(total, metric)
    return VersionAccuracy(
        version=total.version,
        selected=total.selected,
        correct=_correct(total, metric),
        bias=total.signed / total.numbers if total.numbers else None,
        low=live.low,
        high=live.high,
        answers=total.answers,
        coverage=_coverage(total),
        verdict=compare(live, of_card(card, metric), higher_is_better=metric == "accuracy"),
        **_value(live, metric),
    )


def _correct(total: Sum, metric: Metric) -> int | None:
    """The selections equal to the prediction; None where only numbers were told."""
    return total.correct if metric == "accuracy" and (total.labels or not total.numbers) else None


def _at(part: Sum, metric: Metric) -> AccuracyAt:
    live = measured(part, metric)
    return AccuracyAt(
        at=at(part.hour),
        version=part.version,
        selected=part.selected,
        correct=_correct(part, metric),
        low=live.low,
        high=live.high,
        **_value(live, metric),
    )


def _value(found: Measured, metric: Metric) -> dict[str, float | None]:
    names = ("accuracy", "mean_absolute_error")
    return {name: found.value if name == metric else None for name in names}


def _coverage(total: Sum) -> float | None:
    """The share of answers that was told; None as long as more is told than is counted."""
    # Counts are written once a second, and selections at once.
    is_counted = total.answers >= max(total.selected, 1)
    return total.selected / total.answers if is_counted else None


def _cards(site: Site, versions: Iterable[Sum]) -> dict[str, dict[str, Any]]:
    """The cards of these versions, as far as they are kept."""
    model = site.service.model
    found = {model.version: model.card}
    if site.swap is not None and any(each.version not in found for each in versions):
        found = {each.version: each.card for each in site.swap.store.versions()} | found
    return found


def _counted(model: Model, layout: Layout, span: Span) -> tuple[np.ndarray, dict[int, np.ndarray]]:
    """All counts of a version, and those of answers in each hour or day by its first hour."""
    total = np.zeros(layout.size, np.int64)
    parts: dict[int, np.ndarray] = {}
    cells = report.answer_cells(layout)
    for hour, counts in sums.counts(recorder.store, span.first, model.version, layout.name):
        total += counts
        start = hour // span.each * span.each
        parts[start] = parts.get(start, 0) + counts[cells]
    return total, parts
