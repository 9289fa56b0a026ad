"""What the leaves have that rows reach in trees, and the sum of it.

`leaves` are the places of nodes that `trees` has found, shape (n_trees, n).
"""

from __future__ import annotations

import numpy as np


def of_leaf(leaves: np.ndarray, *, values: np.ndarray) -> np.ndarray:
    """What the leaves of one tree have."""
    return values.take(leaves[0], axis=0)


def values_of_leaves(leaves: np.ndarray, *, values: np.ndarray) -> np.ndarray:
    """What the leaves of each tree have, shape (n_trees, n, ...)."""
    return values.take(leaves, axis=0)


def sum_of_leaves(leaves: np.ndarray, *, values: np.ndarray) -> np.ndarray:
    """The sum of what the leaves have, added in the trees' order."""
    return in_order(values.take(leaves, axis=0))


def in_order(parts: np.ndarray) -> np.ndarray:
    """The sum over the first axis, one after the other."""
    # numpy adds what lies side by side in pairs: another order, and so another last digit.
    return np.add.accumulate(parts)[-1] if parts[0].size == 1 else parts.sum(axis=0)


def mean_of_leaves(leaves: np.ndarray, *, values: np.ndarray, count: int) -> np.ndarray:
    """The mean of what the leaves have."""
    return sum_of_leaves(leaves, values=values) / count


def log_mean_of_leaves(leaves: np.ndarray, *, values: np.ndarray, count: int) -> np.ndarray:
    """The logarithm of the mean of what the leaves have the logarithms of."""
    return np.logaddexp.reduce(values.take(leaves, axis=0)) - np.log(count)


def sums_of_leaves(leaves: np.ndarray, *, values: np.ndarray, count: int) -> np.ndarray:
    """A sum for each of `count` classes, whose trees take turns, shape (n, count)."""
    found = values.take(leaves, axis=0)
    return found.reshape(-1, count, found.shape[1]).sum(axis=0).T


def numbers_of_leaves(leaves: np.ndarray, *, numbers: np.ndarray) -> np.ndarray:
    """The leaves' numbers in their own trees, shape (n, n_trees)."""
    return numbers.take(leaves).T


def leaves_of_rounds(leaves: np.ndarray, *, numbers: np.ndarray, shape: list[int]) -> np.ndarray:
    """The same as floats, shape (n, *shape)."""
    return numbers.take(leaves).T.astype(np.float64).reshape(-1, *shape)


def mark_leaves(leaves: np.ndarray, *, columns: np.ndarray, width: int) -> np.ndarray:
    """1 in the column of each leaf that a row reaches, else 0; shape (n, width)."""
    marks = np.zeros((leaves.shape[1], width))
    marks[np.arange(leaves.shape[1]), columns.take(leaves)] = 1
    return marks


OPERATIONS = (
    of_leaf,
    values_of_leaves,
    sum_of_leaves,
    sums_of_leaves,
    mean_of_leaves,
    log_mean_of_leaves,
    numbers_of_leaves,
    leaves_of_rounds,
    mark_leaves,
)
