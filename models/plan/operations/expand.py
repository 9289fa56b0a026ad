"""Many columns of few: powers and splines."""

from __future__ import annotations

import math

import numpy as np

from ..operation import operation


@operation()
def ones(x: np.ndarray) -> np.ndarray:
    """A column of ones."""
    return np.ones((len(x), 1))


@operation()
def products(
    terms: np.ndarray, x: np.ndarray, *, left: np.ndarray, right: np.ndarray
) -> np.ndarray:
    """Terms `left`, each multiplied by the column of `x` in `right`."""
    return terms.take(left, axis=1) * x.take(right, axis=1)


@operation()
def wrap(x: np.ndarray, *, low: np.ndarray, period: np.ndarray) -> np.ndarray:
    """The place of each number in the first period from `low` on; 0 without a period."""
    return np.where(period > 0, low + (x - low) % period, 0.0)


@operation()
def require_within(x: np.ndarray, *, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """The input. Raises ValueError if a number is beyond the limits of the knots."""
    if ((x < low) | (x > high)).any():
        raise ValueError("`X` contains values beyond the limits of the knots.")
    return x


@operation()
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

    `bins` has the interval of each number in its column. For each column and interval there are
    the `2 * degree` `knots` around it, and the `gaps` between them that de Boor's recursion divides
    by, one degree after the other (de Boor, "A Practical Guide to Splines", chapter X).
    """
    rows, columns = x.shape
    each = np.arange(columns)
    values = _nonzero_splines(knots[each, bins] - x[:, :, None], gaps[each, bins], degree)
    places = (bins[:, :, None] + np.arange(degree + 1)) % count
    made = np.zeros((rows, columns, count))
    flat_places = places + np.arange(0, made.size, count).reshape(rows, columns, 1)
    made.put(flat_places[:, :, :count], values[:, :, :count])
    # A periodic spline may be the first and the last at once.
    if count == degree:
        made.ravel()[flat_places[:, :, -1]] += values[:, :, -1]
    if not math.isfinite(values.sum()):
        # scipy adds products with 0 or 1, so that one infinity makes all sums NaN.
        own = places[:, :, :, None] == np.arange(count)
        made = (values[:, :, :, None] * own).sum(axis=2)
    return made


def _nonzero_splines(distances: np.ndarray, widths: np.ndarray, degree: int) -> np.ndarray:
    """The `degree + 1` splines that are not zero at each number, by de Boor's recursion."""
    rows, columns = distances.shape[:2]
    values = np.ones((rows, columns, 1))
    start = 0
    for j in range(1, degree + 1):
        parts = values / widths[:, :, start : start + j]
        start += j
        values = np.zeros((rows, columns, j + 1))
        values[:, :, 1:] = parts * -distances[:, :, degree - j : degree]
        values[:, :, :-1] += parts * distances[:, :, degree : degree + j]
    return values


@operation()
def extrapolate(
    values_inside: np.ndarray,
    x: np.ndarray,
    *,
    above: bool,
    edges: np.ndarray,
    values: np.ndarray,
    slopes: np.ndarray,
) -> np.ndarray:
    """`values_inside`, and beyond the edge of a column a straight line for each spline."""
    outside = x > edges if above else x < edges
    if not outside.any():
        return values_inside
    lines = values + (x - edges)[:, :, None] * slopes
    return np.where(outside[:, :, None], np.where(slopes == 0, values, lines), values_inside)


@operation()
def zeros_where_missing(values: np.ndarray, x: np.ndarray) -> np.ndarray:
    """`values`, and zeros for each number of `x` that is missing."""
    return np.where(np.isnan(x)[:, :, None], 0.0, values) if math.isnan(x.sum()) else values
