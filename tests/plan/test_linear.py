"""Linear models."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn import linear_model as lm
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC, LinearSVR

from models.plan.operations.arrays import require_finite
from models.plan.operations.linear import one_versus_rest
from tests.plan.conftest import Prove
from tests.plan.samples import (
    BENIGN,
    CANCER,
    IRIS,
    LABELS,
    NAMES,
    SEVERAL,
    SPECIES,
    X,
    Y,
    quietly_fitted,
)


@pytest.mark.parametrize(
    "estimator",
    [
        lm.ARDRegression(),
        lm.BayesianRidge(),
        lm.ElasticNet(),
        lm.ElasticNetCV(cv=2),
        lm.HuberRegressor(),
        lm.Lars(),
        lm.LarsCV(cv=2),
        lm.Lasso(),
        lm.LassoCV(cv=2),
        lm.LassoLars(),
        lm.LassoLarsCV(cv=2),
        lm.LassoLarsIC(),
        lm.LinearRegression(),
        lm.LinearRegression(fit_intercept=False),
        LinearSVR(),
        lm.OrthogonalMatchingPursuit(),
        lm.OrthogonalMatchingPursuitCV(cv=2),
        lm.PassiveAggressiveRegressor,
        lm.QuantileRegressor(),
        lm.RANSACRegressor(random_state=0),
        lm.Ridge(),
        lm.RidgeCV(),
        lm.SGDRegressor(random_state=0),
        lm.TheilSenRegressor(max_subpopulation=20, random_state=0),
    ],
)
def test_a_linear_regression_of_any_kind_is_compiled(prove: Prove, estimator: Any) -> None:
    prove(quietly_fitted(estimator, X, Y))


@pytest.mark.parametrize(
    "estimator",
    [
        lm.LinearRegression(),
        lm.Ridge(),
        lm.RidgeCV(),
        lm.Lars(),
        lm.ElasticNet(),
        lm.MultiTaskElasticNet(),
        lm.MultiTaskElasticNetCV(cv=2),
        lm.MultiTaskLasso(),
        lm.MultiTaskLassoCV(cv=2),
        lm.OrthogonalMatchingPursuit(),
        lm.RANSACRegressor(random_state=0),
    ],
)
def test_several_outputs_are_compiled(prove: Prove, estimator: Any) -> None:
    prove(quietly_fitted(estimator, X, SEVERAL))


@pytest.mark.parametrize(
    ("x", "y"),
    [(IRIS, SPECIES), (IRIS, NAMES), (CANCER, BENIGN * 1.0), (CANCER, BENIGN > 0)],
    ids=["whole numbers", "text", "floating-point numbers", "booleans"],
)
@pytest.mark.parametrize(
    "estimator",
    [
        LinearSVC(),
        lm.LogisticRegression(max_iter=1000),
        lm.PassiveAggressiveClassifier,
        lm.Perceptron(),
        lm.RidgeClassifier(),
        lm.SGDClassifier(random_state=0),
        lm.SGDClassifier(loss="log_loss", random_state=0),
        lm.SGDClassifier(loss="modified_huber", random_state=0),
    ],
)
def test_a_linear_classifier_is_compiled(prove: Prove, estimator: Any, x: Any, y: Any) -> None:
    prove(quietly_fitted(estimator, x, y))


@pytest.mark.parametrize("solver", ["lbfgs", "newton-cg", "newton-cholesky", "sag", "saga"])
def test_a_logistic_regression_is_compiled_whatever_solved_it(prove: Prove, solver: str) -> None:
    prove(quietly_fitted(lm.LogisticRegression(solver=solver, fit_intercept=False), IRIS, NAMES))


@pytest.mark.parametrize("estimator", [lm.LogisticRegressionCV(cv=2), lm.RidgeClassifierCV()])
def test_a_classifier_that_chose_its_penalty_is_compiled(prove: Prove, estimator: Any) -> None:
    prove(quietly_fitted(estimator, IRIS, NAMES))


def test_a_logistic_regression_of_liblinear_is_compiled(prove: Prove) -> None:
    prove(lm.LogisticRegression(solver="liblinear").fit(CANCER, BENIGN))


def test_a_ridge_classifier_of_several_labels_a_row_is_compiled(prove: Prove) -> None:
    prove(lm.RidgeClassifier().fit(IRIS, LABELS))


def test_a_ridge_classifier_of_sparse_labels_is_left(prove: Prove) -> None:
    model = lm.RidgeClassifier().fit(IRIS, LABELS)
    model._label_binarizer.sparse_input_ = True
    prove(model, left=["predict", "decision_function"])


def test_a_one_class_machine_is_compiled(prove: Prove) -> None:
    prove(lm.SGDOneClassSVM(random_state=0).fit(CANCER))


def test_sparse_coefficients_are_left(prove: Prove) -> None:
    model = lm.SGDClassifier(random_state=0).fit(IRIS, SPECIES).sparsify()
    prove(model, left=["predict", "decision_function"])


def test_numbers_that_a_step_before_made_infinite_are_refused(prove: Prove) -> None:
    prove(make_pipeline(StandardScaler(), lm.LogisticRegression()).fit(CANCER / 10, BENIGN))


def test_what_is_no_number_is_refused() -> None:
    good = np.array([[1.7e308, 1.7e308]])
    with np.errstate(all="ignore"):
        assert require_finite(good) is good
    for bad in (np.nan, np.inf):
        with pytest.raises(ValueError, match="Input X contains NaN, infinity"):
            require_finite(np.array([[1.0, bad]]))


def test_classes_that_are_all_impossible_are_equally_likely() -> None:
    given = np.array([[0.0, 0.0, 0.0, 0.0], [0.5, 0.0, 0.5, 1.0]])
    expected = [[0.25, 0.25, 0.25, 0.25], [0.25, 0.0, 0.25, 0.5]]
    assert one_versus_rest(given).tolist() == expected


def test_two_orders_of_memory_give_the_same_bits(prove: Prove) -> None:
    for ordered in (np.ascontiguousarray, np.asfortranarray):
        model = lm.LinearRegression().fit(X, SEVERAL)
        model.coef_ = ordered(model.coef_)
        prove(model)
