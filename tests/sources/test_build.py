"""A model that `make fetch-model` fetches into the image, from a source that has no tool of its own."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from models.sources import __main__ as command
from tests.checkout import ROOT, checkout
from tests.clients import untraced
from tests.sources.servers import MLMODEL, Web, registry

BIN = Path(sys.executable).parent


@pytest.fixture(scope="module")
def tree(example: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return checkout(tmp_path_factory.mktemp("tree"), example)


@pytest.fixture
def volume(tmp_path: Path) -> Path:
    (tmp_path / "penguins.joblib").write_bytes(b"a model")
    (tmp_path / "penguins.json").write_bytes(b"{}")
    return tmp_path


def make(tree: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    """Run make with the environment of the tests."""
    return subprocess.run(
        ["make", "fetch-model", "FIT=:", f"VENV={BIN}", *map(str, arguments)],
        cwd=tree, env=untraced(), capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip


def test_a_model_and_its_card_are_fetched_if_they_are_those_that_are_meant(
    tree: Path, volume: Path
) -> None:
    before = (tree / "models" / "latest.joblib").read_bytes()
    wrong = make(tree, f"MODEL_URI={volume}", "MODEL_SHA256=0123abc")
    assert wrong.returncode != 0
    assert "and MODEL_SHA256 says 0123abc" in wrong.stderr
    assert (tree / "models" / "latest.joblib").read_bytes() == before

    digest = hashlib.sha256(b"a model").hexdigest()
    right = make(tree, f"MODEL_URI={volume}", f"MODEL_SHA256={digest[:12]}")
    assert f"models/latest.joblib has the SHA-256 {digest}\n" in right.stdout
    assert (tree / "models" / "latest.joblib").read_bytes() == b"a model"
    assert (tree / "models" / "latest.json").read_bytes() == b"{}"

    (volume / "penguins.json").unlink()
    assert make(tree, f"MODEL_URI={volume}").returncode == 0
    assert not (tree / "models" / "latest.json").exists()
    missing = make(tree, f"MODEL_URI={volume}/none.joblib")
    assert missing.returncode != 0
    assert f"error: there is no file {volume}/none.joblib: put the model there" in missing.stderr
    assert [*(tree / "models").glob("*.new")] == []


@pytest.mark.parametrize(
    ("uri", "package"),
    [("s3://a/b", "obstore"), ("az://a/b", "obstore"), ("mlflow://a/1", "obstore")],
)
def test_a_source_gets_the_package_that_it_needs_in_the_locked_version(
    uri: str, package: str
) -> None:
    shown = subprocess.run(
        ["make", "--dry-run", "fetch-by-python", f"MODEL_URI={uri}"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    lock = (ROOT / "requirements-dev.lock").read_text()
    for name in ("msgspec", package):
        pin = next(line.split()[0] for line in lock.splitlines() if line.startswith(f"{name}=="))
        assert f"--with {pin} " in shown


def run(monkeypatch: pytest.MonkeyPatch, uri: object, folder: Path) -> None:
    monkeypatch.setattr(
        sys, "argv", ["models.sources", str(uri), str(folder / "m.new"), str(folder / "c.new")]
    )
    command.main()


def test_the_command_writes_the_model_and_its_card(
    monkeypatch: pytest.MonkeyPatch, volume: Path
) -> None:
    run(monkeypatch, volume, volume)
    assert (volume / "m.new").read_bytes() == b"a model"
    assert (volume / "c.new").read_bytes() == b"{}"
    (volume / "penguins.json").unlink()
    (volume / "c.new").unlink()
    places = map(str, (volume, volume / "m.new", volume / "c.new"))
    subprocess.run(
        [sys.executable, "-m", "models.sources", *places], cwd=ROOT, check=True, timeout=60
    )
    assert not (volume / "c.new").exists()


@pytest.mark.parametrize(
    ("variables", "sentence"),
    [
        ({}, "error: there is no file none.joblib: put the model there"),
        ({"MAX_MODEL_BYTES": "4GB"}, "error: MAX_MODEL_BYTES='4GB': expected a whole number"),
    ],
)
def test_an_error_is_one_sentence(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, variables: Any, sentence: str
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SystemExit, match=f"^{sentence}"):
        run(monkeypatch, "none.joblib", tmp_path)


def test_a_skops_file_is_not_for_an_image(monkeypatch: pytest.MonkeyPatch, volume: Path) -> None:
    (volume / "MLmodel").write_text(MLMODEL.replace("model.pkl", "model.skops"))
    (volume / "model.skops").write_bytes(b"PK")
    with Web().serving() as web:
        for name, value in registry(web, str(volume)).items():
            monkeypatch.setenv(name.upper(), value)
        with pytest.raises(SystemExit, match='log it with serialization_format="cloudpickle"'):
            run(monkeypatch, "mlflow://penguins/1", volume)
