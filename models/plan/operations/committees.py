"""Many estimators' answers into one, and scores into what ensembles make of them."""

from __future__ import annotations

import numpy as np

from .leaves import in_order


def listed(*parts: np.ndarray) -> list[np.ndarray]:
    """The results of several outputs, each of its own shape."""
    return list(parts)


def layers(*parts: np.ndarray) -> np.ndarray:
    """Arrays of one shape, one upon the other."""
    return np.stack(parts)


def side_by_side(*parts: np.ndarray) -> np.ndarray:
    """Arrays of shape (n,) as the columns of one."""
    return np.stack(parts, axis=1)


def mean_of(*parts: np.ndarray) -> np.ndarray:
    """The mean of arrays of one shape."""
    return in_order(np.stack(parts)) / len(parts)


def log_mean_of(*parts: np.ndarray) -> np.ndarray:
    """The logarithm of the mean of what these are the logarithms of."""
    return np.logaddexp.reduce(np.stack(parts)) - np.log(len(parts))


def mean_of_votes(*parts: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """The share of the arrays that have each label, shape (n, n_labels)."""
    return (np.stack(parts)[:, :, None] == labels).sum(axis=0) / len(parts)


def weighted_votes(*parts: np.ndarray, labels: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """A weight to the label that each array has, and its part less to each other."""
    against = -1 / (len(labels) - 1) * weights
    votes = np.stack(parts)[:, :, None] == labels
    return in_order(np.where(votes, weights[:, None, None], against[:, None, None]))


def weighted_median(said: np.ndarray, *, weights: np.ndarray) -> np.ndarray:
    """The median of each column of `said` of shape (n_members, n), as AdaBoost.R2 has it."""
    predictions = said.T
    order = np.argsort(predictions, axis=1)
    weight = np.cumsum(weights[order], axis=1)
    place = (weight >= 0.5 * weight[:, -1][:, np.newaxis]).argmax(axis=1)
    rows = np.arange(len(predictions))
    return predictions[rows, order[rows, place]]


def second_less_first(scores: np.ndarray) -> np.ndarray:
    """One score of two, shape (n,)."""
    return scores[:, 1] - scores[:, 0]


def halves(scores: np.ndarray) -> np.ndarray:
    """A score of two classes as one for each, shape (n, 2)."""
    return np.stack([-scores, scores]).T / 2


def twice(x: np.ndarray) -> np.ndarray:
    """Each number doubled."""
    return 2 * x


def power_of_e(x: np.ndarray) -> np.ndarray:
    """The power of e to each number."""
    return np.exp(x)


def by_rows(x: np.ndarray) -> np.ndarray:
    """The same, row by row in memory: the order of a sum over a row follows from it."""
    return np.ascontiguousarray(x)


def choose_not_negative(scores: np.ndarray, *, labels: np.ndarray) -> np.ndarray:
    """The second of two labels where a score is not below zero."""
    return labels.take((scores >= 0).astype(np.intp))


def places(x: np.ndarray, *, known: np.ndarray) -> np.ndarray:
    """The place of each number of shape (n, 1) in a sorted list, shape (n,); its length if none."""
    found = known.searchsorted(x[:, 0])
    return np.where(np.append(known, np.nan).take(found) == x[:, 0], found, len(known))


def isolation(turns: np.ndarray, *, usual: float) -> np.ndarray:
    """The score of an isolation forest from the sum of turns in all trees and the usual one."""
    return -(2 ** -(turns / usual if usual else np.ones_like(turns)))


def inlier(scores: np.ndarray) -> np.ndarray:
    """-1 where a score is below zero, else 1."""
    return np.where(scores < 0, -1, 1)


OPERATIONS = (
    listed,
    layers,
    side_by_side,
    mean_of,
    log_mean_of,
    mean_of_votes,
    weighted_votes,
    weighted_median,
    second_less_first,
    halves,
    twice,
    power_of_e,
    by_rows,
    choose_not_negative,
    places,
    isolation,
    inlier,
)
