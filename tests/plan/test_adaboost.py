"""AdaBoost."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_iris
from sklearn.ensemble import AdaBoostClassifier, AdaBoostRegressor
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.tree import DecisionTreeClassifier

from models.engines.plan import PlanEngine
from tests.plan.conftest import Prove

X, Y = load_iris(return_X_y=True)
NAMES = np.array(["setosa", "versicolor", "virginica"])[Y]
FEW = {"n_estimators": 4, "random_state": 0}


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"learning_rate": 0.3},
        {"estimator": DecisionTreeClassifier(max_depth=3)},
        {"estimator": LogisticRegression()},
    ],
    ids=repr,
)
@pytest.mark.parametrize("y", [NAMES, NAMES == "virginica"], ids=["three", "two"])
def test_boosted_classifiers_are_compiled(prove: Prove, settings: dict[str, Any], y: Any) -> None:
    prove(AdaBoostClassifier(**FEW, **settings).fit(X, y))


@pytest.mark.parametrize("loss", ["linear", "square", "exponential"])
@pytest.mark.parametrize("estimator", [None, LinearRegression()], ids=repr)
def test_boosted_regressors_are_compiled(prove: Prove, estimator: Any, loss: str) -> None:
    prove(AdaBoostRegressor(estimator, **FEW, loss=loss).fit(X[:, :3], X[:, 3]))


def test_boosting_refuses_missing_values_that_its_trees_would_take(prove: Prove) -> None:
    for estimator in (AdaBoostRegressor(**FEW), AdaBoostClassifier(LogisticRegression(), **FEW)):
        plan = prove(estimator.fit(X, Y))
        with pytest.raises(ValueError, match="NaN"):
            PlanEngine(plan).run("predict", np.full((1, 4), np.nan))


def test_boosting_of_one_class_is_left(prove: Prove) -> None:
    methods = ["predict", "predict_proba", "predict_log_proba", "decision_function"]
    plan = prove(AdaBoostClassifier(**FEW).fit(X, np.ones(len(X))), left=methods)
    assert "one class" in plan.fallback["predict"]
