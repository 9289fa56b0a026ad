"""Intervals that hold a statistic's true value in 95 % of all samples."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from models.evaluation.statistic import Array, Resampled, Scale, Share, Smooth, Statistic, less

Interval = tuple[float, float]

LEVEL = 0.95
# The 97.5 % quantile of the normal distribution.
Z = 1.959963984540054
# More rows are put together at random into as many groups, which are resampled instead of rows. The
# variance of their means tells that of the whole as well, with a relative error of 1.6 %.
MAX_GROUPS = 2_000
RESAMPLES_AT_ONCE = 250
# Fewer rows than these do not tell how a mean, or a difference, varies.
MIN_ROWS = 10
# A standard error above this part of the statistic comes from a few rows: on a logarithmic scale
# the interval would have no end. In simulations of such losses, both hold the true value as often.
MAX_LOG_ERROR = 0.35
# How much more the row counts that moves a statistic most, for each part of the variance that it
# makes. In simulations of skewed losses, fewer rows cover less, and more rows too much.
TAIL = 3.0
# A standard error below this part of the statistic is one of rounding: all rows are equal.
ROUNDING = 1e-12
# Resamples of statistics that are computed anew for each: a standard error needs fewer than an end.
RESAMPLED = 200


def interval(statistic: Statistic, resamples: int, seed: int) -> Interval | None:
    """The interval of one statistic; None where the rows do not tell it, as one row does not."""
    if isinstance(statistic, Share):
        # As many rows as would have the same variance, as for surveys: Franco et al. (2019),
        # doi 10.1093/jssam/smy019.
        rows = statistic.centre * (1 - statistic.centre) / statistic.variance
        return wilson(statistic.value, rows)
    if isinstance(statistic, Resampled):
        return _normal(statistic, seed)
    return _studentised(statistic, resamples, seed)


def interval_of_difference(
    a: Statistic, b: Statistic, resamples: int, seed: int
) -> Interval | None:
    """The interval of a - b, of two models on the same rows; None where the rows do not tell it."""
    if isinstance(a, Share) and len(a.influence) < MIN_ROWS:
        return None
    if isinstance(a, Share) and isinstance(b, Share):
        return _paired(a, b)
    if isinstance(a, Smooth) and isinstance(b, Smooth):
        return _studentised(less(a, b), resamples, seed)
    if isinstance(a, Resampled) and isinstance(b, Resampled):
        both = Resampled(a.value - b.value, a.size, a.rows, lambda at: a.at(at) - b.at(at))
        return _normal(both, seed)
    return None


def wilson(share: float, rows: float) -> Interval:
    """The score interval of a share of so many rows: Wilson (1927), doi 10.2307/2276774."""
    middle = (share + Z**2 / (2 * rows)) / (1 + Z**2 / rows)
    spread = share * (1 - share) / rows + Z**2 / (4 * rows**2)
    reach = Z * math.sqrt(max(spread, 0.0)) / (1 + Z**2 / rows)
    # Rounding must not put a share of 0 or 1 outside.
    return max(0.0, min(share, middle - reach)), min(1.0, max(share, middle + reach))


def _paired(a: Share, b: Share) -> Interval:
    """The interval of Bonett and Price (2012), doi 10.3102/1076998611411915.

    Two rows are added, of which each model is right on one.
    """
    difference = a.influence - b.influence
    count = len(difference)
    unit = max(a.unit, b.unit)
    mean = (a.value - b.value) * count / (count + 2)
    squares = (difference + (a.value - b.value)) ** 2
    variance = (squares.sum() + 2 * unit**2) / (count + 2) - mean**2
    reach = Z * math.sqrt(variance / (count + 2))
    return max(-1.0, mean - reach), min(1.0, mean + reach)


def _normal(statistic: Resampled, seed: int) -> Interval | None:
    """The statistic and 1.96 of its standard errors, which are those among resamples."""
    if statistic.size < 2:
        return None
    rng = np.random.default_rng(seed)
    drawn = [
        statistic.at(rng.integers(0, statistic.size, statistic.size)) for _ in range(RESAMPLED)
    ]
    finite = np.array([each for each in drawn if math.isfinite(each)])
    if len(finite) < RESAMPLED / 2:
        return None
    reach = Z * float(finite.std(ddof=1)) * math.sqrt(statistic.size / statistic.rows)
    return statistic.value - reach, statistic.value + reach


def _studentised(statistic: Smooth, resamples: int, seed: int) -> Interval | None:
    """The studentised bootstrap interval: Efron and Tibshirani (1993), chapter 12.5."""
    groups = _groups(statistic.moments, seed)
    if len(groups) < MIN_ROWS:
        return None
    means = groups.mean(axis=0)
    centred = groups - means
    with np.errstate(all="ignore"):
        value = statistic.function(means)
        error, below, above = _errors(centred @ statistic.gradient(means))
        if not error > ROUNDING * abs(value):
            return None
        is_long = statistic.scale == "log" and above > MAX_LOG_ERROR * value
        scale: Scale = "" if is_long else statistic.scale
        t = _pivots(statistic, scale, means, centred, _weights(len(groups), resamples, seed))
    if len(t) < resamples / 2:
        return None
    high, low = np.quantile(t, [(1 - LEVEL) / 2, (1 + LEVEL) / 2], method="weibull")
    centre, slope = _to(scale, statistic.value), _slope(scale, value)
    ends = [
        float(_from(scale, centre - each * error * slope))
        for each, error in ((low, below), (high, above))
    ]
    if statistic.scale == "log":
        # A loss is never below 0.
        ends[0] = max(0.0, ends[0])
    if math.isfinite(statistic.most):
        # No loss of this mean varies more than one that is either 0 or the largest.
        share = statistic.value / statistic.most
        ends[1] = min(ends[1], statistic.most * wilson(share, len(statistic.moments))[1])
    return ends[0], ends[1]


def _errors(moved: np.ndarray) -> tuple[float, float, float]:
    """The standard error (delta method), and those for the lower and the upper end.

    `moved` is by how much each row moves the statistic, times n. In a sample, the long tail of a
    skewed loss is too short: the row that moves most counts more, on its own side.
    """
    count, squares = len(moved), np.square(moved)
    variance = float(squares.sum() / count / (count - 1))
    largest = int(squares.argmax())
    error = math.sqrt(variance)
    longer = math.sqrt(variance + TAIL * squares[largest] ** 2 / squares.sum() / count**2)
    return (error, error, longer) if moved[largest] > 0 else (error, longer, error)


def _pivots(
    statistic: Smooth, scale: Scale, means: Array, centred: Array, weights: Iterator[np.ndarray]
) -> np.ndarray:
    """By how many of its standard errors each resample's statistic is above that of all rows."""
    count, width = centred.shape
    products = (centred[:, :, None] * centred[:, None, :]).reshape(count, width**2)
    columns = np.concatenate([centred, products], axis=1)
    drawn = np.concatenate([each @ columns for each in weights]) / count
    off, squares = drawn[:, :width], drawn[:, width:].reshape(-1, width, width)
    values, slopes = statistic.function(means + off), statistic.gradient(means + off)
    covariance = squares - off[:, :, None] * off[:, None, :]
    variance = np.einsum("ni,nij,nj->n", slopes, covariance, slopes) / (count - 1)
    apart = _to(scale, values) - _to(scale, statistic.function(means))
    t = apart / (np.sqrt(variance) * _slope(scale, values))
    return t[np.isfinite(t)]  # type: ignore[no-any-return]


