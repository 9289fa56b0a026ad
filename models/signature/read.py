"""Read the signature off a fitted estimator.

The facts come from scikit-learn's own attributes (developer guide, "Developing scikit-learn
estimators"): `n_features_in_`, `feature_names_in_`, the tags, and the `categories_` of encoders.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from sklearn.compose import ColumnTransformer
from sklearn.preprocessing import LabelBinarizer, LabelEncoder

from models import libraries
from models.plan.sklearn_versions import input_tags
from models.signature import composition, estimators
from models.signature.features import encoded, with_card
from models.signature.types import (
    NAN,
    Feature,
    Kind,
    Signature,
    SignatureError,
    is_nan,
    plain,
)


def read(estimator: Any, card: Mapping[str, Any] | Sequence[str] | None = None) -> Signature:
    """Read the signature of a fitted estimator.

    `card` has the names of the features, for an estimator that does not know them, and perhaps
    their dtypes. `probe` finds out whether values may be missing. Raises SignatureError if the
    estimator tells nothing of its features.
    """
    names = list(card) if card else None
    source = estimator if estimators.width(estimator) is not None else composition.first(estimator)
    width = estimators.width(source)
    if width is None:
        return _without_width(estimator, source, card or {})
    known = composition.names(source)
    named = known is not None
    if known is None:
        known = names if names and len(names) == width else [f"x{i}" for i in range(width)]
    if twice := [name for name, count in Counter(known).items() if count > 1]:
        raise SignatureError(f"two features have the name {twice[0]}: give each its own, and fit")
    features = _features(estimator, [str(name) for name in known], card)
    short = [feature.dtype == "float32" for feature in features]
    frame = named and (
        any(f.kind != "number" or f.categories is not None or f.sent for f in features)
        or any(map(_looks_up_names, composition.parts(estimator)))
        or (any(short) and not all(short))
    )
    return Signature(
        features=tuple(features), named=named, frame=frame, float32=all(short) and not frame
    )


def _features(
    estimator: Any, names: Sequence[str], card: Mapping[str, Any] | Sequence[str] | None
) -> list[Feature]:
    """The features of a table with these columns."""
    columns = range(len(names))
    features = [Feature(name=name) for name in names]
    _describe(estimator, columns, features)
    # The user's own code may take anything, wherever it gets its columns.
    handed = composition.handed_on(estimator, columns)
    own = composition.holds_own_code(estimator)
    for column, feature in enumerate(features):
        if feature.kind == "number" and feature.categories is None:
            if column in handed:
                features[column] = Feature(name=feature.name, kind="any", sent=True)
            elif own:
                # Some steps of scikit-learn pass integers on unchanged.
                features[column] = msgspec.structs.replace(feature, sent=True)
    _describe_passed(estimator, features)
    facts = card if isinstance(card, Mapping) else {}
    features = [with_card(feature, facts.get(feature.name)) for feature in features]
    for column in set(columns) - composition.used(estimator, columns):
        features[column] = Feature(name=features[column].name, kind="unused", missing=True)
    return features


def _looks_up_names(part: Any) -> bool:
    """Whether a part of an estimator may look a column up by its name."""
    return (
        isinstance(part, ColumnTransformer)
        or estimators.is_own_code(part)
        or libraries.needs_names(part)
    )


def _without_width(
    estimator: Any, first: Any, card: Mapping[str, Any] | Sequence[str]
) -> Signature:
    """The signature of an estimator without `n_features_in_`."""
    # The user's own function may clean texts before a vectorizer gets them.
    cleans = estimators.is_own_code(first) and not card
    if any(map(estimators.takes_text, composition.parts(estimator) if cleans else [first])):
        return Signature(form="text", features=(Feature(name="text", kind="string"),))
    tags = input_tags(first)
    if tags.dict:
        return Signature(form="mapping")
    if tags.one_d_array:
        return Signature(features=(Feature(name="x0"),))
    if isinstance(first, (LabelEncoder, LabelBinarizer)):
        return Signature(form="labels", features=(encoded("label", first.classes_, "refused"),))
    if card and tags.two_d_array:
        features = [Feature(name=name) for name in card]
        _describe(first, range(len(features)), features)
        facts = card if isinstance(card, Mapping) else {}
        features = [with_card(feature, facts.get(feature.name)) for feature in features]
        frame = any(feature.dtype for feature in features)
        return Signature(features=tuple(features), named=True, frame=frame)
    raise SignatureError(
        f"{type(first).__name__} does not say which features it takes: it has no n_features_in_. "
        "Let training rows tell, which goes into the card beside the model: "
        "make card DATA=train.csv TARGET=column"
    )


def _describe(estimator: Any, columns: Sequence[int], features: list[Feature]) -> None:
    """Refine those of `features` that `estimator` gets, whose numbers are `columns`."""
    inner = composition.branches(estimator, columns)
    for part, positions in inner:
        _describe(part, positions, features)
    for part, positions in inner:
        _take_what_is_imputed(part, positions, features)
    if inner and estimators.is_wrapper(estimator):
        seen = {c for part, positions in inner for c in composition.used(part, positions)}
        for column in set(columns) - seen:
            features[column] = Feature(name=features[column].name, kind="any", sent=True)
    if inner or libraries.describe(estimator, columns, features):
        return
    if hasattr(estimator, "categories_"):
        refused = getattr(estimator, "handle_unknown", None) == "error"
        for column, categories in zip(columns, estimator.categories_, strict=True):
            name, sent = features[column].name, features[column].sent
            told = encoded(name, categories, "refused" if refused else "passed")
            features[column] = msgspec.structs.replace(told, sent=sent)
        return
    kinds, null = _taken(estimator, len(columns))
    for column, kind in zip(columns, kinds, strict=True) if "number" not in kinds else ():
        feature, sent = features[column], estimators.is_own_code(estimator)
        if feature.categories is not None and sent:
            features[column] = msgspec.structs.replace(feature, sent=True)
        else:
            features[column] = Feature(name=feature.name, kind=kind, null=null, sent=sent)


def _describe_passed(estimator: Any, features: list[Feature]) -> None:
    """Refine `features` by the facts that a library has of columns passed on to its estimator."""
    for step, given in composition.later_steps(estimator, range(len(features))):
        told = [Feature(name="" if i is None else features[i].name) for i in given]
        libraries.describe(step, range(len(told)), told)
        for i, feature in zip(given, told, strict=True):
            if i is not None and feature != Feature(name=feature.name):
                features[i] = feature


def _take_what_is_imputed(estimator: Any, columns: Sequence[int], features: list[Feature]) -> None:
    """Let an encoder's column hold the value that an imputer ahead of it takes as missing."""
    if type(estimator).__name__ != "SimpleImputer" or is_nan(estimator.missing_values):
        return
    missing = plain(estimator.missing_values)
    for column in columns:
        feature = features[column]
        known = feature.categories
        if missing is None:
            features[column] = msgspec.structs.replace(feature, null=None)
        elif known is not None and missing not in known:
            features[column] = msgspec.structs.replace(feature, categories=(*known, missing))


def _taken(estimator: Any, width: int) -> tuple[Sequence[Kind], Any]:
    """The kinds of value in the columns of an estimator, and what stands for a missing value."""
    # Compared by name, since importing sklearn.impute takes long.
    if type(estimator).__name__ == "SimpleImputer" and estimator._fit_dtype.kind == "O":  # noqa: SLF001
        # In an array with text, numbers are objects too. A constant tells of no column.
        told = estimator.strategy != "constant"
        kinds: list[Kind] = [
            "string" if told and isinstance(value, str) else "any"
            for value in estimator.statistics_
        ]
        return kinds, None if estimator.missing_values is None else NAN
    if estimators.takes_text(estimator):
        return ["string"] * width, NAN
    return ["any" if estimators.is_own_code(estimator) else "number"] * width, NAN
