"""Faults of the version that serves: answers worse than its card says, features that drifted."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal, NamedTuple

from api.content_answers import ContentAccuracy, VersionAccuracy
from api.feedback import content
from api.feedback.content import Span
from api.feedback.facts import HOUR_SECONDS
from api.http.route import Site
from models.drift.psi import DRIFTED
from models.drift.report import Drift

WINDOW_HOURS = 24
WINDOW = f"of the last {WINDOW_HOURS} hours"


class Fault(NamedTuple):
    """One fault of the version that serves: a sentence, and the figures behind it."""

    kind: Literal["accuracy", "drift"]
    version: str
    feature: str
    text: str
    figures: dict[str, Any]

    @property
    def key(self) -> str:
        """A name that all episodes of this fault share."""
        return f"{self.kind}/{self.version}/{self.feature}"


def faults(site: Site, now: float) -> Iterator[Fault]:
    """All faults in the last 24 hours, at a time in seconds since 1970; raises OSError."""
    first = int(now // HOUR_SECONDS) - WINDOW_HOURS + 1
    span = Span(WINDOW_HOURS, first, WINDOW_HOURS)
    version = site.service.model.version
    found = content.accuracy(site, span)
    for each in found.versions:
        if each.version == version and each.verdict == "worse":
            yield _accuracy(each, found)
    for feature in content.inputs(site, span).features:
        if feature.verdict in DRIFTED:
            yield _drift(feature, version)


def _accuracy(live: VersionAccuracy, found: ContentAccuracy) -> Fault:
    is_accuracy = found.metric == "accuracy"
    name, side = ("accuracy", "below") if is_accuracy else ("mean absolute error", "above")
    now = {"value": getattr(live, found.metric), "low": live.low, "high": live.high}
    card = {"value": getattr(found.card, found.metric), "low": found.card.low}
    card["high"] = found.card.high
    text = (
        f"{name} is surely {side} the card's: {_shown(now)} in {live.selected} selections "
        f"{WINDOW}, {_shown(card)} in the card"
    )
    figures = {"metric": found.metric, **now, "selected": live.selected, "card": card}
    return Fault("accuracy", live.version, "", text, figures)


def _shown(measured: dict[str, float]) -> str:
    return "{value:.4g} ({low:.4g} to {high:.4g})".format(**measured)


def _drift(feature: Drift, version: str) -> Fault:
    text = (
        f"the feature {feature.name} has {feature.verdict} in {feature.rows} rows {WINDOW}: PSI "
        f"{feature.psi:.3g}, which chance alone hardly brings above {feature.critical:.3g}"
    )
    names = ("verdict", "rows", "psi", "critical")
    figures = {name: getattr(feature, name) for name in names}
    return Fault("drift", version, feature.name, text, figures)
