"""Schemathesis reads the service's description, and tries to find it wrong."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import joblib
import pytest

from tests import clients
from tests.test_openapi import MODELS
from tests.test_serving import serving

SCHEMATHESIS = ("schemathesis==4.32.5", "numpy==2.4.6")
HOOKS = Path(__file__).with_name("clients")

# The endpoints that are tried with each model. Those of the example have the most columns, and so the
# most cases: methods of it that differ in their numbers only, and paths with a version, are tried
# with the model of texts. Models with trees are left out: they refuse numbers out of the range of 32
# bits, which they do not tell.
SELECTED = {
    "penguins": "--exclude-path-regex=log_proba|decision_function|/versions/",
    "text": "--include-path-regex=/",
    "one column, missing": "--include-method=POST",
}


@pytest.mark.parametrize("name", SELECTED)
def test_schemathesis_finds_nothing_wrong(name: str, baked_path: Path, tmp_path: Path) -> None:
    place = clients.environment("schemathesis", *SCHEMATHESIS)
    path = baked_path
    if name in MODELS:
        path = tmp_path / "latest.joblib"
        joblib.dump(MODELS[name], path)
    with serving(
        tmp_path, traced=False, MODEL_PATH=path, MAX_ROWS=100, MAX_TASK_ROWS=100
    ) as server:
        url = f"http://127.0.0.1:{server.port}/openapi.json"
        done = subprocess.run(
            [
                place / "bin" / "schemathesis",
                f"--config-file={HOOKS / 'fuzz.toml'}",
                "run",
                url,
                SELECTED[name],
                "--max-examples=10",
                "--seed=1",
            ],
            check=False,
            capture_output=True,
            text=True,
            timeout=300,
            cwd=tmp_path,
            env={
                **os.environ,
                "SCHEMATHESIS_HOOKS": "fuzz",
                "PYTHONPATH": str(HOOKS),
                "OPENAPI": url,
            },
        )
    assert done.returncode == 0, done.stdout + done.stderr
