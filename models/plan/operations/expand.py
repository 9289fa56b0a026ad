"""Many columns of few: powers and splines."""

from __future__ import annotations

import math

import numpy as np


def ones(x: np.ndarray) -> np.ndarray:
    """A column of ones."""
    return np.ones((len(x), 1))


def products(
    terms: np.ndarray, x: np.ndarray, *, left: np.ndarray, right: np.ndarray
) -> np.ndarray:
    """Some of the terms, each multiplied by a column of `x`."""
    return terms.take(left, axis=1) * x.take(right, axis=1)


def wrap(x: np.ndarray, *, low: np.ndarray, period: np.ndarray) -> np.ndarray:
    """The same place in the first period from `low` on; 0 where there is no period."""
    return np.where(period > 0, low + (x - low) % period, 0.0)


def within(x: np.ndarray, *, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """The same; ValueError if a number is beyond the limits of the knots."""
    if ((x < low) | (x > high)).any():
        raise ValueError("`X` contains values beyond the limits of the knots.")
    return x


def splines(
    x: np.ndarray,
    bins: np.ndarray,
    *,
    knots: np.ndarray,
    gaps: np.ndarray,
    degree: int,
    count: int,
) -> np.ndarray:
    """The values of all `count` B-splines of each column, shape (n, n_columns, count).

    `bins` says in which interval of its column a number is. For each column and interval there are
    the `2 * degree` `knots` around it, and the `gaps` between them that de Boor's recursion divides
    by, one degree after the other (de Boor, "A Practical Guide to Splines", chapter X).
    """
    rows, columns = x.shape
    each = np.arange(columns)
    distances = knots[each, bins] - x[:, :, None]
    widths = gaps[each, bins]
    values = np.ones((rows, columns, 1))
    start = 0
    for j in range(1, degree + 1):
        parts = values / widths[:, :, start : start + j]
        start += j
        values = np.zeros((rows, columns, j + 1))
        values[:, :, 1:] = parts * -distances[:, :, degree - j : degree]
        values[:, :, :-1] += parts * distances[:, :, degree : degree + j]
    places = (bins[:, :, None] + np.arange(degree + 1)) % count
    made = np.zeros((rows, columns, count))
    flat_places = places + np.arange(0, made.size, count).reshape(rows, columns, 1)
    made.put(flat_places[:, :, :count], values[:, :, :count])
    # The first splines may be the last ones as well, where they are periodic.
    if count == degree:
        made.ravel()[flat_places[:, :, -1]] += values[:, :, -1]
    if not math.isfinite(values.sum()):
        # scipy multiplies each of them by 0 or 1, and adds: one infinity is in all sums.
        own = places[:, :, :, None] == np.arange(count)
        made = (values[:, :, :, None] * own).sum(axis=2)
    return made


def straight(
    values_inside: np.ndarray,
    x: np.ndarray,
    *,
    above: bool,
    edges: np.ndarray,
    values: np.ndarray,
    slopes: np.ndarray,
) -> np.ndarray:
    """The same, but beyond the edge of its column a straight line for each spline."""
    outside = x > edges if above else x < edges
    if not outside.any():
        return values_inside
    lines = values + (x - edges)[:, :, None] * slopes
    return np.where(outside[:, :, None], np.where(slopes == 0, values, lines), values_inside)


def zeros_for(values: np.ndarray, x: np.ndarray) -> np.ndarray:
    """The same, but zeros for each number that is missing."""
    return np.where(np.isnan(x)[:, :, None], 0.0, values) if math.isnan(x.sum()) else values


def flat(values: np.ndarray) -> np.ndarray:
    """The splines of all columns side by side."""
    return values.reshape(len(values), -1)


OPERATIONS = (ones, products, wrap, within, splines, straight, zeros_for, flat)
