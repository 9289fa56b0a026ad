"""The same for every row, and a line through points."""

from __future__ import annotations

import math

import numpy as np


def repeat(x: np.ndarray, *, row: np.ndarray) -> np.ndarray:
    """The same for each row, shape (n, *row.shape)."""
    return np.tile(row, (len(x), *(1,) * row.ndim))


def interpolate(
    x: np.ndarray, *, thresholds: np.ndarray, values: np.ndarray, ends: str
) -> np.ndarray:
    """The height of a line through points; past its ends it is level, NaN or refused."""
    if ends == "raise" and ((x < thresholds[0]) | (x > thresholds[-1])).any():
        raise ValueError("A value is below or above those that the model was fitted on.")
    outside = math.nan if ends == "nan" else None
    return np.interp(x, thresholds, values, left=outside, right=outside)


OPERATIONS = (repeat, interpolate)
