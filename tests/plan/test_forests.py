"""Forests."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_iris
from sklearn.ensemble import (
    BaggingClassifier,
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    IsolationForest,
    RandomForestClassifier,
    RandomForestRegressor,
    RandomTreesEmbedding,
)

from models.engines.plan import PlanEngine
from models.plan import Plan
from models.plan.operations import bitsets
from tests.plan.conftest import Prove

X, Y = load_iris(return_X_y=True)
GAPS = np.where(np.random.default_rng(0).random(X.shape) < 0.1, np.nan, X)
FEW = {"n_estimators": 5, "random_state": 0}


@pytest.mark.parametrize("kind", [RandomForestClassifier, ExtraTreesClassifier])
@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"max_depth": 3, "criterion": "log_loss", "bootstrap": True, "oob_score": True},
        {"max_leaf_nodes": 5, "class_weight": "balanced_subsample", "n_jobs": 2},
        {"max_features": None, "ccp_alpha": 0.02, "min_impurity_decrease": 0.01},
    ],
    ids=repr,
)
@pytest.mark.filterwarnings("ignore:Some inputs do not have OOB scores")
@pytest.mark.filterwarnings("ignore:class_weight presets")
def test_a_classifier_is_compiled(prove: Prove, kind: Any, settings: dict[str, Any]) -> None:
    prove(kind(**FEW, **settings).fit(X, Y))


@pytest.mark.parametrize("kind", [RandomForestRegressor, ExtraTreesRegressor])
@pytest.mark.parametrize(
    "settings",
    [{}, {"criterion": "poisson", "max_depth": 3}, {"monotonic_cst": [1, 0, -1], "max_depth": 6}],
    ids=repr,
)
def test_a_regressor_is_compiled(prove: Prove, kind: Any, settings: dict[str, Any]) -> None:
    prove(kind(**FEW, **settings).fit(X[:, :3], X[:, 3]))


@pytest.mark.parametrize("kind", [RandomForestClassifier, ExtraTreesClassifier])
def test_a_classifier_with_several_outputs_is_compiled(prove: Prove, kind: Any) -> None:
    names = np.array(["a", "bb", "ccc"])[Y]
    prove(kind(**FEW, max_depth=3).fit(X, np.stack([names, np.where(X[:, 0] > 5, "x", "yyyy")], 1)))


@pytest.mark.parametrize("kind", [RandomForestRegressor, ExtraTreesRegressor])
def test_a_regressor_with_several_outputs_is_compiled(prove: Prove, kind: Any) -> None:
    prove(kind(**FEW, max_depth=3).fit(X[:, :2], X[:, 2:]))


@pytest.mark.parametrize(
    "kind",
    [RandomForestClassifier, RandomForestRegressor, ExtraTreesClassifier, ExtraTreesRegressor],
)
def test_missing_values_go_where_they_did_in_training(prove: Prove, kind: Any) -> None:
    plan = prove(kind(**FEW).fit(GAPS, Y))
    assert all(feature.missing for feature in plan.signature.features)


def operations(plan: Plan) -> set[str]:
    return {step.operation for step in plan.steps}


@pytest.mark.parametrize(
    ("kind", "table"),
    [
        pytest.param(RandomForestClassifier, X, id="a random forest"),
        pytest.param(RandomForestClassifier, np.column_stack([GAPS[:, 0], X]), id="with gaps"),
        pytest.param(ExtraTreesClassifier, X, id="extra trees"),
    ],
)
def test_leaves_of_one_class_are_counted(prove: Prove, kind: Any, table: np.ndarray) -> None:
    plan = prove(kind(60, random_state=0).fit(table, Y))
    assert "bitset_votes" in operations(plan)
    engine = PlanEngine(plan)
    many = table[np.random.default_rng(0).integers(len(table), size=5_000)]
    single = engine.for_one_row("predict_proba")
    assert single
    assert engine.run("predict_proba", many).tolist() == list(map(single, many.tolist()))


def test_a_bag_of_trees_is_counted(prove: Prove) -> None:
    plan = prove(BaggingClassifier(n_estimators=60, random_state=0).fit(X, Y))
    assert "bitset_votes" in operations(plan)


def test_several_outputs_share_one_walk(prove: Prove) -> None:
    plan = prove(RandomForestClassifier(60, random_state=0).fit(X, np.stack([Y, Y == 1], 1)))
    assert "bitset_votes" not in operations(plan)


def test_many_classes_are_not_counted_one_by_one(prove: Prove) -> None:
    plan = prove(RandomForestClassifier(20, random_state=0).fit(X, np.arange(len(X)) % 40))
    assert "mean_of_leaves" in operations(plan)


@pytest.mark.parametrize(
    "settings",
    [
        pytest.param({"min_samples_leaf": 4}, id="leaves of several classes"),
        pytest.param({"max_depth": 3}, id="few levels"),
        pytest.param({"n_estimators": 3}, id="few trees"),
    ],
)
def test_other_leaves_are_walked_to(prove: Prove, settings: dict[str, Any]) -> None:
    settings = {"n_estimators": 60, "random_state": 0} | settings
    plan = prove(RandomForestClassifier(**settings).fit(X, Y))
    assert "mean_of_leaves" in operations(plan)


def test_a_forest_that_looks_at_many_columns_is_walked(prove: Prove) -> None:
    wide = np.concatenate([X, np.random.default_rng(0).normal(size=(len(X), 200))], axis=1)
    plan = prove(ExtraTreesClassifier(40, max_features=1, random_state=0).fit(wide, Y))
    assert "mean_of_leaves" in operations(plan)
    assert PlanEngine(plan).for_one_row("predict")


def test_a_forest_whose_bits_have_no_room_is_walked(
    prove: Prove, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bitsets, "MAX_BITSET_BYTES", 1_000)
    plan = prove(RandomForestClassifier(60, random_state=0).fit(X, Y))
    assert "mean_of_leaves" in operations(plan)
    assert PlanEngine(plan).for_one_row("predict") is None


def test_trees_embedding_is_compiled(prove: Prove) -> None:
    prove(RandomTreesEmbedding(**FEW, max_depth=3).fit(X))
    prove(RandomTreesEmbedding(**FEW, max_depth=2, sparse_output=False).fit(X))


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"contamination": 0.1, "max_samples": 50},
        {"max_features": 2, "bootstrap": True},
        {"max_samples": 1},
    ],
    ids=repr,
)
def test_an_isolation_forest_is_compiled(prove: Prove, settings: dict[str, Any]) -> None:
    prove(IsolationForest(**FEW, **settings).fit(X))


def test_an_isolation_forest_takes_every_number(prove: Prove) -> None:
    estimator = IsolationForest(**FEW).fit(GAPS)
    engine = PlanEngine(prove(estimator))
    rows = np.array([[np.nan] * 4, [1e300] * 4, [-1e300] * 4])
    with np.errstate(all="ignore"):
        given = engine.run("score_samples", rows)
        assert given.tolist() == estimator.score_samples(rows).tolist()
