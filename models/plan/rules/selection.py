"""Those that keep some of the columns."""

from __future__ import annotations

from typing import Any

from sklearn.feature_selection import (
    RFE,
    RFECV,
    GenericUnivariateSelect,
    SelectFdr,
    SelectFpr,
    SelectFromModel,
    SelectFwe,
    SelectKBest,
    SelectPercentile,
    SequentialFeatureSelector,
    VarianceThreshold,
)

from models.plan.builder import Builder, NotCompiled, Outputs, Table, predictor, transformer
from models.plan.rules.impute import validated
from models.sklearn_versions import input_tags


@transformer(
    GenericUnivariateSelect,
    RFE,
    RFECV,
    SelectFdr,
    SelectFpr,
    SelectFromModel,
    SelectFwe,
    SelectKBest,
    SelectPercentile,
    SequentialFeatureSelector,
    VarianceThreshold,
)
def selector(builder: Builder, estimator: Any, table: Table) -> Table:
    """The columns that it has chosen."""
    kept = estimator.get_support(indices=True)
    if not len(kept):
        raise NotCompiled(f"a {type(estimator).__name__} that keeps no column")
    table = validated(builder, table, missing=input_tags(estimator).allow_nan)
    return tuple(table[i] for i in kept)


@predictor(RFE, RFECV)
def reduced(builder: Builder, estimator: Any, table: Table) -> Outputs:
    """What the estimator that was fitted to the chosen columns says."""
    return builder.predict(estimator.estimator_, selector(builder, estimator, table))
