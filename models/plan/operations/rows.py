"""From the rows of a request to arrays."""

from __future__ import annotations

from itertools import repeat
from operator import itemgetter
from typing import Any

import numpy as np


def numbers(samples: list[tuple[Any, ...]], *, columns: list[int]) -> np.ndarray:
    """Columns of samples as float64, shape (n, len(columns)); None is NaN."""
    table = np.empty((len(samples), len(columns)))
    for place, column in enumerate(columns):
        # numpy reads None as NaN where it is told to expect a number; lists in a row of samples
        # take it twice as long.
        table[:, place] = list(map(itemgetter(column), samples))
    return table


def codes(samples: list[tuple[Any, ...]], *, column: int, places: dict[Any, int]) -> np.ndarray:
    """The places of one column's values among the known ones, shape (n,).

    The place of a missing value is one after the last, that of an unknown value one more.
    """
    found = map(places.get, map(itemgetter(column), samples), repeat(len(places)))
    return np.fromiter(found, np.intp, len(samples))


OPERATIONS = (numbers, codes)
