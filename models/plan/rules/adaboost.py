"""AdaBoost: estimators of one kind, trees or others, whose votes have weights."""

from __future__ import annotations

import numpy as np
from sklearn.ensemble import AdaBoostClassifier, AdaBoostRegressor

from ..builder import Builder, Outputs, Table, rule
from ..errors import NotCompiled
from . import tree_arrays, trees
from .bagging import all_are, answers


@rule(AdaBoostClassifier, predicts=True)
def ada_boost_classifier(builder: Builder, estimator: AdaBoostClassifier, table: Table) -> Outputs:
    """A vote in which each member has a weight, and what it has against the other classes."""
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
    """What a member adds to the score of each class where it says these labels."""
    return np.where(labels[:, None] == classes, weight, -1 / (len(classes) - 1) * weight)


@rule(AdaBoostRegressor, predicts=True)
def ada_boost_regressor(builder: Builder, estimator: AdaBoostRegressor, table: Table) -> Outputs:
    """The weighted median of what the members say."""
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
