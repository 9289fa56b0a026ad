"""Projections to fewer columns."""

from __future__ import annotations

from math import log
from typing import Any

import numpy as np
from sklearn.decomposition import PCA, IncrementalPCA, TruncatedSVD
from sklearn.utils.extmath import fast_logdet

from ..builder import Builder, Outputs, Table, rule


@rule(PCA, IncrementalPCA)
def pca(builder: Builder, estimator: Any, table: Table) -> Table:
    """Projected, less the projected mean, perhaps divided by the deviation."""
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
    """The logarithm of the density of the normal distribution that it stands for."""
    precision = estimator.get_precision()
    constant = 0.5 * (len(precision) * log(2.0 * np.pi) - fast_logdet(precision))
    value = builder.do("subtract", builder.checked(table), y=estimator.mean_)
    likely = builder.do("quadratic_density", value, precision=precision, constant=float(constant))
    return {"score_samples": likely}


@rule(TruncatedSVD)
def truncated_svd(builder: Builder, estimator: TruncatedSVD, table: Table) -> Table:
    """Projected on the components."""
    components = estimator.components_
    given = builder.sparse(table) if builder.is_sparse(table) else builder.checked(table)
    value = builder.do("matmul_t", given, weights=components)
    return builder.columns(value, len(components))
