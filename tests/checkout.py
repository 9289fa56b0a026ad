"""A copy of the project to run make in, and the docker client."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from pathlib import Path

import numpy as np
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer

from tests.clients import untraced

ROOT = Path(__file__).parent.parent
# The image of the example that all processes of a run have in common.
NAME = f"machine-learning-api-test-{os.environ.setdefault('TEST_RUN', str(os.getpid()))}"


def sleeper() -> Pipeline:
    """A model whose transform sleeps for as many microseconds as it is given, up to ten seconds.

    For larger numbers it does not sleep, nor noticeably for small ones: the rows that a model is
    tried on when it is loaded have both.
    """
    seconds = FunctionTransformer(
        np.interp, kw_args={"xp": [0.0, 1e7, 1e7 + 1], "fp": [0.0, 10.0, 0.0]}, validate=True
    )
    sleep = FunctionTransformer(np.vectorize(time.sleep, otypes=[object]), validate=True)
    return make_pipeline(seconds, sleep).fit([[0.0]])


def docker(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["docker", *arguments], capture_output=True, text=True, check=False, timeout=300
    )


def make(folder: Path, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    command = ["make", f"IMAGE={NAME}", *arguments]
    result = subprocess.run(
        command,
        cwd=folder,
        env=untraced(),
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    assert not check or result.returncode == 0, result.stdout[-3000:] + result.stderr[-3000:]
    return result


def checkout(folder: Path, model: Path) -> Path:
    """A copy of what git knows, with this model in it and the environment of the tests."""
    names = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    ).stdout.splitlines()  # fmt: skip
    for name in names:
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    for path in (model, model.with_suffix(".json")):
        if path.exists():
            shutil.copy2(path, folder / "models" / f"latest{path.suffix}")
    (folder / "secrets" / "key.json").write_text("secret")
    (folder / ".env").write_text("MAX_ROWS=2\n")
    return folder
