"""A pinned model is the only one whose code runs, and its plan one that was made here."""

from __future__ import annotations

import hashlib
import io
import os
import pickle
import random
import runpy
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import joblib
import msgspec
import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier

from api.settings import Settings
from models import environment, fitted, pins, saved
from models.baking import bake
from models.engines.choose import load
from models.engines.plan import PlanEngine
from models.engines.scikit_learn import ScikitLearnEngine
from models.errors import ModelError
from models.files import BLOCK_BYTES, open_file, plan_path
from models.model import Model
from models.plan import format as plans

X = np.random.default_rng(0).normal(size=(60, 3))


@pytest.fixture(autouse=True)
def record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A record of plans of the test's own."""
    monkeypatch.setattr(pins, "RECORD", tmp_path / ".baked")
    return pins.RECORD


@pytest.fixture
def pinned(tmp_path: Path) -> Settings:
    """A model that was baked here, with its pin."""
    path = tmp_path / "latest.joblib"
    joblib.dump(LogisticRegression().fit(X, X[:, 0] > 0), path)
    bake(path)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return Settings(model_path=str(path), model_sha256=digest)


def forge(settings: Settings) -> None:
    """Change the numbers of the plan, which names the right model still."""
    place = plan_path(Path(settings.model_path))
    plan = plans.load(place)
    arrays = [-array if array.dtype.kind == "f" else array for array in plan.arrays]
    plans.save(msgspec.structs.replace(plan, arrays=arrays), place)


def chosen(settings: Settings) -> Model:
    return load(settings.model_path, settings.model_sha256, settings.engine)


def test_the_plan_of_a_pinned_model_serves_where_it_was_made(pinned: Settings) -> None:
    assert isinstance(chosen(pinned).engine, PlanEngine)


def test_a_plan_of_others_is_not_served_under_a_pin(
    pinned: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    rows = X[:5]
    truth = fitted.load(Path(pinned.model_path)).estimator.predict_proba(rows)
    forge(pinned)
    model = chosen(pinned)
    assert isinstance(model.engine, ScikitLearnEngine)
    assert model.version == pinned.model_sha256
    np.testing.assert_array_equal(model.engine.run("predict_proba", rows), truth)
    assert "MODEL_SHA256 is set, and the plan" in caplog.text
    with pytest.raises(ModelError, match="was not made here: make bake"):
        chosen(msgspec.structs.replace(pinned, engine="plan"))


def test_a_plan_of_others_is_baked_anew_under_a_pin(
    pinned: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = Path(pinned.model_path)
    monkeypatch.setenv("MODEL_SHA256", pinned.model_sha256)
    # The plan is newer than all that it is made of.
    os.utime(plan_path(path), (4e9, 4e9))
    assert environment.is_baked(path)
    assert not environment.is_baked(path, path.with_name("the record of another environment"))
    forge(pinned)
    os.utime(plan_path(path), (4e9, 4e9))
    assert not environment.is_baked(path)
    monkeypatch.delenv("MODEL_SHA256")
    assert environment.is_baked(path)


def test_plans_are_remembered_up_to_a_number(record: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pins, "MAX_BYTES", 3 * 65)
    for number in range(4):
        pins.remember(f"{number:064}")
    assert [pins.is_ours(f"{number:064}") for number in range(4)] == [False, False, True, True]


def test_where_nothing_can_be_remembered_no_plan_is_ours(record: Path) -> None:
    record.mkdir()
    pins.remember("0" * 64)
    assert not pins.is_ours("0" * 64)


class Trap:
    """Whose unpickling leaves a mark."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return open, (str(self.mark), "w")


@pytest.mark.parametrize(
    "command",
    [
        ["api"],
        ["models.bake", "{path}"],
        ["api.check"],
        ["models.describe", "{path}", "models/penguins.csv"],
        ["models.environment", "--drop-pandas", "{path}"],
    ],
    ids=lambda command: command[0],
)
def test_nothing_of_a_file_with_another_hash_runs(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    command: list[str],
) -> None:
    path, mark = tmp_path / "m.joblib", tmp_path / "mark"
    path.write_bytes(pickle.dumps([Trap(mark)]))
    variables = {"MODEL_PATH": str(path), "MODEL_SHA256": "0" * 64, "PORT": "9690"}
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    module, *words = command
    monkeypatch.setattr(sys, "argv", [module, *(word.format(path=path) for word in words)])
    for known in {module, "api.server.wsgi"} - {"api"}:
        monkeypatch.delitem(sys.modules, known, raising=False)
    with pytest.raises((SystemExit, ModelError)) as error:
        runpy.run_module(module, run_name="__main__")
    assert not mark.exists()
    assert "MODEL_SHA256 says 0000" in f"{error.value}{capfd.readouterr().err}"


@pytest.mark.parametrize("size", [2 * BLOCK_BYTES, 2 * BLOCK_BYTES + 77])
def test_what_is_read_of_a_pinned_file_is_what_was_hashed(tmp_path: Path, size: int) -> None:
    path = tmp_path / "file"
    content = random.Random(0).randbytes(size)
    path.write_bytes(content)
    file, _ = open_file(path, hashlib.sha256(content).hexdigest())
    with file:
        assert file.read() == content
        assert file.read(1) == b""
        for offset, whence, start in (
            (BLOCK_BYTES - 3, io.SEEK_SET, BLOCK_BYTES - 3),
            (-9, io.SEEK_END, len(content) - 9),
            (-BLOCK_BYTES, io.SEEK_CUR, len(content) - BLOCK_BYTES),
        ):
            assert file.seek(offset, whence) == start
            assert file.read() == content[start:]


def overwrite(path: Path) -> None:
    """In place, as cp does."""
    with path.open("r+b") as file:
        file.write(pickle.dumps([Trap(path.with_name("mark"))]))


def cut(path: Path) -> None:
    os.truncate(path, BLOCK_BYTES)


@pytest.mark.parametrize("change", [overwrite, cut])
def test_a_pinned_file_that_is_changed_after_it_was_hashed_is_not_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: Callable[[Path], None]
) -> None:
    path = tmp_path / "m.joblib"
    joblib.dump(KNeighborsClassifier().fit(np.zeros((60, 3_000)), X[:, 0] > 0), path)
    look = saved.look

    def and_change(file: Any) -> Any:
        content = look(file)
        change(path)
        return content

    monkeypatch.setattr(saved, "look", and_change)
    with pytest.raises(ModelError, match="was overwritten while it was read: start again"):
        fitted.load(path, hashlib.sha256(path.read_bytes()).hexdigest())
    assert not (tmp_path / "mark").exists()


def test_a_pinned_file_may_be_replaced_while_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "m.joblib"
    joblib.dump(LogisticRegression().fit(X, X[:, 0] > 0), path)
    file, _ = open_file(path, hashlib.sha256(path.read_bytes()).hexdigest())
    with file:
        shutil.copy(path, tmp_path / "new")
        (tmp_path / "new").replace(path)
        assert isinstance(joblib.load(file), LogisticRegression)
