"""Places among quantiles, normal deviates, and straight lines between points."""

from __future__ import annotations

import math

import numpy as np

from ..operation import operation

# Up to this number of comparisons, comparing with all quantiles is faster than bisection.
MAX_COMPARISONS = 50_000
# Wichura, "Algorithm AS 241: The percentage points of the normal distribution" (1988), PPND16:
# numerator and denominator, for probabilities in the middle and for those near to 0 and 1.
PPND16 = np.array(
    [
        [
            [2.5090809287301226727e3, 7.74545014278341407640e-4],
            [3.3430575583588128105e4, 2.27238449892691845833e-2],
            [6.7265770927008700853e4, 2.41780725177450611770e-1],
            [4.5921953931549871457e4, 1.27045825245236838258e0],
            [1.3731693765509461125e4, 3.64784832476320460504e0],
            [1.9715909503065514427e3, 5.76949722146069140550e0],
            [1.3314166789178437745e2, 4.63033784615654529590e0],
            [3.3871328727963666080e0, 1.42343711074968357734e0],
        ],
        [
            [5.2264952788528545610e3, 1.05075007164441684324e-9],
            [2.8729085735721942674e4, 5.47593808499534494600e-4],
            [3.9307895800092710610e4, 1.51986665636164571966e-2],
            [2.1213794301586595867e4, 1.48103976427480074590e-1],
            [5.3941960214247511077e3, 6.89767334985100004550e-1],
            [6.8718700749205790830e2, 1.67638483018380384940e0],
            [4.2313330701600911252e1, 2.05319162663775882187e0],
            [1.0, 1.0],
        ],
    ]
)


@operation()
def quantile(
    x: np.ndarray, *, quantiles: np.ndarray, references: np.ndarray, margin: float = -1.0
) -> np.ndarray:
    """The place of each number among the quantiles of its column, from 0 to 1.

    It is the mean of two straight lines: from the last of equal quantiles up, and from the first
    one down. Numbers nearer than `margin` to an end are at it.
    """
    columns, count = quantiles.shape
    flat, base = quantiles.ravel(), np.arange(columns) * count
    # The numbers of quantiles that are not above each number, and of those below it.
    if x.size * count <= MAX_COMPARISONS:
        numbers = x[:, :, None]
        found = np.stack([(quantiles <= numbers).sum(axis=2), (quantiles < numbers).sum(axis=2)])
    else:
        found = _found(np.stack([x, np.nextafter(x, -np.inf)]), flat, base, count)
    made = _mean_of_lines(x, found, flat, base, references)
    first, last = quantiles[:, 0], quantiles[:, -1]
    if margin < 0:
        top, bottom = x == last, x == first
    else:
        top, bottom = x + margin > last, x - margin < first
    made = np.where(bottom, 0.0, np.where(top, 1.0, made))
    return np.where(np.isnan(x), x, made) if math.isnan(x.sum()) else made


def _mean_of_lines(
    x: np.ndarray, found: np.ndarray, flat: np.ndarray, base: np.ndarray, references: np.ndarray
) -> np.ndarray:
    """The mean of the rising and the falling line at each number; see `quantile`."""
    count = len(references)
    left = (found - 1).clip(0, count - 2)
    low, high = flat.take(base + left), flat.take(base + left + 1)
    start, stop = references.take(left), references.take(left + 1)
    slope = (stop - start) / (high - low)
    rising = np.where(x == low[0], start[0], slope[0] * (x - low[0]) + start[0])
    falling = np.where(x == high[1], stop[1], stop[1] - slope[1] * (high[1] - x))
    first, last = references[0], references[-1]
    return 0.5 * (
        np.where(found[0] == 0, first, np.where(found[0] == count, last, rising))
        + np.where(found[1] == 0, first, np.where(found[1] == count, last, falling))
    )


def _found(keys: np.ndarray, flat: np.ndarray, base: np.ndarray, count: int) -> np.ndarray:
    """The number of quantiles of its column that are not above each key, by bisection."""
    found = np.zeros(keys.shape, dtype=np.intp)
    step = 1 << (count.bit_length() - 1)
    while step:
        trial = found + step
        right = trial <= count
        right &= flat.take(base + np.minimum(trial, count) - 1, mode="clip") <= keys
        found += right * step
        step >>= 1
    return found


@operation()
def normal_quantile(p: np.ndarray, *, low: float, high: float) -> np.ndarray:
    """The normal deviate of each probability, within `low` and `high`.

    These must be between -8 and 8.
    """
    middle = p - 0.5
    tail = np.abs(middle) > 0.425
    near = np.sqrt(-np.log(np.minimum(p, 1 - p))) - 1.6
    r = np.where(tail, near, 0.180625 - middle * middle)
    coefficients = PPND16.take(tail.astype(np.intp), axis=2)
    value = coefficients[:, 0]
    for power in range(1, 8):
        value = value * r + coefficients[:, power]
    ratio = value[0] / value[1]
    size = np.where(tail, np.copysign(ratio, middle), middle * ratio)
    size = np.where(p <= 0, low, np.where(p >= 1, high, size))
    return np.clip(size, low, high)


@operation()
def interpolate(
    x: np.ndarray, *, thresholds: np.ndarray, values: np.ndarray, ends: str
) -> np.ndarray:
    """The height at x of straight lines between points.

    Beyond its `ends` the line is level ("clip"), NaN ("nan") or refused with ValueError ("raise").
    """
    if ends == "raise" and ((x < thresholds[0]) | (x > thresholds[-1])).any():
        raise ValueError("A value is below or above those that the model was fitted on.")
    outside = math.nan if ends == "nan" else None
    return np.interp(x, thresholds, values, left=outside, right=outside)
