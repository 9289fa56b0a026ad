"""Bagging."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_iris
from sklearn.ensemble import BaggingClassifier, BaggingRegressor
from sklearn.linear_model import LinearRegression, LogisticRegression, RidgeClassifier
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeRegressor, ExtraTreeClassifier

from models.engines.plan import PlanEngine
from models.plan import registry
from tests.plan.conftest import Prove

X, Y = load_iris(return_X_y=True)
NAMES = np.array(["setosa", "versicolor", "virginica"])[Y]
GAPS = np.where(np.random.default_rng(0).random(X.shape) < 0.1, np.nan, X)
FEW = {"n_estimators": 4, "random_state": 0}


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"max_features": 2},
        {"max_features": 0.5, "bootstrap_features": True, "max_samples": 0.5},
        {"estimator": ExtraTreeClassifier(max_depth=3)},
        {"estimator": LogisticRegression(), "max_features": 3},
        {"estimator": GaussianNB()},
        {"estimator": make_pipeline(StandardScaler(), LogisticRegression())},
    ],
    ids=repr,
)
@pytest.mark.parametrize("y", [NAMES, NAMES == "virginica"], ids=["three", "two"])
def test_a_bag_of_classifiers_is_compiled(prove: Prove, settings: dict[str, Any], y: Any) -> None:
    prove(BaggingClassifier(**FEW, **settings).fit(X, y))


def test_members_without_probabilities_vote(prove: Prove) -> None:
    prove(BaggingClassifier(RidgeClassifier(), **FEW).fit(X, NAMES))


def test_a_column_that_no_tree_is_given_is_not_looked_at(prove: Prove) -> None:
    estimator = BaggingRegressor(n_estimators=1, max_features=2, random_state=0).fit(X, Y)
    rows = np.full((1, 4), 1e300)
    rows[:, estimator.estimators_features_[0]] = 1.0
    plan = prove(estimator)
    assert PlanEngine(plan).run("predict", rows) == estimator.predict(rows)


@pytest.mark.parametrize(
    "estimator", [None, LinearRegression(), DecisionTreeRegressor(max_depth=2)], ids=repr
)
def test_a_bag_of_regressors_is_compiled(prove: Prove, estimator: Any) -> None:
    prove(BaggingRegressor(estimator, **FEW, max_features=2).fit(X[:, :3], X[:, 3]))


def test_a_bag_of_trees_takes_missing_values(prove: Prove) -> None:
    assert prove(BaggingClassifier(**FEW).fit(GAPS, Y)).signature.features[0].missing


def test_members_must_have_seen_all_classes(prove: Prove) -> None:
    bag = BaggingClassifier(KNeighborsClassifier(1), **FEW, max_samples=3).fit(X, Y)
    plan = prove(bag, left=["predict", "predict_proba", "predict_log_proba"])
    assert "has not seen all classes" in plan.fallback["predict"]


def test_a_method_that_a_member_has_no_rule_for_is_left(prove: Prove) -> None:
    bag = BaggingRegressor(RegressorOfOnesOwn(), **FEW).fit(X, Y)
    assert "RegressorOfOnesOwn" in prove(bag, left=["predict"]).fallback["predict"]


def test_a_method_that_is_not_in_the_members_rule_is_left(
    prove: Prove, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(registry.PREDICTORS, LinearRegression, lambda *_: {})
    bag = BaggingRegressor(LinearRegression(), **FEW).fit(X, Y)
    plan = prove(bag, left=["predict"])
    assert plan.fallback["predict"] == "there is no rule for predict of LinearRegression"


class RegressorOfOnesOwn(LinearRegression):
    def predict(self, X: Any) -> Any:
        return super().predict(X) + 1
