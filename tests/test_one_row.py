"""One row alone is answered with Python's own numbers, and gets what it gets among others."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest
from flask.testing import FlaskClient
from hypothesis import given
from hypothesis import strategies as st
from sklearn.datasets import load_breast_cancer
from sklearn.ensemble import (
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
)
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from api import create_app
from api.settings import Settings
from models.baking import bake
from models.engines.plan import PlanEngine
from models.files import plan_path
from models.plan import format as plans
from models.plan import proof, proof_rows
from models.plan.operation import OPERATIONS
from models.plan.operations.linear import affine_one_row
from models.plan.operations.one_row import plain

X, Y = load_breast_cancer(return_X_y=True)
X = X[:, :6]
GAPS = np.where(np.random.default_rng(0).random(X.shape) < 0.1, np.nan, X)
NUMBERS = st.floats(width=32) | st.sampled_from([np.nan, 1e300, *X[:9].ravel().tolist()])


@pytest.fixture
def engine_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[Any], PlanEngine]:
    """The engine of an estimator's plan, which has been proven."""
    monkeypatch.setattr(proof_rows, "ROWS", 1_000)

    def build(estimator: Any) -> PlanEngine:
        path = tmp_path / "latest.joblib"
        joblib.dump(estimator, path)
        bake(path)
        return PlanEngine(plans.load(plan_path(path)))

    return build


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("baked") / "latest.joblib"
    steps = SimpleImputer(), StandardScaler(), LogisticRegression()
    joblib.dump(make_pipeline(*steps).fit(GAPS, Y), path)
    bake(path)
    return path


@pytest.fixture(scope="module")
def client(path: Path) -> FlaskClient:
    return create_app(Settings(model_path=str(path))).test_client()


@pytest.mark.parametrize("method", ["predict", "predict_proba", "predict_log_proba"])
@pytest.mark.parametrize("headers", [{}, {"accept": "text/csv"}])
@pytest.mark.parametrize("row", [X[0].tolist(), [None, *X[20][1:].tolist()], [1e9] * 6])
def test_a_row_gets_alone_what_it_gets_in_company(
    client: FlaskClient, method: str, headers: dict[str, str], row: Sequence[float | None]
) -> None:
    def first(rows: Any) -> np.ndarray:
        text = client.post(f"/{method}", json=rows, headers=headers).text
        given = text.splitlines()[1].split(",") if headers else json.loads(text)["predictions"][0]
        return np.array(given, dtype=float)

    assert np.allclose(first([row]), first([row, X[1].tolist()]), rtol=1e-12, atol=0)


def test_an_unknown_category_of_one_row_is_counted(tmp_path: Path) -> None:
    path = tmp_path / "latest.joblib"
    model = make_pipeline(OneHotEncoder(handle_unknown="ignore"), LogisticRegression())
    joblib.dump(model.fit([["a"], ["b"]] * 4, [0, 1] * 4), path)
    bake(path)
    assert "predict" in plans.load(plan_path(path)).one_row
    answer = create_app(Settings(model_path=str(path))).test_client().post("/predict", json=["c"])
    assert answer.headers["X-Unknown-Categories"] == "x0=1"
    assert answer.get_json() == {"predictions": [0]}


def test_a_row_that_a_forest_refuses_is_refused_alone(tmp_path: Path) -> None:
    path = tmp_path / "latest.joblib"
    joblib.dump(RandomForestClassifier(20, random_state=0).fit(X, Y), path)
    bake(path)
    assert "predict" in plans.load(plan_path(path)).one_row
    client = create_app(Settings(model_path=str(path))).test_client()
    answer = client.post("/predict", json=[[1e300, 0, 0, 0, 0, 0]])
    assert answer.status_code == 422
    assert "the model refuses this row: Input X contains infinity" in answer.text
    assert '"/0"' in answer.text


