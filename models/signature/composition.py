"""The estimators inside a fitted estimator, and the columns that each of them gets."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import Any

from sklearn.base import BaseEstimator
from sklearn.compose import ColumnTransformer
from sklearn.pipeline import FeatureUnion, Pipeline
from sklearn.preprocessing import FunctionTransformer

from models import libraries
from models.signature.estimators import (
    is_estimator,
    is_fitted,
    is_own_code,
    is_wrapper,
    keeps_values,
    width,
)

SCALARS = (str, int, float)
# The attributes in which meta-estimators keep fitted estimators; the one that predicts first.
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
    """Every estimator inside an estimator, itself first."""
    seen: set[int] = set()
    waiting = [estimator]
    while waiting:
        value = waiting.pop()
        if id(value) in seen:
            continue
        seen.add(id(value))
        if value is estimator or isinstance(value, BaseEstimator):
            yield value
            waiting.extend(vars(value).values())
            continue
        if isinstance(value, dict):
            value = value.values()
        elif not isinstance(value, (list, tuple)):
            continue
        waiting.extend(inner for inner in value if not isinstance(inner, SCALARS))


def branches(estimator: Any, columns: Sequence[int]) -> list[tuple[Any, Sequence[int]]]:
    """The estimators inside that get `columns`, or some of them, unchanged; none for a leaf."""
    if isinstance(estimator, Pipeline):
        given = []
        for step in _steps(estimator):
            given.append((step, columns))
            if not keeps_values(step):
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


def later_steps(
    estimator: Any, columns: Sequence[int]
) -> Iterator[tuple[Any, Sequence[int | None]]]:
    """The steps behind a ColumnTransformer, each with the columns that it gets unchanged.

    None stands for a column that a transformer has made.
    """
    if not isinstance(estimator, Pipeline):
        for inner, given in branches(estimator, columns):
            yield from later_steps(inner, given)
        return
    passed: Sequence[int | None] | None = None
    for step in _steps(estimator):
        if passed is not None:
            yield step, passed
        if isinstance(step, ColumnTransformer) and passed is None:
            passed = _passed_through(step, columns)
        elif passed is not None or not keeps_values(step):
            return


def _passed_through(mixed: ColumnTransformer, columns: Sequence[int]) -> list[int | None]:
    """For each output column the one of `columns` that it equals, or None."""
    positions = mixed._transformer_to_input_indices  # noqa: SLF001
    output: list[int | None] = [None] * max(
        (part.stop for part in mixed.output_indices_.values()), default=0
    )
    for name, transformer in mixed.named_transformers_.items():
        identity = isinstance(transformer, FunctionTransformer) and transformer.func is None
        if identity or transformer == "passthrough":
            output[mixed.output_indices_[name]] = [columns[i] for i in positions[name]]
    return output


def first(estimator: Any) -> Any:
    """The innermost estimator that gets the rows first."""
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


def names(estimator: Any) -> Sequence[str] | None:
    """The names of an estimator's columns, if it or what it wraps was fitted on a DataFrame."""
    found: Sequence[str] | None = getattr(estimator, "feature_names_in_", None)
    if found is None:
        found = libraries.names(estimator)
    if found is None and is_wrapper(estimator):
        return next((names(inner) for inner in _inside(estimator)), None)
    return found


def own_code(estimator: Any, columns: Sequence[int]) -> Iterator[tuple[list[Any], Sequence[int]]]:
    """The user's own steps that get some of `columns` unchanged, each with these columns.

    A step comes in a list with the user's own steps that directly follow it in its pipeline.
    """
    inner = branches(estimator, columns)
    if not inner and is_own_code(estimator):
        yield [estimator], columns
    steps = _steps(estimator) if isinstance(estimator, Pipeline) else []
    for i, (part, positions) in enumerate(inner):
        for chain, seen in own_code(part, positions):
            behind = steps[i + 1 :] if chain == [part] else []
            yield [*chain, *itertools.takewhile(is_own_code, behind)], seen


def handed_on(estimator: Any, columns: Sequence[int]) -> set[int]:
    """The columns that a step passes on unchanged to one that may take more than numbers.

    The kind of such a column is not known: neither step tells.
    """
    found: set[int] = set()
    steps = _steps(estimator) if isinstance(estimator, Pipeline) else []
    for i, (part, positions) in enumerate(branches(estimator, columns)):
        found |= handed_on(part, positions)
        if any(_takes_more_than_numbers(each) for step in steps[i + 1 :] for each in parts(step)):
            found |= _passed(part, positions)
    return found


def _passed(estimator: Any, columns: Sequence[int]) -> set[int]:
    """Those of `columns` that an estimator passes on unchanged."""
    if isinstance(estimator, FunctionTransformer) and estimator.func is None:
        return set(columns)
    if not isinstance(estimator, ColumnTransformer):
        return set()
    inner = branches(estimator, columns)
    return {column for part, positions in inner for column in _passed(part, positions)}


def _takes_more_than_numbers(estimator: Any) -> bool:
    return is_own_code(estimator) or hasattr(estimator, "categories_")


def holds_own_code(estimator: Any) -> bool:
    """Whether the user's own code is anywhere inside an estimator."""
    return any(is_own_code(part) and not is_wrapper(part) for part in parts(estimator))


def _steps(pipeline: Pipeline) -> list[Any]:
    """The steps that transform rows; a sampler of imbalanced-learn only works in fit."""
    return [
        step
        for _, step in pipeline.steps
        if step not in (None, "passthrough") and not hasattr(step, "fit_resample")
    ]


def _inside(estimator: Any) -> list[Any]:
    """The estimators to which a meta-estimator, or the user's own wrapper, passes its rows."""
    for name in INNER:
        if found := _takers(estimator, getattr(estimator, name, None)):
            return found
    if is_wrapper(estimator):
        return _takers(estimator, list(vars(estimator).values()))
    return []


def _takers(estimator: Any, held: Any) -> list[Any]:
    """The fitted estimators among `held` that take as many columns as the one that holds them.

    If that one does not tell how many, the first fitted estimator is meant.
    """
    found = []
    for inner in held if isinstance(held, (list, tuple)) else [held]:
        # A part of a CalibratedClassifierCV is no estimator itself.
        candidate = inner if is_estimator(inner) else getattr(inner, "estimator", None)
        if is_estimator(candidate) and is_fitted(candidate):
            if width(estimator) is None:
                return [candidate]
            if width(candidate) == width(estimator):
                found.append(candidate)
    return found


def used(estimator: Any, columns: Sequence[int]) -> set[int]:
    """Those of `columns` that an estimator inside uses; a wrapper may use all."""
    inner = branches(estimator, columns)
    if is_wrapper(estimator) or (not inner and not isinstance(estimator, ColumnTransformer)):
        return set(columns)
    return {column for part, positions in inner for column in used(part, positions)}
