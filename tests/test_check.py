"""A model is checked before it goes into an image, and its version read before it is run."""

from __future__ import annotations

import importlib.util
import runpy
import sys
from pathlib import Path
from typing import Any

import joblib
import msgspec
import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import FunctionTransformer

from models.baking import bake
from models.files import plan_path
from models.plan import format as plans

FITTED = LogisticRegression().fit(np.arange(400).reshape(100, 4), [0, 1] * 50)


def never(X: Any) -> Any:
    """Stands for a model that loads and cannot answer."""
    raise RuntimeError(X)


def test_a_good_model_is_one_sentence_that_says_nothing_of_serving(
    penguins_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MODEL_PATH", str(penguins_path))
    runpy.run_module("api.check", run_name="__main__")
    said = capsys.readouterr().out
    assert "LogisticRegression" in said
    assert said.strip().endswith("answers its own example")


def test_the_settings_alone_are_checked_without_a_model(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["api.check", "--settings"])
    for name, value in {"MODEL_PATH": "nowhere.joblib", "PORT": "9691"}.items():
        monkeypatch.setenv(name, value)
    runpy.run_module("api.check", run_name="__main__")
    assert not capsys.readouterr().out
    monkeypatch.setenv("PORT", "99999")
    with pytest.raises(SystemExit, match="^error: PORT='99999': expected a whole number from 1"):
        runpy.run_module("api.check", run_name="__main__")


def test_a_model_that_does_not_load_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MODEL_PATH", "nowhere.joblib")
    with pytest.raises(SystemExit, match="^error: there is no file nowhere.joblib"):
        runpy.run_module("api.check", run_name="__main__")


def test_a_model_that_does_not_answer_its_own_example_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "never.joblib"
    joblib.dump(FunctionTransformer(never, validate=True).fit(np.zeros((1, 2))), path)
    monkeypatch.setenv("MODEL_PATH", str(path))
    with pytest.raises(
        SystemExit, match="loads, but transform does not answer its own example: [45]"
    ):
        runpy.run_module("api.check", run_name="__main__")


@pytest.mark.parametrize("installed", ["installed", ""])
def test_a_method_without_a_plan_needs_scikit_learn(
    installed: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "latest.joblib"
    joblib.dump(FITTED, path)
    bake(path)
    plan = plans.load(plan_path(path))
    reduced = msgspec.structs.replace(plan, methods={"predict": plan.methods["predict"]})
    plans.save(reduced, plan_path(path))
    card = {"plan": {"predict": {}, "predict_proba": {"reason": "a test"}}}
    path.with_suffix(".json").write_bytes(msgspec.json.encode(card))
    monkeypatch.setenv("MODEL_PATH", str(path))
    if installed:
        runpy.run_module("api.check", run_name="__main__")
        return
    found = importlib.util.find_spec
    monkeypatch.setattr(
        "importlib.util.find_spec", lambda name: None if name == "sklearn" else found(name)
    )
    with pytest.raises(SystemExit, match=r"predict_proba needs scikit-learn \(a test\)"):
        runpy.run_module("api.check", run_name="__main__")
