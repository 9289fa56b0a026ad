"""Models of other libraries as plans: trees that are walked and added as they do it themselves.

tests/test_libraries.py runs these where the libraries are installed.
"""

from __future__ import annotations

from typing import Any

import lightgbm
import numpy as np
import pandas as pd
import pytest
import xgboost
from imblearn.over_sampling import SMOTE
from imblearn.pipeline import make_pipeline as with_samplers
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from tests.plan.conftest import Prove

generator = np.random.default_rng(0)
X = generator.normal(size=(300, 4))
SCORE = X[:, 0] + X[:, 1] * X[:, 2]
GAPS = np.where(generator.random(X.shape) < 0.1, np.nan, X)
TWO, THREE = (SCORE > 0).astype(int), np.digitize(SCORE, [-0.5, 0.5])
COUNTS = np.digitize(SCORE, [-1, 0, 1]).astype(float)
WORDS = np.array(["low", "middle", "high"])[THREE]


def lgbm(kind: str, **settings: Any) -> Any:
    return getattr(lightgbm, kind)(n_estimators=20, num_leaves=9, verbose=-1, **settings)


def xgb(kind: str, **settings: Any) -> Any:
    return getattr(xgboost, kind)(n_estimators=20, max_depth=5, **settings)


MODELS = {
    "LightGBM": lgbm("LGBMRegressor").fit(X, SCORE),
    "LightGBM, missing values": lgbm("LGBMRegressor").fit(GAPS, SCORE),
    "LightGBM, shallow": lgbm("LGBMRegressor", max_depth=2).fit(GAPS, SCORE),
    "LightGBM, one leaf": lgbm("LGBMRegressor", min_child_samples=1000).fit(X, SCORE),
    "LightGBM, counts": lgbm("LGBMRegressor", objective="poisson").fit(X, COUNTS),
    "LightGBM, dart": lgbm("LGBMRegressor", boosting_type="dart").fit(X, SCORE),
    "LightGBM, random forest": lgbm(
        "LGBMRegressor", boosting_type="rf", bagging_freq=1, bagging_fraction=0.5
    ).fit(X, SCORE),
    "LightGBM, two classes": lgbm("LGBMClassifier").fit(GAPS, TWO),
    "LightGBM, steep": lgbm("LGBMClassifier", sigmoid=2.0).fit(X, TWO == 1),
    "LightGBM, three words": lgbm("LGBMClassifier").fit(X, WORDS),
    "LightGBM, stopped early": lgbm("LGBMClassifier", early_stopping_round=1, learning_rate=1).fit(
        X, THREE, eval_X=GAPS, eval_y=THREE
    ),
    "LightGBM, ranks": lgbm("LGBMRanker").fit(X, THREE, group=[100, 200]),
    "XGBoost": xgb("XGBRegressor").fit(X, SCORE),
    "XGBoost, missing values": xgb("XGBRegressor").fit(GAPS, SCORE),
    "XGBoost, shallow": xgb("XGBRegressor").set_params(max_depth=2).fit(GAPS, SCORE),
    "XGBoost, counts": xgb("XGBRegressor", objective="count:poisson").fit(X, COUNTS),
    "XGBoost, shares": xgb("XGBRegressor", objective="reg:logistic").fit(X, TWO),
    "XGBoost, two outputs": xgb("XGBRegressor").fit(X, np.stack([SCORE, X[:, 0]], axis=1)),
    "XGBoost, forest": xgb("XGBRFRegressor").fit(X, SCORE),
    "XGBoost, forest of classes": xgb("XGBRFClassifier").fit(X, THREE),
    "XGBoost, two classes": xgb("XGBClassifier").fit(GAPS, TWO),
    "XGBoost, three classes": xgb("XGBClassifier").fit(GAPS, THREE),
    "XGBoost, stopped early": xgb("XGBClassifier", early_stopping_rounds=1, learning_rate=1).fit(
        X, THREE, eval_set=[(GAPS, THREE)], verbose=False
    ),
    "XGBoost, ranks": xgb("XGBRanker").fit(X, THREE, group=[100, 200]),
}


@pytest.mark.parametrize("model", MODELS.values(), ids=MODELS)
def test_a_boosted_forest_is_compiled(prove: Prove, model: Any) -> None:
    plan = prove(model)
    assert "predict" in plan.methods


def own_objective(y: Any, p: Any) -> Any:
    return p - y, np.ones_like(y)


COLORS = pd.DataFrame({"color": pd.Categorical(np.where(TWO, "red", "blue")), "size": X[:, 0]})
REFUSED = {
    "LightGBM with an objective of one's own": lgbm("LGBMRegressor", objective=own_objective).fit(
        X, SCORE
    ),
    "LightGBM's reg_sqrt": lgbm("LGBMRegressor", reg_sqrt=True).fit(X, SCORE),
    "LightGBM's objective multiclassova": lgbm("LGBMClassifier", objective="multiclassova").fit(
        X, THREE
    ),
    "LightGBM with linear trees": lgbm("LGBMRegressor", linear_tree=True).fit(X, SCORE),
    "LightGBM with zero_as_missing": lgbm("LGBMRegressor", zero_as_missing=True).fit(
        np.maximum(X, 0), SCORE
    ),
    "LightGBM with splits by categories": lgbm("LGBMRegressor").fit(COLORS, SCORE + 9 * TWO),
    "XGBoost's booster gblinear": xgboost.XGBRegressor(booster="gblinear").fit(X, SCORE),
    "XGBoost's booster dart": xgb("XGBRegressor", booster="dart").fit(X, SCORE),
    "XGBoost with a number for missing values": xgb("XGBRegressor", missing=-1.0).fit(X, SCORE),
    "XGBoost with trees of several outputs": xgb(
        "XGBRegressor", multi_strategy="multi_output_tree", tree_method="hist"
    ).fit(X, np.stack([SCORE, X[:, 0]], axis=1)),
    "XGBoost with splits by categories": xgb("XGBRegressor", enable_categorical=True).fit(
        COLORS, SCORE + 9 * TWO
    ),
    "XGBoost's objective binary:hinge": xgb("XGBClassifier", objective="binary:hinge").fit(X, TWO),
}


@pytest.mark.parametrize(("reason", "model"), REFUSED.items(), ids=REFUSED)
def test_why_a_boosted_forest_has_no_plan_is_said(prove: Prove, reason: str, model: Any) -> None:
    assert reason in prove(model, left=None).fallback["predict"]


def test_a_sampler_does_nothing_in_a_plan(prove: Prove) -> None:
    steps = [StandardScaler(), SMOTE(random_state=0)]
    plan = prove(with_samplers(*steps, LogisticRegression(max_iter=1000)).fit(X, TWO))
    assert set(plan.methods) >= {"predict", "predict_proba"}
    prove(with_samplers(*steps, StandardScaler()).fit(X, TWO))
