"""The public face of models.plan: compile, verify, save, load and run."""

from __future__ import annotations

import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pandas as pd
import pytest
from sklearn.compose import make_column_transformer
from sklearn.feature_extraction import DictVectorizer
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import LabelBinarizer, OneHotEncoder, OrdinalEncoder, StandardScaler

from models import plan as plans
from models.plan import PlanError, Signature, proof, proof_rows
from models.signature.read import read

X = np.random.default_rng(0).normal(size=(60, 3))
Y = np.where(X[:, 0] > 0, "high", "low")
CITIES = [["Oslo"], ["Rome"]] * 30
FRAME = pd.DataFrame({"city": np.ravel(CITIES), "size": X[:, 1]})


@pytest.fixture(autouse=True)
def few_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(proof_rows, "ROWS", 1_000)
    monkeypatch.setattr(proof, "MIN_ROWS_COMPARED", 500)


def test_an_estimator_is_compiled_proven_saved_loaded_and_run(tmp_path: Path) -> None:
    estimator = make_pipeline(StandardScaler(), LogisticRegression()).fit(X, Y)
    plan, proofs = plans.verify(plans.compile(estimator), estimator, X)
    assert set(proofs) == set(plan.methods)
    assert proofs["predict"].rows > 1_060
    plans.save(plan, tmp_path / "own.npz")
    loaded = plans.load(str(tmp_path / "own.npz"))
    assert loaded.run("predict", X.tolist()).tolist() == estimator.predict(X).tolist()
    with pytest.raises(
        PlanError, match=r"lacks this method \(apply\): it has predict, predict_pro"
    ):
        loaded.run("apply", X)
    with pytest.raises(ValueError, match=r"row 0, \w+: expected a number, got str"):
        loaded.run("predict", [["a", 1, 2]])


def test_rows_that_do_not_fit_are_refused_by_row_and_feature() -> None:
    plan = plans.compile(LinearRegression().fit(X, X[:, 0]))
    name = plan.signature.features[1].name
    for rows, said in (
        ([[1, None, 2]], f"row 0, {name}: is missing, which this model does not take"),
        ([[1, 2, 3], [1, math.nan, 2]], f"row 1, {name}: is missing"),
        (np.array([[1, np.nan, 2]]), f"row 0, {name}: is missing"),
        (np.array([[1, np.inf, 2]]), f"row 0, {name}: expected a finite number"),
        ([[1, "2", 3]], f"row 0, {name}: expected a number, got str"),
        ([[1, -math.inf, 3]], f"row 0, {name}: expected a finite number"),
        ([[1, 2]], "row 0: expected 3 values in the order of the features"),
        ([{"a": 1, "b": 2, "c": 3}], "row 0: expected 3 values"),
        (np.ones((2, 4)), r"expected rows of shape \(n, 3\), got \(2, 4\)"),
        (np.ones(3), r"expected rows of shape \(n, 3\), got \(3,\)"),
    ):
        with pytest.raises(ValueError, match=said):
            plan.run("predict", rows)


def test_an_array_that_fits_is_taken_as_it_is_and_texts_are_not_looked_into() -> None:
    estimator = LinearRegression().fit(X, X[:, 0])
    plan = plans.compile(estimator)
    assert plan.run("predict", X.astype(np.float32)).tolist() == pytest.approx(
        estimator.predict(X.astype(np.float32)).tolist()
    )
    texts = make_pipeline(CountVectorizer(), LogisticRegression()).fit(["good", "bad"] * 30, Y)
    plan = plans.compile(texts, read(texts))
    assert plan.run("predict", [("good",)]).tolist() == texts.predict(["good"]).tolist()


def test_categories_and_missing_values_are_taken_as_the_model_takes_them() -> None:
    frame = pd.DataFrame({"city": ["Oslo", "Rome", None] * 20, "size": np.arange(60.0)})
    encode = make_column_transformer(
        (OneHotEncoder(), ["city"]), (SimpleImputer(), ["size"]), verbose_feature_names_out=False
    )
    estimator = make_pipeline(encode, LogisticRegression()).fit(frame, Y)
    signature = read(estimator)
    features = tuple(msgspec.structs.replace(f, missing=True) for f in signature.features)
    signature = msgspec.structs.replace(signature, features=features)
    plan = plans.compile(estimator, signature)
    rows = [["Oslo", 1], [None, 2.5], ["Rome", np.nan], ["Oslo", True]]
    asked = pd.DataFrame(rows, columns=["city", "size"]).astype({"size": float})
    assert plan.run("predict", rows).tolist() == estimator.predict(asked).tolist()
    with pytest.raises(ValueError, match="row 1, city: expected one of 'Oslo', 'Rome'"):
        plan.run("predict", [["Oslo", 1], ["Paris", 1]])
    with pytest.raises(ValueError, match="row 0, city: expected a string, got int"):
        plan.run("predict", [[1, 1]])


def test_features_have_the_names_of_training() -> None:
    estimator = LinearRegression().fit(pd.DataFrame(X, columns=["a", "b", "c"]), X[:, 0])
    plan = plans.compile(estimator, methods=["predict"], kind="LinearRegression")
    assert [feature.name for feature in plan.signature.features] == ["a", "b", "c"]
    assert plan.kind == "LinearRegression"


@pytest.mark.parametrize(
    "estimator",
    [
        make_pipeline(CountVectorizer(), LogisticRegression()).fit(
            ["good plot", "bad plot"] * 30, Y
        ),
        make_pipeline(DictVectorizer(), LogisticRegression()).fit([{"a": 1.0}, {"b": 2.0}] * 30, Y),
        make_pipeline(OrdinalEncoder(), LogisticRegression()).fit(CITIES, Y),
        make_pipeline(
            make_column_transformer((OneHotEncoder(), ["city"]), remainder="passthrough"),
            LogisticRegression(),
        ).fit(FRAME, Y),
        LabelBinarizer().fit(Y),
    ],
    ids=["text", "mapping", "objects", "a frame", "labels"],
)
def test_rows_of_every_form_are_compared(estimator: Any) -> None:
    plan = plans.compile(estimator, read(estimator))
    proven, proofs = plans.verify(plan, estimator)
    assert set(proofs) == set(plan.methods) == set(proven.methods)
    assert not proven.fallback


def test_a_method_that_differs_is_not_in_the_plan() -> None:
    estimator, other = LinearRegression().fit(X, X[:, 0]), LinearRegression().fit(X, X[:, 1])
    plan, proofs = plans.verify(plans.compile(estimator), other)
    assert (plan.methods, proofs) == ({}, {})
    assert "a number differs by" in plan.fallback["predict"]


def test_answers_as_a_frame_are_compared() -> None:
    estimator = StandardScaler().set_output(transform="pandas").fit(X)
    plan, _ = plans.verify(plans.compile(estimator), estimator)
    assert list(plan.methods) == ["transform"]


def test_a_plan_without_steps_runs_nothing() -> None:
    plan = plans.Plan(signature=Signature(), steps=(), methods={})
    with pytest.raises(PlanError, match=r"lacks this method \(predict\): it has no method"):
        plan.run("predict", [[]])


def test_running_a_plan_imports_neither_scikit_learn_nor_the_rules(tmp_path: Path) -> None:
    plans.save(plans.compile(LinearRegression().fit(X, X[:, 0])), tmp_path / "own.npz")
    program = (
        "import sys; from models.plan import load\n"
        f"load({str(tmp_path / 'own.npz')!r}).run('predict', [[1, 2, 3]])\n"
        "print([m for m in sys.modules if 'sklearn' in m or 'scipy' in m or 'rules' in m])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