def _groups(moments: np.ndarray, seed: int) -> np.ndarray:
    """Rows, or means of as many rows each, drawn at random."""
    count, width = moments.shape
    if count <= MAX_GROUPS:
        return moments
    each = -(-count // MAX_GROUPS)
    order = np.random.default_rng(seed).permutation(count)[: count // each * each]
    return moments[order].reshape(-1, each, width).mean(axis=1)  # type: ignore[no-any-return]


def _weights(count: int, resamples: int, seed: int) -> Iterator[np.ndarray]:
    """How often each of `count` rows is drawn in each resample, shape (resamples, count)."""
    rng = np.random.default_rng(seed)
    for start in range(0, resamples, RESAMPLES_AT_ONCE):
        number = min(RESAMPLES_AT_ONCE, resamples - start)
        drawn = rng.integers(0, count, (number, count)) + count * np.arange(number)[:, None]
        counts = np.bincount(drawn.ravel(), minlength=number * count)
        yield counts.reshape(number, count).astype(np.float64)


def _to(scale: Scale, value: Array) -> Array:
    if scale == "log":
        return np.log(value)
    return -np.log1p(-value) if scale == "log1m" else value


def _slope(scale: Scale, value: Array) -> Array:
    if scale == "log":
        return 1 / value
    return 1 / (1 - value) if scale == "log1m" else np.ones_like(value)


def _from(scale: Scale, value: Array) -> Array:
    if scale == "log":
        return np.exp(value)
    return -np.expm1(-value) if scale == "log1m" else value
