"""Check samples against the signature, value by value, and say where each one is wrong.

This is the contract written out; the fast ways through each format accept nothing else.
"""

from __future__ import annotations

import json
import math
import struct
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from itertools import chain, starmap
from operator import itemgetter
from types import MappingProxyType
from typing import Any

import numpy as np

from models.engines import Rows
from models.errors import MAX_PLACES, InvalidRows, Place
from models.rows import dates
from models.signature.types import MAX_EXACT, Feature, Signature

SHOWN_NAMES = 20
MAX_NAME_CHARACTERS = 1_000
UNKNOWN = "is not a feature of the model"
IGNORE_HINT = "send the request to ...?extra=ignore to ignore names that are no features"
UNCLEAR = (
    "this float may have been an integer before it came into the array, which makes a difference "
    "here: send JSON, CSV or Parquet"
)
# No categories but those that the model's encoder has seen.
NONE: Mapping[str, int] = MappingProxyType({})


class Batch:
    """The rows of one request.

    `pointers` gives the JSON Pointer of row i in the body; `unknown` counts, for each feature,
    the categories that the model's encoder has not seen and lets pass. `alone` is the only row, as
    it came in JSON, which has no array before someone asks for it; empty if there are several.
    `ignored` are the names in the body that mean no feature, and were ignored.
    """

    __slots__ = ("_rows", "alone", "ignored", "pointers", "unknown")

    def __init__(
        self,
        rows: Rows | None,
        pointers: Callable[[int], str],
        unknown: Mapping[str, int] = NONE,
        alone: tuple[Any, ...] = (),
    ) -> None:
        self._rows = rows
        self.pointers = pointers
        self.unknown = unknown
        self.alone = alone
        self.ignored: tuple[str, ...] = ()

    @property
    def rows(self) -> Rows:
        """All rows, as an engine takes them."""
        if self._rows is None:
            self._rows = np.array([self.alone], dtype=np.float64)
        return self._rows

    @property
    def count(self) -> int:
        """How many rows there are."""
        return 1 if self.alone else len(self.rows)


class Repeated(dict[str, Any]):
    """A JSON object in which a name stands twice."""

    name: str


def check(signature: Signature, samples: Sequence[Any], pointers: Callable[[int], str]) -> Batch:
    """Turn decoded samples into rows in the order of the features, and count what is unknown.

    Raises InvalidRows with the first places that are wrong.
    """
    places: list[Place] = []
    rows = []
    for i, sample in enumerate(samples):
        rows.append(_row(signature, sample, pointers(i), places))
        if len(places) > MAX_PLACES:
            break
    if places:
        raise InvalidRows(places)
    if signature.numeric:
        return Batch(np.array(rows, dtype=np.float64), pointers)
    return Batch(rows, pointers, count_unknown(signature, rows) or NONE)


def refuse_unclear(
    signature: Signature, samples: Sequence[Any], pointers: Callable[[int], str]
) -> None:
    """Refuse a float of an array that may have been an integer, where that makes a difference.

    An array has one type for all columns, so numpy makes floats of integers beside floats. Samples
    have the values of all features, by name or in their order.
    """
    for j, feature in enumerate(signature.features):
        known = feature.categories or ()
        counts = feature.dtype[:1] in ("i", "I", "u", "U") or any(type(c) is int for c in known)
        told_apart = feature.sent and not feature.dtype and feature.kind in ("any", "number")
        if not counts and not told_apart:
            continue
        for i, sample in enumerate(samples):
            value = sample.get(feature.name) if isinstance(sample, dict) else sample[j]
            if type(value) is not float or not value.is_integer():
                continue
            if told_apart or abs(value) >= MAX_EXACT:
                raise InvalidRows([Place(f"{pointers(i)}/{j}", f"{feature.name}: {UNCLEAR}")])


