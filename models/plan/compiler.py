"""Compile a fitted estimator to a plan: numpy operations in scikit-learn's own order."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

import numpy as np

from . import rules  # noqa: F401  (registers them)
from .builder import Builder, Column, Number, Table
from .errors import NotCompiled, brief
from .format import Plan
from .rules.responses import without
from .signature import Feature, Signature

log = logging.getLogger(__name__)

# The methods that give one result a row.
METHODS = (
    *("predict", "predict_proba", "predict_log_proba", "decision_function", "transform"),
    *("score_samples", "apply", "kneighbors"),
)


def compile_plan(
    estimator: Any, signature: Signature | None, methods: Sequence[str] | None, **about: Any
) -> Plan:
    """The plan of an estimator; `fallback` has the methods without a rule. See `plan.compile`."""
    signature = signature or numeric_signature(estimator)
    builder = Builder(signature)
    values: dict[str, int] = {}
    reasons: dict[str, str] = {}
    for method in methods or [name for name in METHODS if hasattr(estimator, name)]:
        try:
            values[method] = compile_method(builder, estimator, method)
        except NotCompiled as reason:
            reasons[method] = str(reason)
        except Exception as error:
            log.debug("%s cannot be compiled", method, exc_info=True)
            reasons[method] = f"it cannot be compiled ({brief(error)})"
    return Plan(
        signature=signature,
        steps=tuple(builder.steps),
        methods=values,
        fallback=reasons,
        arrays=builder.arrays,
        **about,
    )


def numeric_signature(estimator: Any) -> Signature:
    """The signature of an estimator that was fitted on numbers, none of which may be missing."""
    names = getattr(estimator, "feature_names_in_", None)
    if names is None:
        names = [f"x{i}" for i in range(estimator.n_features_in_)]
    return Signature(features=tuple(Feature(name=str(name)) for name in names))


def compile_method(builder: Builder, estimator: Any, method: str) -> int:
    """The value that is the result of one method. Raises NotCompiled."""
    if method == "transform":
        table = builder.transform(estimator, builder.table)
        # A sparse table may be too large as an array.
        if builder.is_sparse(table):
            return builder.sparse(table, checked=False)
        value, dtype = builder.numbers(table), _dtype(table)
        return value if dtype == "float64" else builder.do("cast", value, dtype=dtype)
    outputs = builder.predict(estimator, builder.table)
    if method not in outputs:
        raise NotCompiled(without(method, estimator))
    return outputs[method]


def _dtype(table: Table) -> str:
    """The dtype of the array that scikit-learn makes of these columns."""
    return np.result_type(*(_dtype_of(column) for column in table)).name


def _dtype_of(column: Column) -> str:
    return column.dtype if isinstance(column, Number) else "float64"
