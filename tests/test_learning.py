"""A service that learns: what docs/learning.md shows, and a truth that changes, with real trainings."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from tests.checkout import ROOT, checkout
from tests.clients import untraced
from tests.test_serving import serving
from tests.test_swap import ADMIN_KEYS, KEY
from tests.torture.learning import simulate
from tests.torture.picture import svg

PAGE = (ROOT / "docs" / "learning.md").read_text()
# A command with its further lines, and what it prints.
COMMAND = re.compile(r"^\$ (.*\n(?:    .*\n)*)((?:(?!\$ |```).*\n)*)", re.MULTILINE)
ID, NUMBER = re.compile(r"[0-9a-f]{32}"), re.compile(r"\d+(?:[.,]\d+)*")


def parts(shown: str) -> list[str]:
    """What a page shows of an answer, between its dots, without versions and numbers."""
    bare = NUMBER.sub("N", re.sub(r"\b[0-9a-f]{12}\b", "VERSION", ID.sub("ID", shown)))
    return [part.strip() for part in bare.split("...") if part.strip()]


def test_the_commands_of_the_page_teach_the_example(tmp_path: Path, example: Path) -> None:
    folder = checkout(tmp_path, example)
    (folder / ".env").unlink()
    (folder / ".venv").symlink_to(Path(sys.prefix))
    blocks = re.findall(r"```console\n(.*?)```", PAGE, re.DOTALL)
    commands = COMMAND.findall("".join(blocks))
    assert [command.split()[1] for command, _ in commands[:2]] == ["api-key", "run"]
    model = folder / "models" / "latest.joblib"
    with serving(folder, MODEL_PATH=model, ADMIN_KEYS=ADMIN_KEYS) as server:
        environment = {**untraced(), "API_KEY": KEY, "PORT": str(server.port)}
        known = ""
        for command, shown in commands[2:]:
            words = ID.sub(known, command).replace("localhost:8080", f"localhost:{server.port}")
            done = subprocess.run(
                ["bash", "-c", words], cwd=folder, env=environment, capture_output=True, text=True,
                check=True, timeout=100,
            )  # fmt: skip
            known = (ID.findall(done.stdout) or [known])[-1] if "-i" in command.split() else known
            said = parts(done.stdout.replace("...", ""))[0] if done.stdout.strip() else ""
            for part in parts(shown):
                assert part in said, (words, done.stdout)


def test_a_service_learns_of_a_change_by_itself(tmp_path: Path) -> None:
    outcome = simulate(tmp_path, rows=300, change=60, told=1, every=250)
    (training,) = outcome.trainings
    assert training.report["activated"], training.report
    assert (outcome.swaps, outcome.lost) == ([250], 0)
    assert outcome.accuracy(60, 250) < 0.5 < outcome.accuracy(250, 300)
    assert "worse" in {each["verdict"] for each in outcome.seen}
    assert svg(outcome).count("<circle") == 1


def test_the_picture_of_the_page_is_that_of_its_figures() -> None:
    picture = (ROOT / "docs" / "learning.svg").read_text()
    assert "after 2,000 rows" in picture
    ((best,),) = [re.findall(r"a model of 10,000 rows of the new truth: ([\d.]+) %", picture)]
    assert f"| a model trained on 10,000 rows of the new truth, on the same rows | {best}" in PAGE
