"""What several estimators say, brought together."""

from __future__ import annotations

import numpy as np


def abreast(*parts: np.ndarray) -> np.ndarray:
    """One number a row from each part, as the columns of an array of float64."""
    table = np.empty((len(parts[0]), len(parts)))
    for i, part in enumerate(parts):
        table[:, i] = part.reshape(-1)
    return table


def raveled(x: np.ndarray) -> np.ndarray:
    """One number a row, shape (n,)."""
    return x.reshape(-1)


def label(codes: np.ndarray, *, labels: np.ndarray) -> np.ndarray:
    """The label of each code."""
    return labels.take(codes)


def ballots(*parts: np.ndarray, count: int, weights: np.ndarray | None = None) -> np.ndarray:
    """How many parts, or what weight of them, are for each code, shape (n, count)."""
    n = len(parts[0])
    places = np.array(parts).T + np.arange(0, n * count, count)[:, None]
    own = None if weights is None else np.tile(weights, n)
    return np.bincount(places.ravel(), own, n * count).reshape(n, count)


def mean_of_parts(*parts: np.ndarray, weights: np.ndarray | None = None) -> np.ndarray:
    """The mean of arrays, as numpy.average works it out."""
    if weights is None:
        return np.add.reduce(parts) / len(parts)
    return (np.array(parts) * weights[:, None, None]).sum(axis=0) / weights.sum()


def mean_of_numbers(*parts: np.ndarray, weights: np.ndarray | None = None) -> np.ndarray:
    """The mean of one number a row from each part, as numpy.average works it out."""
    table = np.array(parts).T
    if weights is None:
        return np.add.reduce(table, axis=1) / len(parts)
    return (table * weights).sum(axis=1) / weights.sum()


def mean_in_order(*parts: np.ndarray) -> np.ndarray:
    """The mean of arrays, added one by one."""
    total = 0.0 + parts[0]
    for part in parts[1:]:
        total += part
    return total / len(parts)


OPERATIONS = (abreast, raveled, label, ballots, mean_of_parts, mean_of_numbers, mean_in_order)
