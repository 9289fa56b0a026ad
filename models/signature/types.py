"""What a row must look like."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Literal

import msgspec
import numpy as np

Kind = Literal["number", "string", "boolean", "datetime", "any", "unused"]
Form = Literal["table", "text", "labels", "mapping"]
Unknown = Literal["refused", "passed"]

NAN = float("nan")
# float64 holds every integer up to this one.
MAX_EXACT = 2**53
PLAIN_NUMBERS = (1.0, 0.5, 2.0, 0.0, -1.0)


class SignatureError(Exception):
    """The estimator does not say, or not in a way we can serve, what its rows look like."""


class Feature(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One value of a row.

    `categories` are the values the encoder of this column has seen; an `unknown` one is
    "refused" by that encoder or "passed" through it. `missing` says whether null is accepted,
    `null` what stands for it in the estimator's input. `dtype` is that of the column in the
    DataFrame of training, in the words of pandas, where that is known. `sent` says that a value
    keeps the type that its sender gave it, since code that is not scikit-learn's looks at it.
    """

    name: str
    kind: Kind = "number"
    missing: bool = False
    categories: tuple[Any, ...] | None = None
    unknown: Unknown | None = None
    null: Any = NAN
    dtype: str = ""
    sent: bool = False


class Signature(msgspec.Struct, frozen=True, kw_only=True):
    """The rows of a model: its features in the model's order, and the form its input takes.

    `table`: rows of features. `text`: one string a row. `labels`: one label a row.
    `mapping`: objects with keys of their own. `named` says whether the model was fitted on a
    DataFrame, `frame` whether it must be given one, `single` whether it
    takes numbers in single precision only. `example` is a row that the model was seen to take.
    """

    form: Form = "table"
    features: tuple[Feature, ...] = ()
    named: bool = False
    frame: bool = False
    single: bool = False
    example: Any = None

    @property
    def numeric(self) -> bool:
        """Whether rows are nothing but numbers, so that they can be one array of float64."""
        return self.form == "table" and all(
            f.kind == "number" and f.categories is None and not f.sent for f in self.features
        )


def plain_rows(signature: Signature) -> list[Any]:
    """A few different rows of the right form, which a model is likely to accept."""
    if signature.form == "mapping":
        return [{"a": 1.0}, {"b": 2.0}, {}]
    return [
        tuple(_plain_value(feature, i + j) for j, feature in enumerate(signature.features))
        for i in range(len(PLAIN_NUMBERS))
    ]


def example_row(signature: Signature, card: Mapping[str, Any]) -> tuple[Any, ...] | None:
    """The example row of the card, in the order of the features; None if it has none that fits."""
    example = card.get("example")
    names = [feature.name for feature in signature.features]
    if isinstance(example, dict) and signature.form == "table" and set(names) <= example.keys():
        return tuple(example[name] for name in names)
    return None


def _plain_value(feature: Feature, i: int) -> Any:
    if feature.categories:
        return feature.categories[i % len(feature.categories)]
    # A dtype with a time zone has a comma in it.
    zone = "Z" if "," in feature.dtype else ""
    values = {
        "string": "abcde"[i % 5],
        "boolean": i % 2 == 0,
        "datetime": f"2024-03-0{1 + i % 5}T0{i % 5}:00:00{zone}",
    }
    return values.get(feature.kind, PLAIN_NUMBERS[i % 5])


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


def is_missing(value: Any) -> bool:
    """Whether it is None, NaN, or another of those that do not equal themselves."""
    return value is None or is_nan(value)


def is_nan(value: Any) -> bool:
    """Whether it is NaN, or another value that does not equal itself."""
    try:
        return bool(value != value)  # noqa: PLR0124
    except TypeError:
        # pandas.NA does not say whether it equals itself.
        return True
