"""What lies inside a fitted estimator: which estimators, and the columns each of them is given."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from sklearn.base import BaseEstimator
from sklearn.compose import ColumnTransformer
from sklearn.pipeline import FeatureUnion, Pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils import get_tags

SCALARS = (str, int, float)
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
    found = _inside(estimator)
    return [] if found is None else [(found, columns)]


def first(estimator: Any) -> Any:
    """Descend to the estimator that sees the rows first."""
    while True:
        if isinstance(estimator, Pipeline):
            inner = next(iter(_steps(estimator)), None)
        elif isinstance(estimator, FeatureUnion):
            inner = estimator.transformer_list[0][1]
        else:
            inner = _inside(estimator)
        if inner is None:
            return estimator
        estimator = inner


def width(estimator: Any) -> int | None:
    """How many features it says it takes."""
    return getattr(estimator, "n_features_in_", None)


def takes_text(estimator: Any) -> bool:
    """Whether its input is one string a row, as that of a CountVectorizer; an imputer's is not."""
    if not isinstance(estimator, BaseEstimator):
        return False
    tags = get_tags(estimator).input_tags
    # A FeatureHasher's is many strings a row.
    return bool(tags.string) and not tags.two_d_array and not hasattr(estimator, "input_type")


def is_free(estimator: Any) -> bool:
    """Whether a transformer may take anything: somebody's own code, whose input nothing tells."""
    if isinstance(estimator, FunctionTransformer):
        return bool(estimator.func is not None)
    foreign = type(estimator).__module__.partition(".")[0] != "sklearn"
    return foreign and hasattr(estimator, "transform") and not hasattr(estimator, "predict")


def _steps(pipeline: Pipeline) -> list[Any]:
    return [step for _, step in pipeline.steps if step not in (None, "passthrough")]


def _inside(estimator: Any) -> Any:
    """The estimator that a meta-estimator hands its rows to as they are, or None."""
    for name in INNER:
        inner = getattr(estimator, name, None)
        if isinstance(inner, (list, tuple)) and inner:
            inner = inner[0]
        if not isinstance(inner, BaseEstimator):
            inner = getattr(inner, "estimator", None)
        if isinstance(inner, BaseEstimator) and width(inner) == width(estimator):
            return inner
    return None


def _keeps_values(step: Any) -> bool:
    """Whether a transformer hands on its columns as they are, but for missing values."""
    if not type(step).__module__.startswith("sklearn.impute") or step.indicator_ is not None:
        return False
    return bool(len(step.get_feature_names_out()) == step.n_features_in_)