def check_array(
    signature: Signature, array: np.ndarray, pointers: Callable[[int], str]
) -> np.ndarray:
    """Check an array of float64, shape (n_samples, n_features), where NaN is a missing value."""
    wrong = np.isinf(array)
    strict = [i for i, feature in enumerate(signature.features) if not feature.missing]
    wrong[:, strict] |= np.isnan(array[:, strict])
    if wrong.any():
        raise InvalidRows(
            [
                Place(
                    f"{pointers(int(i))}/{j}",
                    f"{signature.features[j].name}: "
                    + _value(signature.features[j], _none_if_nan(float(array[i, j])))[1],
                )
                for i, j in np.argwhere(wrong)[: MAX_PLACES + 1]
            ]
        )
    return array


def array_of(rows: list[tuple[float | None, ...]]) -> np.ndarray:
    """Rows of numbers as one array of float64; None is NaN."""
    width = len(rows[0])
    try:
        # A third of the time of fromiter, and a quarter of np.array, which looks for the shape.
        flat = np.frombuffer(bytearray().join(starmap(struct.Struct(f"{width}d").pack, rows)))
    except struct.error:
        flat = np.fromiter(chain.from_iterable(rows), np.float64, len(rows) * width)
    return flat.reshape(len(rows), width)


def count_unknown(signature: Signature, rows: Rows) -> Counter[str] | None:
    """Count categories not seen in training.

    None if an encoder refuses one of them, or if one may be known once it is rounded to float32.
    """
    unknown: Counter[str] = Counter()
    for j, feature in enumerate(signature.features):
        if feature.categories is None:
            continue
        known = frozenset((*feature.categories, None))
        if known.issuperset(map(itemgetter(j), rows)):
            continue
        if feature.unknown == "refused" or feature.dtype == "float32":
            return None
        unknown[feature.name] = sum(row[j] not in known for row in rows)
    return unknown


def pointer(i: int) -> str:
    """Where row i stands, in a body that is nothing but rows."""
    return f"/{i}"


def escape(name: object) -> str:
    """A name as a step of a JSON Pointer, RFC 6901, safe to encode; one that is endless is cut."""
    text = str(name)[:MAX_NAME_CHARACTERS].encode("utf-8", "replace").decode()
    return text.replace("~", "~0").replace("/", "~1")


def _row(signature: Signature, sample: Any, pointer: str, places: list[Place]) -> Any:
    if isinstance(sample, Repeated):
        places.append(Place(f"{pointer}/{escape(sample.name)}", "stands twice in one object"))
    if signature.form == "mapping":
        return _mapping(sample, pointer, places)
    features = signature.features
    if isinstance(sample, dict):
        return _row_of_object(features, sample, pointer, places)
    if isinstance(sample, (list, tuple)):
        if len(sample) != len(features):
            few = "too few" if len(sample) < len(features) else "too many"
            expected = f"expected {len(features)} values in the order of the model, {few} here"
            places.append(Place(pointer, f"{expected}: {len(sample)}"))
            return None
        steps = [str(j) for j in range(len(features))]
        values = list(sample)
    elif len(features) == 1:
        steps, values = [""], [sample]
    else:
        places.append(
            Place(
                pointer,
                f"expected an object or a list of {len(features)} values, got {name_of(sample)}",
            )
        )
        return None
    return tuple(
        _checked(
            feature, value, f"{pointer}/{step}" if step else pointer, f"{feature.name}: ", places
        )
        for feature, step, value in zip(features, steps, values, strict=True)
    )


def _row_of_object(
    features: Sequence[Feature], sample: dict[str, Any], pointer: str, places: list[Place]
) -> Any:
    known = {feature.name for feature in features}
    for name in sample:
        if len(places) > MAX_PLACES:
            return None
        if name not in known:
            expected = some([feature.name for feature in features])
            places.append(
                Place(
                    f"{pointer}/{escape(name)}",
                    f"{UNKNOWN}: expected {expected}; {IGNORE_HINT}",
                )
            )
    row: list[Any] = []
    for feature in features:
        at = f"{pointer}/{escape(feature.name)}"
        if feature.name not in sample and feature.kind == "unused":
            row.append(None)
        elif feature.name not in sample:
            hint = "; send null for a missing value" if feature.missing else ""
            places.append(Place(at, f"is required: expected {expectation(feature)}{hint}"))
        else:
            row.append(_checked(feature, sample[feature.name], at, "", places))
    return tuple(row)


