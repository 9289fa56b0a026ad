"""Discriminant analysis."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from sklearn.discriminant_analysis import (
    LinearDiscriminantAnalysis,
    QuadraticDiscriminantAnalysis,
)

from ..builder import Builder, Outputs, Table, Value, rule
from ..errors import NotCompiled
from .linear import classification, finite_numbers


@rule(LinearDiscriminantAnalysis, predicts=True)
def linear(builder: Builder, estimator: LinearDiscriminantAnalysis, table: Table) -> Outputs:
    """A linear classifier with probabilities that are never quite zero in their logarithm."""
    outputs = classification(builder, estimator, table)
    curve = "logistic" if len(estimator.classes_) == 2 else "softmax"
    probabilities = builder.do(curve, outputs["decision_function"])
    return {
        **outputs,
        "predict_proba": probabilities,
        "predict_log_proba": builder.do("log_of_positive", probabilities),
    }


@rule(LinearDiscriminantAnalysis)
def linear_transform(
    builder: Builder, estimator: LinearDiscriminantAnalysis, table: Table
) -> Table:
    """The directions in which the classes differ most."""
    if estimator.solver == "lsqr":
        raise NotCompiled("transform of a LinearDiscriminantAnalysis with the solver lsqr")
    value = finite_numbers(builder, table)
    if estimator.solver == "svd":
        value = builder.do("subtract", value, y=estimator.xbar_)
    weights = estimator.scalings_
    columns = builder.columns(builder.do("matmul", value, weights=weights), weights.shape[1])
    return columns[: estimator._max_components]  # noqa: SLF001


@rule(QuadraticDiscriminantAnalysis, predicts=True)
def quadratic(builder: Builder, estimator: QuadraticDiscriminantAnalysis, table: Table) -> Outputs:
    """The logarithm of each class's density."""
    parts = zip(estimator.rotations_, estimator.scalings_, strict=True)
    weights, transposed = stack([rotation * scale**-0.5 for rotation, scale in parts])
    distances = builder.do(
        "square_distances",
        finite_numbers(builder, table),
        means=estimator.means_,
        weights=weights,
        transposed=transposed,
    )
    scores = builder.do(
        "half_negative",
        distances,
        added=np.array([np.sum(np.log(scale)) for scale in estimator.scalings_]),
        constants=np.log(estimator.priors_)[None, :],
        transposed=True,
    )
    return from_scores(builder, scores, estimator.classes_)


def stack(matrices: Sequence[np.ndarray]) -> tuple[np.ndarray, bool]:
    """Matrices as one array in their own order of memory, and whether that is transposed."""
    transposed = all(matrix.flags.fnc for matrix in matrices)
    return np.array([matrix.T if transposed else matrix for matrix in matrices]), transposed


def from_scores(builder: Builder, scores: Value, classes: np.ndarray) -> Outputs:
    """Labels and probabilities from the logarithm of each class's density."""
    decision = scores
    if len(classes) == 2:
        decision = builder.do("subtract", *(builder.do("column", scores, index=i) for i in (1, 0)))
    logarithms = builder.do("log_softmax", scores)
    return {
        "predict": builder.do("choose", scores, labels=classes),
        "decision_function": decision,
        "predict_log_proba": logarithms,
        "predict_proba": builder.do("exp", logarithms),
    }
