"""Numbers to categories and bins, and these to columns of 0 and 1."""

from __future__ import annotations

import numpy as np

from ..operation import operation


@operation(gathers=True)
def codes_of(x: np.ndarray, *, known: np.ndarray) -> np.ndarray:
    """The place of each number of shape (n, 1) in a sorted list, shape (n,).

    NaN has the place after the last, any other number the next one.
    """
    numbers = x[:, 0]
    places = known.searchsorted(numbers)
    same = np.append(known, np.nan).take(places) == numbers
    return np.where(same, places, len(known) + 1 - np.isnan(numbers))


@operation(selects=True, gathers=True)
def require_known(codes: np.ndarray, *, bad: np.ndarray) -> np.ndarray:
    """The input. Raises ValueError if a code is bad, as scikit-learn's encoders do."""
    if bad.take(codes).any():
        raise ValueError("Found unknown categories during transform")
    return codes


@operation()
def one_hot(codes: np.ndarray, *, places: np.ndarray, width: int) -> np.ndarray:
    """A 1 at the place of each code, else 0; no 1 for the place `width`. Shape (n, width)."""
    made = np.zeros((len(codes), width + 1))
    made[np.arange(len(codes)), places.take(codes)] = 1.0
    return made[:, :width]


@operation()
def bins(x: np.ndarray, *, edges: np.ndarray) -> np.ndarray:
    """The number of edges of its column that are not above each number.

    `edges` have the shape (n_columns, n_edges).
    """
    return np.count_nonzero(x[:, :, None] >= edges, axis=2)


@operation()
def levels(x: np.ndarray, *, columns: np.ndarray, levels: np.ndarray) -> np.ndarray:
    """1 where a column is at a level, else 0; one result for each of `columns`."""
    return (x.take(columns, axis=1) == levels).astype(np.float64)


@operation()
def sum_of_categories(
    x: np.ndarray, *, table: np.ndarray, starts: np.ndarray, sizes: np.ndarray, prior: np.ndarray
) -> np.ndarray:
    """The sum of the rows of a table that a row's categories stand for, shape (n, n_classes).

    The categories of feature i are `sizes[i]` rows of the table from `starts[i]` on.
    """
    codes = x.T.astype(np.int64)
    if (codes < 0).any() or (codes >= sizes[:, None]).any():
        raise ValueError("A category is not among those that the model was fitted on.")
    return table.take(codes + starts[:, None], axis=0).sum(axis=0) + prior