def _checked(feature: Feature, value: Any, pointer: str, prefix: str, places: list[Place]) -> Any:
    value, wrong = _value(feature, value)
    if wrong:
        places.append(Place(pointer, prefix + wrong))
    return value


def _value(feature: Feature, value: Any) -> tuple[Any, str]:
    """The value as the model takes it, and a sentence if it cannot take it."""
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
    elif feature.kind not in ("any", "unused", _kind_of(value)) or isinstance(value, (list, dict)):
        return None, f"expected {expectation(feature)}, got {_shown(feature, value)}"
    if isinstance(value, str) and not is_text(value):
        return None, "expected text, got half of a surrogate pair"
    if feature.unknown == "refused" and not is_known(feature, value):
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
    # An identifier may be longer than a float can hold.
    return value


def is_text(value: str) -> bool:
    """Whether a string has no half of a surrogate pair, which no encoding has."""
    if value.isascii():
        return True
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def is_known(feature: Feature, value: Any) -> bool:
    """Whether a value is one of a feature's categories; true is not 1."""
    known = feature.categories or ()
    return value in known and (
        not isinstance(value, bool) or any(type(each) is bool for each in known)
    )


def _mapping(sample: Any, pointer: str, places: list[Place]) -> Any:
    if not isinstance(sample, dict):
        places.append(Place(pointer, f"expected an object, got {name_of(sample)}"))
        return None
    loose = Feature(name="", kind="any")
    return {
        name: _checked(loose, value, f"{pointer}/{escape(name)}", "", places)
        for name, value in sample.items()
    }


def expectation(feature: Feature) -> str:
    """What a value of this feature must be, in words."""
    if feature.unknown == "refused" and feature.categories:
        return f"one of {some([_as_json(each) for each in feature.categories])}"
    if feature.kind == "string" and feature.categories:
        return f"a string, such as {some([_as_json(each) for each in feature.categories])}"
    return {
        "number": "a number",
        "string": "a string",
        "boolean": "true or false",
        "datetime": "a date in ISO 8601",
    }.get(feature.kind, "a number, a string, true or false")


def name_of(value: Any) -> str:
    """The JSON name of a decoded value's type; the value itself is nobody else's business."""
    if value is None:
        return "null"
    names = {bool: "a boolean", int: "a number", float: "a number", str: "a string", list: "a list"}
    return names.get(type(value), "an object")


def _shown(feature: Feature, value: Any) -> str:
    """The type of a value; also the value if only its type keeps it from being a category."""
    known = {_bare(each) for each in feature.categories or ()}
    if type(value) not in (int, float, bool, str) or _bare(value) not in known:
        return name_of(value)
    return f"the {name_of(value).removeprefix('a ')} {_as_json(value)}"


def _bare(value: Any) -> str:
    """A value without what tells its type: 2 for 2.0 and for the text "2"."""
    return str(value).lower().removesuffix(".0")


def _as_json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _kind_of(value: Any) -> str:
    return {bool: "boolean", str: "string", int: "number", float: "number"}.get(type(value), "")


def some(names: Sequence[Any]) -> str:
    """A list of names for a sentence, cut after SHOWN_NAMES."""
    shown = ", ".join(str(name) for name in names[:SHOWN_NAMES])
    more = len(names) - SHOWN_NAMES
    return f"{shown} and {more} more" if more > 0 else shown


def _none_if_nan(number: float) -> float | None:
    return None if math.isnan(number) else number


def named(names: Sequence[str], values: Sequence[Any]) -> dict[str, Any]:
    """A row as an object, which leaves out what it lacks."""
    pairs = zip(names, values, strict=True)
    return {name: value for name, value in pairs if value is not None}
