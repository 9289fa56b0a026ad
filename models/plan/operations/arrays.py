"""Choosing, joining and checking arrays, and arithmetic with fitted numbers."""

from __future__ import annotations

import math
from itertools import chain
from operator import add as plus
from operator import itemgetter, mul, sub, truediv
from typing import Any

import numpy as np

from ..operation import Function, operation
from .one_row import Numbers, finite_or_overflow, picker, plain, with_setting


def surely_finite(x: np.ndarray) -> bool:
    """Whether no number is infinite or missing; False also for some numbers over 1e150.

    A sum of squares is finite only if all its terms are. It is the fastest test.
    """
    flat = x.ravel()
    return math.isfinite(flat.dot(flat))


def take_one_row(*, columns: np.ndarray) -> Function:
    """See `take`."""
    return picker(columns.tolist())


@operation(one_row=take_one_row, selects=True, gathers=True)
def take(x: np.ndarray, *, columns: np.ndarray) -> np.ndarray:
    """Some columns."""
    return x.take(columns, axis=1)


def hstack_one_row() -> Function:
    """See `hstack`; a boolean that says whether a number is missing becomes a number."""
    return lambda *parts: list(map(float, chain.from_iterable(parts)))


@operation(one_row=hstack_one_row, selects=True)
def hstack(*parts: np.ndarray) -> np.ndarray:
    """Tables side by side."""
    return np.concatenate(parts, axis=1)


@operation()
def column_stack(*parts: np.ndarray, dtype: str | None = None) -> np.ndarray:
    """Parts with one value a row as the columns of one table, of this dtype if one is given."""
    table = np.stack([part.reshape(-1) for part in parts], axis=1)
    return table if dtype is None else table.astype(dtype, copy=False)


@operation()
def stack(*parts: np.ndarray) -> np.ndarray:
    """Arrays of one shape along a new first axis."""
    return np.stack(parts)


@operation()
def as_list(*parts: np.ndarray) -> list[np.ndarray]:
    """The results of several outputs, each of its own shape."""
    return list(parts)


@operation()
def as_columns(x: np.ndarray) -> np.ndarray:
    """All numbers of a row side by side, shape (n, width)."""
    return x.reshape(len(x), -1)


@operation()
def ravel(x: np.ndarray) -> np.ndarray:
    """One number a row, shape (n,)."""
    return x.reshape(-1)


def column_one_row(*, index: int) -> Function:
    """See `column`."""
    return itemgetter(index)


@operation(one_row=column_one_row)
def column(x: np.ndarray, *, index: int) -> np.ndarray:
    """One column, shape (n,)."""
    return x[:, index]


@operation(one_row=lambda: lambda x: x)
def contiguous(x: np.ndarray) -> np.ndarray:
    """The numbers row by row in memory: the order of a sum over a row follows from it."""
    return np.ascontiguousarray(x)


@operation()
def cast(x: np.ndarray, *, dtype: str) -> np.ndarray:
    """The numbers in another dtype."""
    return x.astype(dtype)


@operation()
def repeat(x: np.ndarray, *, row: np.ndarray) -> np.ndarray:
    """One fitted result for each row, shape (n, *row.shape)."""
    return np.tile(row, (len(x), *(1,) * row.ndim))


def lookup_one_row(*, table: np.ndarray) -> Function:
    """See `lookup`."""
    return plain(table).__getitem__


@operation(one_row=lookup_one_row, gathers=True)
def lookup(codes: np.ndarray, *, table: np.ndarray) -> np.ndarray:
    """The row of a table, or the label, for each code."""
    return table.take(codes, axis=0)


def fill_one_row(*, values: np.ndarray) -> Function:
    """See `fill`."""
    others = values.tolist()

    def filled(x: Numbers) -> Numbers:
        if math.isfinite(sum(x)):
            return x
        return [
            other if math.isnan(value) else value for value, other in zip(x, others, strict=True)
        ]

    return filled


@operation(one_row=fill_one_row, selects=True)
def fill(x: np.ndarray, *, values: np.ndarray) -> np.ndarray:
    """NaN replaced by the value of its column."""
    return x if surely_finite(x) else np.where(np.isnan(x), values, x)


@operation(selects=True)
def replace(x: np.ndarray, *, value: float, values: np.ndarray) -> np.ndarray:
    """One number replaced by the value of its column."""
    return np.where(x == value, values, x)


@operation(one_row=lambda: lambda x: list(map(math.isnan, x)))
def isnan(x: np.ndarray) -> np.ndarray:
    """Whether a number is NaN."""
    return np.isnan(x)


@operation()
def equal(x: np.ndarray, *, value: float) -> np.ndarray:
    """Whether a number is this one."""
    return x == value


@operation(one_row=with_setting(sub))
def subtract(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """X - y; `y` is an input, or a setting with a number for each column."""
    return x - y


@operation(one_row=with_setting(truediv))
def divide(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """X / y; `y` is an input, or a setting with a number for each column."""
    return x / y


@operation(one_row=with_setting(mul))
def multiply(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """X * y; `y` is an input, or a setting with a number for each column."""
    return x * y


@operation(one_row=with_setting(plus))
def add(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """X + y; `y` is an input, or a setting with a number for each column."""
    return x + y


@operation()
def clip(x: np.ndarray, *, low: float | np.ndarray, high: float | np.ndarray) -> np.ndarray:
    """Numbers not below `low` and not above `high`, for all columns or for each."""
    return np.minimum(np.maximum(x, low), high)


def _finite_one_row() -> Any:
    """See `require_finite`; an infinity is left to numpy, which may accept it."""
    return finite_or_overflow


@operation(one_row=_finite_one_row, refuses="infinite")
def require_no_inf(x: np.ndarray) -> np.ndarray:
    """The input. Raises ValueError as scikit-learn does if a number is infinite."""
    if not surely_finite(x) and np.isinf(x).any():
        raise ValueError("Input X contains infinity or a value too large for dtype('float64').")
    return x


@operation(one_row=_finite_one_row, refuses="infinite or missing")
def require_finite(x: np.ndarray) -> np.ndarray:
    """The input. Raises ValueError as scikit-learn does if a number is infinite or missing."""
    if not surely_finite(x) and not np.isfinite(x).all():
        raise ValueError("Input X contains NaN, infinity or a value too large for float64.")
    return x
