"""A package of a model whose plan is not complete has the joblib file, and needs scikit-learn."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import types
import zipfile
from email.parser import Parser
from pathlib import Path

import joblib
import msgspec
import numpy as np
import pandas as pd
import pytest
import sklearn
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from models.errors import ModelError
from models.packaging import joblib_model, own_code_model, requirements
from models.packaging.package import package
from models.plan import load, save
from models.plan.operations.linear import expit
from tests import clients

X = np.linspace(-2, 2, 20).reshape(10, 2)
PREDICT = """
import json, sys, own
names = [name for name in sys.modules if name.partition(".")[0] == "models"]
print(json.dumps([own.predict(json.load(sys.stdin)).tolist(), names]))
"""


def requires(wheel: Path) -> list[str]:
    with zipfile.ZipFile(wheel) as file:
        (name,) = [name for name in file.namelist() if name.endswith("/METADATA")]
        return Parser().parsestr(file.read(name).decode()).get_all("Requires-Dist") or []


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model with a step whose code is in this project, and with a card, but without a plan."""
    path = tmp_path_factory.mktemp("own") / "own.joblib"
    joblib.dump(make_pipeline(FunctionTransformer(expit), LinearRegression()).fit(X, X[:, 0]), path)
    path.with_suffix(".json").write_text('{"name": "own", "release": "2.0.0"}')
    return path


def test_own_code_goes_with_the_model_and_leaves_the_name_models_free(
    own: Path, tmp_path: Path
) -> None:
    wheel = package(own, out=tmp_path)
    assert wheel.name == "own-2.0.0-py3-none-any.whl"
    assert f"scikit-learn=={sklearn.__version__}" in requires(wheel)
    place = tmp_path / "installed"
    command: list[str | Path] = [clients.UV, "pip", "install", "--offline", "--no-deps"]
    subprocess.run([*command, "--quiet", "--target", place, wheel], check=True, timeout=60)
    done = subprocess.run(
        [sys.executable, "-c", PREDICT], cwd=tmp_path, env={"PYTHONPATH": str(place)},
        input=json.dumps(X.tolist()), capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    assert json.loads(done.stdout) == [joblib.load(own).predict(X).tolist(), []]


def test_a_package_without_a_plan_is_not_tried_out_where_it_is_loaded(
    own: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with zipfile.ZipFile(package(own, out=tmp_path)) as file:
        for name in ("model.joblib", "model.plan.npz", "model.json"):
            (tmp_path / name).write_bytes(file.read(f"own/{name}"))
    monkeypatch.setattr("models.fitted.apart", lambda *_: pytest.fail("it was tried out"))
    monkeypatch.setattr(own_code_model, "__name__", "models.packaging.own_code_model")
    before = {name: module for name, module in sys.modules.items() if name.startswith("models")}
    loaded = own_code_model.load(tmp_path)
    assert loaded.predict(X).tolist() == joblib.load(own).predict(X).tolist()
    assert {name: sys.modules[name] for name in before} == before


def test_a_method_without_a_plan_is_answered_by_scikit_learn(
    model_path: Path, rows: pd.DataFrame, tmp_path: Path
) -> None:
    path = tmp_path / "model.joblib"
    shutil.copy2(model_path, path)
    plan = load(model_path.with_suffix(".plan.npz"))
    methods = {name: n for name, n in plan.methods.items() if name != "predict_proba"}
    save(
        msgspec.structs.replace(plan, methods=methods, fallback={"predict_proba": "no rule"}),
        tmp_path / "model.plan.npz",
    )
    path.with_suffix(".json").write_text("{}")
    loaded = joblib_model.load(tmp_path)
    expected = joblib.load(path).predict_proba(rows)
    assert loaded.predict_proba(rows).tolist() == expected.tolist()
    wheel = package(path, "1.0.0", "partial", tmp_path)
    with zipfile.ZipFile(wheel) as file:
        assert "partial/model.joblib" in file.namelist()
        assert "predict_proba" in file.read("partial/__init__.py").decode()
    assert f"pandas=={pd.__version__}" in requires(wheel)


def test_pandas_is_required_in_its_version_where_the_model_needs_it(own: Path) -> None:
    needed, modules = requirements.of_joblib(own, frame=True)
    assert f"pandas=={pd.__version__}" in needed
    assert modules == ["models.plan.operations.linear"]


def test_code_that_is_in_no_package_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = types.ModuleType("homemade")
    exec("def twice(X): return X * 2", module.__dict__)
    monkeypatch.setitem(sys.modules, "homemade", module)
    path = tmp_path / "own.joblib"
    joblib.dump(FunctionTransformer(module.twice).fit(X), path)
    with pytest.raises(
        ModelError, match="needs the module homemade, .*: move that code into models"
    ):
        requirements.of_joblib(path, frame=False)
