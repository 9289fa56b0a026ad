"""A model is checked before it goes into an image, and its version read before it is run."""

from __future__ import annotations

import importlib.util
import pickle
import runpy
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

import joblib
import msgspec
import numpy as np
import pytest
import sklearn
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import FunctionTransformer

from api import saved
from api.engines import plan as plans
from api.engines.choice import plan_path
from models.bake import bake

OURS = sklearn.__version__
OTHER = "".join("8" if mark.isdigit() else mark for mark in OURS)
FITTED = LogisticRegression().fit(np.arange(400).reshape(100, 4), [0, 1] * 50)


def never(X: Any) -> Any:
    """Stands for a model that loads and cannot answer."""
    raise RuntimeError(X)


def said(path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> str:
    monkeypatch.setattr(sys, "argv", ["saved", str(path)])
    runpy.run_path("api/saved.py", run_name="__main__")
    return capsys.readouterr().out


def claiming(path: Path, version: bytes) -> Path:
    """A model whose file says that this version saved it, of the same length as ours."""
    joblib.dump(FITTED, path)
    path.write_bytes(path.read_bytes().replace(OURS.encode(), version))
    return path


def test_a_good_model_is_told_how_to_ask(
    penguins_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MODEL_PATH", str(penguins_path))
    runpy.run_module("models.check", run_name="__main__")
    assert "Try it:" in capsys.readouterr().out


def test_a_model_that_does_not_load_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MODEL_PATH", "nowhere.joblib")
    with pytest.raises(SystemExit, match="^error: cannot read nowhere.joblib"):
        runpy.run_module("models.check", run_name="__main__")


def test_a_model_that_does_not_answer_its_own_example_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "never.joblib"
    joblib.dump(FunctionTransformer(never, validate=True).fit(np.zeros((1, 2))), path)
    monkeypatch.setenv("MODEL_PATH", str(path))
    with pytest.raises(
        SystemExit, match="loads, but transform does not answer its own example: [45]"
    ):
        runpy.run_module("models.check", run_name="__main__")


@pytest.mark.parametrize(
    "compress", [0, 3, ("gzip", 3), ("bz2", 3), ("lzma", 3), ("xz", 3)], ids=str
)
@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_the_version_is_read_from_every_kind_of_file(
    compress: Any, protocol: int, tmp_path: Path
) -> None:
    path = tmp_path / "latest.joblib"
    joblib.dump(FITTED, path, compress=compress, protocol=protocol)
    assert saved.saved_with(path.read_bytes()) == OURS


def test_the_version_is_read_from_a_plain_pickle() -> None:
    assert saved.saved_with(pickle.dumps(FITTED)) == OURS


def test_reading_the_version_runs_nothing(tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> Any:
            return pytest.fail, ("it was run",)

    path = tmp_path / "latest.joblib"
    joblib.dump([Trap(), FITTED], path)
    assert saved.saved_with(path.read_bytes()) == OURS


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"hello",
        b"\x78 no zlib",
        b"\x1f\x8b no gzip",
        b"\x1f\x8b\x08\x00",
        b"BZ no bzip2",
        b"\x5d\x00 no lzma",
        b"\xfd7zXZ no xz",
        b"_sklearn_version\x94\x8c",
        b"_sklearn_version\x94\x8c\x021.9.1",
    ],
)
def test_a_file_that_says_no_version_has_none(content: bytes) -> None:
    assert saved.saved_with(content) is None


def test_a_file_that_is_not_there_has_no_version(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert said(tmp_path / "missing.joblib", monkeypatch, capsys) == ""


@pytest.mark.parametrize("version", ["1.6.1", "1.7.0rc1", "1.5.2.post1", "0.24.2", "1.8"])
def test_a_version_is_taken(version: str) -> None:
    assert saved.saved_with(pickle.dumps({"_sklearn_version": version})) == version


@pytest.mark.parametrize(
    "version", ["1.6.1; true", "$(id)", "1.6.1\n", "1", "--pre", "1.6.1 -i evil", "1.٦", "1.8.dev0"]
)
def test_what_is_no_version_never_reaches_a_shell(version: str) -> None:
    assert saved.saved_with(pickle.dumps({"_sklearn_version": version})) is None


def test_another_version_than_the_installed_is_printed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = claiming(tmp_path / "latest.joblib", OTHER.encode())
    assert said(path, monkeypatch, capsys) == f"{OTHER}\n"


def test_the_installed_version_is_not_printed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert metadata.version("scikit-learn") == OURS
    path = claiming(tmp_path / "latest.joblib", OURS.encode())
    assert said(path, monkeypatch, capsys) == ""


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
        runpy.run_module("models.check", run_name="__main__")
        return
    found = importlib.util.find_spec
    monkeypatch.setattr(
        "importlib.util.find_spec", lambda name: None if name == "sklearn" else found(name)
    )
    with pytest.raises(SystemExit, match=r"predict_proba needs scikit-learn \(a test\)"):
        runpy.run_module("models.check", run_name="__main__")
