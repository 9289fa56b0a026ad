"""Dates in a request: text in ISO 8601, as pandas writes it with date_format="iso"."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import datetime, tzinfo
from typing import Any

import numpy as np

from models.signature.types import Feature

# Not 20240305, which may be a number.
ISO = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
NUMBER = re.compile(r"[+-]?\d+(\.\d*)?(e[+-]?\d+)?", re.ASCII | re.IGNORECASE)
# pandas' word for a missing date, which str() writes.
MISSING = "NaT"
EXPECTED = "expected a date in ISO 8601, as 2024-03-05 or 2024-03-05T14:30:00"
# How pandas' to_json and str() write dates; hardly any other text looks so.
WRITTEN = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d.*|NaT", re.ASCII)
AMBIGUOUS = (
    "whether this is a date or a text is not known of this column: `make card DATA=...` tells it"
)
UNIT = (
    f'{EXPECTED}, got a number, whose unit is not known: with pandas, to_json(date_format="iso") '
    "writes such dates"
)


def matter(feature: Feature) -> bool:
    """Whether a column holds dates, or code outside of scikit-learn may read its texts as dates."""
    return feature.kind == "datetime" or (
        feature.kind == "any" and feature.sent and not feature.dtype
    )


def fit(feature: Feature, values: Iterable[Any]) -> bool:
    """Whether all values of a column are right, except missing ones."""
    return not any(value is not None and wrong(feature, value) for value in values)


def texts(values: np.ndarray, zone: str | None = None) -> list[str | None]:
    """Dates of numpy as texts in ISO 8601, None for NaT; dates with a `zone` are in UTC."""
    sign = "Z" if zone else ""
    found = np.datetime_as_string(values).tolist()
    return [None if text == MISSING else text + sign for text in found]


def wrong(feature: Feature, value: Any) -> str:
    """A sentence on what is wrong with a date, or a text that may be one; "" if nothing is."""
    if feature.kind != "datetime":
        doubtful = isinstance(value, str) and matter(feature) and WRITTEN.fullmatch(value)
        return AMBIGUOUS if doubtful else ""
    if value == MISSING and feature.missing:
        return ""
    if not isinstance(value, str):
        return UNIT if type(value) in (int, float) else EXPECTED
    if not ISO.match(value):
        return UNIT if NUMBER.fullmatch(value) else EXPECTED
    try:
        return _wrong_zone(feature, datetime.fromisoformat(value).tzinfo)
    except ValueError:
        return EXPECTED


def _wrong_zone(feature: Feature, zone: tzinfo | None) -> str:
    # A dtype with a time zone has a comma in it: datetime64[ns, UTC].
    if "," in feature.dtype:
        return "" if zone else f"{EXPECTED}+01:00, with its time zone"
    if zone is None:
        return ""
    if feature.dtype:
        return f"{EXPECTED}, without a time zone, as the model was fitted"
    return (
        f"{EXPECTED}, without a time zone: which one the model was fitted on is not known, "
        "and `make card DATA=...` tells it"
    )
