"""Votes of the nearest points, and means of their targets."""

from __future__ import annotations

import numpy as np

from ..operation import operation
from .neighbors import Found


@operation()
def sqrt_distances(found: Found) -> Found:
    """The neighbors with the square roots of their distances."""
    return np.sqrt(found[0]), found[1]


@operation()
def inverse_distances(found: Found) -> np.ndarray:
    """1 / distance; in a row with a distance of zero, 1 for these neighbors and 0 for others."""
    weights = 1.0 / found[0]
    infinite = np.isinf(weights)
    rows = infinite.any(axis=1)
    weights[rows] = infinite[rows]
    return weights


@operation()
def neighbor_votes(
    found: Found, *weights: np.ndarray, labels: np.ndarray, count: int
) -> np.ndarray:
    """The weight of each neighbor for its label, shape (n_neighbors, n, count)."""
    own = labels.take(found[1].T)[:, :, None] == np.arange(count)
    if not weights:
        return own.astype(np.float64)
    if not weights[0].any(axis=1).all():
        raise ValueError("All neighbors of a row are too far away to have a weight.")
    return np.where(own, weights[0].T[:, :, None], 0.0)


@operation()
def most_votes(votes: np.ndarray, *, labels: np.ndarray) -> np.ndarray:
    """The label with the most votes, shape (n,)."""
    totals = np.ascontiguousarray(votes.transpose(1, 2, 0)).sum(axis=2)
    return labels.take(totals.argmax(axis=1))


@operation()
def vote_shares(votes: np.ndarray) -> np.ndarray:
    """Each label's share of the votes, shape (n, n_labels)."""
    totals = votes.sum(axis=0)
    return totals / totals.sum(axis=1, keepdims=True)


@operation()
def neighbor_mean(found: Found, *, targets: np.ndarray) -> np.ndarray:
    """The mean of the neighbors' targets."""
    return targets.take(found[1], axis=0).mean(axis=1)


@operation()
def weighted_neighbor_mean(found: Found, weights: np.ndarray, *, targets: np.ndarray) -> np.ndarray:
    """The weighted mean of the neighbors' targets, shape (n_outputs, n_points)."""
    sums = (targets.take(found[1], axis=1) * weights).sum(axis=2)
    return (sums / weights.sum(axis=1)).T
