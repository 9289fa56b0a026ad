"""The pages on training, done to the letter: from a CSV to a package and a service."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from models import releases
from tests.checkout import ROOT, checkout
from tests.clients import untraced
from tests.evaluation.test_page_of_docs import similar
from tests.test_rejections import GOOD
from tests.test_serving import serving

PAGE = (ROOT / "docs" / "training.md").read_text()
HOUSES = (ROOT / "examples" / "own_model.md").read_text()
CODE = re.findall(r"```python\n(.*?)```", HOUSES, re.DOTALL)[0]
COMMAND = re.compile(r"^\$ (make [^#\n]*)(?:#.*)?\n((?:(?!\$ |```).*\n)*)", re.MULTILINE)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, example: Path) -> Path:
    """A checkout with the environment of the tests, the example and the code of the page."""
    folder = checkout(tmp_path_factory.mktemp("training"), example)
    (folder / ".env").unlink()
    (folder / ".venv").symlink_to(Path(sys.prefix))
    (folder / "models" / "houses.py").write_text(CODE)
    return folder


def make(folder: Path, command: str) -> str:
    bare = {name: value for name, value in untraced().items() if name not in ("NAME", "VERSION")}
    done = subprocess.run(
        command.split(), cwd=folder, env=bare, capture_output=True, text=True, check=False, timeout=200
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return done.stdout


def check(said: str, shown: str) -> None:
    """Each part of what the page shows, between its dots, is in what the command said.

    The last digits of numbers depend on the processor.
    """
    for part in shown.split("...\n"):
        start = said.partition(re.split(r"\d|\n", part, maxsplit=1)[0])[0].count("\n")
        lines = said.splitlines(keepends=True)[start : start + part.count("\n")]
        assert not part or similar("".join(lines), part), said


def test_the_example_of_houses_says_what_the_page_shows(folder: Path) -> None:
    found = COMMAND.findall(HOUSES)
    assert [command.split()[1] for command, _ in found] == [
        "train", "evaluate", "train", "compare", "package", "use-model", "run",
    ]  # fmt: skip
    for command, shown in found[:-1]:
        check(make(folder, command), shown)
    ((row, answer),) = re.findall(r"-d '(.*?)'\n(\{\"predictions\".*?\})\n", HOUSES)
    with serving(folder, traced=False, PYTHONPATH=folder) as server:
        found = server.post("/predict", json.loads(row))["predictions"]
    assert found == pytest.approx(json.loads(answer)["predictions"])


def test_five_commands_take_the_example_to_a_service(folder: Path) -> None:
    made = re.findall(r"^\$ (make .*?)\s*#", PAGE, re.MULTILINE)
    assert len(made) == 5
    # The page begins in a fresh clone.
    for path in releases.files_of(folder / "models" / "latest.joblib"):
        path.unlink(missing_ok=True)
    for command in made[:-1]:
        make(folder, command)
    make(folder, made[-1].replace(" run", ""))
    with serving(folder, traced=False, PYTHONPATH=folder) as server:
        assert server.post("/predict", GOOD) == {"predictions": ["Gentoo"]}


def test_the_notebook_of_the_page_runs(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    monkeypatch.chdir(folder)
    exec(code[-1], {})
    assert "Predictions of price are off by" in capsys.readouterr().out
    # The function of the page is that of the example.
    assert code[0].partition("def build")[2] == CODE.partition("def build")[2]


def test_a_target_in_other_letters_is_told_as_the_page_shows(folder: Path) -> None:
    ((command, shown),) = re.findall(r"\$ (make train DATA=houses\.csv.*)\n(error: .*)\n", PAGE)
    (folder / "houses.csv").write_bytes((folder / "examples" / "houses.csv").read_bytes())
    done = subprocess.run(
        command.split(),
        cwd=folder,
        env=untraced(),
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )
    assert done.returncode
    assert done.stderr.splitlines()[0] == shown
