"""Gradient boosting."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_iris
from sklearn.dummy import DummyRegressor
from sklearn.ensemble import GradientBoostingClassifier, GradientBoostingRegressor

from tests.plan.conftest import Prove

X, Y = load_iris(return_X_y=True)
NAMES = np.array(["setosa", "versicolor", "virginica"])[Y]
FEW = {"n_estimators": 5, "random_state": 0}


@pytest.mark.parametrize("y", [NAMES, NAMES == "virginica"], ids=["three", "two"])
@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"init": "zero", "learning_rate": 0.5, "subsample": 0.7},
        {"max_depth": None, "max_features": 2},
        {"max_leaf_nodes": 4, "n_iter_no_change": 2, "n_estimators": 50},
        {"max_depth": 1},
    ],
    ids=repr,
)
def test_a_classifier_is_compiled(prove: Prove, y: Any, settings: dict[str, Any]) -> None:
    prove(GradientBoostingClassifier(**{**FEW, **settings}).fit(X, y))


def test_a_classifier_with_exponential_loss_is_compiled(prove: Prove) -> None:
    prove(GradientBoostingClassifier(**FEW, loss="exponential").fit(X, Y == 2))


@pytest.mark.parametrize("loss", ["squared_error", "absolute_error", "huber", "quantile"])
@pytest.mark.parametrize("init", [None, "zero"])
def test_a_regressor_is_compiled(prove: Prove, loss: str, init: str | None) -> None:
    prove(GradientBoostingRegressor(**FEW, loss=loss, init=init).fit(X[:, :3], X[:, 3]))


def test_a_start_of_ones_own_is_left(prove: Prove) -> None:
    estimator = GradientBoostingRegressor(**FEW, init=DummyRegressor()).fit(X, Y)
    plan = prove(estimator, left=["predict", "apply"])
    assert "starts from" in plan.fallback["predict"]
