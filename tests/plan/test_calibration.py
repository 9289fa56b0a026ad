"""Calibrated probabilities, and thresholds of one's own."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.calibration import CalibratedClassifierCV
from sklearn.datasets import load_breast_cancer, load_iris
from sklearn.ensemble import RandomForestClassifier
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import FixedThresholdClassifier, TunedThresholdClassifierCV
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from tests.plan.conftest import Prove

X, Y = load_iris(return_X_y=True)
X = X[:, :3]
A, B = load_breast_cancer(return_X_y=True)
A, B = A[:200, :3], np.array(["bad", "good"])[B[:200]]
LOGISTIC = make_pipeline(StandardScaler(), LogisticRegression())


@pytest.mark.parametrize("method", ["sigmoid", "isotonic", "temperature"])
@pytest.mark.parametrize("inner", [LOGISTIC, GaussianNB()], ids=["scores", "probabilities"])
@pytest.mark.parametrize("classes", [2, 3])
def test_a_calibrated_classifier_is_compiled(
    prove: Prove, method: str, inner: Any, classes: int
) -> None:
    table, target = (A, B) if classes == 2 else (X, Y)
    ensemble = classes == 3
    prove(CalibratedClassifierCV(inner, method=method, cv=2, ensemble=ensemble).fit(table, target))


def test_a_calibrated_classifier_that_was_fitted_before_is_compiled(prove: Prove) -> None:
    prove(CalibratedClassifierCV(FrozenEstimator(LOGISTIC.fit(A, B)), cv=2).fit(A, B))


@pytest.mark.parametrize("kept", [[0, 2], [1, 2]])
def test_a_class_that_one_classifier_does_not_know_has_no_probability(
    prove: Prove, kept: list[int]
) -> None:
    few = np.isin(Y, kept)
    model = CalibratedClassifierCV(LOGISTIC, cv=2).fit(X, Y)
    part = model.calibrated_classifiers_[0]
    part.estimator = GaussianNB().fit(X[few], Y[few])
    prove(model)


def test_where_no_class_has_a_probability_all_have_the_same(prove: Prove) -> None:
    model = CalibratedClassifierCV(LOGISTIC, method="isotonic", ensemble=False, cv=2).fit(X, Y)
    for calibrator in model.calibrated_classifiers_[0].calibrators:
        calibrator.y_thresholds_ = np.minimum(calibrator.y_thresholds_, 0.0)
        calibrator._build_f(calibrator.X_thresholds_, calibrator.y_thresholds_)
    prove(model)


def test_an_isotonic_calibration_in_single_precision_is_left(prove: Prove) -> None:
    model = CalibratedClassifierCV(LOGISTIC, method="isotonic", ensemble=False, cv=2).fit(X, Y)
    calibrator = model.calibrated_classifiers_[0].calibrators[0]
    calibrator.X_thresholds_ = calibrator.X_thresholds_.astype(np.float32)
    prove(model, left=["predict", "predict_proba"])


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"response_method": "decision_function"},
        {"threshold": 0.3, "pos_label": "bad"},
        {"threshold": -0.7, "pos_label": "bad", "response_method": "decision_function"},
        {"threshold": 0.9, "pos_label": "good"},
    ],
    ids=str,
)
def test_a_threshold_is_compiled(prove: Prove, settings: dict[str, Any]) -> None:
    prove(FixedThresholdClassifier(LOGISTIC, **settings).fit(A, B))


@pytest.mark.parametrize(
    "settings",
    [{}, {"response_method": "decision_function"}, {"scoring": "f1", "refit": False, "cv": 0.5}],
    ids=str,
)
def test_a_threshold_that_was_found_is_compiled(prove: Prove, settings: dict[str, Any]) -> None:
    target = (B == "good").astype(int) if "scoring" in settings else B
    prove(TunedThresholdClassifierCV(LOGISTIC, random_state=0, **settings).fit(A, target))


def test_a_threshold_for_a_fitted_forest_is_compiled(prove: Prove) -> None:
    forest = RandomForestClassifier(5, random_state=0).fit(A, B)
    prove(FixedThresholdClassifier(FrozenEstimator(forest), threshold=0.4).fit(A, B))
