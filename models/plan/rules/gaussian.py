"""Naive Bayes, discriminant analysis and mixtures of Gaussian distributions."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.special import digamma
from sklearn.discriminant_analysis import (
    LinearDiscriminantAnalysis,
    QuadraticDiscriminantAnalysis,
)
from sklearn.mixture import BayesianGaussianMixture, GaussianMixture
from sklearn.mixture._gaussian_mixture import _compute_log_det_cholesky
from sklearn.naive_bayes import (
    BernoulliNB,
    CategoricalNB,
    ComplementNB,
    GaussianNB,
    MultinomialNB,
)

from ..builder import ZERO_OR_ONE, Builder, Outputs, Table, Value, rule
from ..errors import NotCompiled
from .linear import classification, finite_numbers, weighable


def from_joint(builder: Builder, joint: Value, estimator: Any) -> Outputs:
    """Labels and probabilities from the logarithm of each class's joint probability."""
    logarithms = builder.do("subtract", joint, builder.do("log_sum_exp", joint))
    return {
        "predict": builder.do("choose", joint, labels=estimator.classes_),
        "predict_joint_log_proba": joint,
        "predict_log_proba": logarithms,
        "predict_proba": builder.do("exp", logarithms),
    }


@rule(GaussianNB, predicts=True)
def gaussian_naive_bayes(builder: Builder, estimator: GaussianNB, table: Table) -> Outputs:
    """Gaussian naive Bayes: a normal distribution for each feature in each class."""
    variances = estimator.var_
    joint = builder.do(
        "naive_density",
        finite_numbers(builder, table),
        means=estimator.theta_,
        variances=variances,
        constants=np.array([-0.5 * np.sum(np.log(2.0 * np.pi * each)) for each in variances]),
        priors=np.log(estimator.class_prior_),
    )
    return from_joint(builder, joint, estimator)


@rule(MultinomialNB, ComplementNB, predicts=True)
def count_naive_bayes(builder: Builder, estimator: Any, table: Table) -> Outputs:
    """Multinomial and complement naive Bayes; the latter uses its prior only for one class."""
    prior = estimator.class_log_prior_
    if isinstance(estimator, ComplementNB) and len(estimator.classes_) > 1:
        prior = np.zeros(len(prior))
    value = weighable(builder, table)
    joint = builder.do("affine", value, coef=estimator.feature_log_prob_, intercept=prior)
    return from_joint(builder, joint, estimator)


@rule(BernoulliNB, predicts=True)
def bernoulli_naive_bayes(builder: Builder, estimator: BernoulliNB, table: Table) -> Outputs:
    """Bernoulli naive Bayes: each feature is 0 or 1."""
    value = finite_numbers(builder, table)
    if estimator.binarize is not None:
        value = builder.do(
            "choose_above", value, labels=ZERO_OR_ONE, threshold=float(estimator.binarize)
        )
    there = estimator.feature_log_prob_
    absent = np.log(1 - np.exp(there))
    joint = builder.do(
        "affine",
        value,
        coef=there - absent,
        intercept=estimator.class_log_prior_ + absent.sum(axis=1),
    )
    return from_joint(builder, joint, estimator)


@rule(CategoricalNB, predicts=True)
def categorical_naive_bayes(builder: Builder, estimator: CategoricalNB, table: Table) -> Outputs:
    """Categorical naive Bayes: each feature is the number of a category."""
    sizes = np.array([len(each.T) for each in estimator.feature_log_prob_])
    joint = builder.do(
        "sum_of_categories",
        finite_numbers(builder, table),
        table=np.concatenate([each.T for each in estimator.feature_log_prob_]),
        starts=np.cumsum(sizes) - sizes,
        sizes=sizes,
        prior=estimator.class_log_prior_,
    )
    return from_joint(builder, joint, estimator)


@rule(LinearDiscriminantAnalysis, predicts=True)
def linear_discriminant(
    builder: Builder, estimator: LinearDiscriminantAnalysis, table: Table
) -> Outputs:
    """A linear classifier; logarithms are of probabilities that are never zero."""
    outputs = classification(builder, estimator, table)
    curve = "logistic" if len(estimator.classes_) == 2 else "softmax"
    probabilities = builder.do(curve, outputs["decision_function"])
    return {
        **outputs,
        "predict_proba": probabilities,
        "predict_log_proba": builder.do("log_of_positive", probabilities),
    }


