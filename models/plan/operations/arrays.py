"""Arrays into other arrays, as scikit-learn's transformers do it."""

from __future__ import annotations

import math

import numpy as np


def surely_finite(x: np.ndarray) -> bool:
    """Whether no number is infinite or missing; it may say no to some that are over 1e150.

    A sum of squares is finite only if all that it is made of is, and is the fastest to find out.
    """
    flat = x.ravel()
    return math.isfinite(flat.dot(flat))


def take(x: np.ndarray, *, columns: np.ndarray) -> np.ndarray:
    """Some columns."""
    return x.take(columns, axis=1)


def join(*parts: np.ndarray) -> np.ndarray:
    """Arrays side by side."""
    return np.concatenate(parts, axis=1)


def lookup(codes: np.ndarray, *, table: np.ndarray) -> np.ndarray:
    """The row of a table for each code."""
    return table.take(codes, axis=0)


def fill(x: np.ndarray, *, values: np.ndarray) -> np.ndarray:
    """NaN replaced by the value of its column."""
    return x if surely_finite(x) else np.where(np.isnan(x), values, x)


def replace(x: np.ndarray, *, value: float, values: np.ndarray) -> np.ndarray:
    """One value replaced by that of its column."""
    return np.where(x == value, values, x)


def missing(x: np.ndarray) -> np.ndarray:
    """Whether a number is NaN."""
    return np.isnan(x)


def equals(x: np.ndarray, *, value: float) -> np.ndarray:
    """Whether a number is this one."""
    return x == value


def subtract(x: np.ndarray, *, values: np.ndarray) -> np.ndarray:
    """Less the value of each column."""
    return x - values


def divide(x: np.ndarray, *, values: np.ndarray) -> np.ndarray:
    """Divided by the value of each column."""
    return x / values


def multiply(x: np.ndarray, *, values: np.ndarray) -> np.ndarray:
    """Multiplied by the value of each column."""
    return x * values


def add(x: np.ndarray, *, values: np.ndarray) -> np.ndarray:
    """And the value of each column."""
    return x + values


def clip(x: np.ndarray, *, low: float | np.ndarray, high: float | np.ndarray) -> np.ndarray:
    """Not under one value and not over another, for all columns or for each."""
    return np.minimum(np.maximum(x, low), high)


def over(x: np.ndarray, *, threshold: float) -> np.ndarray:
    """1 where a number is above the threshold, else 0."""
    return (x > threshold).astype(np.float64)


def onto(x: np.ndarray, *, components: np.ndarray) -> np.ndarray:
    """One column for each component."""
    return x.dot(components.T)


def quadratic_density(x: np.ndarray, *, precision: np.ndarray, constant: float) -> np.ndarray:
    """The logarithm of a normal density, shape (n,)."""
    return -0.5 * (x * (x @ precision)).sum(axis=1) - constant


def cast(x: np.ndarray, *, dtype: str) -> np.ndarray:
    """The same numbers in another type."""
    return x.astype(dtype)


def finite(x: np.ndarray) -> np.ndarray:
    """The same; ValueError if there is an infinity, as scikit-learn's estimators raise it."""
    if not surely_finite(x) and np.isinf(x).any():
        raise ValueError("Input X contains infinity or a value too large for dtype('float64').")
    return x


OPERATIONS = (
    finite,
    take,
    join,
    lookup,
    fill,
    replace,
    missing,
    equals,
    subtract,
    divide,
    multiply,
    add,
    clip,
    over,
    onto,
    quadratic_density,
    cast,
)
