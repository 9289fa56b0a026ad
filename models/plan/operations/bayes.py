"""Naive Bayes."""

from __future__ import annotations

import numpy as np


def above(x: np.ndarray, *, threshold: float) -> np.ndarray:
    """1 where a number is above the threshold, else 0."""
    return (x > threshold).astype(np.float64)


def sum_of_categories(
    x: np.ndarray, *, table: np.ndarray, starts: np.ndarray, sizes: np.ndarray, prior: np.ndarray
) -> np.ndarray:
    """The sum of the rows of a table that a row's categories stand for, shape (n, n_classes).

    Those of feature i are `sizes[i]` rows from `starts[i]` on.
    """
    codes = x.T.astype(np.int64)
    if (codes < 0).any() or (codes >= sizes[:, None]).any():
        raise ValueError("A category is not among those that the model was fitted on.")
    return table.take(codes + starts[:, None], axis=0).sum(axis=0) + prior


OPERATIONS = (above, sum_of_categories)
