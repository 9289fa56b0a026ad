"""Read the signature off a fitted estimator.

The facts come from scikit-learn's own attributes (developer guide, "Developing scikit-learn
estimators"): `n_features_in_`, `feature_names_in_`, the tags, and the `categories_` of encoders.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import numpy as np
from sklearn.compose import ColumnTransformer
from sklearn.preprocessing import LabelBinarizer, LabelEncoder

from models import libraries
from models.plan.sklearn_versions import input_tags
from models.signature import composition
from models.signature.types import (
    NAN,
    Feature,
    Kind,
    Signature,
    SignatureError,
    Unknown,
    is_missing,
    is_nan,
    kind_of,
    plain,
)


def read(estimator: Any, card: Mapping[str, Any] | Sequence[str] | None = None) -> Signature:
    """Read the signature of a fitted estimator.

    `card` is what the sidecar says of the features: their names, which stand in where the
    estimator does not know them, and perhaps the `dtype` of each.

    Whether missing values are accepted is not read here: the engine tries it.
    Raises SignatureError where there is nothing to read.
    """
    names = list(card) if card else None
    source = estimator if composition.width(estimator) is not None else composition.first(estimator)
    width = composition.width(source)
    if width is None:
        return _without_width(estimator, source, card or {})
    known = composition.names(source)
    named = known is not None
    if known is None:
        known = names if names and len(names) == width else [f"x{i}" for i in range(width)]
    if twice := [name for name, count in Counter(known).items() if count > 1]:
        raise SignatureError(f"two features have the name {twice[0]}: give each its own, and fit")
    facts = card if isinstance(card, Mapping) else {}
    features = [Feature(name=str(name)) for name in known]
    _describe(estimator, range(width), features)
    for column in composition.handed_on(estimator, range(width)):
        if features[column].kind == "number" and features[column].categories is None:
            features[column] = Feature(name=features[column].name, kind="any", sent=True)
    if composition.holds_own_code(estimator):
        # Some of scikit-learn's steps hand on integers as they are.
        features = [
            msgspec.structs.replace(feature, sent=True)
            if feature.kind == "number" and feature.categories is None
            else feature
            for feature in features
        ]
    _describe_passed(estimator, features)
    features = [_with_card(feature, facts.get(feature.name)) for feature in features]
    for column in set(range(width)) - composition.used(estimator, range(width)):
        features[column] = Feature(name=features[column].name, kind="unused", missing=True)
    short = [feature.dtype == "float32" for feature in features]
    frame = named and (
        any(f.kind != "number" or f.categories is not None or f.sent for f in features)
        or any(
            isinstance(p, ColumnTransformer)
            or composition.is_own_code(p)
            or libraries.needs_names(p)
            for p in composition.parts(estimator)
        )
        or (any(short) and not all(short))
    )
    return Signature(
        features=tuple(features), named=named, frame=frame, single=all(short) and not frame
    )


def _with_card(feature: Feature, facts: Any) -> Feature:
    """A feature with what the card says of its column in training."""
    dtype = facts.get("dtype") if isinstance(facts, dict) else None
    if not isinstance(dtype, str) or feature.categories is not None:
        return feature
    kind = _kind_of(dtype)
    if dtype == "category":
        known = facts.get("categories")
        if not feature.sent or not isinstance(known, list) or not known:
            return feature
        told = _encoded(feature.name, known, "refused")
        return msgspec.structs.replace(told, sent=True, dtype=dtype)
    if kind == "datetime":
        return msgspec.structs.replace(feature, kind=kind, dtype=dtype)
    if feature.sent:
        return msgspec.structs.replace(feature, kind=kind, dtype=dtype)
    if kind in ("boolean", "string") or dtype == "float32":
        return msgspec.structs.replace(feature, kind=kind, dtype=dtype)
    return feature


def _kind_of(dtype: str) -> Kind:
    """The kind of value in a column of this dtype, in the words of pandas."""
    name = dtype.lower()
    if name.startswith("datetime64") or name == "date":
        return "datetime"
    if name.startswith("bool"):
        return "boolean"
    if name.startswith(("int", "uint", "float")):
        return "number"
    return "string" if name.startswith("str") else "any"


def _without_width(
    estimator: Any, first: Any, card: Mapping[str, Any] | Sequence[str]
) -> Signature:
    """Read an estimator whose input is not a table of `n_features_in_` columns."""
    # Somebody's own function may clean texts before their words are counted.
    cleans = composition.is_own_code(first) and not card
    if any(map(composition.takes_text, composition.parts(estimator) if cleans else [first])):
        return Signature(form="text", features=(Feature(name="text", kind="string"),))
    tags = input_tags(first)
    if tags.dict:
        return Signature(form="mapping")
    if tags.one_d_array:
        return Signature(features=(Feature(name="x0"),))
    if isinstance(first, (LabelEncoder, LabelBinarizer)):
        return Signature(form="labels", features=(_encoded("label", first.classes_, "refused"),))
    if card and tags.two_d_array:
        features = [Feature(name=name) for name in card]
        _describe(first, range(len(features)), features)
        facts = card if isinstance(card, Mapping) else {}
        features = [_with_card(feature, facts.get(feature.name)) for feature in features]
        frame = any(feature.dtype for feature in features)
        return Signature(features=tuple(features), named=True, frame=frame)
    raise SignatureError(
        f"{type(first).__name__} does not say which features it takes: it has no n_features_in_. "
        "Let training rows tell, which goes into the card beside the model: "
        "make card DATA=train.csv ANSWER=column"
    )


def _describe(estimator: Any, columns: Sequence[int], features: list[Feature]) -> None:
    """Refine `features` by what `estimator` does with them; `columns` are the ones it is given."""
    inner = composition.branches(estimator, columns)
    for part, positions in inner:
        _describe(part, positions, features)
    for part, positions in inner:
        _take_what_is_imputed(part, positions, features)
    if inner and composition.is_wrapper(estimator):
        seen = {c for part, positions in inner for c in composition.used(part, positions)}
        for column in set(columns) - seen:
            features[column] = Feature(name=features[column].name, kind="any", sent=True)
    if inner or libraries.describe(estimator, columns, features):
        return
    if hasattr(estimator, "categories_"):
        refused = getattr(estimator, "handle_unknown", None) == "error"
        for column, categories in zip(columns, estimator.categories_, strict=True):
            name, sent = features[column].name, features[column].sent
            told = _encoded(name, categories, "refused" if refused else "passed")
            features[column] = msgspec.structs.replace(told, sent=sent)
        return
    kinds, null = _taken(estimator, len(columns))
    for column, kind in zip(columns, kinds, strict=True) if "number" not in kinds else ():
        feature, sent = features[column], composition.is_own_code(estimator)
        if feature.categories is not None and sent:
            features[column] = msgspec.structs.replace(feature, sent=True)
        else:
            features[column] = Feature(name=feature.name, kind=kind, null=null, sent=sent)


def _describe_passed(estimator: Any, features: list[Feature]) -> None:
    """Refine `features` by what a library knows of columns that a ColumnTransformer passes on."""
    for step, given in composition.later_steps(estimator, range(len(features))):
        told = [Feature(name="" if i is None else features[i].name) for i in given]
        libraries.describe(step, range(len(told)), told)
        for i, feature in zip(given, told, strict=True):
            if i is not None and feature != Feature(name=feature.name):
                features[i] = feature


def _take_what_is_imputed(estimator: Any, columns: Sequence[int], features: list[Feature]) -> None:
    """Let an encoder's column hold what an imputer ahead of it takes for a missing value."""
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
    """The kinds of value that a leaf takes in its columns, and what stands for a missing one."""
    # By its name: a model without an imputer need not wait for the import of all imputers.
    if type(estimator).__name__ == "SimpleImputer" and estimator._fit_dtype.kind == "O":  # noqa: SLF001
        # Beside a column of text, numbers are objects, too. A constant tells of no column.
        told = estimator.strategy != "constant"
        kinds: list[Kind] = [
            "string" if told and isinstance(value, str) else "any"
            for value in estimator.statistics_
        ]
        return kinds, None if estimator.missing_values is None else NAN
    if composition.takes_text(estimator):
        return ["string"] * width, NAN
    return ["any" if composition.is_own_code(estimator) else "number"] * width, NAN


def _encoded(name: str, categories: Any, unknown: Unknown) -> Feature:
    """Describe a column whose encoder knows these categories."""
    if np.asarray(categories).dtype.kind == "M":
        # The encoder itself refuses those that it does not know.
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


def _dtype_of(value: dt.date) -> str:
    """The dtype of a column of such dates: "date" for those without a time."""
    if not isinstance(value, dt.datetime):
        return "date"
    return f"datetime64[ns, {value.tzinfo}]" if value.tzinfo else "datetime64[ns]"
