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

from ..builder import Builder, Outputs, Table, rule
from ..errors import NotCompiled
from ..sklearn_versions import input_tags
from .impute import validated


@rule(
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


@rule(RFE, RFECV, predicts=True)
def reduced(builder: Builder, estimator: Any, table: Table) -> Outputs:
    """What the estimator that was fitted to the chosen columns says."""
    return builder.predict(estimator.estimator_, selector(builder, estimator, table))
