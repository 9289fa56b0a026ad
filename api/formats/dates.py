"""Dates in a request: text in ISO 8601, as pandas writes it with date_format="iso"."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from api.signature import Feature

# Not 20240305, which a number would be taken for.
ISO = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
NUMBER = re.compile(r"[+-]?\d+(\.\d*)?(e[+-]?\d+)?", re.ASCII | re.IGNORECASE)
EXPECTED = "expected a date in ISO 8601, as 2024-03-05 or 2024-03-05T14:30:00"
UNIT = (
    f'{EXPECTED}, got a number, whose unit is not known: with pandas, to_json(date_format="iso") '
    "writes such dates"
)


def fit(feature: Feature, values: Iterable[Any]) -> bool:
    """Whether all values of a column that are not missing are dates that the model can take."""
    return not any(value is not None and wrong(feature, value) for value in values)


def wrong(feature: Feature, value: Any) -> str:
    """What is wrong with a date; empty if nothing is."""
    if not isinstance(value, str):
        return UNIT if type(value) in (int, float) else EXPECTED
    if not ISO.match(value):
        return UNIT if NUMBER.fullmatch(value) else EXPECTED
    try:
        zone = datetime.fromisoformat(value).tzinfo
    except ValueError:
        return EXPECTED
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
