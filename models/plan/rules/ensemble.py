"""Several estimators that vote, or that another learns from."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.ensemble import (
    StackingClassifier,
    StackingRegressor,
    VotingClassifier,
    VotingRegressor,
)

from ..builder import Builder, Outputs, Table, Value, rule
from ..errors import NotCompiled
from .responses import answer


def answers(builder: Builder, estimator: Any, table: Table, method: str) -> list[Value]:
    """What each part says."""
    return [answer(builder, part, table, method) for part in estimator.estimators_]


def weights(estimator: Any) -> dict[str, np.ndarray]:
    """The weights of the parts that were not dropped."""
    own = estimator._weights_not_none  # noqa: SLF001
    return {} if own is None else {"weights": np.asarray(own, dtype=np.float64)}


@rule(VotingClassifier, predicts=True)
def voting_classifier(builder: Builder, estimator: VotingClassifier, table: Table) -> Outputs:
    """The label with the most votes, or with the highest mean probability."""
    labels = estimator.classes_
    if estimator.voting == "hard":
        votes = builder.do(
            "ballots",
            *answers(builder, estimator, table, "predict"),
            count=len(labels),
            **weights(estimator),
        )
        return {"predict": builder.do("choose", votes, labels=labels)}
    parts = answers(builder, estimator, table, "predict_proba")
    mean = builder.do("mean", *parts, **weights(estimator))
    return {"predict": builder.do("choose", mean, labels=labels), "predict_proba": mean}


@rule(VotingClassifier)
def voting_classifier_transform(
    builder: Builder, estimator: VotingClassifier, table: Table
) -> Table:
    """The votes or the probabilities of each part."""
    if estimator.voting == "hard":
        return voting_regressor_transform(builder, estimator, table)
    if not estimator.flatten_transform:
        raise NotCompiled("a VotingClassifier whose transform has three dimensions")
    parts = answers(builder, estimator, table, "predict_proba")
    joined = builder.do("hstack", *parts)
    return builder.columns(joined, len(parts) * len(estimator.classes_))


@rule(VotingRegressor, predicts=True)
def voting_regressor(builder: Builder, estimator: VotingRegressor, table: Table) -> Outputs:
    """The mean of what the parts say."""
    parts = answers(builder, estimator, table, "predict")
    return {"predict": builder.do("mean_of_numbers", *parts, **weights(estimator))}


@rule(VotingRegressor)
def voting_regressor_transform(builder: Builder, estimator: Any, table: Table) -> Table:
    """What each part says."""
    parts = answers(builder, estimator, table, "predict")
    return builder.columns(builder.do("column_stack", *parts, dtype="float64"), len(parts))


@rule(StackingClassifier, StackingRegressor)
def stacking_transform(builder: Builder, estimator: Any, table: Table) -> Table:
    """What each part says, and perhaps the columns that it was given."""
    if isinstance(getattr(estimator, "classes_", None), list):
        raise NotCompiled("a stack with several outputs")
    columns: list[Any] = []
    for part, method, width in zip(
        estimator.estimators_,
        estimator.stack_method_,
        estimator._n_feature_outs,  # noqa: SLF001
        strict=True,
    ):
        value = answer(builder, part, table, method)
        columns += stacked(builder, estimator, value, method, width)
    return (*columns, *table) if estimator.passthrough else tuple(columns)


def stacked(builder: Builder, estimator: Any, value: Value, method: str, width: int) -> Table:
    """The columns of one part; of the probabilities of two classes, those of the second."""
    if method == "predict_proba" and len(estimator.classes_) == 2:
        return builder.columns(value, width + 1)[1:]
    return builder.columns(
        builder.do("column_stack", value, dtype="float64") if width == 1 else value, width
    )


@rule(StackingRegressor, predicts=True)
def stacking_regressor(builder: Builder, estimator: StackingRegressor, table: Table) -> Outputs:
    """What the last estimator makes of what the parts say."""
    made = stacking_transform(builder, estimator, table)
    return {"predict": answer(builder, estimator.final_estimator_, made, "predict")}


@rule(StackingClassifier, predicts=True)
def stacking_classifier(builder: Builder, estimator: StackingClassifier, table: Table) -> Outputs:
    """What the last estimator makes of what the parts say, with the labels for their codes."""
    made = stacking_transform(builder, estimator, table)
    outputs = dict(builder.predict(estimator.final_estimator_, made))
    outputs["predict"] = builder.do("lookup", outputs["predict"], table=estimator.classes_)
    return outputs
