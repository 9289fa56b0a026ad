"""Generalised linear models, and partial least squares."""

from __future__ import annotations

from typing import Any

import pytest
from sklearn.cross_decomposition import CCA, PLSSVD, PLSCanonical, PLSRegression
from sklearn.linear_model import GammaRegressor, PoissonRegressor, TweedieRegressor

from tests.plan.conftest import Prove
from tests.plan.samples import SEVERAL, X, Y, quietly_fitted


@pytest.mark.parametrize(
    "estimator",
    [
        PoissonRegressor(),
        GammaRegressor(),
        TweedieRegressor(power=0),
        TweedieRegressor(power=1.5, fit_intercept=False),
        TweedieRegressor(power=0, link="log"),
    ],
)
def test_a_generalised_linear_model_is_compiled(prove: Prove, estimator: Any) -> None:
    prove(quietly_fitted(estimator, X, Y))


@pytest.mark.parametrize(
    "estimator", [PLSRegression(), PLSCanonical(), CCA(), PLSSVD(), PLSRegression(scale=False)]
)
def test_partial_least_squares_are_compiled(prove: Prove, estimator: Any) -> None:
    prove(quietly_fitted(estimator, X, SEVERAL))


def test_partial_least_squares_of_one_output_are_compiled(prove: Prove) -> None:
    prove(PLSRegression().fit(X, Y))
