"""Decision trees, forests and gradient boosting."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.ensemble import (
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    IsolationForest,
    RandomForestClassifier,
    RandomForestRegressor,
    RandomTreesEmbedding,
)
from sklearn.ensemble._iforest import _average_path_length
from sklearn.tree import (
    DecisionTreeClassifier,
    DecisionTreeRegressor,
    ExtraTreeClassifier,
    ExtraTreeRegressor,
)

from ..builder import Builder, Outputs, Table, Value, rule
from ..errors import NotCompiled
from . import tree_arrays

CLASSIFIERS = (DecisionTreeClassifier, ExtraTreeClassifier)
REGRESSORS = (DecisionTreeRegressor, ExtraTreeRegressor)


def several(builder: Builder, classes: Sequence[np.ndarray], each: Sequence[Value]) -> Outputs:
    """The results of a classifier with several outputs from the probabilities of each."""
    labels = [builder.do("choose", one, labels=own) for one, own in zip(each, classes, strict=True)]
    return {
        "predict": builder.do("column_stack", *labels),
        "predict_proba": builder.do("as_list", *each),
        "predict_log_proba": builder.do("as_list", *(builder.do("log", one) for one in each)),
    }


def one_output(builder: Builder, classes: np.ndarray, probabilities: Value) -> Outputs:
    """The results of a classifier from its probabilities."""
    return {
        "predict": builder.do("choose", probabilities, labels=classes),
        "predict_proba": probabilities,
        "predict_log_proba": builder.do("log", probabilities),
    }


@rule(*CLASSIFIERS, predicts=True)
def tree_classifier(builder: Builder, estimator: Any, table: Table) -> Outputs:
    """The shares of the classes in the leaf."""
    found = tree_arrays.leaves_of(builder, [estimator], table)
    shares = tree_arrays.shares_of([estimator], found)
    apply = builder.do("leaf_values", found.reached, values=found.numbers)
    if estimator.n_outputs_ == 1:
        shares = shares[:, 0, : estimator.n_classes_]
        probabilities = builder.do("leaf_values", found.reached, values=shares)
        return {"apply": apply, **one_output(builder, estimator.classes_, probabilities)}
    each = [
        builder.do("leaf_values", found.reached, values=shares[:, k, :count])
        for k, count in enumerate(estimator.n_classes_)
    ]
    return {"apply": apply, **several(builder, estimator.classes_, each)}


@rule(*REGRESSORS, predicts=True)
def tree_regressor(builder: Builder, estimator: Any, table: Table) -> Outputs:
    """The value of the leaf."""
    found = tree_arrays.leaves_of(builder, [estimator], table)
    value = tree_arrays.outputs_of([estimator], found)
    return {
        "predict": builder.do("leaf_values", found.reached, values=value),
        "apply": builder.do("leaf_values", found.reached, values=found.numbers),
    }


@rule(RandomForestClassifier, ExtraTreesClassifier, predicts=True)
def forest_classifier(builder: Builder, estimator: Any, table: Table) -> Outputs:
    """The mean of the trees' probabilities."""
    members = estimator.estimators_
    found = tree_arrays.leaves_of(builder, members, table)
    shares = tree_arrays.shares_of(members, found)
    apply = builder.do("leaf_numbers", found.reached, numbers=found.numbers)
    if estimator.n_outputs_ == 1:
        mean = tree_arrays.mean(builder, found, shares[:, 0, : estimator.n_classes_], len(members))
        return {"apply": apply, **one_output(builder, estimator.classes_, mean)}
    # One walk is enough for all outputs.
    each = [
        builder.do("mean_of_leaves", found.reached, values=shares[:, k, :count], count=len(members))
        for k, count in enumerate(estimator.n_classes_)
    ]
    return {"apply": apply, **several(builder, estimator.classes_, each)}


