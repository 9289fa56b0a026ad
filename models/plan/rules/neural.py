"""Neural networks."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.neural_network import MLPClassifier, MLPRegressor

from ..builder import Builder, Outputs, Table, Value, rule
from ..errors import NotCompiled
from .linear import probability, weighable


def forward(builder: Builder, estimator: Any, table: Table) -> Value:
    """The output of the last layer; (n,) for one neuron."""
    value = weighable(builder, table)
    last = len(estimator.coefs_) - 1
    for i, (weights, intercepts) in enumerate(
        zip(estimator.coefs_, estimator.intercepts_, strict=True)
    ):
        value = builder.do(
            "layer",
            value,
            weights=np.asarray(weights, dtype=np.float64),
            intercepts=np.asarray(intercepts, dtype=np.float64),
            activation=estimator.out_activation_ if i == last else estimator.activation,
        )
    return builder.do("column", value, index=0) if estimator.n_outputs_ == 1 else value


@rule(MLPRegressor, predicts=True)
def regressor(builder: Builder, estimator: MLPRegressor, table: Table) -> Outputs:
    """A number for each output."""
    return {"predict": forward(builder, estimator, table)}


@rule(MLPClassifier, predicts=True)
def classifier(builder: Builder, estimator: MLPClassifier, table: Table) -> Outputs:
    """A probability for the second of two classes, for each of several, or for each label."""
    binarizer = estimator._label_binarizer  # noqa: SLF001
    if binarizer.sparse_input_ or len(estimator.classes_) < 2:
        raise NotCompiled("an MLPClassifier of one class, or of labels in a sparse matrix")
    value = forward(builder, estimator, table)
    classes = binarizer.classes_
    probabilities = value
    if binarizer.y_type_ == "multilabel-indicator":
        label = builder.do("choose_above", value, labels=np.array([0, 1]), threshold=0.5)
    elif binarizer.y_type_ == "multiclass":
        label = builder.do("choose", value, labels=classes)
    else:
        label = builder.do("choose_above", value, labels=classes, threshold=0.5)
        probabilities = builder.do("pair", value)
    return {"predict": label, **probability(builder, probabilities)}
