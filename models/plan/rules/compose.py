"""Pipelines, searches and selectors: estimators composed of others."""

from __future__ import annotations

from typing import Any

from sklearn import feature_selection
from sklearn.compose import ColumnTransformer
from sklearn.feature_selection import RFE, RFECV
from sklearn.model_selection import GridSearchCV, RandomizedSearchCV
from sklearn.model_selection._search_successive_halving import (
    HalvingGridSearchCV,
    HalvingRandomSearchCV,
)
from sklearn.pipeline import FeatureUnion, Pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.semi_supervised import SelfTrainingClassifier

from ..builder import Builder, Outputs, Table, rule
from ..errors import NotCompiled
from ..sklearn_versions import FrozenEstimator, input_tags
from .impute import validated

SELECTORS = (
    "GenericUnivariateSelect SelectFdr SelectFpr SelectFromModel SelectFwe SelectKBest "
    "SelectPercentile SequentialFeatureSelector VarianceThreshold"
)
SEARCHES = (GridSearchCV, RandomizedSearchCV, HalvingGridSearchCV, HalvingRandomSearchCV)
# The second is imbalanced-learn's, which also has samplers as steps.
PIPELINES = (Pipeline, "imblearn.pipeline.Pipeline")


@rule(*PIPELINES)
def pipeline_transform(builder: Builder, estimator: Pipeline, table: Table) -> Table:
    """One step after the other."""
    return chained(builder, estimator.steps, table)


@rule(*PIPELINES, predicts=True)
def pipeline_predict(builder: Builder, estimator: Pipeline, table: Table) -> Outputs:
    """The results of the last step for the output of the steps before it."""
    return builder.predict(estimator.steps[-1][1], chained(builder, estimator.steps[:-1], table))


def chained(builder: Builder, steps: list[tuple[str, Any]], table: Table) -> Table:
    """The output of the steps, one after the other."""
    for _, step in steps:
        # A sampler works only while the pipeline is fitted.
        if not hasattr(step, "fit_resample"):
            table = made(builder, step, table)
    return table


def made(builder: Builder, step: Any, table: Table, weight: float | None = None) -> Table:
    """The output columns of one part, times its weight."""
    if isinstance(step, str) or step is None:
        if step == "drop":
            return ()
    elif not is_passthrough(step):
        table = builder.transform(step, table)
    if weight is None:
        return table
    sparse = builder.is_sparse(table)
    value = builder.sparse(table, checked=False) if sparse else builder.numbers(table)
    return builder.columns(
        builder.do("scaled", value, weight=float(weight)), len(table), sparse=sparse
    )


def is_passthrough(step: Any) -> bool:
    """Whether a fitted ColumnTransformer uses this step for "passthrough"."""
    return type(step) is FunctionTransformer and step.func is None and not step.validate


@rule(ColumnTransformer)
def column_transformer(builder: Builder, estimator: ColumnTransformer, table: Table) -> Table:
    """The outputs of all transformers side by side; each has its own input columns."""
    weights = estimator.transformer_weights or {}
    columns: list[Any] = []
    for name, step, _ in estimator.transformers_:
        given = tuple(table[i] for i in estimator._transformer_to_input_indices[name])  # noqa: SLF001
        if given:
            columns += made(builder, step, given, weights.get(name))
    if not columns or not estimator.sparse_output_:
        return tuple(columns)
    # The next step adds the numbers of a sparse table one by one.
    value = builder.sparse(tuple(columns), checked=False)
    return builder.columns(value, len(columns), sparse=True)


@rule(FeatureUnion)
def feature_union(builder: Builder, estimator: FeatureUnion, table: Table) -> Table:
    """The outputs of all transformers side by side; each has all input columns."""
    weights = estimator.transformer_weights or {}
    columns: list[Any] = []
    for name, step in estimator.transformer_list:
        if step != "drop":
            columns += made(builder, step, table, weights.get(name))
    return tuple(columns)


@rule(*SEARCHES)
def search_transform(builder: Builder, estimator: Any, table: Table) -> Table:
    """The results of the best estimator."""
    return builder.transform(estimator.best_estimator_, table)


@rule(*SEARCHES, predicts=True)
def search_predict(builder: Builder, estimator: Any, table: Table) -> Outputs:
    """The results of the best estimator."""
    return builder.predict(estimator.best_estimator_, table)


@rule(FrozenEstimator)
def frozen_transform(builder: Builder, estimator: FrozenEstimator, table: Table) -> Table:
    """The results of the frozen estimator."""
    return builder.transform(estimator.estimator, table)


@rule(FrozenEstimator, predicts=True)
def frozen_predict(builder: Builder, estimator: FrozenEstimator, table: Table) -> Outputs:
    """The results of the frozen estimator."""
    return builder.predict(estimator.estimator, table)


@rule(SelfTrainingClassifier, predicts=True)
def self_training(builder: Builder, estimator: SelfTrainingClassifier, table: Table) -> Outputs:
    """The results of the estimator of the last round."""
    return builder.predict(estimator.estimator_, table)


@rule(RFE, RFECV, *(getattr(feature_selection, name) for name in SELECTORS.split()))
def selector(builder: Builder, estimator: Any, table: Table) -> Table:
    """The chosen columns."""
    kept = estimator.get_support(indices=True)
    if not len(kept):
        raise NotCompiled(f"a {type(estimator).__name__} that keeps no column")
    table = validated(builder, table, missing=input_tags(estimator).allow_nan)
    return tuple(table[i] for i in kept)


@rule(RFE, RFECV, predicts=True)
def reduced(builder: Builder, estimator: Any, table: Table) -> Outputs:
    """The results of the estimator that was fitted to the chosen columns."""
    return builder.predict(estimator.estimator_, selector(builder, estimator, table))
