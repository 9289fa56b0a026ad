"""Forests: many trees, each grown on its own."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.ensemble import (
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    IsolationForest,
    RandomForestClassifier,
    RandomForestRegressor,
    RandomTreesEmbedding,
)
from sklearn.ensemble._iforest import _average_path_length

from ..builder import Builder, Outputs, Table, rule
from . import tree_arrays, trees


@rule(RandomForestClassifier, ExtraTreesClassifier, predicts=True)
def forest_classifier(builder: Builder, estimator: Any, table: Table) -> Outputs:
    """The mean of the trees' probabilities."""
    members = estimator.estimators_
    found = tree_arrays.leaves(
        builder, members, table, missing=tree_arrays.bears_missing(members[0])
    )
    shares = tree_arrays.shares_of(members, found)
    apply = builder.do("leaf_numbers", found.reached, numbers=found.numbers)
    if estimator.n_outputs_ == 1:
        mean = tree_arrays.mean(builder, found, shares[:, 0, : estimator.n_classes_], len(members))
        return {"apply": apply, **trees.one_output(builder, estimator.classes_, mean)}
    # One walk is enough for all outputs.
    each = [
        builder.do("mean_of_leaves", found.reached, values=shares[:, k, :count], count=len(members))
        for k, count in enumerate(estimator.n_classes_)
    ]
    return {"apply": apply, **trees.several(builder, estimator.classes_, each)}


@rule(RandomForestRegressor, ExtraTreesRegressor, predicts=True)
def forest_regressor(builder: Builder, estimator: Any, table: Table) -> Outputs:
    """The mean of the trees' values."""
    members = estimator.estimators_
    found = tree_arrays.leaves(
        builder, members, table, missing=tree_arrays.bears_missing(members[0])
    )
    value = tree_arrays.outputs_of(members, found)
    return {
        "predict": builder.do("mean_of_leaves", found.reached, values=value, count=len(members)),
        "apply": builder.do("leaf_numbers", found.reached, numbers=found.numbers),
    }


@rule(RandomTreesEmbedding)
def random_trees_embedding(
    builder: Builder, estimator: RandomTreesEmbedding, table: Table
) -> Table:
    """A column of 0 and 1 for each leaf."""
    members = estimator.estimators_
    found = tree_arrays.leaves(
        builder, members, table, missing=tree_arrays.bears_missing(members[0])
    )
    encoder = estimator.one_hot_encoder_
    starts = np.cumsum([0, *(len(own) for own in encoder.categories_)])
    columns = [np.zeros(tree.tree_.node_count, dtype=np.intp) for tree in members]
    for own, start, categories in zip(columns, starts, encoder.categories_, strict=False):
        own[categories] = start + np.arange(len(categories))
    places = np.concatenate(columns)[found.order]
    width = int(starts[-1])
    return builder.columns(
        builder.do("mark_leaves", found.reached, columns=places, width=width), width
    )


@rule(RandomTreesEmbedding, predicts=True)
def random_trees_apply(builder: Builder, estimator: RandomTreesEmbedding, table: Table) -> Outputs:
    """The leaves."""
    members = estimator.estimators_
    found = tree_arrays.leaves(
        builder, members, table, missing=tree_arrays.bears_missing(members[0])
    )
    return {"apply": builder.do("leaf_numbers", found.reached, numbers=found.numbers)}


def levels(tree: Any) -> np.ndarray:
    """How many nodes there are from the root to each node, both counted."""
    found = np.ones(tree.node_count)
    # A parent comes before its children.
    for node in np.flatnonzero(tree.children_left >= 0).tolist():
        for child in (tree.children_left[node], tree.children_right[node]):
            found[child] = found[node] + 1
    return found


@rule(IsolationForest, predicts=True)
def isolation_forest(builder: Builder, estimator: IsolationForest, table: Table) -> Outputs:
    """How few turns it takes to reach a row's leaf."""
    members, features = estimator.estimators_, estimator.estimators_features_
    # Any number, from scikit-learn 1.6 on.
    takes = tree_arrays.bears_missing(estimator)
    found = tree_arrays.leaves(builder, members, table, features, missing=takes, infinite=takes)
    turns = [
        levels(tree.tree_) + _average_path_length(tree.tree_.n_node_samples) - 1.0
        for tree in members
    ]
    total = builder.do("sum_of_leaves", found.reached, values=np.concatenate(turns)[found.order])
    usual = len(members) * float(_average_path_length([estimator._max_samples])[0])  # noqa: SLF001
    scores = builder.do("isolation", total, usual=usual)
    decision = builder.do("subtract", scores, y=np.asarray(estimator.offset_))
    return {
        "score_samples": scores,
        "decision_function": decision,
        "predict": builder.do("choose_from", decision, labels=np.array([-1, 1])),
    }
