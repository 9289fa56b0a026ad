"""Baking compiles a model, proves the plan, and says what it found."""

from __future__ import annotations

import itertools
import logging
import os
import runpy
import signal
import sys
from pathlib import Path
from typing import Any

import joblib
import msgspec
import numpy as np
import pytest
from sklearn.ensemble import GradientBoostingClassifier, RandomForestRegressor
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.neighbors import RadiusNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier

from models import bound, fitted
from models.baking import bake
from models.engines.choose import load
from models.engines.scikit_learn import ScikitLearnEngine
from models.files import plan_path
from models.plan import compiler, errors, proof, proof_rows
from models.plan import format as plans
from models.plan.builder import Builder, Outputs, Table, rule
from models.plan.rules import linear

X = np.random.default_rng(0).normal(size=(60, 3))
Y = np.where(X[:, 0] > 0, "high", "low")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "latest.joblib"


def run(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["bake", str(path)])
    monkeypatch.delitem(sys.modules, "models.bake", raising=False)
    runpy.run_module("models.bake", run_name="__main__")


def test_the_table_tells_of_each_method(
    path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    joblib.dump(LogisticRegression().fit(X, Y), path)
    run(path, monkeypatch)
    head, *lines = capfd.readouterr().out.splitlines()
    assert head.split("  ")[0] == "method"
    assert [line.split()[0] for line in lines] == [
        "predict",
        "predict_proba",
        "predict_log_proba",
        "decision_function",
    ]
    for line in lines:
        assert line.split()[1] == "plan"
        assert int(line.split()[2].replace(",", "")) > 10_000


def test_the_card_is_made_where_there_is_none(path: Path) -> None:
    joblib.dump(LinearRegression().fit(X, X[:, 0]), path)
    bake(path)
    card = msgspec.json.decode(path.with_suffix(".json").read_bytes())
    assert (card["estimator"], card["sha256"]) == ("LinearRegression", plan_of(path).model)
    assert card["plan"]["predict"]["rows"] > 10_000


def test_the_card_that_is_there_is_kept(path: Path) -> None:
    joblib.dump(LinearRegression().fit(X, X[:, 0]), path)
    path.with_suffix(".json").write_text('{"features": ["a", "b", "c"], "metrics": {"r2": 1}}')
    bake(path)
    card = msgspec.json.decode(path.with_suffix(".json").read_bytes())
    assert card["metrics"] == {"r2": 1}
    assert [feature.name for feature in plan_of(path).signature.features] == ["a", "b", "c"]


def test_a_model_without_a_rule_is_left_to_scikit_learn(
    path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    joblib.dump(RadiusNeighborsClassifier(radius=9).fit(X, Y), path)
    run(path, monkeypatch)
    said = capfd.readouterr().out
    assert "scikit-learn" in said
    assert "there is no rule for RadiusNeighborsClassifier" in said
    assert isinstance(load(path).engine, ScikitLearnEngine)


def test_a_method_that_is_not_proven_is_left_to_scikit_learn(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    joblib.dump(LogisticRegression().fit(X, Y), path)
    right = linear.scores
    monkeypatch.setattr(linear, "scores", lambda *given: given[0].do("log", right(*given)))
    found = bake(path)
    assert set(plan_of(path).methods) < set(found)
    assert all("reason" in found[method] for method in plan_of(path).fallback)


def test_a_method_that_differs_is_left_to_scikit_learn(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    joblib.dump(LinearRegression().fit(X, X[:, 0]), path)

    def differ(*given: Any) -> None:
        raise errors.Difference("a number differs")

    monkeypatch.setattr(proof, "prove", differ)
    assert bake(path)["predict"]["reason"] == "a number differs"


def test_a_model_that_cannot_be_served_ends_with_its_sentence(
    path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as end:
        run(path, monkeypatch)
    assert end.value.code == 1
    assert capfd.readouterr().err.startswith("error: there is no file")


def test_a_wrong_setting_ends_with_its_sentence(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BAKE_SECONDS", "-1")
    with pytest.raises(SystemExit, match="error: BAKE_SECONDS='-1'"):
        run(path, monkeypatch)


def test_nothing_is_baked_for_scikit_learns_engine(
    path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    joblib.dump(LinearRegression().fit(X, X[:, 0]), path)
    monkeypatch.setenv("ENGINE", "sklearn")
    run(path, monkeypatch)
    assert "is served by scikit-learn, and no plan is made" in capfd.readouterr().out
    assert [each.name for each in path.parent.iterdir()] == [path.name]


class Broken(LinearRegression):
    """Has lost what its rule looks for, as a model of another version may."""


@rule(Broken)
def no_rule(builder: Builder, estimator: Any, table: Table) -> Table:
    raise AttributeError("'Broken' object has no attribute '_fill_dtype'\nand more")


@rule(Broken, predicts=True)
def broken(builder: Builder, estimator: Any, table: Table) -> Outputs:
    return no_rule(builder, estimator, table)  # type: ignore[return-value]


def test_a_rule_that_fails_leaves_the_model_to_scikit_learn_and_says_so(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    joblib.dump(make_pipeline(StandardScaler(), Broken()).fit(X, X[:, 0]), path)
    with caplog.at_level(logging.DEBUG, "models"):
        found = bake(path)
    assert found["predict"]["reason"] == (
        "the rule for Broken does not fit it "
        "(AttributeError: 'Broken' object has no attribute '_fill_dtype')"
    )
    assert isinstance(load(path).engine, ScikitLearnEngine)
    assert caplog.records[0].exc_info


@pytest.mark.parametrize(
    ("module", "name", "sentence"),
    [
        (compiler, "compile_method", "it cannot be compiled (KeyError: 'x')"),
        (proof, "prove", "it cannot be compared (KeyError: 'x')"),
        (proof_rows, "batches", "its plan cannot be tried (KeyError: 'x')"),
    ],
)
def test_what_fails_unforeseen_leaves_the_model_to_scikit_learn_and_says_so(
    path: Path, monkeypatch: pytest.MonkeyPatch, module: Any, name: str, sentence: str
) -> None:
    joblib.dump(LinearRegression().fit(X, X[:, 0]), path)

    def fail(*given: Any) -> None:
        raise KeyError("x")

    monkeypatch.setattr(module, name, fail)
    assert bake(path)["predict"]["reason"] == sentence
    assert isinstance(load(path).engine, ScikitLearnEngine)


def test_a_bake_that_fails_says_so_and_the_model_is_served(
    path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    joblib.dump(LinearRegression().fit(X, X[:, 0]), path)
    monkeypatch.setattr(fitted, "load", lambda *given: 1 // 0)
    run(path, monkeypatch)
    out, err = capfd.readouterr()
    assert f"{path} is served without a plan: ZeroDivisionError" in out
    assert "LOG_LEVEL=debug says where" in out
    assert "Traceback" not in err
    monkeypatch.setenv("LOG_LEVEL", "debug")
    run(path, monkeypatch)
    assert "Traceback" in capfd.readouterr().err


def crash(*given: Any) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def work_for_ever(*given: Any) -> None:
    while True:
        pass


@pytest.mark.parametrize(
    ("load", "sentence"),
    [
        (crash, "the process that made it ended with SIGKILL"),
        (work_for_ever, "a plan takes more than 0.1 seconds to make (BAKE_SECONDS)"),
    ],
)
def test_a_bake_that_is_ended_leaves_the_model_to_scikit_learn_and_says_so(
    path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    load: Any,
    sentence: str,
) -> None:
    joblib.dump(LinearRegression().fit(X, X[:, 0]), path)
    monkeypatch.setattr(fitted, "load", load)
    monkeypatch.setattr(bound, "GRACE_SECONDS", 0)
    monkeypatch.setenv("BAKE_SECONDS", "0.1")
    run(path, monkeypatch)
    assert f"{path} is served by scikit-learn: {sentence}" in capfd.readouterr().out
    assert plan_of(path).fallback == {"predict": sentence}


def test_where_nothing_can_be_written_the_model_is_served_without_a_plan(
    path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    joblib.dump(LinearRegression().fit(X, X[:, 0]), path)
    plan_path(path).mkdir()
    run(path, monkeypatch)
    said = capfd.readouterr().out
    assert "is served without a plan" in said
    assert "cannot be written" in said


MODELS: dict[str, Any] = {
    "linear": make_pipeline(StandardScaler(), LogisticRegression()),
    "a tree": DecisionTreeClassifier(max_depth=4, random_state=0),
    "a forest": RandomForestRegressor(20, random_state=0),
    "boosting": GradientBoostingClassifier(n_estimators=20, random_state=0),
}


@pytest.mark.parametrize("model", MODELS.values(), ids=MODELS)
def test_the_same_model_gets_the_same_plan_however_busy_the_machine_is(
    path: Path, monkeypatch: pytest.MonkeyPatch, model: Any
) -> None:
    joblib.dump(model.fit(X, X[:, 0] > 0), path)
    monkeypatch.setattr(proof_rows, "ROWS", 1_500)
    plans_ = []
    for slowness in (0.01, 1.0, 100.0):
        clock = itertools.count(1)
        monkeypatch.setattr(proof, "best", lambda _, c=clock, s=slowness: next(c) ** s)
        bake(path)
        plans_.append(plan_path(path).read_bytes())
    assert len(set(plans_)) == 1


def test_what_a_bake_does_is_told_on_a_terminal(
    path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    joblib.dump(LinearRegression().fit(X, X[:, 0]), path)
    bake(path)
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setattr(bound, "PROGRESS_SECONDS", 0)
    bake(path)
    said = capsys.readouterr().err
    assert "loading the model" in said
    assert "comparing predict" in said
    assert said.endswith(" \r")


def plan_of(path: Path) -> plans.Plan:
    return plans.load(plan_path(path))
