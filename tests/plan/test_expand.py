"""Many columns of few: powers and splines."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import PolynomialFeatures, SplineTransformer, StandardScaler

from models.engines.plan import PlanEngine
from models.plan.operations.expand import splines
from tests.plan.conftest import Prove

X, Y = load_iris(return_X_y=True)
HOLES = X.copy()
HOLES[::9, 1] = np.nan
CONSTANT = X.copy()
CONSTANT[:, 2] = 1.0


@pytest.mark.parametrize(
    "estimator",
    [
        PolynomialFeatures(),
        PolynomialFeatures(3, include_bias=False),
        PolynomialFeatures(4, interaction_only=True),
        PolynomialFeatures(7, interaction_only=True, include_bias=False),
        PolynomialFeatures((2, 3)),
        PolynomialFeatures((0, 2), include_bias=False, order="F"),
        PolynomialFeatures((3, 3), interaction_only=True),
        PolynomialFeatures(1),
        PolynomialFeatures(0),
    ],
    ids=str,
)
def test_powers_are_compiled(prove: Prove, estimator: Any) -> None:
    prove(estimator.fit(X))


def test_powers_that_overflow_are_refused(prove: Prove) -> None:
    model = make_pipeline(PolynomialFeatures(3), StandardScaler(), LogisticRegression(max_iter=500))
    prove(model.fit(X, Y))


@pytest.mark.parametrize("degree", [0, 1, 2, 3, 4])
@pytest.mark.parametrize("extrapolation", ["error", "constant", "linear", "continue", "periodic"])
@pytest.mark.parametrize("knots", ["uniform", "quantile"])
def test_splines_are_compiled(prove: Prove, knots: str, extrapolation: str, degree: int) -> None:
    estimator = SplineTransformer(6, degree, knots=knots, extrapolation=extrapolation).fit(X)
    if (degree, extrapolation) == (0, "constant"):
        prove(estimator, left={"transform"})
        return
    engine = PlanEngine(prove(estimator))
    assert np.array_equal(engine.run("transform", X), estimator.transform(X))


@pytest.mark.parametrize(
    ("estimator", "rows"),
    [
        (SplineTransformer(include_bias=False), X),
        (SplineTransformer(sparse_output=True, extrapolation="linear"), X),
        (SplineTransformer(sparse_output=True, extrapolation="periodic"), X),
        (SplineTransformer(4, extrapolation="periodic"), X),
        (SplineTransformer(2, extrapolation="continue"), X),
        (SplineTransformer(2, extrapolation="constant", knots="quantile"), X),
        (SplineTransformer(15, knots="quantile"), np.round(X)),
        (SplineTransformer(knots=np.sort(X[[3, 60, 100]], axis=0) + np.arange(3)[:, None]), X),
        (SplineTransformer(handle_missing="zeros", extrapolation="continue"), HOLES),
        (SplineTransformer(handle_missing="zeros", extrapolation="error"), HOLES),
        (SplineTransformer(handle_missing="zeros", extrapolation="linear"), HOLES),
        (SplineTransformer(handle_missing="zeros", extrapolation="constant"), HOLES),
        (SplineTransformer(handle_missing="zeros", extrapolation="periodic"), HOLES),
        (SplineTransformer(extrapolation="periodic"), CONSTANT),
        (SplineTransformer(), CONSTANT),
    ],
    ids=lambda value: "rows" if isinstance(value, np.ndarray) else str(value),
)
def test_splines_of_every_kind_are_compiled(prove: Prove, estimator: Any, rows: Any) -> None:
    engine = PlanEngine(prove(estimator.fit(rows)))
    expected = estimator.transform(rows)
    expected = expected.toarray() if estimator.sparse_output else expected
    assert np.array_equal(engine.run("transform", rows), expected)


def test_lines_that_start_behind_each_other_are_left_to_scikit_learn(prove: Prove) -> None:
    prove(SplineTransformer(2, 1, extrapolation="linear").fit(X), left={"transform"})


def test_splines_go_on_into_a_model(prove: Prove) -> None:
    model = make_pipeline(
        SplineTransformer(extrapolation="linear"), LogisticRegression(max_iter=500)
    )
    prove(model.fit(X, Y))


def test_splines_add_up_to_one() -> None:
    knots = np.array([[[-2.0, -1, 0, 1, 2, 3]]])
    gaps = np.array([[[1.0, 2, 2, 3, 3, 3]]])
    values = splines(np.array([[0.3]]), np.array([[0]]), knots=knots, gaps=gaps, degree=3, count=4)
    assert values.sum() == pytest.approx(1)
