"""Gradient boosting, with and without histograms: the trees' values are added to a start."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.ensemble import GradientBoostingClassifier, GradientBoostingRegressor

from ..builder import Builder, Outputs, Table, Value, rule
from ..errors import NotCompiled
from . import tree_arrays


def raw_scores(
    builder: Builder,
    found: tree_arrays.Leaves,
    start: np.ndarray,
    parts: Sequence[np.ndarray],
) -> Value:
    """The start and what each tree adds to it, of shape (n,), or (n, n_classes).

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
    """The scores themselves."""
    found, scores = gradient_boosting(builder, estimator, table)
    rounds = [estimator.estimators_.shape[0]]
    return {
        "predict": scores,
        "apply": builder.do(
            "leaf_numbers", found.reached, numbers=found.numbers.astype(np.float64), shape=rounds
        ),
    }
