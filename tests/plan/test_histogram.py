"""Histogram gradient boosting."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.compose import make_column_transformer
from sklearn.datasets import load_iris
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from models.engines.plan import PlanEngine
from tests.plan.conftest import Prove

pd = pytest.importorskip("pandas")
X, Y = load_iris(return_X_y=True)
NAMES = np.array(["setosa", "versicolor", "virginica"])[Y]
RANDOM = np.random.default_rng(0)
GAPS = np.where(RANDOM.random(X.shape) < 0.1, np.nan, X)
FEW = {"max_iter": 9, "random_state": 0, "min_samples_leaf": 5}
COUNT = 400
COLORS = RANDOM.choice(["red", "green", "blue", "black", "white", "pink"], COUNT)
SIZES = RANDOM.integers(0, 40, COUNT)
TARGET = (COLORS > "green") + (SIZES % 3) + RANDOM.random(COUNT)
FRAME = pd.DataFrame(
    {
        "length": RANDOM.random(COUNT),
        "color": pd.Categorical(pd.Series(COLORS).mask(RANDOM.random(COUNT) < 0.1)),
        "size": pd.Categorical(SIZES),
        "same": pd.Categorical(["one"] * COUNT),
    }
)
CODES = np.stack([RANDOM.random(COUNT), np.where(SIZES == 3, np.nan, SIZES * 2.0)], axis=1)


@pytest.mark.parametrize("y", [NAMES, NAMES == "virginica"], ids=["three", "two"])
@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"max_depth": 2, "learning_rate": 0.5, "l2_regularization": 1.0},
        {"early_stopping": True, "max_iter": 50, "n_iter_no_change": 2},
        {"interaction_cst": "no_interactions", "max_features": 0.5, "class_weight": "balanced"},
        {"max_bins": 4, "max_leaf_nodes": 3},
    ],
    ids=repr,
)
def test_a_classifier_is_compiled(prove: Prove, y: Any, settings: dict[str, Any]) -> None:
    prove(HistGradientBoostingClassifier(**{**FEW, **settings}).fit(GAPS, y))


@pytest.mark.parametrize(
    "settings",
    [
        {"loss": "squared_error"},
        {"loss": "absolute_error"},
        {"loss": "gamma"},
        {"loss": "poisson"},
        {"loss": "quantile", "quantile": 0.9},
        {"monotonic_cst": [1, 0, -1]},
    ],
    ids=repr,
)
def test_a_regressor_is_compiled(prove: Prove, settings: dict[str, Any]) -> None:
    prove(HistGradientBoostingRegressor(**FEW, **settings).fit(X[:, :3], X[:, 3]))


def test_missing_values_that_there_were_none_of_in_training_have_a_side_too(prove: Prove) -> None:
    plan = prove(HistGradientBoostingClassifier(**FEW).fit(X, Y))
    assert all(feature.missing for feature in plan.signature.features)


@pytest.mark.parametrize("categories", ["from_dtype", ["color"], [False, True, True, False]])
def test_categories_of_a_frame_are_compiled(prove: Prove, categories: Any) -> None:
    frame = (
        FRAME
        if categories == "from_dtype"
        else FRAME.drop(columns="same").assign(size=SIZES, more=RANDOM.random(COUNT))
    )
    estimator = HistGradientBoostingRegressor(**FEW, categorical_features=categories)
    plan = prove(estimator.fit(frame, TARGET))
    assert plan.signature.features[1].unknown == "passed"
    assert plan.signature.features[1].missing


def test_an_unknown_category_goes_where_missing_values_go(prove: Prove) -> None:
    estimator = HistGradientBoostingRegressor(**FEW, categorical_features="from_dtype")
    engine = PlanEngine(prove(estimator.fit(FRAME, TARGET)))
    row = (0.5, "purple", 3, "one")
    missing = (0.5, None, 3, "one")
    assert engine.run("predict", [row]).tolist() == engine.run("predict", [missing]).tolist()


def test_categories_that_are_numbers_are_compiled(prove: Prove) -> None:
    estimator = HistGradientBoostingClassifier(**FEW, categorical_features=[1])
    prove(estimator.fit(CODES, TARGET > 1.5))


def test_categories_that_a_step_before_has_made_are_compiled(prove: Prove) -> None:
    kept = make_column_transformer((StandardScaler(), [0]), ("passthrough", [1]))
    estimator = HistGradientBoostingClassifier(**FEW, categorical_features=[1])
    prove(make_pipeline(StandardScaler(), estimator).fit(CODES, TARGET > 1.5))
    prove(make_pipeline(kept, estimator).fit(CODES, TARGET > 1.5))


def test_categories_without_an_encoder_are_left(prove: Prove) -> None:
    """Before scikit-learn 1.4 the model itself counted its categories."""
    rows = np.column_stack([RANDOM.random(COUNT), SIZES % 5])
    model = HistGradientBoostingRegressor(categorical_features=[1], **FEW).fit(rows, TARGET)
    model._preprocessor = None
    plan = prove(model, left=None)
    assert "categories without an encoder" in plan.fallback["predict"]
