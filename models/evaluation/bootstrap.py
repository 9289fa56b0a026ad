"""Scores of a model with their intervals, and differences between two models on the same rows."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

import msgspec
import numpy as np

from models.evaluation import metrics
from models.evaluation.facts import Answers, Score, Unmeasurable
from models.evaluation.intervals import interval, interval_of_difference

RESAMPLES = 1_000
SEED = 0


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """How a metric differs between the models a and b on the same rows.

    `difference` is b - a, and `low` and `high` hold its true value in 95 % of all samples; they are
    None where the rows do not tell it. `verdict` says what b is, compared with a: "" where the
    interval holds 0, or no value of the metric is better.
    """

    a: float
    b: float
    difference: float
    low: float | None = None
    high: float | None = None
    verdict: Literal["better", "worse", ""] = ""


def scores(
    answers: Answers,
    names: Iterable[str] | None = None,
    *,
    resamples: int = RESAMPLES,
    seed: int = SEED,
) -> dict[str, Score]:
    """The metrics of a model's answers by name, each with its 95 % interval.

    `names` are those that are asked for: all that there are, unless given. What these rows do not
    allow is left out; `left_out` says why. The same answers and seed give the same scores.
    Raises Unmeasurable for a name that there is not.
    """
    found, _ = metrics.statistics(answers, names)
    made = {}
    for name, statistic in found.items():
        low, high = interval(statistic, resamples, seed) or (None, None)
        made[name] = Score(value=statistic.value, low=low, high=high)
    return made


def left_out(answers: Answers, names: Iterable[str] | None = None) -> dict[str, str]:
    """Why these answers do not have the other metrics, by name."""
    return metrics.statistics(answers, names)[1]


def differences(
    a: Answers,
    b: Answers,
    names: Iterable[str] | None = None,
    *,
    resamples: int = RESAMPLES,
    seed: int = SEED,
) -> dict[str, Difference]:
    """How the metrics differ between the answers of two models to the same rows, by name.

    A metric that one of them does not have is left out. Raises Unmeasurable if the answers are not
    to the same rows, or of models of two kinds.
    """
    if a.kind != b.kind:
        raise Unmeasurable(
            f"A is a {metrics.NOUNS[a.kind]} and B a {metrics.NOUNS[b.kind]}: compare models of "
            "one kind"
        )
    if not np.array_equal(a.places, b.places):
        raise Unmeasurable("the two models have answered different rows")
    of_a, of_b = (metrics.statistics(each, names)[0] for each in (a, b))
    found = {}
    for name in (name for name in of_a if name in of_b):
        one, two = of_a[name], of_b[name]
        ends = interval_of_difference(two, one, resamples, seed)
        low, high = ends or (None, None)
        found[name] = Difference(
            a=one.value,
            b=two.value,
            difference=two.value - one.value,
            low=low,
            high=high,
            verdict=_verdict(metrics.metric_of(a.kind, name).better, ends),
        )
    return found


def _verdict(
    better: Literal["higher", "lower", ""], ends: tuple[float, float] | None
) -> Literal["better", "worse", ""]:
    if not better or ends is None or ends[0] <= 0 <= ends[1]:
        return ""
    return "better" if (ends[0] > 0) == (better == "higher") else "worse"
