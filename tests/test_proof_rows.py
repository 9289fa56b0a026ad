"""The rows that a plan is proven with are those that matter to its model."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.compose import ColumnTransformer
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from models.engines.plan import compile_model
from models.engines.scikit_learn import ScikitLearnEngine
from models.model import Model
from models.plan import proof_rows
from models.signature.types import Feature, Signature


def test_rows_are_made_of_numbers_that_the_model_takes() -> None:
    X = np.random.default_rng(0).lognormal(size=(100, 3))
    columns = [
        ("log", FunctionTransformer(np.log1p), [0]),
        ("sine", FunctionTransformer(np.arcsin), [1]),
    ]
    model = make_pipeline(ColumnTransformer(columns, remainder="passthrough"), LinearRegression())
    plan = plan_of(model.fit(np.minimum(X, [9, 1, 9]), X[:, 0]))
    assert proof_rows.domains(plan) == {0: (-0.5, 1e6), 1: (-1.0, 1.0)}
    rows = np.asarray(proof_rows.batches(plan, {})[0])
    taken = (rows[:, 0] > -1) & (np.abs(rows[:, 1]) <= 1)
    assert taken.mean() > 0.99
    assert rows[:, 2].min() < -1


def test_fewer_rows_are_made_of_very_many_values() -> None:
    X = np.random.default_rng(0).normal(size=(20, 20_000))
    plan = plan_of(LinearRegression().fit(X, X[:, 0]))
    assert 1_200 < len(proof_rows.batches(plan, {})[0]) < 1_300


def plan_of(estimator: Any) -> Any:
    """The plan of a fitted estimator, which takes rows of ones."""
    width = estimator.n_features_in_
    features = tuple(Feature(name=f"x{i}") for i in range(width))
    signature = Signature(features=features, example=(1.0,) * width)
    model = Model(
        path="",
        version="",
        kind="",
        engine=ScikitLearnEngine(estimator, signature),
        estimator=estimator,
        signature=signature,
        methods=("predict",),
        classes=None,
        card={},
        versions={},
    )
    return compile_model(model)
