"""docs/own-code.md, done to the letter: from a notebook to a service with code of one's own."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.checkout import ROOT, checkout
from tests.clients import untraced
from tests.test_serving import serving

TEXT = (ROOT / "docs" / "own-code.md").read_text()
STEPS, TRAIN, RESAVE = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)[:3]
CURL = re.compile(r"-d '(.*?)'\n(\{\"predictions\".*?\})\n")


def run(folder: Path, *command: str) -> str:
    done = subprocess.run(
        command, cwd=folder, env=untraced(), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def python(folder: Path, name: str, code: str) -> None:
    (folder / name).write_text(code)
    run(folder, sys.executable, name)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkout in which the first half of the page has been done."""
    folder = checkout(tmp_path_factory.mktemp("own"), Path("nowhere"))
    (folder / ".env").unlink()
    (folder / ".venv").symlink_to(Path(sys.prefix))
    (folder / "models" / "steps.py").write_text(STEPS)
    python(folder, "train_sales.py", TRAIN)
    return folder


def test_the_service_answers_as_the_page_says(folder: Path) -> None:
    (command, said), *_ = re.findall(r"\$ (make card .*?)\n(.*?)\$ make run", TEXT, re.DOTALL)
    assert run(folder, *command.split()) == said
    (body, answer), *_ = CURL.findall(TEXT)
    with serving(folder, traced=False, PYTHONPATH=folder) as server:
        served = server.post("/predict", json.loads(body))
    assert served["predictions"] == pytest.approx(json.loads(answer)["predictions"])


def test_a_model_of_a_notebook_is_saved_again_with_its_code_elsewhere(folder: Path) -> None:
    model = folder / "models" / "latest.joblib"
    python(folder, "notebook.py", f"{STEPS}\n{TRAIN}".replace("from models.steps import", "# "))
    assert b"__main__" in model.read_bytes()
    python(folder, "save_again.py", RESAVE)
    assert b"__main__" not in model.read_bytes()
    (body, answer), *_ = CURL.findall(TEXT)
    predict = (
        "import json, sys, joblib, pandas as pd; row = json.loads(sys.argv[1]); "
        "row['sold'] = pd.Timestamp(row['sold']); "
        "print(joblib.load('models/latest.joblib').predict(pd.DataFrame([row])).tolist())"
    )
    said = run(folder, sys.executable, "-c", predict, body)
    assert json.loads(said) == pytest.approx(json.loads(answer)["predictions"])


def test_the_package_of_steps_goes_into_the_image() -> None:
    admitted = (ROOT / ".dockerignore").read_text().splitlines()
    assert {"!models/*.py", "!models/steps"} <= set(admitted)


def test_every_package_of_models_goes_into_the_image() -> None:
    admitted = (ROOT / ".dockerignore").read_text().splitlines()
    packages = {f"!models/{path.parent.name}" for path in ROOT.glob("models/*/__init__.py")}
    assert packages <= set(admitted)


def test_what_a_training_needs_goes_into_the_image() -> None:
    admitted = (ROOT / ".dockerignore").read_text().splitlines()
    assert {"!models/training", "!models/data", "!models/penguins.csv"} <= set(admitted)
