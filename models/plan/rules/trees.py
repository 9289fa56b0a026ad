"""Decision trees."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.tree import (
    DecisionTreeClassifier,
    DecisionTreeRegressor,
    ExtraTreeClassifier,
    ExtraTreeRegressor,
)

from ..builder import Builder, Outputs, Table, Value, rule
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
    found = tree_arrays.leaves(
        builder, [estimator], table, missing=tree_arrays.bears_missing(estimator)
    )
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
    found = tree_arrays.leaves(
        builder, [estimator], table, missing=tree_arrays.bears_missing(estimator)
    )
    value = tree_arrays.outputs_of([estimator], found)
    return {
        "predict": builder.do("leaf_values", found.reached, values=value),
        "apply": builder.do("leaf_values", found.reached, values=found.numbers),
    }
