"""Functions of single numbers and rows, as scikit-learn's scalers do them, and their inverses."""

from __future__ import annotations

import numpy as np

from ..operation import operation

# numpy's functions of one number that take any sign and size.
NAMES = (
    "absolute arccos arccosh arcsin arcsinh arctan arctanh cbrt ceil cos cosh deg2rad degrees "
    "exp exp2 expm1 fabs floor log log10 log1p log2 negative positive rad2deg radians "
    "reciprocal rint sign sin sinh sqrt square tan tanh trunc"
)
UFUNCS = frozenset(NAMES.split())


@operation()
def normalize(x: np.ndarray, *, norm: str) -> np.ndarray:
    """Each row divided by its norm, unless the norm is next to zero."""
    if norm == "l2":
        norms = np.sqrt(np.einsum("ij,ij->i", x, x))
    else:
        sizes = np.abs(x)
        norms = sizes.sum(axis=1) if norm == "l1" else sizes.max(axis=1)
    norms[norms < 10 * np.finfo(np.float64).eps] = 1.0
    return x / norms[:, None]


@operation()
def ufunc(x: np.ndarray, *, name: str) -> np.ndarray:
    """One of numpy's functions, of each number."""
    if name not in UFUNCS:
        raise ValueError(f"{name} is not a function of a plan")
    made: np.ndarray = getattr(np, name)(x)
    return made


@operation()
def yeo_johnson(x: np.ndarray, *, above: np.ndarray, below: np.ndarray) -> np.ndarray:
    """((1 + |x|) ** power - 1) / power with x's sign; the power is that of x's side of 0.

    For the power 0 it is the logarithm of 1 + |x|.
    """
    positive = x >= 0
    powers = np.where(positive, above, below)
    logarithms = np.log1p(np.abs(x))
    sizes = np.expm1(powers * logarithms) / powers
    if not powers.all():
        sizes = np.where(powers == 0, logarithms, sizes)
    return np.where(positive, sizes, -sizes)


@operation()
def box_cox(x: np.ndarray, *, powers: np.ndarray) -> np.ndarray:
    """(x ** power - 1) / power; for the power 0 the logarithm.

    Raises ValueError if a number is not above 0.
    """
    if (x <= 0).any():
        raise ValueError("The Box-Cox transformation can only be applied to strictly positive data")
    logarithms = np.log(x)
    exponents = powers * logarithms
    made = np.expm1(exponents) / powers
    # exp overflows beyond this, though the quotient is finite.
    if (exponents > 709.78).any():
        large = np.sign(powers) * np.exp(exponents - np.log(np.abs(powers))) - 1 / powers
        made = np.where(exponents > 709.78, large, made)
    return np.where(powers == 0, logarithms, made)


@operation()
def inverse_box_cox(x: np.ndarray, *, power: float) -> np.ndarray:
    """The inverse of the Box-Cox transformation of one column."""
    return np.exp(x) if power == 0 else np.exp(np.log1p(power * x) / power)


@operation()
def inverse_yeo_johnson(x: np.ndarray, *, power: float) -> np.ndarray:
    """The inverse of the Yeo-Johnson transformation of one column."""
    if abs(power) < np.spacing(1.0):
        above = np.exp(x) - 1
    else:
        above = np.power(x * power + 1, 1 / power) - 1
    if abs(power - 2) > np.spacing(1.0):
        below = 1 - np.power(-(2 - power) * x + 1, 1 / (2 - power))
    else:
        below = 1 - np.exp(-x)
    return np.where(x >= 0, above, below)
