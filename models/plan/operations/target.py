"""Targets transformed back to what they were."""

from __future__ import annotations

import numpy as np

# What a FunctionTransformer may have for its inverse.
FUNCTIONS: dict[str, np.ufunc] = {
    function.__name__: function
    for function in (
        np.absolute,
        np.arcsinh,
        np.arctanh,
        np.cbrt,
        np.exp,
        np.exp2,
        np.expm1,
        np.log,
        np.log10,
        np.log1p,
        np.log2,
        np.negative,
        np.reciprocal,
        np.sinh,
        np.sqrt,
        np.square,
        np.tanh,
    )
}


def elementwise(x: np.ndarray, *, function: str) -> np.ndarray:
    """One of numpy's functions of each number."""
    result: np.ndarray = FUNCTIONS[function](x)
    return result


def multiply_by(x: np.ndarray, *, values: np.ndarray) -> np.ndarray:
    """Times the value of each column."""
    return x * values


def upright(x: np.ndarray) -> np.ndarray:
    """Numbers of one output as a column, shape (n, n_outputs)."""
    return x.reshape(len(x), -1)


def inverse_box_cox(x: np.ndarray, *, power: float) -> np.ndarray:
    """The inverse of the Box-Cox transformation."""
    return np.exp(x) if power == 0 else np.exp(np.log1p(power * x) / power)


def inverse_yeo_johnson(x: np.ndarray, *, power: float) -> np.ndarray:
    """The inverse of the Yeo-Johnson transformation."""
    if abs(power) < np.spacing(1.0):
        above = np.exp(x) - 1
    else:
        above = np.power(x * power + 1, 1 / power) - 1
    if abs(power - 2) > np.spacing(1.0):
        below = 1 - np.power(-(2 - power) * x + 1, 1 / (2 - power))
    else:
        below = 1 - np.exp(-x)
    return np.where(x >= 0, above, below)


def interpolate_between(x: np.ndarray, *, x_points: np.ndarray, y_points: np.ndarray) -> np.ndarray:
    """The height at x of straight lines between points."""
    return np.interp(x, x_points, y_points)


OPERATIONS = (
    elementwise,
    multiply_by,
    upright,
    inverse_box_cox,
    inverse_yeo_johnson,
    interpolate_between,
)
