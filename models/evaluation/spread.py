"""How numbers are spread: residuals of a regressor, scores of outliers, sizes of clusters."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from models import card as cards
from models.evaluation.facts import Answers
from models.evaluation.parts import Group, Histogram, Residuals

BINS = 24
MAX_POINTS = 300
QUANTILES = {
    "min": 0,
    "5 %": 0.05,
    "25 %": 0.25,
    "median": 0.5,
    "75 %": 0.75,
    "95 %": 0.95,
    "max": 1,
}


def histogram(numbers: np.ndarray) -> Histogram | None:
    """The histogram of the finite ones among these numbers; None if there are none."""
    numbers = numbers[np.isfinite(numbers)]
    if not len(numbers):
        return None
    counts, edges = np.histogram(numbers, bins=BINS)
    found = np.quantile(numbers, list(QUANTILES.values())).tolist()
    return Histogram(
        mean=float(numbers.mean()),
        quantiles=dict(zip(QUANTILES, found, strict=True)),
        edges=edges.tolist(),
        counts=counts.tolist(),
    )


def residuals(answers: Answers) -> Residuals | None:
    """The errors of a regressor, and random rows with actual and predicted number."""
    actual = np.asarray(answers.truth, dtype=np.float64)
    predicted = np.asarray(answers.predictions, dtype=np.float64)
    errors = histogram(actual - predicted)
    if errors is None:
        return None
    order = np.random.default_rng(0).permutation(len(actual))[:MAX_POINTS]
    known = [i for i in np.sort(order) if np.isfinite(predicted[i])]
    pairs = [(float(actual[i]), float(predicted[i])) for i in known]
    return Residuals(errors=errors, points=pairs)


def groups(answers: Answers) -> list[Group]:
    """The sizes of clusters, the largest first; of outlier detectors, inliers and outliers."""
    names: dict[Any, str] = {1: "inliers", -1: "outliers"} if answers.kind == "outliers" else {}
    counts = pd.Series(answers.predictions).value_counts()
    return [
        Group(label=names.get(label, cards.text(label)), rows=int(rows))
        for label, rows in counts.items()
    ]
