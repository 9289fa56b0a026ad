"""What follows from the nearest points: their votes, and the mean of their targets."""

from __future__ import annotations

import numpy as np

from .neighbors import Found


def rooted(found: Found) -> Found:
    """Square roots of the distances."""
    return np.sqrt(found[0]), found[1]


def weights_of(found: Found) -> np.ndarray:
    """1 / distance; where a distance is zero, 1 for it and 0 for all others."""
    weights = 1.0 / found[0]
    infinite = np.isinf(weights)
    rows = infinite.any(axis=1)
    weights[rows] = infinite[rows]
    return weights


def votes_of_nearest(
    found: Found, *weights: np.ndarray, labels: np.ndarray, count: int
) -> np.ndarray:
    """The weights of the neighbors with each label, shape (n_neighbors, n, count)."""
    own = labels.take(found[1].T)[:, :, None] == np.arange(count)
    if not weights:
        return own.astype(np.float64)
    if not weights[0].any(axis=1).all():
        raise ValueError("All neighbors of a row are too far away to have a weight.")
    return np.where(own, weights[0].T[:, :, None], 0.0)


def most_votes(votes: np.ndarray, *, labels: np.ndarray) -> np.ndarray:
    """The label with the most votes, shape (n,)."""
    totals = np.ascontiguousarray(votes.transpose(1, 2, 0)).sum(axis=2)
    return labels.take(totals.argmax(axis=1))


def vote_shares(votes: np.ndarray) -> np.ndarray:
    """Each label's part of the votes, shape (n, n_labels)."""
    totals = votes.sum(axis=0)
    return totals / totals.sum(axis=1, keepdims=True)


def mean_of_nearest(found: Found, *, targets: np.ndarray) -> np.ndarray:
    """The mean of the neighbors' targets."""
    return targets.take(found[1], axis=0).mean(axis=1)


def weighted_mean_of_nearest(
    found: Found, weights: np.ndarray, *, targets: np.ndarray
) -> np.ndarray:
    """The weighted mean of the neighbors' targets, which are of shape (n_outputs, n_points)."""
    sums = (targets.take(found[1], axis=1) * weights).sum(axis=2)
    return (sums / weights.sum(axis=1)).T


OPERATIONS = (
    rooted,
    weights_of,
    votes_of_nearest,
    most_votes,
    vote_shares,
    mean_of_nearest,
    weighted_mean_of_nearest,
)
