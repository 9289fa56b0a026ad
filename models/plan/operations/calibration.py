"""Scores to calibrated probabilities."""

from __future__ import annotations

import numpy as np

from ..operation import operation
from .linear import expit, softmax

# Added to a probability before its logarithm is taken.
TINY = 1e-12


@operation()
def sigmoid(scores: np.ndarray, *, slopes: np.ndarray, intercepts: np.ndarray) -> np.ndarray:
    """The probability of each class alone, from a logistic curve of its score."""
    table = scores.reshape(len(scores), -1)[:, : len(slopes)]
    return expit(-(slopes * table + intercepts))


@operation()
def isotonic(scores: np.ndarray, *, x: np.ndarray, y: np.ndarray, starts: list[int]) -> np.ndarray:
    """The probability of each class alone, from straight lines between points.

    The points of class i begin at `starts[i]`.
    """
    table = scores.reshape(len(scores), -1)
    ends = [*starts[1:], len(x)]
    each = np.empty((len(table), len(starts)))
    for i, (start, end) in enumerate(zip(starts, ends, strict=True)):
        each[:, i] = np.interp(table[:, i], x[start:end], y[start:end])
    return each


@operation()
def calibrated(each: np.ndarray, *, places: np.ndarray, count: int) -> np.ndarray:
    """Probabilities that add up to 1, from those of the classes at `places`."""
    if count == 2:
        return np.minimum(np.concatenate([1.0 - each, each], axis=1), 1.0)
    if len(places) < count:
        found = np.zeros((len(each), count))
        found[:, places] = each
        each = found
    total = each.sum(axis=1)[:, None]
    if not total.all():
        none = total == 0
        each, total = np.where(none, 1 / count, each), np.where(none, 1.0, total)
    return np.minimum(each / total, 1.0)


@operation()
def temperature(scores: np.ndarray, *, beta: float, probabilities: bool) -> np.ndarray:
    """The softmax of scores, or of the logarithms of probabilities, times `beta`."""
    if scores.ndim == 1:
        first = 1 - scores if probabilities else -scores
        scores = np.stack([first, scores], axis=1)
    if probabilities or _are_probabilities(scores):
        scores = np.log(scores + TINY)
    return np.minimum(softmax(beta * scores), 1.0)


def _are_probabilities(scores: np.ndarray) -> bool:
    """Whether scikit-learn takes all these scores for probabilities."""
    within = bool(((scores >= 0) & (scores <= 1)).all())
    return within and bool((np.abs(scores.sum(axis=1) - 1.0) <= 1e-8 + 1e-5).all())