@pytest.mark.parametrize(
    "estimator",
    [
        RandomForestClassifier(25, random_state=0).fit(GAPS, Y),
        RandomForestClassifier(25, min_samples_leaf=4, random_state=0).fit(X, Y),
        GradientBoostingClassifier(n_estimators=30, random_state=0).fit(X, Y),
        HistGradientBoostingRegressor(max_iter=30).fit(GAPS, X[:, 0]),
        HistGradientBoostingClassifier(max_iter=2).fit(GAPS, np.digitize(X[:, 0], [12, 16])),
    ],
    ids=lambda estimator: type(estimator).__name__,
)
def test_leaves_are_found_as_by_a_walk(engine_of: Any, estimator: Any) -> None:
    engine = engine_of(estimator)
    single = engine.for_one_row("predict")

    @given(st.lists(NUMBERS, min_size=6, max_size=6))
    def agrees(row: list[float]) -> None:
        try:
            expected = engine.run("predict", np.array([row]))[0]
        except ValueError:
            with pytest.raises(ValueError, match="Input X contains"):
                single(row)
        else:
            assert single(row) == expected

    agrees()


NOTHING_FOUND = proof.Proof(rows=0, difference=0.0, microseconds={}, faster={})


def test_a_method_with_a_step_that_only_numpy_does_has_none(engine_of: Any) -> None:
    engine = engine_of(GaussianNB().fit(X, Y))
    assert engine.for_one_row("predict") is None
    assert proof.prove_one_row("predict", engine, NOTHING_FOUND, [X[:1]]) is None


def test_what_python_has_no_number_for_is_left_to_numpy(engine_of: Any) -> None:
    engine = engine_of(LinearRegression().fit(X, X[:, 0] * 1e3))
    row = [1.7e308] * 6
    assert engine.for_one_row("predict")(row) == engine.run("predict", np.array([row]))[0]
    engine = engine_of(make_pipeline(StandardScaler(), LogisticRegression()).fit(X, Y))
    for sign in (1e6, -1e6):
        row = [sign] * 6
        expected = engine.run("predict_log_proba", np.array([row])).tolist()[0]
        assert -np.inf in expected
        assert engine.for_one_row("predict_log_proba")(row) == expected


def test_what_is_missing_is_a_number_beside_numbers(tmp_path: Path) -> None:
    path = tmp_path / "latest.joblib"
    joblib.dump(SimpleImputer(add_indicator=True).fit(GAPS), path)
    bake(path)
    assert plans.load(plan_path(path)).one_row == ("transform",)
    client = create_app(Settings(model_path=str(path))).test_client()
    row = [None, *X[0][1:].tolist()]
    alone = client.post("/transform", json=[row]).json["predictions"][0]
    assert str(alone) == str(client.post("/transform", json=[row, row]).json["predictions"][0])


def test_a_tree_that_only_asks_what_is_missing_is_walked(engine_of: Any) -> None:
    x = np.column_stack([X[:, 0], np.where(Y == 1, np.nan, X[:, 1])])
    engine = engine_of(RandomForestClassifier(60, max_depth=3, random_state=0).fit(x, Y))
    single = engine.for_one_row("predict_proba")
    for row in x[:50]:
        assert single(row.tolist()) == engine.run("predict_proba", row[None]).tolist()[0]


def test_labels_are_plain_values() -> None:
    labels = np.empty(2, dtype=object)
    labels[:] = [np.int64(3), "four"]
    assert list(map(type, plain(labels))) == [int, str]


def test_a_plan_says_which_methods_are_faster_alone(path: Path) -> None:
    plan = plans.load(plan_path(path))
    assert {"predict", "predict_proba", "decision_function"} <= set(plan.one_row)
    assert set(PlanEngine(plan).one_row) == set(plan.one_row)


@pytest.mark.parametrize(
    "maker",
    [
        pytest.param(lambda **_: lambda x: 2.0 * x[0], id="other results"),
        pytest.param(lambda **_: lambda x: 2.0 * x["no"], id="another shape"),
        pytest.param(
            lambda **settings: lambda x: np.float64(affine_one_row(**settings)(x)),
            id="another kind",
        ),
    ],
)
def test_what_is_other_or_fails_alone_is_left_to_numpy(
    maker: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = dataclasses.replace(OPERATIONS["affine"], one_row=maker)
    monkeypatch.setitem(OPERATIONS, "affine", record)
    monkeypatch.setattr(proof_rows, "ROWS", 1_000)
    path = tmp_path / "latest.joblib"
    joblib.dump(LinearRegression().fit(X, X[:, 0]), path)
    bake(path)
    plan = plans.load(plan_path(path))
    assert list(plan.methods) == ["predict"]
    assert plan.one_row == ()
