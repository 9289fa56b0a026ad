"""A model is released by one command, whose tag, files and refusals are these."""

from __future__ import annotations

import hashlib
import re
import runpy
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from sklearn.dummy import DummyClassifier

from models import pipeline, releases
from models.evaluation import compare
from models.packaging import release
from models.training import train
from tests.packaging.conftest import bake

GIT = ("git", "-c", "user.name=a", "-c", "user.email=a@example.com")


def git(*arguments: str) -> str:
    done = subprocess.run([*GIT, *arguments], check=True, capture_output=True, text=True)
    return done.stdout.strip()


def guess(rows: Any, answers: Any) -> Any:
    return DummyClassifier()


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The example as the release 0.1.0 of "model", and a poor one of "poor"."""
    folder = tmp_path_factory.mktemp("released") / "models"
    train.train(version="0.1.0", folder=folder, bake=False)
    bake(folder / "model-0.1.0.joblib")
    data: Any = {"data": pipeline.DATA, "target": "species", "folds": 0}
    train.train(guess, version="0.1.0", name="poor", folder=folder, bake=False, **data)
    return folder


@pytest.fixture
def place(trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout of git with one commit, and two releases, which git ignores."""
    monkeypatch.chdir(tmp_path)
    for who in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{who}_NAME", "a")
        monkeypatch.setenv(f"GIT_{who}_EMAIL", "a@example.com")
    git("init", "-q")
    Path(".gitignore").write_text("models\nreports\ndist\n")
    git("add", ".")
    git("commit", "-q", "-m", "All")
    shutil.copytree(trained, "models")
    return tmp_path


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> None:
    monkeypatch.setattr(sys, "argv", ["release", *arguments])
    release.main()


def test_a_release_has_its_files_their_hashes_a_text_and_a_tag(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run(monkeypatch, "0.1.0", "--min", "accuracy>=0.9")
    said = capsys.readouterr().out
    folder = place / "dist" / "model-0.1.0"
    names = sorted(path.name for path in folder.iterdir())
    assert names == [
        "SHA256SUMS", "model-0.1.0-py3-none-any.whl", "model-0.1.0.evaluation.html",
        "model-0.1.0.evaluation.json", "model-0.1.0.joblib", "model-0.1.0.json",
        "model-0.1.0.plan.npz",
    ]  # fmt: skip
    for line in (folder / "SHA256SUMS").read_text().splitlines():
        digest, name = line.split("  ")
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == digest
    assert (
        "69 rows of models/model-0.1.0.held-out.csv"
        in (place / "dist" / "model-0.1.0.md").read_text()
    )
    assert git("cat-file", "-t", "model-0.1.0") == "tag"
    assert "69 rows of models/model-0.1.0.held-out.csv" in git("tag", "-n9", "model-0.1.0")
    assert said.endswith("This commit has the tag model-0.1.0: git push origin model-0.1.0\n")
    # The workflow finds the tag, and makes the files.
    releases.use(place / "models" / "model-0.1.0.joblib")
    shutil.rmtree(folder)
    run(monkeypatch, "", "--tag", "model-0.1.0")
    assert sorted(path.name for path in folder.iterdir()) == names
    said = capsys.readouterr().out
    assert "models/latest.joblib is the same file: there is nothing to compare." in said
    assert said.endswith("This commit has the tag model-0.1.0\n")


def test_a_release_is_made_of_what_was_trained_for_it(
    place: Path, trained: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = subprocess.run

    def ask(command: list[str], **options: Any) -> Any:
        if "models.training.train" not in command:
            return own(command, **options)
        shutil.copytree(trained, "models", dirs_exist_ok=True)
        return subprocess.CompletedProcess(command, 0)

    shutil.rmtree("models")
    monkeypatch.setattr(subprocess, "run", ask)
    run(monkeypatch, "0.1.0", "--name", "poor")
    assert git("tag") == "poor-0.1.0"


def test_a_release_that_cannot_be_trained_is_told(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Any] = []

    def ask(command: list[str], **options: Any) -> subprocess.CompletedProcess[bytes]:
        asked.append((command[3:], "OMP_NUM_THREADS" in options["env"]))
        return subprocess.CompletedProcess(command, 1)

    monkeypatch.setattr(release, "check_tag", str)
    monkeypatch.setattr(subprocess, "run", ask)
    with pytest.raises(SystemExit, match=r"error: model-0\.1\.1 is not released: it cannot be"):
        run(monkeypatch, "", "--seed", "3")
    assert asked == [(["0.1.1", "--name", "model", "--seed", "3"], False)]


REFUSED: dict[str, tuple[list[str], str]] = {
    "a gate": (
        ["0.1.0", "--min", "accuracy>=2"],
        "models/model-0.1.0.joblib is not released: accuracy is 1"),
    "a version": (["1.2"], "VERSION=1.2: expected three whole numbers"),
    "another tag": (["0.1.1", "--tag", "model-0.1.0"], "TAG=model-0.1.0 is another release than"),
    "no release": (["", "--tag", "v1"], "NAME=: expected letters and digits"),
    "changes": (["0.1.0"], "there are changes that are not committed: commit them, and release"),
    "an old tag": (["0.1.0"], "the tag model-0.1.0 names another commit: release the next version"),
    "no checkout": (["0.1.0"], "a release is a tag of git, and this is no checkout: git init"),
    "no author": (["0.1.0"], "git makes no tag: fatal: "),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_released_is_one_sentence_and_no_tag(
    place: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    arguments, words = REFUSED[name]
    if name == "changes":
        Path(".gitignore").write_text("models\n")
    if name == "an old tag":
        git("tag", "model-0.1.0")
        git("commit", "-q", "--allow-empty", "-m", "More")
    if name == "no checkout":
        shutil.rmtree(".git")
    if name == "no author":
        for what in ("NAME", "EMAIL"):
            monkeypatch.setenv(f"GIT_COMMITTER_{what}", "")
        monkeypatch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")
    with pytest.raises(SystemExit, match=re.escape(f"error: {words}")):
        run(monkeypatch, *arguments)
    if name not in ("no checkout", "an old tag"):
        assert git("tag") == ""


def test_where_there_is_no_git_nothing_is_released(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr(sys, "argv", ["release", "0.1.0"])
    with pytest.raises(SystemExit, match="error: a release is a tag of git, and this is no"):
        runpy.run_path(release.__file__, run_name="__main__")


def test_a_model_that_is_worse_is_released_only_if_that_is_said(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(compare, "measured", lambda *_: None)  # the speed decides nothing
    releases.use(place / "models" / "model-0.1.0.joblib")
    card = place / "models" / "latest.json"
    # Its model has no name of its own.
    card.write_text(card.read_text().replace('"name": "model"', '"name": ""'))
    with pytest.raises(SystemExit) as error:
        run(monkeypatch, "0.1.0", "--name", "poor")
    assert str(error.value) == (
        "error: models/poor-0.1.0.joblib is not released: it is worse than models/latest.joblib; "
        "ACCEPT=worse releases it all the same"
    )
    assert not git("tag")
    run(monkeypatch, "0.1.0", "--name", "poor", "--accept", "worse")
    assert git("tag") == "poor-0.1.0"
    # A model of another name is none to compare it with.
    card.write_text(card.read_text().replace('"name": ""', '"name": "model"'))
    git("tag", "-d", "poor-0.1.0")
    run(monkeypatch, "0.1.0", "--name", "poor")
    assert "models/latest.joblib is the model model: there is" in capsys.readouterr().out
    assert "there is nothing to compare" in (place / "dist" / "poor-0.1.0.md").read_text()
