"""Estimators that bring together the answers of several: bagging, AdaBoost, votes and stacks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.ensemble import (
    AdaBoostClassifier,
    AdaBoostRegressor,
    BaggingClassifier,
    BaggingRegressor,
    StackingClassifier,
    StackingRegressor,
    VotingClassifier,
    VotingRegressor,
)

from ..builder import Builder, Outputs, Table, Value, rule
from ..errors import NotCompiled
from . import tree_arrays, trees
from .responses import answer


def all_are(members: Sequence[Any], kinds: tuple[type, ...]) -> bool:
    """Whether all members are trees that can be walked together."""
    return all(type(member) in kinds for member in members)


def answers(
    builder: Builder, members: Sequence[Any], tables: Sequence[Table], method: str
) -> list[Value]:
    """The answer of each member for its table. Raises NotCompiled if one lacks the method."""
    found = [builder.predict(member, table) for member, table in zip(members, tables, strict=True)]
    if any(method not in outputs for outputs in found):
        raise NotCompiled(f"there is no rule for {method} of {type(members[0]).__name__}")
    return [outputs[method] for outputs in found]


def own_columns(estimator: Any, table: Table) -> list[Table]:
    """The input columns of each member of a bag."""
    return [tuple(table[i] for i in features) for features in estimator.estimators_features_]


def bagged_leaves(builder: Builder, estimator: Any, table: Table) -> tree_arrays.Leaves:
    """The leaves of a bag of trees. Columns that no tree uses are not checked."""
    features = estimator.estimators_features_
    used, places = np.unique(np.concatenate(features), return_inverse=True)
    own = np.split(places, np.cumsum([len(each) for each in features])[:-1])
    members = estimator.estimators_
    missing = tree_arrays.accepts_missing(members[0])
    return tree_arrays.leaves(builder, members, tuple(table[i] for i in used), own, missing=missing)


@rule(BaggingClassifier, predicts=True)
def bagging_classifier(builder: Builder, estimator: BaggingClassifier, table: Table) -> Outputs:
    """The mean of the members' probabilities, or of their votes."""
    members, count = estimator.estimators_, estimator.n_classes_
    if any(len(member.classes_) != count for member in members):
        raise NotCompiled("a BaggingClassifier with a member that has not seen all classes")
    if all_are(members, trees.CLASSIFIERS):
        found = bagged_leaves(builder, estimator, table)
        own = tree_arrays.shares_of(members, found)[:, 0]
        with np.errstate(divide="ignore"):
            logs = np.log(own)
        mean = tree_arrays.mean(builder, found, own, len(members))
        log = builder.do("log_mean_of_leaves", found.reached, values=logs, count=len(members))
        return {**trees.one_output(builder, estimator.classes_, mean), "predict_log_proba": log}
    tables = own_columns(estimator, table)
    if hasattr(members[0], "predict_proba"):
        mean = builder.do("mean", *answers(builder, members, tables, "predict_proba"))
    else:
        labels = answers(builder, members, tables, "predict")
        mean = builder.do("mean_of_votes", *labels, labels=members[0].classes_)
    outputs = dict(trees.one_output(builder, estimator.classes_, mean))
    if hasattr(members[0], "predict_log_proba"):
        logs = answers(builder, members, tables, "predict_log_proba")
        outputs["predict_log_proba"] = builder.do("log_mean", *logs)
    if hasattr(members[0], "decision_function"):
        decisions = answers(builder, members, tables, "decision_function")
        outputs["decision_function"] = builder.do("mean", *decisions)
    return outputs


@rule(BaggingRegressor, predicts=True)
def bagging_regressor(builder: Builder, estimator: BaggingRegressor, table: Table) -> Outputs:
    """The mean of the members' answers."""
    members = estimator.estimators_
    if not all_are(members, trees.REGRESSORS):
        said = answers(builder, members, own_columns(estimator, table), "predict")
        return {"predict": builder.do("mean", *said)}
    found = bagged_leaves(builder, estimator, table)
    value = tree_arrays.outputs_of(members, found)
    mean = builder.do("mean_of_leaves", found.reached, values=value, count=len(members))
    return {"predict": mean}


