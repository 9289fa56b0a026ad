"""Helpers of the one-row forms; `operation.Operation` says what such a form is."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from operator import itemgetter
from typing import Any

import numpy as np

from ..operation import Function, NoOneRowForm

Numbers = Sequence[float]


def numbers_of(row: Sequence[float | None]) -> Sequence[float]:
    """The numbers of a row; None is NaN."""
    try:
        # The sum is the fastest test for None, which is rare.
        sum(row)  # type: ignore[arg-type]
    except TypeError:
        return [math.nan if value is None else value for value in row]
    return row  # type: ignore[return-value]


def picker(columns: list[int]) -> Function:
    """Takes the values at these places out of a row."""
    if len(columns) > 1:
        return itemgetter(*columns)
    return lambda row: [row[i] for i in columns]


def on_each(function: Callable[[float], Any]) -> Function:
    """A function of one number, applied to a number or to each of a sequence."""
    return lambda x: function(x) if isinstance(x, float | int) else list(map(function, x))


def with_setting(function: Callable[[float, float], float]) -> Function:
    """The maker for a function of each number and the setting `y` of its column."""

    def maker(y: np.ndarray | None = None) -> Function:
        if y is None:
            raise NoOneRowForm
        if y.size == 1:
            other = y.item()
            return on_each(lambda x: function(x, other))
        others = y.tolist()
        return lambda x: list(map(function, x, others))

    return maker


def finite_or_overflow(x: Any) -> Any:
    """The number or numbers given. Raises OverflowError if one is infinite or missing."""
    if not math.isfinite(x if isinstance(x, float) else sum(x)):
        raise OverflowError
    return x


def plain(labels: np.ndarray) -> list[Any]:
    """Labels as plain values of Python."""
    return [label.item() if isinstance(label, np.generic) else label for label in labels.tolist()]
