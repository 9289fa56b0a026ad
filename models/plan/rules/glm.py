"""Generalised linear models, and partial least squares."""

from __future__ import annotations

from typing import Any

from sklearn._loss.link import IdentityLink, LogLink
from sklearn.cross_decomposition import CCA, PLSSVD, PLSCanonical, PLSRegression
from sklearn.linear_model import GammaRegressor, PoissonRegressor, TweedieRegressor

from ..builder import Builder, Outputs, Table, rule
from .linear import finite_numbers, scores

LINKS = {IdentityLink: None, LogLink: "exp"}


@rule(PoissonRegressor, GammaRegressor, TweedieRegressor, predicts=True)
def generalised(builder: Builder, estimator: Any, table: Table) -> Outputs:
    """A function of the sum of weighted features."""
    inverse = LINKS[type(estimator._base_loss.link)]  # noqa: SLF001
    value = scores(builder, estimator, table)
    return {"predict": builder.do(inverse, value) if inverse else value}


@rule(CCA, PLSCanonical, PLSRegression, predicts=True)
def least_squares(builder: Builder, estimator: Any, table: Table) -> Outputs:
    """Weighted differences to the means."""
    centred = builder.do("subtract", finite_numbers(builder, table), y=estimator._x_mean)  # noqa: SLF001
    coef, intercept = estimator.coef_, estimator.intercept_
    value = builder.do("affine", centred, coef=coef, intercept=intercept)
    flat = estimator._predict_1d  # noqa: SLF001
    return {"predict": builder.do("column", value, index=0) if flat else value}


@rule(CCA, PLSCanonical, PLSRegression, PLSSVD)
def least_squares_transform(builder: Builder, estimator: Any, table: Table) -> Table:
    """The scaled features in the space of the components."""
    single = isinstance(estimator, PLSSVD)
    weights = estimator.x_weights_ if single else estimator.x_rotations_
    centred = builder.do("subtract", finite_numbers(builder, table), y=estimator._x_mean)  # noqa: SLF001
    scaled = builder.do("divide", centred, y=estimator._x_std)  # noqa: SLF001
    return builder.columns(builder.do("matmul", scaled, weights=weights), weights.shape[1])
