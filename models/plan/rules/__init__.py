"""Compile a fitted estimator to a plan: numpy operations in the order of scikit-learn's own.

Each module has the rules of one family: one short function for each kind of estimator.
"""

from __future__ import annotations

import logging
from typing import Any

import numpy as np

from models.errors import brief
from models.model import Model
from models.plan.builder import Builder, Column, NotCompiled, Number, Table
from models.plan.rules import (  # noqa: F401  (their rules)
    adaboost,
    bagging,
    baseline,
    bayes,
    boosting,
    calibration,
    centroid,
    cluster,
    compose,
    decomposition,
    discriminant,
    encoders,
    ensemble,
    expand,
    forests,
    functions,
    glm,
    histogram,
    impute,
    lightgbm,
    linear,
    mixture,
    multi,
    neighbors,
    neural,
    scalers,
    selection,
    svm,
    target,
    text,
    trees,
    xgboost,
)
from models.plan.rules.responses import without
from models.plan.run import Plan
from models.signature.types import Signature

__all__ = ["NotCompiled", "compile_model"]

log = logging.getLogger("models")


def compile_model(model: Model, signature: Signature) -> Plan:
    """The plan of a model; its methods without a rule are left to scikit-learn."""
    builder = Builder(signature)
    methods: dict[str, int] = {}
    reasons: dict[str, str] = {}
    for method in model.methods:
        try:
            methods[method] = _compile_method(builder, model.estimator, method)
        except NotCompiled as reason:
            reasons[method] = str(reason)
        except Exception as error:
            log.debug("%s cannot be compiled", method, exc_info=True)
            reasons[method] = f"it cannot be compiled ({brief(error)})"
    return Plan(
        model=model.version,
        kind=model.kind,
        classes=model.classes,
        outputs=model.outputs,
        versions=model.versions,
        signature=signature,
        steps=tuple(builder.steps),
        methods=methods,
        left=reasons,
        arrays=builder.arrays,
    )


def _compile_method(builder: Builder, estimator: Any, method: str) -> int:
    if method == "transform":
        table = builder.transform(estimator, builder.table)
        # What is sparse stays so: it may be too large to write out.
        if builder.is_sparse(table):
            return builder.sparse(table, checked=False)
        value, dtype = builder.numbers(table), _dtype(table)
        return value if dtype == "float64" else builder.do("cast", value, dtype=dtype)
    outputs = builder.predict(estimator, builder.table)
    if method not in outputs:
        raise NotCompiled(without(method, estimator))
    return outputs[method]


def _dtype(table: Table) -> str:
    """What scikit-learn has in the array of these columns."""
    return np.result_type(*(_dtype_of(column) for column in table)).name


def _dtype_of(column: Column) -> str:
    return column.dtype if isinstance(column, Number) else "float64"
