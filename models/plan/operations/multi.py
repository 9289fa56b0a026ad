"""Several classes or outputs from estimators of one each."""

from __future__ import annotations

import numpy as np


def repeated(rows: np.ndarray, *, values: np.ndarray) -> np.ndarray:
    """One value for every row, shape (n,)."""
    return values.repeat(len(rows))


def repeated_rows(rows: np.ndarray, *, values: np.ndarray) -> np.ndarray:
    """The same values for every row, shape (n, width)."""
    return values.repeat(len(rows), axis=0)


def is_above(scores: np.ndarray, *, threshold: float) -> np.ndarray:
    """1 where a score is above the threshold, else 0."""
    return (scores > threshold).astype(np.int64)


def choose_above(scores: np.ndarray, *, labels: np.ndarray, threshold: float) -> np.ndarray:
    """The second of two labels where a score is above the threshold."""
    return labels.take(scores > threshold)


def shares(x: np.ndarray) -> np.ndarray:
    """Rows that add up to one, but for those of zeros."""
    total = x.sum(axis=1)[:, None]
    return x / np.where(total == 0, 1.0, total)


def pairwise_votes(*parts: np.ndarray, members: np.ndarray, wins: np.ndarray) -> np.ndarray:
    """Votes for each class, and between -1/3 and 1/3 what breaks ties, shape (n, n_classes).

    The first half of `parts` are what each pair's estimator chose, 0 or 1, the others how much it
    is for 1. Class c is one of those of the estimators `members[:, c]`, where it is `wins[:, c]`.
    """
    half = len(parts) // 2
    chosen = np.array(parts[:half])[members]
    confidences = np.array(parts[half:])[members]
    # Added in the order of the pairs.
    sums = (confidences * (2.0 * wins - 1.0)).sum(axis=0)
    tied = sums / (3 * (np.abs(sums) + 1))
    return ((chosen == wins).sum(axis=0) + tied).T


def nearest_code(
    scores: np.ndarray, *, codes: np.ndarray, sizes: np.ndarray, labels: np.ndarray
) -> np.ndarray:
    """The label of the code nearest to the scores; `sizes` are the squared lengths of codes."""
    own = np.einsum("ij,ij->i", scores, scores)[:, None]
    # Added one by one: in another order, huge numbers may overflow.
    products = np.add.accumulate(scores[:, None, :] * codes, axis=2)[:, :, -1]
    distances = own + -2.0 * products + sizes
    # What is no number, after an overflow, is zero in scikit-learn.
    return labels.take(np.where(distances > 0, distances, 0.0).argmin(axis=1))


def outputs(*parts: np.ndarray) -> np.ndarray:
    """One result for each output, shape (n, n_outputs)."""
    return np.array(parts).T


OPERATIONS = (
    repeated,
    repeated_rows,
    is_above,
    choose_above,
    shares,
    pairwise_votes,
    nearest_code,
    outputs,
)
