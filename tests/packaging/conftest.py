"""The example model as a package: built once, and installed into an empty environment."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np
import pandas as pd
import pytest

from models import fitted
from models.engines.plan import compile_model
from models.model import Model
from models.packaging import plan_model
from models.packaging.package import package
from models.plan import save
from tests import clients
from tests.checkout import ROOT

NEEDED = (f"numpy=={np.__version__}", f"msgspec=={msgspec.__version__}")
DATA = ROOT / "models" / "penguins.csv"


class Installed(NamedTuple):
    """An environment in which a package is installed, with nothing but what it needs."""

    folder: Path

    def run(self, *arguments: Any, **options: Any) -> subprocess.CompletedProcess[Any]:
        """Run a command of the environment, in an empty folder that is on no path."""
        command, *rest = map(str, arguments)
        environ = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "COV"))}
        return subprocess.run(
            [self.folder / "bin" / command, *rest],
            cwd=self.folder, env=environ, capture_output=True, check=False, timeout=60, **options,
        )  # fmt: skip


def bake(path: Path) -> None:
    """Write the plan of a model beside it, as `make bake` does in a process of its own."""
    model = fitted.load(path)
    plan = msgspec.structs.replace(compile_model(model), batchable=model.engine.batchable)
    save(plan, path.with_suffix(".plan.npz"))


def baked(source: Path, folder: Path) -> Path:
    """A copy of a model with its card, and with the plan that its estimator compiles to."""
    for path in (source, source.with_suffix(".json")):
        shutil.copy2(path, folder)
    bake(folder / source.name)
    return folder / source.name


def install(wheel: Path, folder: Path, *pins: str) -> Installed:
    """Make an environment, and install a wheel from a file with what it needs."""
    uv: list[str | Path] = [clients.UV, "--quiet"]
    python = folder / "bin" / "python"
    subprocess.run([*uv, "venv", "--python", sys.executable, folder], check=True, timeout=60)
    command: list[str | Path] = [*uv, "pip", "install", "--link-mode", "copy", "--python", python]
    # What make develop has fetched is enough, unless its cache was emptied.
    for how in ("--offline", "--no-progress"):
        done = subprocess.run([*command, how, *pins, wheel], check=False, timeout=120)
        if done.returncode == 0:
            break
    assert done.returncode == 0
    return Installed(folder)


@pytest.fixture(scope="package")
def model_path(penguins_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The example model with its card and a complete plan."""
    return baked(penguins_path, tmp_path_factory.mktemp("baked"))


@pytest.fixture(scope="package")
def wheel(model_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return package(model_path, "", "penguins", tmp_path_factory.mktemp("dist"))


@pytest.fixture(scope="package")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Installed:
    return install(wheel, tmp_path_factory.mktemp("empty") / "env", *NEEDED)


@pytest.fixture(scope="package")
def model(model_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Model:
    """The model as a package loads it."""
    folder = tmp_path_factory.mktemp("packaged")
    shutil.copy2(model_path.with_suffix(".json"), folder / "model.json")
    shutil.copy2(model_path.with_suffix(".plan.npz"), folder / "model.plan.npz")
    return plan_model.load(folder)


@pytest.fixture(scope="package")
def rows(model: Model) -> pd.DataFrame:
    """All rows of the example's data, with the features of the model."""
    return pd.read_csv(DATA)[[feature.name for feature in model.signature.features]]
