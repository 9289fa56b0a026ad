"""From the rows of a request to arrays."""

from __future__ import annotations

from typing import Any

import numpy as np


def numbers(samples: list[tuple[Any, ...]], *, columns: list[int]) -> np.ndarray:
    """Columns of samples as float64, shape (n, len(columns)); None is NaN."""
    table = [[sample[i] for i in columns] for sample in samples]
    # numpy reads None as NaN where it is told to expect a number.
    return np.array(table, dtype=np.float64).reshape(len(samples), len(columns))


def codes(samples: list[tuple[Any, ...]], *, column: int, places: dict[Any, int]) -> np.ndarray:
    """The places of one column's values among the known ones, shape (n,).

    The place of a missing value is one after the last, that of an unknown value one more.
    """
    get, unknown = places.get, len(places)
    return np.array([get(sample[column], unknown) for sample in samples])


OPERATIONS = (numbers, codes)
