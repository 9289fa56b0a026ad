"""The answers of estimators inside other estimators."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.base import is_regressor

from ..builder import Builder, Table, Value
from ..errors import NotCompiled
from ..sklearn_versions import FrozenEstimator


def answer(builder: Builder, estimator: Any, table: Table, method: str) -> Value:
    """The result of one method. Raises NotCompiled if the rule does not have it."""
    outputs = builder.predict(estimator, table)
    if method not in outputs:
        raise NotCompiled(without(method, estimator))
    return outputs[method]


def without(method: str, estimator: Any) -> str:
    """The reason why there is no rule for a method: it names the step that lacks one."""
    while inner := _asked(estimator):
        estimator = inner
    return f"there is no rule for {method} of {type(estimator).__name__}"


def _asked(estimator: Any) -> Any:
    """The part whose answer the estimator passes on, None if there is none."""
    if steps := getattr(estimator, "steps", None):
        return steps[-1][1]
    if hasattr(estimator, "best_estimator_"):
        return estimator.best_estimator_
    return estimator.estimator if isinstance(estimator, FrozenEstimator) else None


def first_method(estimator: Any, methods: Sequence[str]) -> str:
    """The first of the methods that an estimator has."""
    return next(method for method in methods if hasattr(estimator, method))


def response(
    builder: Builder, estimator: Any, table: Table, methods: Sequence[str], label: Any = None
) -> Value:
    """The score of a label by the first method, by default of the second label of two; else all.

    As `sklearn.utils._response._get_response_values`.
    """
    method = first_method(estimator, methods)
    value = answer(builder, estimator, table, method)
    classes = getattr(estimator, "classes_", ())
    if isinstance(classes, list) or len(classes) != 2 or method == "predict":
        return value
    place = 1 if label is None else int(np.flatnonzero(classes == label)[0])
    if method == "predict_proba":
        return builder.do("column", value, index=place)
    return value if place else builder.do("scaled", value, weight=-1.0)


def binary(builder: Builder, estimator: Any, table: Table) -> Value:
    """The score of the second of two classes, or the number of a regressor.

    As `sklearn.multiclass._predict_binary`.
    """
    if is_regressor(estimator):
        return answer(builder, estimator, table, "predict")
    if hasattr(estimator, "decision_function"):
        return builder.do("ravel", answer(builder, estimator, table, "decision_function"))
    return positive(builder, estimator, table)


def positive(builder: Builder, estimator: Any, table: Table) -> Value:
    """The probability of the second class."""
    return builder.do("column", answer(builder, estimator, table, "predict_proba"), index=1)
