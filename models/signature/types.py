"""What a row must look like."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from models.plan.signature import (
    NAN,
    Feature,
    Form,
    Kind,
    Signature,
    Unknown,
    is_missing,
    is_nan,
    plain_rows,
)

__all__ = [
    "MAX_EXACT",
    "NAN",
    "Feature",
    "Form",
    "Kind",
    "Signature",
    "SignatureError",
    "Unknown",
    "example_row",
    "is_missing",
    "is_nan",
    "kind_of",
    "plain",
    "plain_rows",
]

# float64 holds every integer up to this one.
MAX_EXACT = 2**53


class SignatureError(Exception):
    """The estimator does not say, or not in a way we can serve, what its rows look like."""


def example_row(signature: Signature, card: Mapping[str, Any]) -> tuple[Any, ...] | None:
    """The example row of the card, in the order of the features; None if it has none that fits."""
    example = card.get("example")
    names = [feature.name for feature in signature.features]
    if isinstance(example, dict) and signature.form == "table" and set(names) <= example.keys():
        return tuple(example[name] for name in names)
    return None


def plain(value: Any) -> Any:
    """A category or label as a plain value that JSON has a form for.

    Raises SignatureError if there is none.
    """
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    raise SignatureError(
        f"it knows a category or label of the type {type(value).__name__}, which JSON has no form "
        "for: fit it on text, numbers or booleans"
    )


def kind_of(values: Iterable[Any]) -> Kind:
    """The kind of plain values: the one that all of them have, or else "any"."""
    kinds = {_kind(value) for value in values}
    return kinds.pop() if len(kinds) == 1 else "any"


def _kind(value: Any) -> Kind:
    if isinstance(value, bool):
        return "boolean"
    return "string" if isinstance(value, str) else "number"
