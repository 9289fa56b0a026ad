"""Models that use no feature, or only one."""

from __future__ import annotations

import numpy as np
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.isotonic import IsotonicRegression

from ..builder import Builder, Outputs, Table, rule
from ..errors import NotCompiled
from .linear import finite_numbers, probability


@rule(DummyRegressor, predicts=True)
def dummy_regressor(builder: Builder, estimator: DummyRegressor, table: Table) -> Outputs:
    """A constant for each output."""
    constant = estimator.constant_.ravel()
    row = constant if estimator.n_outputs_ > 1 else constant[0]
    return {"predict": builder.do("repeat", builder.numbers(table), row=np.asarray(row))}


@rule(DummyClassifier, predicts=True)
def dummy_classifier(builder: Builder, estimator: DummyClassifier, table: Table) -> Outputs:
    """A constant label; the strategy "stratified" draws lots and has no plan."""
    if estimator.n_outputs_ > 1 or estimator.sparse_output_:
        raise NotCompiled("a DummyClassifier with several outputs")
    strategy, classes = estimator.strategy, estimator.classes_
    if strategy == "stratified":
        raise NotCompiled("a DummyClassifier that draws lots")
    value = builder.numbers(table)
    if strategy == "uniform":
        each = np.full(len(classes), 1 / len(classes))
        return probability(builder, builder.do("repeat", value, row=each))
    best = estimator.class_prior_.argmax()
    if strategy == "constant":
        best = int(np.flatnonzero(classes == estimator.constant)[0])
    row = estimator.class_prior_ if strategy == "prior" else np.eye(len(classes))[best]
    zero = builder.do("repeat", value, row=np.asarray(best))
    return {
        "predict": builder.do("lookup", zero, table=classes),
        **probability(builder, builder.do("repeat", value, row=row)),
    }


@rule(IsotonicRegression, predicts=True)
def isotonic(builder: Builder, estimator: IsotonicRegression, table: Table) -> Outputs:
    """Straight lines between the thresholds of the only feature."""
    thresholds, values = estimator.X_thresholds_, estimator.y_thresholds_
    if thresholds.dtype != np.float64:
        raise NotCompiled("an IsotonicRegression in single precision")
    value = builder.do("column", finite_numbers(builder, table), index=0)
    ends = "clip" if len(values) == 1 else estimator.out_of_bounds
    line = builder.do("interpolate", value, thresholds=thresholds, values=values, ends=ends)
    return {"predict": line}
