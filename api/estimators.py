"""What lies inside a fitted estimator: which estimators, and the columns each of them is given."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.compose import ColumnTransformer
from sklearn.pipeline import FeatureUnion, Pipeline
from sklearn.preprocessing import FunctionTransformer

from api.versions import input_tags

SCALARS = (str, int, float)
# Packages whose estimators tell what they take, or take numbers.
TELLING = ("sklearn", "imblearn", "lightgbm", "xgboost", "catboost")
# Where meta-estimators keep what they have fitted, the one that predicts first.
INNER = (
    "best_estimator_",
    "regressor_",
    "estimator_",
    "_preprocessor",
    "estimators_",
    "calibrated_classifiers_",
    "estimator",
)


def parts(estimator: Any) -> Iterator[Any]:
    """Walk through every estimator inside an estimator, itself first."""
    seen: set[int] = set()
    waiting = [estimator]
    while waiting:
        value = waiting.pop()
        if id(value) in seen:
            continue
        seen.add(id(value))
        if isinstance(value, BaseEstimator):
            yield value
            waiting.extend(vars(value).values())
            continue
        if isinstance(value, dict):
            value = value.values()
        elif not isinstance(value, (list, tuple)):
            continue
        waiting.extend(inner for inner in value if not isinstance(inner, SCALARS))


def branches(estimator: Any, columns: Sequence[int]) -> list[tuple[Any, Sequence[int]]]:
    """The estimators that get `columns`, or some of them, as they were sent; none for a leaf."""
    if isinstance(estimator, Pipeline):
        given = []
        for step in _steps(estimator):
            given.append((step, columns))
            if not _keeps_values(step):
                break
        return given
    if isinstance(estimator, ColumnTransformer):
        positions = estimator._transformer_to_input_indices  # noqa: SLF001
        return [
            (transformer, [columns[i] for i in positions[name]])
            for name, transformer in estimator.named_transformers_.items()
            if isinstance(transformer, BaseEstimator)
        ]
    if isinstance(estimator, FeatureUnion):
        return [(transformer, columns) for _, transformer in estimator.transformer_list]
    return [(inner, columns) for inner in _inside(estimator)]


def first(estimator: Any) -> Any:
    """Descend to the estimator that sees the rows first."""
    while True:
        if isinstance(estimator, Pipeline):
            inner = next(iter(_steps(estimator)), None)
        elif isinstance(estimator, FeatureUnion):
            inner = estimator.transformer_list[0][1]
        else:
            inner = next(iter(_inside(estimator)), None)
        if inner is None:
            return estimator
        estimator = inner


def width(estimator: Any) -> int | None:
    """How many features it says it takes."""
    return getattr(estimator, "n_features_in_", None)


def takes_text(estimator: Any) -> bool:
    """Whether its input is one string a row, as that of a CountVectorizer; an imputer's is not."""
    tags = input_tags(estimator)
    # A FeatureHasher's is many strings a row.
    return tags.string and not tags.two_d_array and not hasattr(estimator, "input_type")


def is_own_code(estimator: Any) -> bool:
    """Whether an estimator is somebody's own code, and nothing tells what its columns may hold."""
    if isinstance(estimator, FunctionTransformer):
        function = getattr(estimator.func, "func", estimator.func)  # of a functools.partial
        module = getattr(function, "__module__", None) or "numpy"
        # A ufunc takes numbers.
        if function is None or isinstance(function, np.ufunc):
            return False
        return not module.startswith("sklearn.")
    return type(estimator).__module__.partition(".")[0] not in TELLING


def seen_by_own_code(estimator: Any, columns: Sequence[int]) -> Iterator[Sequence[int]]:
    """For each step of somebody's own that gets some of `columns` as they were sent, which."""
    inner = branches(estimator, columns)
    if not inner and is_own_code(estimator):
        yield columns
    for part, positions in inner:
        yield from seen_by_own_code(part, positions)


def _steps(pipeline: Pipeline) -> list[Any]:
    return [step for _, step in pipeline.steps if step not in (None, "passthrough")]


def _inside(estimator: Any) -> list[Any]:
    """The estimators that a meta-estimator hands its rows to as they are."""
    for name in INNER:
        held = getattr(estimator, name, None)
        found = []
        for inner in held if isinstance(held, (list, tuple)) else [held]:
            # What calibrates a classifier is no estimator itself.
            candidate = (
                inner if isinstance(inner, BaseEstimator) else getattr(inner, "estimator", None)
            )
            if isinstance(candidate, BaseEstimator) and width(candidate) == width(estimator):
                found.append(candidate)
        if found:
            return found
    return []


def used(estimator: Any, columns: Sequence[int]) -> set[int]:
    """Those of `columns` that some estimator inside looks at."""
    inner = branches(estimator, columns)
    if not inner and not isinstance(estimator, ColumnTransformer):
        return set(columns)
    return {column for part, positions in inner for column in used(part, positions)}


def _keeps_values(step: Any) -> bool:
    """Whether a transformer hands on its columns as they are, but for missing values."""
    # A MissingIndicator is nothing but an indicator.
    indicator = getattr(step, "indicator_", step)
    if not type(step).__module__.startswith("sklearn.impute") or indicator is not None:
        return False
    return bool(len(step.get_feature_names_out()) == step.n_features_in_)
