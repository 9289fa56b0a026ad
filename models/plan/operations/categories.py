"""Numbers into categories and bins, and these into columns of 0 and 1."""

from __future__ import annotations

import numpy as np


def codes_of(x: np.ndarray, *, known: np.ndarray) -> np.ndarray:
    """The place of each number of shape (n, 1) in a sorted list, shape (n,).

    That of NaN is one after the last, that of any other number one more.
    """
    numbers = x[:, 0]
    places = known.searchsorted(numbers)
    same = np.append(known, np.nan).take(places) == numbers
    return np.where(same, places, len(known) + 1 - np.isnan(numbers))


def refuse(codes: np.ndarray, *, bad: np.ndarray) -> np.ndarray:
    """The same; ValueError if one of the codes is bad, as scikit-learn's encoders raise it."""
    if bad.take(codes).any():
        raise ValueError("Found unknown categories during transform")
    return codes


def one_at(codes: np.ndarray, *, places: np.ndarray, width: int) -> np.ndarray:
    """Zeros, and a 1 at the place of each code; none if that is `width`."""
    made = np.zeros((len(codes), width + 1))
    made[np.arange(len(codes)), places.take(codes)] = 1.0
    return made[:, :width]


def bins(x: np.ndarray, *, edges: np.ndarray) -> np.ndarray:
    """How many edges of its column, shape (n_columns, n_edges), are not above each number."""
    return np.count_nonzero(x[:, :, None] >= edges, axis=2)


def levels(x: np.ndarray, *, columns: np.ndarray, levels: np.ndarray) -> np.ndarray:
    """1 where a column is at a level, else 0."""
    return (x.take(columns, axis=1) == levels).astype(np.float64)


OPERATIONS = (codes_of, refuse, one_at, bins, levels)
