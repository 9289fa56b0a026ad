"""Models that older versions of scikit-learn saved: each is served by the version that saved it."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import requests
import sklearn
from sklearn.linear_model import LinearRegression

from models import threads
from models.plan import sklearn_versions
from models.plan.operations import kernels
from models.plan.sklearn_versions import (
    InputTags,
    calibrated_estimator,
    fill_dtype,
    find,
    goes_left,
    input_tags,
    keeps_empty,
    older_tags,
)
from models.wheels import Misfit, pythons, required, set_for
from tests.checkout import checkout
from tests.clients import environment, untraced
from tests.tables import DOCS, check_table
from tests.test_serving import free_port

VERSIONS = ("1.1.3", "1.2.2", "1.3.2", "1.4.2", "1.5.2", "1.6.1", "1.7.2", "1.8.0")
NEWEST = sklearn.__version__
ROOT = Path(__file__).parent.parent
HERE = sys.version_info.minor
# As in a server: threads would not outlive the fork that tries a model, and take longer.
ONE_THREAD = dict.fromkeys(threads.VARIABLES, "1")


def test_a_class_that_this_scikit_learn_lacks_is_one_that_nothing_is_of() -> None:
    for module in ("sklearn.nowhere", "sklearn.linear_model"):
        assert not isinstance(LinearRegression(), find(module, "OfTomorrow"))


def test_the_tags_of_older_versions_are_read() -> None:
    tags = older_tags({"X_types": ["2darray", "string"], "allow_nan": True})
    assert tags == InputTags(two_d_array=True, string=True, allow_nan=True)
    assert not older_tags({"X_types": ["1darray"], "allow_nan": False}).two_d_array


class Older:
    """Has no attribute but those it is given, as what an older version saved."""

    def __init__(self, **attributes: Any) -> None:
        self.__dict__.update(attributes)


def test_older_versions_are_asked_for_their_tags(monkeypatch: pytest.MonkeyPatch) -> None:
    tags = {"X_types": ["string"], "allow_nan": False}
    monkeypatch.delattr("sklearn.utils.get_tags")
    monkeypatch.setattr(sklearn_versions, "find", lambda *_: lambda _: tags)
    assert input_tags(LinearRegression()) == InputTags(two_d_array=False, string=True)


def test_what_older_versions_lack_is_as_they_did_it() -> None:
    imputer = Older(_fit_dtype=np.dtype("float32"))
    assert (keeps_empty(imputer), fill_dtype(imputer)) == (False, np.float32)
    assert goes_left(Older(node_count=2)).tolist() == [1, 1]
    assert calibrated_estimator(Older(base_estimator="it")) == "it"


def test_the_sums_of_numpy_2_are_those_of_older_ones() -> None:
    x, y = np.random.default_rng(0).normal(size=(2, 5, 7))
    assert np.array_equal(kernels.matmul_of_vectors(x, y), np.vecdot(x, y))


def python_of(version: str) -> Path:
    """A Python with this scikit-learn, with what fits it, and with what our own code needs."""
    if version == NEWEST:
        return Path(sys.executable)
    slim = required((ROOT / "requirements-slim.lock").read_text())
    ours = [f"{name}=={pin}" for name, pin in slim.items() if name not in ("numpy", "colorama")]
    return (
        environment(f"sklearn-{version}", *set_for(version, HERE), "pandas", *ours) / "bin/python"
    )


@pytest.fixture(scope="module")
def found() -> dict[str, dict[str, Any]]:
    """What came of the twelve models of each version that this Python has wheels of."""
    versions = [version for version in VERSIONS if HERE in pythons(version)]
    results = {}
    for version in (*versions, NEWEST):
        command = [str(python_of(version)), "-m", "tests.usual_models"]
        done = subprocess.run(
            command, cwd=ROOT, env=untraced() | ONE_THREAD,
            capture_output=True, text=True, check=False, timeout=300,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        results[version] = json.loads(done.stdout.splitlines()[-1])
    return results


def test_every_model_of_every_version_is_served_with_that_versions_own_answers(found: Any) -> None:
    wrong = {
        f"{model} of {version}": facts["wrong"]
        for version, models in found.items()
        for model, facts in models.items()
        if facts["wrong"]
    }
    assert wrong == {}


def test_the_table_says_what_is_served_of_each_version(found: Any) -> None:
    lines = [
        "| scikit-learn | on Python | models served, equal | methods | of these by a plan |",
        "|---|---|---|---|---|",
    ]
    for version in (*VERSIONS, "the newest"):
        models = found.get(NEWEST if version == "the newest" else version)
        if models is None:
            # This Python has no wheel of it: the line stays as another Python wrote it.
            kept = re.search(rf"^\| {re.escape(version)} \|.*$", DOCS.read_text(), re.MULTILINE)
            lines.append(kept[0] if kept else "")
            continue
        there = [x for x in pythons(NEWEST if version == "the newest" else version) if x >= 11]
        span = f"3.{there[0]}" if len(there) == 1 else f"3.{there[0]} to 3.{there[-1]}"
        served = sum(not facts["wrong"] for facts in models.values())
        methods, planned = (sum(f[name] for f in models.values()) for name in ("methods", "plan"))
        lines.append(f"| {version} | {span} | {served} of {len(models)} | {methods} | {planned} |")
    check_table("versions", "\n".join(lines))


def test_what_no_python_of_ours_has_is_said_before_anything_is_installed() -> None:
    with pytest.raises(Misfit, match=r"Python 3.6 to 3.9 only.* load it with scikit-learn 0.24.2"):
        set_for("0.24.2", 13)


SAVE = """
import sys, joblib
from tests.usual_models import MODELS
estimator, rows, target = MODELS["linear, imputer, one-hot"]
joblib.dump(estimator.fit(rows, target), sys.argv[1])
print(estimator.predict_proba(rows[:1]).tolist())
print(rows[:1].to_json(orient="records"))
"""


@pytest.mark.skipif(HERE not in pythons("1.5.2"), reason="this Python has no scikit-learn 1.5.2")
def test_make_run_serves_what_an_older_version_saved(tmp_path: Path) -> None:
    model = tmp_path / "my model.joblib"
    command = [str(python_of("1.5.2")), "-c", SAVE, str(model)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    expected, row = map(json.loads, done.stdout.splitlines())
    folder = checkout(tmp_path / "project", model)
    port = free_port()
    with (tmp_path / "log").open("w+") as log:
        server = subprocess.Popen(
            ["make", "run", f"MODEL_PATH={model}", f"PORT={port}", f"PYTHON={sys.executable}"],
            cwd=folder, env=untraced(), stdout=log, stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
        try:
            deadline = time.monotonic() + 240
            answers = None
            while answers is None and server.poll() is None and time.monotonic() < deadline:
                try:
                    answers = requests.post(
                        f"http://127.0.0.1:{port}/predict_proba", json=row, timeout=5
                    ).json()
                    facts = requests.get(f"http://127.0.0.1:{port}/metadata", timeout=5).json()
                except requests.ConnectionError:
                    time.sleep(0.2)
            said = (tmp_path / "log").read_text()
            assert answers is not None, said
        finally:
            os.killpg(server.pid, signal.SIGTERM)
            server.wait(20)
    assert "The model needs scikit-learn==1.5.2, numpy<2.3" in said
    assert facts["versions"]["scikit-learn"] == "1.5.2"
    assert np.allclose(answers["predictions"], expected, rtol=1e-12, atol=0)
