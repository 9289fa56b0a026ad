"""Mixtures of Gaussian distributions."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from scipy.special import digamma
from sklearn.mixture import BayesianGaussianMixture, GaussianMixture
from sklearn.mixture._gaussian_mixture import _compute_log_det_cholesky

from ..builder import Builder, Outputs, Table, Value, rule
from .linear import finite_numbers


@rule(GaussianMixture, BayesianGaussianMixture, predicts=True)
def mixture(builder: Builder, estimator: Any, table: Table) -> Outputs:
    """The density of each component, weighted."""
    means, chol = estimator.means_, estimator.precisions_cholesky_
    width = means.shape[1]
    added = np.asarray(width * math.log(2 * math.pi))
    weighted = builder.do(
        "half_negative",
        distances(builder, estimator, finite_numbers(builder, table)),
        added=added,
        constants=np.array(
            [
                np.broadcast_to(each, len(means))
                for each in (
                    _compute_log_det_cholesky(chol, estimator.covariance_type, width),
                    *bayesian(estimator, width),
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


def distances(builder: Builder, estimator: Any, value: Value) -> Value:
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


def bayesian(estimator: Any, width: int) -> tuple[np.ndarray, ...]:
    """What a Bayesian mixture adds for each component, less what depends on the row."""
    if isinstance(estimator, GaussianMixture):
        return ()

    freedom = estimator.degrees_of_freedom_
    spread = digamma(0.5 * (freedom - np.arange(0, width)[:, np.newaxis]))
    log_lambda = width * np.log(2.0) + np.sum(spread, 0)
    return (
        -(0.5 * width * np.log(freedom)),
        0.5 * (log_lambda - width / estimator.mean_precision_),
    )
