"""The rows that a plan takes: its features, and the form of its input."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

Kind = Literal["number", "string", "boolean", "datetime", "any", "unused"]
Form = Literal["table", "text", "labels", "mapping"]
Unknown = Literal["refused", "passed"]

NAN = float("nan")
PLAIN_NUMBERS = (1.0, 0.5, 2.0, 0.0, -1.0)


class Feature(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One value of a row.

    `categories` are the values that the column's encoder knows; it may refuse an `unknown` value
    ("refused") or encode it ("passed"). `missing` says whether null is accepted; `null` replaces
    it in the estimator's input. `dtype` is pandas' name for the column's dtype in training, "" if
    unknown. A value that is `sent` keeps the type that its sender gave it: a user's own step may
    depend on the type.
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
    """The rows of a model: its features in their order, and the form of the input.

    The form is "table": rows of features, "text": one string a row, "labels": one label a row, or
    "mapping": objects with any keys. `named` says whether the model was fitted on a DataFrame,
    `frame` whether it needs one as input, `float32` whether it accepts float32 only. `example` is
    a row that the model accepted.
    """

    form: Form = "table"
    features: tuple[Feature, ...] = ()
    named: bool = False
    frame: bool = False
    float32: bool = False
    example: Any = None

    @property
    def numeric(self) -> bool:
        """Whether all features are numbers, so that rows can be one array of float64."""
        return self.form == "table" and all(
            f.kind == "number" and f.categories is None and not f.sent for f in self.features
        )


def plain_rows(signature: Signature) -> list[Any]:
    """A few different rows of the right form that a model probably accepts."""
    if signature.form == "mapping":
        return [{"a": 1.0}, {"b": 2.0}, {}]
    return [
        tuple(_plain_value(feature, i + j) for j, feature in enumerate(signature.features))
        for i in range(len(PLAIN_NUMBERS))
    ]


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


def is_missing(value: Any) -> bool:
    """Whether a value is None, NaN, or another value that does not equal itself."""
    return value is None or is_nan(value)


def is_nan(value: Any) -> bool:
    """Whether a value is NaN, or another value that does not equal itself."""
    try:
        return bool(value != value)  # noqa: PLR0124
    except TypeError:
        # pandas.NA does not say whether it equals itself.
        return True
