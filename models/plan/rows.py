"""Check rows against the signature of a plan, before operations that trust them."""

from __future__ import annotations

import math
import numbers
from typing import Any

import numpy as np

from .signature import Feature, Signature

# The types of a value that each kind of feature takes; other kinds take all of them.
TYPES: dict[str, tuple[type, ...]] = {
    "number": (numbers.Real, np.bool_),
    "string": (str,),
    "boolean": (bool, np.bool_),
    "datetime": (str,),
}
WORDS = {
    "number": "a number",
    "string": "a string",
    "boolean": "true or false",
    "datetime": "a date in ISO 8601",
}
ANY = (numbers.Real, np.bool_, str)


def checked(signature: Signature, rows: Any) -> np.ndarray | list[Any]:
    """Rows as an interpreter takes them: a float64 array if all features are numbers, else a list.

    A missing value is None or NaN. Raises ValueError with the row and the feature of the first
    value that does not fit. Rows of texts, labels or mappings are given back as they are.
    """
    if signature.form != "table":
        return rows  # type: ignore[no-any-return]
    if signature.numeric and isinstance(rows, np.ndarray) and rows.dtype.kind in "fiub":
        return _checked_array(signature, rows.astype(np.float64, copy=False))
    found = [_row(signature, i, row) for i, row in enumerate(rows)]
    if not signature.numeric:
        return found
    width = len(signature.features)
    return np.array(found, dtype=np.float64).reshape(len(found), width)


def _checked_array(signature: Signature, rows: np.ndarray) -> np.ndarray:
    width = len(signature.features)
    if rows.ndim != 2 or rows.shape[1] != width:
        raise ValueError(f"expected rows of shape (n, {width}), got {rows.shape}")
    wrong = np.isinf(rows)
    strict = [j for j, feature in enumerate(signature.features) if not feature.missing]
    wrong[:, strict] |= np.isnan(rows[:, strict])
    if wrong.any():
        i, j = np.argwhere(wrong)[0]
        _value(signature.features[j], float(rows[i, j]), f"row {i}")
    return rows


def _row(signature: Signature, i: int, row: Any) -> tuple[Any, ...]:
    features = signature.features
    if isinstance(row, (str, bytes, dict)) or len(row) != len(features):
        raise ValueError(f"row {i}: expected {len(features)} values in the order of the features")
    return tuple(
        _value(feature, value, f"row {i}") for feature, value in zip(features, row, strict=True)
    )


def _value(feature: Feature, value: Any, where: str) -> Any:
    """The value as operations take it: None where it is missing, plain numbers as floats."""
    if value is None or (isinstance(value, (float, np.floating)) and math.isnan(value)):
        if not feature.missing and feature.kind != "unused":
            raise ValueError(f"{where}, {feature.name}: is missing, which this model does not take")
        return None
    known = feature.categories or ()
    if not isinstance(value, TYPES.get(feature.kind, ANY)):
        expected = WORDS.get(feature.kind, "a number, a string, true or false")
        given = type(value).__name__
        # Not a TypeError: callers catch one exception for rows that do not fit.
        raise ValueError(f"{where}, {feature.name}: expected {expected}, got {given}")  # noqa: TRY004
    if isinstance(value, (float, np.floating)) and math.isinf(value):
        raise ValueError(f"{where}, {feature.name}: expected a finite number")
    if feature.unknown == "refused" and value not in known:
        raise ValueError(f"{where}, {feature.name}: expected one of {', '.join(map(repr, known))}")
    if feature.kind == "number" and not known and not feature.sent:
        return float(value)  # type: ignore[arg-type]
    return value
