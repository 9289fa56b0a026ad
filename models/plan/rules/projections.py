"""Projections to fewer columns."""

from __future__ import annotations

from math import log
from typing import Any

import numpy as np
from sklearn.cross_decomposition import CCA, PLSSVD, PLSCanonical, PLSRegression
from sklearn.decomposition import PCA, IncrementalPCA, TruncatedSVD
from sklearn.utils.extmath import fast_logdet

from ..builder import Builder, Outputs, Table, rule
from .linear import finite_numbers


@rule(PCA, IncrementalPCA)
def pca(builder: Builder, estimator: Any, table: Table) -> Table:
    """The projection minus the projected mean, with `whiten` divided by the deviation."""
    components = estimator.components_
    value = builder.do("matmul_t", builder.checked(table), weights=components)
    middle = (estimator.mean_.reshape(1, -1) @ components.T).ravel()
    value = builder.do("subtract", value, y=middle)
    if estimator.whiten:
        scale = np.sqrt(estimator.explained_variance_)
        least = np.finfo(scale.dtype).eps
        value = builder.do("divide", value, y=np.where(scale < least, least, scale))
    return builder.columns(value, len(components))


@rule(PCA, predicts=True)
def pca_scores(builder: Builder, estimator: PCA, table: Table) -> Outputs:
    """The logarithm of the density of the fitted normal distribution."""
    precision = estimator.get_precision()
    constant = 0.5 * (len(precision) * log(2.0 * np.pi) - fast_logdet(precision))
    value = builder.do("subtract", builder.checked(table), y=estimator.mean_)
    likely = builder.do("quadratic_density", value, precision=precision, constant=float(constant))
    return {"score_samples": likely}


@rule(TruncatedSVD)
def truncated_svd(builder: Builder, estimator: TruncatedSVD, table: Table) -> Table:
    """The projection on the components."""
    components = estimator.components_
    given = builder.sparse(table) if builder.is_sparse(table) else builder.checked(table)
    value = builder.do("matmul_t", given, weights=components)
    return builder.columns(value, len(components))


@rule(CCA, PLSCanonical, PLSRegression, predicts=True)
def least_squares(builder: Builder, estimator: Any, table: Table) -> Outputs:
    """The sum of weighted differences to the means."""
    centred = builder.do("subtract", finite_numbers(builder, table), y=estimator._x_mean)  # noqa: SLF001
    coef, intercept = estimator.coef_, estimator.intercept_
    value = builder.do("affine", centred, coef=coef, intercept=intercept)
    flat = estimator._predict_1d  # noqa: SLF001
    return {"predict": builder.do("column", value, index=0) if flat else value}


@rule(CCA, PLSCanonical, PLSRegression, PLSSVD)
def least_squares_transform(builder: Builder, estimator: Any, table: Table) -> Table:
    """The scaled features, projected on the components."""
    single = isinstance(estimator, PLSSVD)
    weights = estimator.x_weights_ if single else estimator.x_rotations_
    centred = builder.do("subtract", finite_numbers(builder, table), y=estimator._x_mean)  # noqa: SLF001
    scaled = builder.do("divide", centred, y=estimator._x_std)  # noqa: SLF001
    return builder.columns(builder.do("matmul", scaled, weights=weights), weights.shape[1])