@rule(AdaBoostClassifier, predicts=True)
def ada_boost_classifier(builder: Builder, estimator: AdaBoostClassifier, table: Table) -> Outputs:
    """A weighted vote; a member also counts a little against the classes it does not choose."""
    members, classes, count = estimator.estimators_, estimator.classes_, estimator.n_classes_
    if count == 1:
        raise NotCompiled("an AdaBoostClassifier that knows one class only")
    weights = estimator.estimator_weights_[: len(members)]
    if all_are(members, trees.CLASSIFIERS):
        found = tree_arrays.leaves(builder, members, table, missing=False)
        votes = [
            ballot(member.classes_[member.tree_.value[:, 0].argmax(axis=1)], classes, weight)
            for member, weight in zip(members, weights, strict=True)
        ]
        values = np.concatenate(votes)[found.order]
        total = builder.do("sum_of_leaves", found.reached, values=values)
    else:
        given = builder.columns(builder.do("require_finite", builder.numbers(table)), len(table))
        labels = answers(builder, members, [given] * len(members), "predict")
        total = builder.do("weighted_votes", *labels, labels=classes, weights=weights)
    scores = builder.do("divide", total, y=np.asarray(estimator.estimator_weights_.sum()))
    if count == 2:
        scores = builder.do("subtract", *(builder.do("column", scores, index=i) for i in (1, 0)))
        label = builder.do("choose_above", scores, labels=classes)
        both = builder.do("split_binary", scores)
    else:
        label = builder.do("choose", scores, labels=classes)
        both = builder.do("divide", scores, y=np.asarray(count - 1.0))
    probabilities = builder.do("softmax", both)
    return {
        "predict": label,
        "predict_proba": probabilities,
        "predict_log_proba": builder.do("log", probabilities),
        "decision_function": scores,
    }


def ballot(labels: np.ndarray, classes: np.ndarray, weight: float) -> np.ndarray:
    """A member's part of the score of each class, for each of its labels."""
    return np.where(labels[:, None] == classes, weight, -1 / (len(classes) - 1) * weight)


@rule(AdaBoostRegressor, predicts=True)
def ada_boost_regressor(builder: Builder, estimator: AdaBoostRegressor, table: Table) -> Outputs:
    """The weighted median of the members' answers."""
    members = estimator.estimators_
    weights = estimator.estimator_weights_[: len(members)]
    if all_are(members, trees.REGRESSORS):
        found = tree_arrays.leaves(builder, members, table, missing=False)
        value = tree_arrays.outputs_of(members, found)
        said = builder.do("lookup", found.reached, table=value)
    else:
        given = builder.columns(builder.do("require_finite", builder.numbers(table)), len(table))
        said = builder.do("stack", *answers(builder, members, [given] * len(members), "predict"))
    return {"predict": builder.do("weighted_median", said, weights=weights)}


def answers_of_parts(builder: Builder, estimator: Any, table: Table, method: str) -> list[Value]:
    """The answer of each part."""
    return [answer(builder, part, table, method) for part in estimator.estimators_]


def part_weights(estimator: Any) -> dict[str, np.ndarray]:
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
            *answers_of_parts(builder, estimator, table, "predict"),
            count=len(labels),
            **part_weights(estimator),
        )
        return {"predict": builder.do("choose", votes, labels=labels)}
    parts = answers_of_parts(builder, estimator, table, "predict_proba")
    mean = builder.do("mean", *parts, **part_weights(estimator))
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
    parts = answers_of_parts(builder, estimator, table, "predict_proba")
    joined = builder.do("hstack", *parts)
    return builder.columns(joined, len(parts) * len(estimator.classes_))


@rule(VotingRegressor, predicts=True)
def voting_regressor(builder: Builder, estimator: VotingRegressor, table: Table) -> Outputs:
    """The mean of the parts' answers."""
    parts = answers_of_parts(builder, estimator, table, "predict")
    return {"predict": builder.do("mean_of_numbers", *parts, **part_weights(estimator))}


@rule(VotingRegressor)
def voting_regressor_transform(builder: Builder, estimator: Any, table: Table) -> Table:
    """The answer of each part."""
    parts = answers_of_parts(builder, estimator, table, "predict")
    return builder.columns(builder.do("column_stack", *parts, dtype="float64"), len(parts))


@rule(StackingClassifier, StackingRegressor)
def stacking_transform(builder: Builder, estimator: Any, table: Table) -> Table:
    """The answer of each part, and with `passthrough` the input columns."""
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
    """The columns of one part; of the probabilities of two classes only the second."""
    if method == "predict_proba" and len(estimator.classes_) == 2:
        return builder.columns(value, width + 1)[1:]
    return builder.columns(
        builder.do("column_stack", value, dtype="float64") if width == 1 else value, width
    )


@rule(StackingRegressor, predicts=True)
def stacking_regressor(builder: Builder, estimator: StackingRegressor, table: Table) -> Outputs:
    """The last estimator's answer for the answers of the parts."""
    made = stacking_transform(builder, estimator, table)
    return {"predict": answer(builder, estimator.final_estimator_, made, "predict")}


@rule(StackingClassifier, predicts=True)
def stacking_classifier(builder: Builder, estimator: StackingClassifier, table: Table) -> Outputs:
    """The last estimator's results for the answers of the parts; codes become labels."""
    made = stacking_transform(builder, estimator, table)
    outputs = dict(builder.predict(estimator.final_estimator_, made))
    outputs["predict"] = builder.do("lookup", outputs["predict"], table=estimator.classes_)
    return outputs
