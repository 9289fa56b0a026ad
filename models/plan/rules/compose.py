"""What is composed of transformers and one estimator."""

from __future__ import annotations

from typing import Any

from sklearn.compose import ColumnTransformer
from sklearn.model_selection import GridSearchCV, RandomizedSearchCV
from sklearn.model_selection._search_successive_halving import (
    HalvingGridSearchCV,
    HalvingRandomSearchCV,
)
from sklearn.pipeline import FeatureUnion, Pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.semi_supervised import SelfTrainingClassifier

from ..builder import Builder, Outputs, Table, rule
from ..sklearn_versions import FrozenEstimator

SEARCHES = (GridSearchCV, RandomizedSearchCV, HalvingGridSearchCV, HalvingRandomSearchCV)


# imbalanced-learn's, in which some steps are samplers.
PIPELINES = (Pipeline, "imblearn.pipeline.Pipeline")


@rule(*PIPELINES)
def pipeline_transform(builder: Builder, estimator: Pipeline, table: Table) -> Table:
    """One step after the other."""
    return chained(builder, estimator.steps, table)


@rule(*PIPELINES, predicts=True)
def pipeline_predict(builder: Builder, estimator: Pipeline, table: Table) -> Outputs:
    """The last step sees what the others have made."""
    return builder.predict(estimator.steps[-1][1], chained(builder, estimator.steps[:-1], table))


def chained(builder: Builder, steps: list[tuple[str, Any]], table: Table) -> Table:
    """What the steps make, one after the other."""
    for _, step in steps:
        # A sampler does nothing once the pipeline is fitted.
        if not hasattr(step, "fit_resample"):
            table = made(builder, step, table)
    return table


def made(builder: Builder, step: Any, table: Table, weight: float | None = None) -> Table:
    """The columns that one part makes, times its weight."""
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
    """Whether it is what a fitted ColumnTransformer has in the place of "passthrough"."""
    return type(step) is FunctionTransformer and step.func is None and not step.validate


@rule(ColumnTransformer)
def column_transformer(builder: Builder, estimator: ColumnTransformer, table: Table) -> Table:
    """Each transformer gets its columns; what they make stands side by side."""
    weights = estimator.transformer_weights or {}
    columns: list[Any] = []
    for name, step, _ in estimator.transformers_:
        given = tuple(table[i] for i in estimator._transformer_to_input_indices[name])  # noqa: SLF001
        if given:
            columns += made(builder, step, given, weights.get(name))
    if not columns or not estimator.sparse_output_:
        return tuple(columns)
    # What follows adds the numbers up one by one.
    value = builder.sparse(tuple(columns), checked=False)
    return builder.columns(value, len(columns), sparse=True)


@rule(FeatureUnion)
def feature_union(builder: Builder, estimator: FeatureUnion, table: Table) -> Table:
    """All transformers get all columns; what they make stands side by side."""
    weights = estimator.transformer_weights or {}
    columns: list[Any] = []
    for name, step in estimator.transformer_list:
        if step != "drop":
            columns += made(builder, step, table, weights.get(name))
    return tuple(columns)


@rule(*SEARCHES)
def search_transform(builder: Builder, estimator: Any, table: Table) -> Table:
    """The best estimator it found."""
    return builder.transform(estimator.best_estimator_, table)


@rule(*SEARCHES, predicts=True)
def search_predict(builder: Builder, estimator: Any, table: Table) -> Outputs:
    """The best estimator it found."""
    return builder.predict(estimator.best_estimator_, table)


@rule(FrozenEstimator)
def frozen_transform(builder: Builder, estimator: FrozenEstimator, table: Table) -> Table:
    """The estimator that it keeps as it is."""
    return builder.transform(estimator.estimator, table)


@rule(FrozenEstimator, predicts=True)
def frozen_predict(builder: Builder, estimator: FrozenEstimator, table: Table) -> Outputs:
    """The estimator that it keeps as it is."""
    return builder.predict(estimator.estimator, table)


@rule(SelfTrainingClassifier, predicts=True)
def self_training(builder: Builder, estimator: SelfTrainingClassifier, table: Table) -> Outputs:
    """The estimator of its last round."""
    return builder.predict(estimator.estimator_, table)
