"""The page on packages: its commands are run, and print what stands below them."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.checkout import ROOT, checkout
from tests.packaging.conftest import Installed

PAGE = ROOT / "docs" / "package.md"
# The last digits of a number may differ between processors.
DIGITS = re.compile(r"(\d\.\d{6})\d+")
BLOCK = re.compile(r"```(console|python|text)\n(.*?)```", re.DOTALL)


@pytest.fixture(scope="module")
def project(model_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkout with the environment of the tests, and the example, baked."""
    folder = checkout(tmp_path_factory.mktemp("checkout"), model_path)
    (folder / ".env").unlink()
    (folder / ".venv").symlink_to(ROOT / ".venv")
    shutil.copy(model_path.with_suffix(".plan.npz"), folder / "models" / "latest.plan.npz")
    return folder


def printed(command: str, project: Path, installed: Installed) -> str:
    """What a command prints, where the package is installed as the page says."""
    if command.startswith("pip install "):
        assert (project / command.rpartition(" ")[2]).is_file()
        return ""
    environ = {k: v for k, v in os.environ.items() if not k.startswith(("TWINE", "COV", "PYTHON"))}
    environ["PATH"] = f"{installed.folder / 'bin'}{os.pathsep}{environ['PATH']}"
    if command.startswith("make"):
        environ["PATH"] = os.environ["PATH"]
    done = subprocess.run(
        ["sh", "-c", command], cwd=project, env=environ, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, text=True, check=False, timeout=120,
    )  # fmt: skip
    lines = done.stdout.splitlines(keepends=True)
    return "".join(line for line in lines if not line.startswith(("Next:", "make: ***")))


def test_the_page_shows_what_its_commands_print(project: Path, installed: Installed) -> None:
    ran = ""

    def run(block: re.Match[str]) -> str:
        nonlocal ran
        kind, text = block.groups()
        if kind == "console":
            commands = re.findall(r"^\$ (.*)\n", text, re.MULTILINE)
            text = "".join(f"$ {each}\n{printed(each, project, installed)}" for each in commands)
        elif kind == "text":
            text = ran
        else:
            done = installed.run("python", "-c", text)
            ran = (done.stdout + done.stderr.splitlines(keepends=True)[-1]).decode()
        return f"```{kind}\n{text}```"

    page = PAGE.read_text()
    found = BLOCK.sub(run, page)
    if os.environ.get("UPDATE_DOCS"):
        PAGE.write_text(found)
    else:
        assert DIGITS.sub(r"\1", found) == DIGITS.sub(r"\1", page)
