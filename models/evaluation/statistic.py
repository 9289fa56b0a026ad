"""The kinds of statistics that metrics are, each with what its interval is computed from."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Literal, NamedTuple

import numpy as np

Scale = Literal["log", "log1m", ""]
# Arrays of numbers, and single ones.
Array = Any


class Share(NamedTuple):
    """A statistic between 0 and 1, as the accuracy or the area under a curve.

    `influence`, shape (n,), is by how much each row moves the value, times n; its mean is 0.
    `centre` and `variance` are those of the value with a fault or two added, so that the variance
    of a flawless model is not 0. `unit` is by how much a row typically moves the value if the model
    is right instead of wrong on it, times n.
    """

    value: float
    influence: np.ndarray
    centre: float
    variance: float
    unit: float


class Smooth(NamedTuple):
    """A smooth function of the means of `moments`, shape (n, k), as a mean loss or R².

    `function` takes means of shape (..., k); `gradient` gives its derivatives in the same shape.
    `scale` is the one on which the statistic is closest to a normal distribution: its logarithm,
    or minus the logarithm of 1 less the statistic (log1m). No value is above `most`.
    """

    moments: np.ndarray
    function: Callable[[Array], Array]
    gradient: Callable[[Array], Array]
    scale: Scale = ""
    most: float = math.inf

    @property
    def value(self) -> float:
        """The statistic on all rows."""
        return float(self.function(self.moments.mean(axis=0)))


class Resampled(NamedTuple):
    """A statistic that is computed anew on rows drawn at random.

    `at` gives the statistic on the rows at these places, out of `size`; there are `rows` in all,
    of which `size` may be a sample.
    """

    value: float
    size: int
    rows: int
    at: Callable[[np.ndarray], float]


Statistic = Share | Smooth | Resampled


def mean_of(values: np.ndarray, scale: Scale = "", *, most: float = math.inf) -> Smooth:
    """The mean of one value a row."""
    return Smooth(values[:, None], lambda means: means[..., 0], np.ones_like, scale, most)


def root_mean_of(squares: np.ndarray) -> Smooth:
    """The root of the mean of one square a row."""
    return Smooth(
        squares[:, None],
        lambda means: np.sqrt(means[..., 0]),
        lambda means: 0.5 / np.sqrt(means),
        "log",
    )


def r_squared_of(truth: np.ndarray, predictions: np.ndarray) -> Smooth:
    """R²: 1 less the sum of squared errors over that of the truth around its mean."""
    # Around its mean, the truth has no rounding errors to speak of.
    centred = truth - truth.mean()

    def function(means: Array) -> Array:
        return 1 - means[..., 0] / (means[..., 2] - means[..., 1] ** 2)

    def gradient(means: Array) -> Array:
        error, mean, square = np.moveaxis(means, -1, 0)
        spread = square - mean**2
        slope = error / spread**2
        return np.stack([-1 / spread, -2 * mean * slope, slope], axis=-1)

    moments = np.stack([(truth - predictions) ** 2, centred, centred**2], axis=1)
    return Smooth(moments, function, gradient, "log1m")


def less(a: Smooth, b: Smooth) -> Smooth:
    """The difference of two statistics of the same rows, a - b."""
    split = a.moments.shape[1]

    def function(means: Array) -> Array:
        return a.function(means[..., :split]) - b.function(means[..., split:])

    def gradient(means: Array) -> Array:
        slopes = [a.gradient(means[..., :split]), -b.gradient(means[..., split:])]
        return np.concatenate(slopes, axis=-1)

    return Smooth(np.concatenate([a.moments, b.moments], axis=1), function, gradient)
