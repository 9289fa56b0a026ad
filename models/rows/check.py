"""Check samples against a signature, value by value, and say where each is wrong.

These checks are the contract: the fast readers of each format accept nothing else.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from models.errors import MAX_PLACES, InvalidRows, Place
from models.rows.batch import NO_UNKNOWN, Batch, count_unknown
from models.rows.names import Repeated
from models.rows.values import check_value
from models.rows.words import IGNORE_HINT, NOT_A_FEATURE, escape, expectation, name_of, some
from models.signature.types import MAX_EXACT, Feature, Signature

AMBIGUOUS = (
    "this float may have been an integer before it came into the array, which makes a difference "
    "here: send JSON, CSV or Parquet"
)
ANY = Feature(name="", kind="any")


def check(
    signature: Signature,
    samples: Iterable[Any],
    pointers: Callable[[int], str],
    ignored: tuple[str, ...] = (),
) -> Batch:
    """Turn decoded samples into rows in the order of the features, and count unknown categories.

    Raises InvalidRows with the first places that are wrong.
    """
    places: list[Place] = []
    rows: Any = []
    for i, sample in enumerate(samples):
        rows.append(_row(signature, sample, pointers(i), places))
        if len(places) > MAX_PLACES:
            break
    if places:
        raise InvalidRows(places)
    if signature.numeric:
        return Batch(np.array(rows, dtype=np.float64), pointers, ignored=ignored)
    unknown = count_unknown(signature, rows) or NO_UNKNOWN
    return Batch(rows, pointers, unknown, ignored=ignored)


def check_array(
    signature: Signature, array: np.ndarray, pointers: Callable[[int], str]
) -> np.ndarray:
    """Check an array of float64, shape (n_samples, n_features), where NaN is a missing value.

    Raises InvalidRows with the first places that are wrong.
    """
    wrong = np.isinf(array)
    strict = [j for j, feature in enumerate(signature.features) if not feature.missing]
    wrong[:, strict] |= np.isnan(array[:, strict])
    if not wrong.any():
        return array
    places = []
    for i, j in np.argwhere(wrong)[: MAX_PLACES + 1].tolist():
        feature, number = signature.features[j], float(array[i, j])
        _, detail = check_value(feature, None if math.isnan(number) else number)
        places.append(Place(f"{pointers(i)}/{j}", f"{feature.name}: {detail}"))
    raise InvalidRows(places)


def refuse_ambiguous_floats(
    signature: Signature, samples: Sequence[Any], pointers: Callable[[int], str]
) -> None:
    """Refuse a float of an array that may have been an integer, where that makes a difference.

    numpy casts integers beside floats to floats, since an array has one dtype. Samples have the
    values of all features, by name or in their order. Raises InvalidRows.
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
                raise InvalidRows([Place(f"{pointers(i)}/{j}", f"{feature.name}: {AMBIGUOUS}")])


def _row(signature: Signature, sample: Any, pointer: str, places: list[Place]) -> Any:
    """The values of a sample in the order of the features; what is wrong goes to `places`."""
    if isinstance(sample, Repeated):
        places.append(sample.place(pointer))
    if signature.form == "mapping":
        return _mapping(sample, pointer, places)
    features = signature.features
    if isinstance(sample, dict):
        return _row_of_object(features, sample, pointer, places)
    if isinstance(sample, (list, tuple)):
        return _row_of_list(features, sample, pointer, places)
    if len(features) == 1:
        prefix = f"{features[0].name}: "
        return (_checked(features[0], sample, pointer, prefix, places),)
    expected = f"expected an object or a list of {len(features)} values"
    places.append(Place(pointer, f"{expected}, got {name_of(sample)}"))
    return None


def _row_of_list(
    features: Sequence[Feature], sample: Sequence[Any], pointer: str, places: list[Place]
) -> Any:
    if len(sample) != len(features):
        few = "too few" if len(sample) < len(features) else "too many"
        expected = f"expected {len(features)} values in the order of the model, {few} here"
        places.append(Place(pointer, f"{expected}: {len(sample)}"))
        return None
    return tuple(
        _checked(feature, value, f"{pointer}/{j}", f"{feature.name}: ", places)
        for j, (feature, value) in enumerate(zip(features, sample, strict=True))
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
            detail = f"{NOT_A_FEATURE}: expected {expected}; {IGNORE_HINT}"
            places.append(Place(f"{pointer}/{escape(name)}", detail))
    row: list[Any] = []
    for feature in features:
        at = f"{pointer}/{escape(feature.name)}"
        if feature.name in sample:
            row.append(_checked(feature, sample[feature.name], at, "", places))
        elif feature.kind == "unused":
            row.append(None)
        else:
            hint = "; send null for a missing value" if feature.missing else ""
            places.append(Place(at, f"is required: expected {expectation(feature)}{hint}"))
    return tuple(row)


def _mapping(sample: Any, pointer: str, places: list[Place]) -> Any:
    """The values of an object with names of its own."""
    if not isinstance(sample, dict):
        places.append(Place(pointer, f"expected an object, got {name_of(sample)}"))
        return None
    return {
        name: _checked(ANY, value, f"{pointer}/{escape(name)}", "", places)
        for name, value in sample.items()
    }


def _checked(feature: Feature, value: Any, pointer: str, prefix: str, places: list[Place]) -> Any:
    value, wrong = check_value(feature, value)
    if wrong:
        places.append(Place(pointer, prefix + wrong))
    return value
