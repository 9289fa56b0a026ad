"""Decision trees."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_iris
from sklearn.tree import (
    DecisionTreeClassifier,
    DecisionTreeRegressor,
    ExtraTreeClassifier,
    ExtraTreeRegressor,
)

from models.engines.plan import PlanEngine
from models.plan.operations import trees
from tests.plan.conftest import Prove

X, Y = load_iris(return_X_y=True)
NAMES = np.array(["setosa", "versicolor", "virginica"])[Y]
GAPS = np.where(np.random.default_rng(0).random(X.shape) < 0.1, np.nan, X)


@pytest.mark.parametrize(
    "estimator",
    [
        DecisionTreeClassifier(),
        DecisionTreeClassifier(criterion="entropy", max_leaf_nodes=5, class_weight="balanced"),
        DecisionTreeClassifier(max_depth=1, monotonic_cst=None, splitter="random"),
        DecisionTreeClassifier(ccp_alpha=0.02),
        DecisionTreeClassifier(min_samples_leaf=100),
        ExtraTreeClassifier(max_depth=4),
    ],
    ids=repr,
)
def test_a_classifier_is_compiled(prove: Prove, estimator: Any) -> None:
    prove(estimator.set_params(random_state=0).fit(X, NAMES))


@pytest.mark.parametrize(
    "estimator",
    [
        DecisionTreeRegressor(),
        DecisionTreeRegressor(criterion="absolute_error", max_depth=3),
        DecisionTreeRegressor(criterion="poisson", max_depth=3),
        DecisionTreeRegressor(max_depth=5, monotonic_cst=[1, 0, -1]),
        ExtraTreeRegressor(),
    ],
    ids=repr,
)
def test_a_regressor_is_compiled(prove: Prove, estimator: Any) -> None:
    prove(estimator.set_params(random_state=0).fit(X[:, :3], X[:, 3]))


@pytest.mark.parametrize("estimator", [DecisionTreeClassifier(), ExtraTreeClassifier()], ids=repr)
def test_a_classifier_with_several_outputs_is_compiled(prove: Prove, estimator: Any) -> None:
    y = np.stack([Y, X[:, 0] > 5], axis=1)
    prove(estimator.set_params(max_depth=3, random_state=0).fit(X, y))


@pytest.mark.parametrize("estimator", [DecisionTreeRegressor(), ExtraTreeRegressor()], ids=repr)
def test_a_regressor_with_several_outputs_is_compiled(prove: Prove, estimator: Any) -> None:
    prove(estimator.set_params(max_depth=3, random_state=0).fit(X[:, :2], X[:, 2:]))


@pytest.mark.parametrize(
    "estimator",
    [
        DecisionTreeClassifier(),
        DecisionTreeRegressor(),
        ExtraTreeClassifier(),
        ExtraTreeRegressor(),
    ],
    ids=repr,
)
def test_missing_values_go_where_they_did_in_training(prove: Prove, estimator: Any) -> None:
    plan = prove(estimator.set_params(random_state=0).fit(GAPS, Y))
    assert all(feature.missing for feature in plan.signature.features)


def test_missing_values_that_there_were_none_of_in_training_have_a_side_too(prove: Prove) -> None:
    plan = prove(DecisionTreeRegressor(max_depth=4).fit(X, Y))
    assert plan.signature.features[0].missing


def test_a_tree_that_bears_no_missing_values_refuses_them(prove: Prove) -> None:
    plan = prove(ExtraTreeRegressor(splitter="best", random_state=0).fit(X, Y))
    assert not plan.signature.features[0].missing
    with pytest.raises(ValueError, match="NaN"):
        PlanEngine(plan).run("predict", np.full((1, 4), np.nan))


def test_a_tree_that_is_a_leaf_alone_is_compiled(prove: Prove) -> None:
    prove(DecisionTreeRegressor().fit(X, np.ones(len(X))))


def test_bits_are_counted_alike_with_numpy_1() -> None:
    words = np.random.default_rng(0).integers(1 << 63, size=(5, 3), dtype=np.uint64)
    for given in (words, words[:, ::2]):
        assert trees.bits(given).tolist() == np.bitwise_count(given).tolist()
