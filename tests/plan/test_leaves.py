"""What trees are walked to, and added up, is equal to the last bit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest
from sklearn.datasets import make_classification
from sklearn.ensemble import (
    AdaBoostClassifier,
    AdaBoostRegressor,
    BaggingClassifier,
    BaggingRegressor,
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    IsolationForest,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.tree import DecisionTreeRegressor

from models import fitted
from models.engines.plan import PlanEngine, compile_model

X, Y = make_classification(700, 8, n_informative=6, n_classes=3, flip_y=0.2, random_state=0)
GAPS = np.where(np.random.default_rng(0).random(X.shape) < 0.05, np.nan, X)
TREES = {"n_estimators": 100, "random_state": 0}


@pytest.mark.parametrize(
    ("estimator", "method"),
    [
        (RandomForestClassifier(**TREES), "predict_proba"),
        (RandomForestRegressor(**TREES), "predict"),
        (ExtraTreesClassifier(**TREES, max_depth=2), "predict_proba"),
        (ExtraTreesRegressor(**TREES), "predict"),
        (IsolationForest(**TREES), "score_samples"),
        (GradientBoostingClassifier(**TREES), "decision_function"),
        (GradientBoostingClassifier(**TREES, max_depth=5), "predict_proba"),
        (GradientBoostingRegressor(**TREES), "predict"),
        (HistGradientBoostingClassifier(random_state=0), "predict_proba"),
        (HistGradientBoostingClassifier(max_depth=2, random_state=0), "decision_function"),
        (HistGradientBoostingRegressor(random_state=0), "predict"),
        (BaggingClassifier(**TREES), "predict_proba"),
        (BaggingRegressor(**TREES), "predict"),
        (AdaBoostClassifier(**TREES), "decision_function"),
        (AdaBoostRegressor(**TREES), "predict"),
        (DecisionTreeRegressor(random_state=0), "apply"),
    ],
    ids=repr,
)
def test_results_are_equal_bit_for_bit(tmp_path: Path, estimator: Any, method: str) -> None:
    bears_missing = not isinstance(
        estimator,
        (
            AdaBoostClassifier,
            AdaBoostRegressor,
            GradientBoostingClassifier,
            GradientBoostingRegressor,
        ),
    )
    rows = GAPS if bears_missing else X
    joblib.dump(estimator.fit(rows, Y), tmp_path / "latest.joblib")
    model = fitted.load(tmp_path / "latest.joblib")
    own = model.engine
    engine = PlanEngine(compile_model(model))
    # More than the arrays have room for at once, too.
    for batch in (X[:1], rows[:1], rows[:2], rows[:64], rows, np.concatenate([rows] * 2)):
        assert np.array_equal(engine.run(method, batch), own.run(method, batch))