@rule(LinearDiscriminantAnalysis)
def linear_discriminant_transform(
    builder: Builder, estimator: LinearDiscriminantAnalysis, table: Table
) -> Table:
    """The projection to the directions in which the classes differ most."""
    if estimator.solver == "lsqr":
        raise NotCompiled("transform of a LinearDiscriminantAnalysis with the solver lsqr")
    value = finite_numbers(builder, table)
    if estimator.solver == "svd":
        value = builder.do("subtract", value, y=estimator.xbar_)
    weights = estimator.scalings_
    columns = builder.columns(builder.do("matmul", value, weights=weights), weights.shape[1])
    return columns[: estimator._max_components]  # noqa: SLF001


@rule(QuadraticDiscriminantAnalysis, predicts=True)
def quadratic_discriminant(
    builder: Builder, estimator: QuadraticDiscriminantAnalysis, table: Table
) -> Outputs:
    """The logarithm of each class's density."""
    parts = zip(estimator.rotations_, estimator.scalings_, strict=True)
    weights, transposed = one_array([rotation * scale**-0.5 for rotation, scale in parts])
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


def one_array(matrices: Sequence[np.ndarray]) -> tuple[np.ndarray, bool]:
    """Matrices as one array in their own order in memory, and whether it is transposed."""
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


@rule(GaussianMixture, BayesianGaussianMixture, predicts=True)
def mixture(builder: Builder, estimator: Any, table: Table) -> Outputs:
    """The density of each component, weighted."""
    means, chol = estimator.means_, estimator.precisions_cholesky_
    width = means.shape[1]
    added = np.asarray(width * math.log(2 * math.pi))
    weighted = builder.do(
        "half_negative",
        mahalanobis(builder, estimator, finite_numbers(builder, table)),
        added=added,
        constants=np.array(
            [
                np.broadcast_to(each, len(means))
                for each in (
                    _compute_log_det_cholesky(chol, estimator.covariance_type, width),
                    *bayesian_terms(estimator, width),
                    estimator._estimate_log_weights(),  # noqa: SLF001
                )
            ]
        ),
        transposed=False,
    )
    total = builder.do("log_sum_exp", weighted)
    return {
        "predict": builder.do("choose", weighted, labels=np.arange(len(means))),
        "predict_proba": builder.do("exp", builder.do("subtract", weighted, total)),
        "score_samples": builder.do("column", total, index=0),
    }


def mahalanobis(builder: Builder, estimator: Any, value: Value) -> Value:
    """The square of the Mahalanobis distance to each mean."""
    means, chol = estimator.means_, estimator.precisions_cholesky_
    match estimator.covariance_type:
        case "full":
            places = np.array([mean @ each for mean, each in zip(means, chol, strict=True)])
            return builder.do("square_gaps", value, weights=chol, places=places)
        case "tied":
            places = np.array([mean @ chol for mean in means])
            return builder.do("square_gaps", value, weights=chol, places=places)
        case "diag":
            precisions = chol**2
            constant = np.sum((means**2 * precisions), axis=1)
            linear = means * precisions
            return builder.do(
                "diagonal_gaps", value, constant=constant, linear=linear, square=precisions
            )
        case _:
            precisions = chol**2
            constant = np.sum(means**2, axis=1) * precisions
            return builder.do(
                "spherical_gaps", value, constant=constant, means=means, precisions=precisions
            )


def bayesian_terms(estimator: Any, width: int) -> tuple[np.ndarray, ...]:
    """The terms that a Bayesian mixture adds for each component, whatever the row."""
    if isinstance(estimator, GaussianMixture):
        return ()

    freedom = estimator.degrees_of_freedom_
    spread = digamma(0.5 * (freedom - np.arange(0, width)[:, np.newaxis]))
    log_lambda = width * np.log(2.0) + np.sum(spread, 0)
    return (
        -(0.5 * width * np.log(freedom)),
        0.5 * (log_lambda - width / estimator.mean_precision_),
    )
