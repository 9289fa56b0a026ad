"""docs/evaluation.md: its commands print what stands there, and its page can be read by everyone."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from models import releases
from tests.checkout import ROOT, checkout
from tests.clients import untraced
from tests.conftest import CHROMIUM
from tests.test_page import DESKTOP, PHONE, axe
from tests.test_serving import serving

if TYPE_CHECKING:
    from playwright.sync_api import Browser

DOCUMENT = ROOT / "docs" / "evaluation.md"
HASH = re.compile(r"\b[0-9a-f]{12}\b")
NUMBER = re.compile(r"\d[\d,]*(\.\d+)?")


def shown() -> Iterator[tuple[str, str]]:
    """Each command of the page that evaluates, and what stands below it."""
    for block in re.findall(r"```console\n(.*?)```", DOCUMENT.read_text(), re.DOTALL):
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE):
            if part.startswith("make evaluate"):
                command, _, output = part.partition("\n")
                yield command, output


@pytest.fixture(scope="module")
def folder(example: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkout with the model of the page: the example, under the version of the page."""
    folder = checkout(tmp_path_factory.mktemp("evaluation"), Path("nowhere"))
    (folder / ".env").unlink()
    (folder / ".venv").symlink_to(Path(sys.prefix))
    model = folder / "models" / "model-1.2.0.joblib"
    for file, new in zip(releases.files_of(example), releases.files_of(model), strict=True):
        if file.exists():
            shutil.copy2(file, new)
    card = model.with_suffix(".json")
    card.write_text(card.read_text().replace('"release": "0.1.0"', '"release": "1.2.0"'))
    return folder


def run(folder: Path, command: str) -> str:
    """What a command prints, without the lines of make."""
    done = subprocess.run(
        ["sh", "-c", f"{command} 2>&1"],
        cwd=folder,
        env=untraced(),
        capture_output=True,
        text=True,
        check=False,
    )
    return "".join(
        line for line in done.stdout.splitlines(keepends=True) if not line.startswith("make: ")
    )


def similar(one: str, other: str) -> bool:
    """Whether texts are equal but for the last digits of their numbers, and hashes."""
    one, other = (HASH.sub("0", text) for text in (one, other))
    if NUMBER.sub("0", one).split() != NUMBER.sub("0", other).split():
        return False
    pairs = zip(NUMBER.finditer(one), NUMBER.finditer(other), strict=True)
    return all(
        float(a[0].replace(",", ""))
        == pytest.approx(float(b[0].replace(",", "")), rel=0.01, abs=1e-3)
        for a, b in pairs
    )


def check(command: str, got: str) -> None:
    """Compare what was printed with the page; UPDATE_DOCS=1 writes it there instead.

    A line of dots on the page stands for the lines before it, or after it.
    """
    text = DOCUMENT.read_text()
    (output,) = (output for known, output in shown() if known == command)
    lines, count = got.splitlines(keepends=True), output.count("\n") - 1
    if output.startswith("...\n"):
        got = "".join(["...\n", *lines[-count:]])
    elif output.endswith("...\n"):
        got = "".join([*lines[:count], "...\n"])
    if os.environ.get("UPDATE_DOCS"):
        DOCUMENT.write_text(text.replace(f"$ {command}\n{output}", f"$ {command}\n{got}"))
    else:
        assert similar(got, output), f"UPDATE_DOCS=1 writes it anew: {got}"


@pytest.mark.parametrize("command", [each for each, _ in shown()])
def test_a_command_prints_what_stands_below_it(folder: Path, command: str) -> None:
    if "URL" not in command:
        check(command, run(folder, command))
        return
    model = folder / "models" / "model-1.2.0.joblib"
    with serving(folder, traced=False, MODEL_PATH=model) as server:
        here = f"localhost:{server.port}"
        got = run(folder, command.replace("localhost:8080", here))
        check(command, got.replace(here, "localhost:8080"))


def test_the_python_prints_what_its_comment_says(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(folder)
    (code,) = re.findall(r"```python\n(.*?)```", DOCUMENT.read_text(), re.DOTALL)
    exec(code, {})
    assert capsys.readouterr().out.strip() == code.rpartition("# ")[2].strip()


@pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")
@pytest.mark.parametrize(
    ("scheme", "viewport"), [("light", DESKTOP), ("dark", PHONE)], ids=["desktop", "phone"]
)
def test_the_report_keeps_nobody_out(
    folder: Path, browser: Browser, scheme: str, viewport: dict[str, int]
) -> None:
    context = browser.new_context(color_scheme=scheme, viewport=viewport)  # type: ignore[arg-type]
    page = context.new_page()
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.goto(f"file://{folder}/reports/model-1.2.0.html")
    assert page.evaluate("document.documentElement.scrollWidth") <= viewport["width"]
    assert said == []
    page.evaluate(axe())
    found = page.evaluate("axe.run()")
    assert [(each["id"], each["nodes"][0]["html"]) for each in found["violations"]] == []
    context.close()
