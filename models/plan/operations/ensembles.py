"""Answers of several estimators, brought together."""

from __future__ import annotations

import numpy as np

from ..operation import operation
from .leaves import in_order


@operation()
def mean(*parts: np.ndarray, weights: np.ndarray | None = None) -> np.ndarray:
    """The mean of tables of one shape, added in their order."""
    if weights is None:
        return in_order(np.stack(parts)) / len(parts)
    return (np.stack(parts) * weights[:, None, None]).sum(axis=0) / weights.sum()


@operation()
def mean_of_numbers(*parts: np.ndarray, weights: np.ndarray | None = None) -> np.ndarray:
    """The mean of one number a row from each part, added in the order of numpy.average."""
    table = np.array(parts).T
    if weights is None:
        return np.add.reduce(table, axis=1) / len(parts)
    return (table * weights).sum(axis=1) / weights.sum()


@operation()
def log_mean(*parts: np.ndarray) -> np.ndarray:
    """The logarithm of the mean of probabilities, from their logarithms."""
    return np.logaddexp.reduce(np.stack(parts)) - np.log(len(parts))


@operation()
def mean_of_votes(*parts: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """The share of the parts that have each label, shape (n, n_labels)."""
    return (np.stack(parts)[:, :, None] == labels).sum(axis=0) / len(parts)


@operation()
def ballots(*parts: np.ndarray, count: int, weights: np.ndarray | None = None) -> np.ndarray:
    """The number, or the total weight, of the parts for each code, shape (n, count)."""
    n = len(parts[0])
    places = np.array(parts).T + np.arange(0, n * count, count)[:, None]
    own = None if weights is None else np.tile(weights, n)
    return np.bincount(places.ravel(), own, n * count).reshape(n, count)


@operation()
def weighted_votes(*parts: np.ndarray, labels: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """The weights of the parts for each label; a part counts a little against other labels."""
    against = -1 / (len(labels) - 1) * weights
    votes = np.stack(parts)[:, :, None] == labels
    return in_order(np.where(votes, weights[:, None, None], against[:, None, None]))


@operation()
def weighted_median(said: np.ndarray, *, weights: np.ndarray) -> np.ndarray:
    """The median of each column of `said`, shape (n_members, n), as AdaBoost.R2 defines it."""
    predictions = said.T
    order = np.argsort(predictions, axis=1)
    weight = np.cumsum(weights[order], axis=1)
    place = (weight >= 0.5 * weight[:, -1][:, np.newaxis]).argmax(axis=1)
    rows = np.arange(len(predictions))
    return predictions[rows, order[rows, place]]


@operation()
def pairwise_votes(*parts: np.ndarray, members: np.ndarray, wins: np.ndarray) -> np.ndarray:
    """Votes for each class, and between -1/3 and 1/3 that break ties, shape (n, n_classes).

    The first half of `parts` are the choices of each pair's estimator, 0 or 1; the second half are
    its scores for 1. Class c is one of those of the estimators `members[:, c]`: the 1 of those
    where `wins[:, c]` is 1.
    """
    half = len(parts) // 2
    chosen = np.array(parts[:half])[members]
    confidences = np.array(parts[half:])[members]
    # Added in the order of the pairs.
    sums = (confidences * (2.0 * wins - 1.0)).sum(axis=0)
    tied = sums / (3 * (np.abs(sums) + 1))
    return ((chosen == wins).sum(axis=0) + tied).T


@operation()
def nearest_code(
    scores: np.ndarray, *, codes: np.ndarray, sizes: np.ndarray, labels: np.ndarray
) -> np.ndarray:
    """The label of the code nearest to the scores; `sizes` are the squared lengths of the codes."""
    own = np.einsum("ij,ij->i", scores, scores)[:, None]
    # Added one by one: in another order, huge numbers may overflow.
    products = np.add.accumulate(scores[:, None, :] * codes, axis=2)[:, :, -1]
    distances = own + -2.0 * products + sizes
    # NaN, after an overflow, counts as zero in scikit-learn.
    return labels.take(np.where(distances > 0, distances, 0.0).argmin(axis=1))


@operation()
def split_binary(scores: np.ndarray) -> np.ndarray:
    """A score of two classes as one for each, shape (n, 2)."""
    return np.stack([-scores, scores]).T / 2


@operation()
def isolation(turns: np.ndarray, *, usual: float) -> np.ndarray:
    """The score of an isolation forest: from the turns in all trees, and the `usual` number."""
    return -(2 ** -(turns / usual if usual else np.ones_like(turns)))
