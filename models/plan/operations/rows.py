"""From the rows of a request to arrays."""

from __future__ import annotations

import math
from itertools import repeat
from operator import itemgetter
from typing import Any

import numpy as np

from ..operation import Function, operation
from .one_row import picker


def numbers_one_row(*, columns: list[int]) -> Function:
    """See `numbers`."""
    get = picker(columns)
    return lambda sample: [math.nan if value is None else float(value) for value in get(sample)]


@operation(one_row=numbers_one_row, selects=True, gathers=True)
def numbers(samples: list[tuple[Any, ...]], *, columns: list[int]) -> np.ndarray:
    """Columns of samples as float64, shape (n, len(columns)); None is NaN."""
    table = np.empty((len(samples), len(columns)))
    for place, column in enumerate(columns):
        # numpy reads None as NaN if the dtype is known, column by column twice as fast as by rows.
        table[:, place] = list(map(itemgetter(column), samples))
    return table


def codes_one_row(*, column: int, places: dict[Any, int]) -> Function:
    """See `codes`."""
    get, unknown = places.get, len(places)
    return lambda sample: get(sample[column], unknown)


@operation(one_row=codes_one_row, gathers=True)
def codes(samples: list[tuple[Any, ...]], *, column: int, places: dict[Any, int]) -> np.ndarray:
    """The places of one column's values in the list of known ones, shape (n,).

    A missing value has the place after the last, an unknown value the next one.
    """
    found = map(places.get, map(itemgetter(column), samples), repeat(len(places)))
    return np.fromiter(found, np.intp, len(samples))
