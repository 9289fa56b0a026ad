"""Check one value against its feature."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from models.rows import dates
from models.rows.words import expectation, shown
from models.signature.types import Feature

KINDS = {bool: "boolean", str: "string", int: "number", float: "number"}


def check_value(feature: Feature, value: Any) -> tuple[Any, str]:
    """The value as the model takes it, and "" or a sentence on why the model cannot take it."""
    if value is None:
        if feature.missing:
            return None, ""
        return None, f"expected {expectation(feature)}; this model takes no missing value here"
    if feature.kind == "datetime" or (isinstance(value, str) and dates.wrong(feature, value)):
        return value, dates.wrong(feature, value)
    # true is 1, as in pandas and numpy, unless other numbers than 0 and 1 are categories.
    counts = feature.kind == "number" and type(value) is bool
    counts = counts and {0, 1}.issuperset(feature.categories or ())
    if counts or (feature.kind in ("number", "any", "unused") and type(value) in (int, float)):
        value = _number(feature, int(value) if counts else value)
        if value is None:
            return None, "expected a finite number in the range of a 64-bit float"
    elif feature.kind not in ("any", "unused", KINDS.get(type(value))) or isinstance(
        value, (list, dict)
    ):
        return None, f"expected {expectation(feature)}, got {shown(feature, value)}"
    if isinstance(value, str) and not _is_text(value):
        return None, "expected text, got half of a surrogate pair"
    if feature.unknown == "refused" and not _is_known(feature, value):
        return None, f"expected {expectation(feature)}"
    return value, ""


def _number(feature: Feature, value: float) -> float | None:
    """A number as the model takes it; None if it is not finite."""
    try:
        number = float(value)
    except OverflowError:
        return None
    if not math.isfinite(number):
        return None
    if feature.kind == "number" and not feature.categories and not feature.sent:
        return number
    if feature.categories and feature.dtype == "float32":
        with np.errstate(over="ignore"):
            return float(np.float32(number))
    # An identifier may have more digits than float64 can hold.
    return value


def _is_text(value: str) -> bool:
    """Whether a string can be encoded: half of a surrogate pair cannot."""
    if value.isascii():
        return True
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def _is_known(feature: Feature, value: Any) -> bool:
    """Whether a value is one of a feature's categories; true is not 1."""
    known = feature.categories or ()
    return value in known and (
        not isinstance(value, bool) or any(type(each) is bool for each in known)
    )
