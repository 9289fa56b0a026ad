"""From a row to numbers, and numbers into others; see `operations.rows` and `operations.arrays`."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial
from itertools import chain
from operator import add, itemgetter, mul, sub, truediv
from typing import Any

import numpy as np

Numbers = Sequence[float]
Function = Callable[..., Any]


def numbers_of(row: Sequence[float | None]) -> Sequence[float]:
    """The numbers of a row; None is NaN."""
    try:
        # The fastest to find out that there is none, as mostly there is.
        sum(row)  # type: ignore[arg-type]
    except TypeError:
        return [math.nan if value is None else value for value in row]
    return row  # type: ignore[return-value]


def numbers(*, columns: list[int]) -> Function:
    """Some columns of a sample."""
    get = picker(columns)
    return lambda sample: [math.nan if value is None else float(value) for value in get(sample)]


def codes(*, column: int, places: dict[Any, int]) -> Function:
    """The place of one column's value among the known ones."""
    get, unknown = places.get, len(places)
    return lambda sample: get(sample[column], unknown)


def take(*, columns: np.ndarray) -> Function:
    """Some columns."""
    return picker(columns.tolist())


def picker(columns: list[int]) -> Function:
    """What takes the values at these places out of a row."""
    if len(columns) > 1:
        return itemgetter(*columns)
    return lambda row: [row[i] for i in columns]


def join() -> Function:
    """Numbers side by side; among others, whether one is missing is a number too."""
    return lambda *parts: list(map(float, chain.from_iterable(parts)))


def lookup(*, table: np.ndarray) -> Function:
    """The row of a table for a code."""
    rows: list[Any] = table.tolist()
    return rows.__getitem__


def fill(*, values: np.ndarray) -> Function:
    """NaN replaced by the value of its column."""
    others = values.tolist()

    def filled(x: Numbers) -> Numbers:
        if math.isfinite(sum(x)):
            return x
        return [
            other if math.isnan(value) else value for value, other in zip(x, others, strict=True)
        ]

    return filled


def missing() -> Function:
    """Whether a number is NaN."""
    return lambda x: list(map(math.isnan, x))


def each(function: Callable[[float, float], float], *, values: np.ndarray) -> Function:
    """A function of each number and the value of its column, or of all."""
    if values.size == 1:
        other = values.item()
        return on_each(lambda x: function(x, other))
    others = values.tolist()
    return lambda x: list(map(function, x, others))


def on_each(function: Callable[[float], Any]) -> Function:
    """A function of one number, for one or for a sequence of them."""
    return lambda x: function(x) if isinstance(x, float | int) else list(map(function, x))


def surely_finite(x: Any) -> Any:
    """The same number or numbers; OverflowError if one is infinite or missing."""
    if not math.isfinite(x if isinstance(x, float) else sum(x)):
        raise OverflowError
    return x


def finite() -> Function:
    """The same numbers, if none is infinite or missing."""
    return surely_finite


MAKERS: dict[str, Function] = {
    "numbers": numbers,
    "codes": codes,
    "take": take,
    "join": join,
    "lookup": lookup,
    "fill": fill,
    "missing": missing,
    "subtract": partial(each, sub),
    "divide": partial(each, truediv),
    "multiply": partial(each, mul),
    "add": partial(each, add),
    "shift": partial(each, add),
    "finite": finite,
    "complete": finite,
}
