"""A class of one's own brings its rule in models/steps.py."""

from __future__ import annotations

import logging
import re
import subprocess
import sys
from pathlib import Path

import pytest

import models
from models.baking import register_own_rules
from tests.checkout import ROOT, checkout
from tests.clients import untraced

PAGE = (ROOT / "docs" / "own-code.md").read_text()
RULE = re.search(r"## A rule of your own.*?```python\n(.*?)```", PAGE, re.DOTALL)
TRAIN = """
import joblib
import numpy as np
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from models.steps import ShareOfLargest

X = np.random.default_rng(0).normal(size=(50, 3))
model = make_pipeline(StandardScaler(), ShareOfLargest(), Ridge())
joblib.dump(model.fit(X, X[:, 0]), "models/latest.joblib")
"""


def python(folder: Path, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env=untraced(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_rule_of_the_page_makes_a_plan(tmp_path: Path) -> None:
    assert RULE
    folder = checkout(tmp_path, Path("nowhere"))
    (folder / "models" / "steps.py").write_text(RULE[1])
    python(folder, "-c", TRAIN)
    said = python(folder, "-m", "models.bake")
    assert said.splitlines()[1].split()[:2] == ["predict", "plan"]


def test_rules_of_ones_own_are_imported_where_there_are_some(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    register_own_rules()
    monkeypatch.setattr(models, "__path__", [*models.__path__, str(tmp_path)])
    (tmp_path / "steps.py").write_text("1 / 0")
    with caplog.at_level(logging.WARNING, "models"):
        register_own_rules()
    (said,) = caplog.messages
    assert said.startswith("models/steps.py cannot be imported (ZeroDivisionError")
    (tmp_path / "steps.py").write_text("from models.plan import rule")
    register_own_rules()
    assert "models.steps" in sys.modules
    monkeypatch.delitem(sys.modules, "models.steps")
    monkeypatch.delattr(models, "steps")
