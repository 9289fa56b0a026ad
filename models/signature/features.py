"""One feature, as the categories of an encoder or a card describe it."""

from __future__ import annotations

import datetime as dt
from typing import Any

import msgspec
import numpy as np

from models.signature.types import NAN, Feature, Kind, Unknown, is_missing, is_nan, kind_of, plain


def encoded(name: str, categories: Any, unknown: Unknown) -> Feature:
    """A column whose encoder knows these categories."""
    if np.asarray(categories).dtype.kind == "M":
        # The encoder itself rejects unknown dates.
        return Feature(name=name, kind="datetime")
    objects = np.asarray(categories).tolist()
    dates = [value for value in objects if isinstance(value, dt.date) and not is_nan(value)]
    if dates:
        return Feature(
            name=name,
            kind="datetime",
            dtype=_dtype_of(dates[0]),
            null=None if None in objects else NAN,
        )
    known = [plain(value) for value in objects]
    values = tuple(value for value in known if not is_missing(value))
    return Feature(
        name=name,
        kind=kind_of(values),
        categories=values,
        unknown=unknown,
        dtype="float32" if np.asarray(categories).dtype == np.float32 else "",
        null=None if None in known else NAN,
    )


def with_card(feature: Feature, facts: Any) -> Feature:
    """A feature with the facts that the card has of its column in training."""
    dtype = facts.get("dtype") if isinstance(facts, dict) else None
    if not isinstance(dtype, str) or feature.categories is not None:
        return feature
    kind = _kind_of(dtype)
    if dtype == "category":
        known = facts.get("categories")
        if not feature.sent or not isinstance(known, list) or not known:
            return feature
        told = encoded(feature.name, known, "refused")
        return msgspec.structs.replace(told, sent=True, dtype=dtype)
    if kind == "datetime":
        return msgspec.structs.replace(feature, kind=kind, dtype=dtype)
    if feature.sent:
        return msgspec.structs.replace(feature, kind=kind, dtype=dtype)
    if kind in ("boolean", "string") or dtype == "float32":
        return msgspec.structs.replace(feature, kind=kind, dtype=dtype)
    return feature


def _kind_of(dtype: str) -> Kind:
    """The kind of value in a column of this pandas dtype."""
    name = dtype.lower()
    if name.startswith("datetime64") or name == "date":
        return "datetime"
    if name.startswith("bool"):
        return "boolean"
    if name.startswith(("int", "uint", "float")):
        return "number"
    return "string" if name.startswith("str") else "any"


def _dtype_of(value: dt.date) -> str:
    """The dtype of a column with this date: "date" if it has no time."""
    if not isinstance(value, dt.datetime):
        return "date"
    return f"datetime64[ns, {value.tzinfo}]" if value.tzinfo else "datetime64[ns]"
