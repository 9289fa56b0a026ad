"""Functions of single numbers and single rows, as scikit-learn's scalers do them."""

from __future__ import annotations

import math

import numpy as np

# Those of numpy that make one number of one number of any sign and size.
UFUNCS = frozenset(
    {
        "absolute",
        "arccos",
        "arccosh",
        "arcsin",
        "arcsinh",
        "arctan",
        "arctanh",
        "cbrt",
        "ceil",
        "cos",
        "cosh",
        "deg2rad",
        "degrees",
        "exp",
        "exp2",
        "expm1",
        "fabs",
        "floor",
        "log",
        "log10",
        "log1p",
        "log2",
        "negative",
        "positive",
        "rad2deg",
        "radians",
        "reciprocal",
        "rint",
        "sign",
        "sin",
        "sinh",
        "sqrt",
        "square",
        "tan",
        "tanh",
        "trunc",
    }
)
# So many comparisons are faster than to halve the quantiles again and again.
FEW = 50_000
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


def normalize(x: np.ndarray, *, norm: str) -> np.ndarray:
    """Each row divided by its norm, unless that is next to nothing."""
    if norm == "l2":
        norms = np.sqrt(np.einsum("ij,ij->i", x, x))
    else:
        sizes = np.abs(x)
        norms = sizes.sum(axis=1) if norm == "l1" else sizes.max(axis=1)
    norms[norms < 10 * np.finfo(np.float64).eps] = 1.0
    return x / norms[:, None]


def ufunc(x: np.ndarray, *, name: str) -> np.ndarray:
    """A function of numpy."""
    if name not in UFUNCS:
        raise ValueError(f"{name} is not a function of a plan")
    made: np.ndarray = getattr(np, name)(x)
    return made


def yeo_johnson(x: np.ndarray, *, above: np.ndarray, below: np.ndarray) -> np.ndarray:
    """((1 + |x|) ** power - 1) / power, with x's sign and the power of its side.

    The power 0 is a logarithm.
    """
    positive = x >= 0
    powers = np.where(positive, above, below)
    logarithms = np.log1p(np.abs(x))
    sizes = np.expm1(powers * logarithms) / powers
    if not powers.all():
        sizes = np.where(powers == 0, logarithms, sizes)
    return np.where(positive, sizes, -sizes)


def box_cox(x: np.ndarray, *, powers: np.ndarray) -> np.ndarray:
    """(x ** power - 1) / power; the power 0 is a logarithm.

    ValueError if a number is not above 0.
    """
    if (x <= 0).any():
        raise ValueError("The Box-Cox transformation can only be applied to strictly positive data")
    logarithms = np.log(x)
    exponents = powers * logarithms
    made = np.expm1(exponents) / powers
    # So large that only the last division makes a number of it.
    if (exponents > 709.78).any():
        large = np.sign(powers) * np.exp(exponents - np.log(np.abs(powers))) - 1 / powers
        made = np.where(exponents > 709.78, large, made)
    return np.where(powers == 0, logarithms, made)


def quantile(
    x: np.ndarray, *, quantiles: np.ndarray, references: np.ndarray, margin: float = -1.0
) -> np.ndarray:
    """The place of each number among the quantiles of its column, from 0 to 1.

    The mean of two straight lines: from the last of equal quantiles up, from the first one down.
    Numbers nearer than `margin` to the ends are at them.
    """
    columns, count = quantiles.shape
    flat, base = quantiles.ravel(), np.arange(columns) * count
    # How many quantiles are not above each number, and how many are below it.
    if x.size * count <= FEW:
        numbers = x[:, :, None]
        found = np.stack([(quantiles <= numbers).sum(axis=2), (quantiles < numbers).sum(axis=2)])
    else:
        found = _found(np.stack([x, np.nextafter(x, -np.inf)]), flat, base, count)
    left = (found - 1).clip(0, count - 2)
    low, high = flat.take(base + left), flat.take(base + left + 1)
    start, stop = references.take(left), references.take(left + 1)
    slope = (stop - start) / (high - low)
    rising = np.where(x == low[0], start[0], slope[0] * (x - low[0]) + start[0])
    falling = np.where(x == high[1], stop[1], stop[1] - slope[1] * (high[1] - x))
    made = 0.5 * (
        np.where(found[0] == 0, references[0], np.where(found[0] == count, references[-1], rising))
        + np.where(
            found[1] == 0, references[0], np.where(found[1] == count, references[-1], falling)
        )
    )
    first, last = quantiles[:, 0], quantiles[:, -1]
    if margin < 0:
        top, bottom = x == last, x == first
    else:
        top, bottom = x + margin > last, x - margin < first
    made = np.where(bottom, 0.0, np.where(top, 1.0, made))
    return np.where(np.isnan(x), x, made) if math.isnan(x.sum()) else made


def _found(keys: np.ndarray, flat: np.ndarray, base: np.ndarray, count: int) -> np.ndarray:
    """How many quantiles of its column are not above each key, found by halving."""
    found = np.zeros(keys.shape, dtype=np.intp)
    step = 1 << (count.bit_length() - 1)
    while step:
        trial = found + step
        right = trial <= count
        right &= flat.take(base + np.minimum(trial, count) - 1, mode="clip") <= keys
        found += right * step
        step >>= 1
    return found


def normal_quantile(p: np.ndarray, *, low: float, high: float) -> np.ndarray:
    """The normal deviate under which a part `p` lies, not under `low` and not over `high`.

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


OPERATIONS = (normalize, ufunc, yeo_johnson, box_cox, quantile, normal_quantile)
