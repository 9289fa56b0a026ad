"""Bagging: many estimators of one kind, trees or others."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.ensemble import BaggingClassifier, BaggingRegressor

from ..builder import Builder, Outputs, Table, Value, rule
from ..errors import NotCompiled
from . import tree_arrays, trees


def all_are(members: Sequence[Any], kinds: tuple[type, ...]) -> bool:
    """Whether all members are trees that can be walked together."""
    return all(type(member) in kinds for member in members)


def answers(
    builder: Builder, members: Sequence[Any], tables: Sequence[Table], method: str
) -> list[Value]:
    """What each member answers for its table."""
    found = [builder.predict(member, table) for member, table in zip(members, tables, strict=True)]
    if any(method not in outputs for outputs in found):
        raise NotCompiled(f"there is no rule for {method} of {type(members[0]).__name__}")
    return [outputs[method] for outputs in found]


def own_columns(estimator: Any, table: Table) -> list[Table]:
    """The columns that each member of a bag is given."""
    return [tuple(table[i] for i in features) for features in estimator.estimators_features_]


def bagged_leaves(builder: Builder, estimator: Any, table: Table) -> tree_arrays.Leaves:
    """The leaves of a bag of trees. A column that no tree is given is not looked at."""
    features = estimator.estimators_features_
    used, places = np.unique(np.concatenate(features), return_inverse=True)
    own = np.split(places, np.cumsum([len(each) for each in features])[:-1])
    members = estimator.estimators_
    missing = tree_arrays.bears_missing(members[0])
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
    """The mean of what the members say."""
    members = estimator.estimators_
    if not all_are(members, trees.REGRESSORS):
        said = answers(builder, members, own_columns(estimator, table), "predict")
        return {"predict": builder.do("mean", *said)}
    found = bagged_leaves(builder, estimator, table)
    value = tree_arrays.outputs_of(members, found)
    return {
        "predict": builder.do("mean_of_leaves", found.reached, values=value, count=len(members))
    }
