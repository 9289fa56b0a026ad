"""models/plan stands alone: it is a wheel that needs numpy and msgspec, and serves behind FastAPI."""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import joblib
import msgspec
import numpy as np
import pandas as pd
import pytest
import requests

from models import fitted
from models.engines.plan import compile_model
from models.plan import save
from tests import clients
from tests.checkout import ROOT, checkout, make
from tests.test_rejections import GOOD
from tests.test_serving import free_port

PLAN = ROOT / "models" / "plan"
PAGE = (ROOT / "docs" / "plan-format.md").read_text()
SERVE, COMPILE = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
PINS = (
    "fastapi==0.165.0",
    "uvicorn==0.54.0",
    f"numpy=={np.__version__}",
    f"msgspec=={msgspec.__version__}",
)
FOR_RULES = {"scipy", "sklearn", "pandas"}


def imported(path: Path) -> set[str]:
    """The packages that a module imports by absolute names."""
    nodes = list(ast.walk(ast.parse(path.read_text())))
    names = {a.name for n in nodes if isinstance(n, ast.Import) for a in n.names}
    names |= {str(n.module) for n in nodes if isinstance(n, ast.ImportFrom) and not n.level}
    return {name.partition(".")[0] for name in names} - sys.stdlib_module_names


def test_the_plan_imports_nothing_but_numpy_and_msgspec() -> None:
    for path in PLAN.rglob("*.py"):
        compiles = path.parent.name == "rules" or path.name in ("sklearn_versions.py", "proof.py")
        assert imported(path) <= {"numpy", "msgspec"} | (FOR_RULES if compiles else set()), path


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = checkout(tmp_path_factory.mktemp("wheel"), Path("nowhere"))
    make(folder, "wheel")
    (built,) = (folder / "dist").glob("*.whl")
    place = folder / "installed"
    command: list[str | Path] = [clients.UV, "pip", "install", "--offline", "--no-deps", "--quiet"]
    subprocess.run([*command, "--target", place, built], check=True, timeout=60)
    return place


@pytest.fixture(scope="module")
def baked(penguins_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("penguins")
    shutil.copy2(penguins_path, folder)
    model = fitted.load(penguins_path)
    save(compile_model(model), folder / "latest.plan.npz")
    return folder


@pytest.fixture(scope="module")
def address(wheel: Path, baked: Path) -> Iterator[str]:
    (baked / "serve.py").write_text(SERVE)
    port = free_port()
    server = subprocess.Popen(
        [
            clients.environment("plan", *PINS) / "bin" / "python",
            "-m",
            "uvicorn",
            "serve:app",
            "--port",
            str(port),
            "--log-level",
            "warning",
        ],
        cwd=baked,
        env={"PYTHONPATH": f"{wheel}:."},
    )
    try:
        end = time.monotonic() + 30
        while True:
            try:
                requests.get(f"http://127.0.0.1:{port}/docs", timeout=5)
                break
            except requests.ConnectionError:
                assert time.monotonic() < end
                time.sleep(0.1)
        yield f"http://127.0.0.1:{port}/predict"
    finally:
        server.terminate()
        server.wait(10)


def test_the_lines_of_the_page_serve_a_plan_without_scikit_learn(address: str, baked: Path) -> None:
    rows: Any = [GOOD, GOOD | {"body_mass_g": None}]
    expected = joblib.load(baked / "latest.joblib").predict(pd.DataFrame(rows))
    answer = requests.post(address, json=rows, timeout=10)
    assert answer.json() == {"predictions": expected.tolist()}


def test_the_lines_of_the_page_refuse_a_row_that_is_no_row_of_the_model(address: str) -> None:
    rows: Any = [GOOD | {"body_mass_g": "heavy"}]
    answer = requests.post(address, json=rows, timeout=10)
    assert answer.status_code == 422
    assert "row 0, body_mass_g: expected a number, got str" in answer.text


def test_the_wheel_compiles_and_proves_an_estimator(wheel: Path, tmp_path: Path) -> None:
    program = (
        f"{COMPILE}\nprint(sorted(proofs), plan.fallback, plan.run('predict', X[:2]).tolist())"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path, env={"PYTHONPATH": str(wheel)}, capture_output=True, text=True, check=True, timeout=100,
    )  # fmt: skip
    methods = ["decision_function", "predict", "predict_log_proba", "predict_proba"]
    assert done.stdout.strip() == f"{methods} {{}} [0, 0]"
    assert (tmp_path / "iris.plan.npz").exists()