@rule(RandomForestRegressor, ExtraTreesRegressor, predicts=True)
def forest_regressor(builder: Builder, estimator: Any, table: Table) -> Outputs:
    """The mean of the trees' values."""
    members = estimator.estimators_
    found = tree_arrays.leaves_of(builder, members, table)
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
    found = tree_arrays.leaves_of(builder, members, table)
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
    """The numbers of the leaves."""
    members = estimator.estimators_
    found = tree_arrays.leaves_of(builder, members, table)
    return {"apply": builder.do("leaf_numbers", found.reached, numbers=found.numbers)}


def levels(tree: Any) -> np.ndarray:
    """The number of nodes on the way from the root to each node, both counted."""
    found = np.ones(tree.node_count)
    # A parent comes before its children.
    for node in np.flatnonzero(tree.children_left >= 0).tolist():
        for child in (tree.children_left[node], tree.children_right[node]):
            found[child] = found[node] + 1
    return found


@rule(IsolationForest, predicts=True)
def isolation_forest(builder: Builder, estimator: IsolationForest, table: Table) -> Outputs:
    """The score by the number of turns to a row's leaf: few for an outlier."""
    members, features = estimator.estimators_, estimator.estimators_features_
    # Any number, from scikit-learn 1.6 on.
    takes = tree_arrays.accepts_missing(estimator)
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


def raw_scores(
    builder: Builder,
    found: tree_arrays.Leaves,
    start: np.ndarray,
    parts: Sequence[np.ndarray],
) -> Value:
    """The sum of the start and the trees' values, shape (n,), or (n, n_classes).

    `parts` has the values of the nodes of each tree, a tree for each class in each round. The start
    becomes a part of the first round: a sum of two is the same in either order.
    """
    count = len(start)
    first = [own + part for own, part in zip(start, parts, strict=False)]
    values = np.concatenate([*first, *parts[count:]])[found.order]
    if count == 1:
        return builder.do("sum_of_leaves", found.reached, values=values)
    return builder.do("sums_of_leaves", found.reached, values=values, count=count)


def gradient_boosting(
    builder: Builder, estimator: Any, table: Table
) -> tuple[tree_arrays.Leaves, Value]:
    """The leaves and the raw scores."""
    if estimator.init is not None and estimator.init_ != "zero":
        raise NotCompiled("gradient boosting that starts from an estimator of one's own")
    members = estimator.estimators_.ravel().tolist()
    found = tree_arrays.leaves(builder, members, table, missing=False)
    start = estimator._raw_predict_init(np.zeros((1, estimator.n_features_in_), np.float32))  # noqa: SLF001
    parts = [estimator.learning_rate * tree.tree_.value[:, 0, 0] for tree in members]
    return found, raw_scores(builder, found, start[0], parts)


@rule(GradientBoostingClassifier, predicts=True)
def gradient_boosting_classifier(
    builder: Builder, estimator: GradientBoostingClassifier, table: Table
) -> Outputs:
    """A score for the second of two classes, or for each of several."""
    found, scores = gradient_boosting(builder, estimator, table)
    rounds, count = estimator.estimators_.shape
    if count > 1:
        scores = builder.do("contiguous", scores)
        label = builder.do("choose", scores, labels=estimator.classes_)
        probabilities = builder.do("softmax", scores)
    else:
        label = builder.do("choose_from", scores, labels=estimator.classes_)
        logits = (
            builder.do("scaled", scores, weight=2.0) if estimator.loss == "exponential" else scores
        )
        probabilities = builder.do("logistic", logits)
    return {
        "predict": label,
        "predict_proba": probabilities,
        "predict_log_proba": builder.do("log", probabilities),
        "decision_function": scores,
        "apply": builder.do(
            "leaf_numbers",
            found.reached,
            numbers=found.numbers.astype(np.float64),
            shape=[rounds, count],
        ),
    }


@rule(GradientBoostingRegressor, predicts=True)
def gradient_boosting_regressor(
    builder: Builder, estimator: GradientBoostingRegressor, table: Table
) -> Outputs:
    """The raw scores."""
    found, scores = gradient_boosting(builder, estimator, table)
    rounds = [estimator.estimators_.shape[0]]
    return {
        "predict": scores,
        "apply": builder.do(
            "leaf_numbers", found.reached, numbers=found.numbers.astype(np.float64), shape=rounds
        ),
    }
