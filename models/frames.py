"""Rows of a DataFrame whose columns have one type each, checked column by column.

The check of each value is the contract (`models.rows.check`): what is taken here is taken there,
and for all else `read` gives None, so that the check of each value finds the faults. Columns that
the model does not use are not looked at.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from models.engines import Rows
from models.rows.batch import count_unknown
from models.signature.types import MAX_EXACT, Feature, Signature


def read(signature: Signature, frame: Any) -> Rows | None:
    """The rows of a DataFrame with the columns of a table's features, as an engine takes them.

    An array of float64 where all features are numbers, else a list of tuples. None if a value is
    wrong, or may be.
    """
    columns = [_column(feature, frame) for feature in signature.features]
    if not len(frame) or any(column is None for column in columns):
        return None
    for feature, column in zip(signature.features, columns, strict=True):
        if not feature.missing and _has_gaps(column):
            return None
    if signature.numeric:
        return np.column_stack(columns)
    rows = list(zip(*map(_values, columns), strict=True))
    return None if count_unknown(signature, rows) is None else rows


def _column(feature: Feature, frame: Any) -> Any:
    """One column: an array of float64, or a list of texts and None; None if it is neither."""
    if feature.kind == "unused":
        return [None] * len(frame)
    series = frame[feature.name]
    if feature.kind == "number" and not feature.categories and not feature.sent:
        return _numbers(series)
    return _texts(series) if feature.kind == "string" and feature.dtype != "category" else None


def _numbers(series: Any) -> np.ndarray | None:
    if not isinstance(series.dtype, np.dtype) or series.dtype.kind not in "iuf":
        return None
    array: np.ndarray = series.to_numpy(np.float64)
    if np.isinf(array).any() or (series.dtype.kind in "iu" and (np.abs(array) > MAX_EXACT).any()):
        return None
    return array


def _texts(series: Any) -> list[str | None] | None:
    values: list[Any] = series.astype(object).where(series.notna(), None).tolist()
    if not {str, type(None)}.issuperset(map(type, values)):
        return None
    try:
        "".join(filter(None, values)).encode()
    except UnicodeEncodeError:
        return None
    return values


def _has_gaps(column: Any) -> bool:
    return bool(np.isnan(column).any()) if isinstance(column, np.ndarray) else None in column


def _values(column: Any) -> list[Any]:
    """A column as plain values, None where one is missing."""
    if isinstance(column, list):
        return column
    values: list[Any] = column.tolist()
    return [None if math.isnan(value) else value for value in values]
