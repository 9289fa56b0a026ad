"""Ctrl-C ends a command without a traceback, and any other fault still has one."""

from __future__ import annotations

import subprocess
import sys

import pytest

from models import printing
from tests.checkout import ROOT

COMMANDS = (
    "models.bake", "models.describe", "models.evaluation.__main__", "models.evaluation.compare",
    "models.evaluation.speed", "models.export", "models.packaging.__main__",
    "models.packaging.release", "models.releases", "models.training.train",
)  # fmt: skip
# Interrupt a command as soon as it imports a library, which takes most of the time of a short one.
INTERRUPTED = """
import runpy, sys

class Finder:
    @staticmethod
    def find_spec(name, path=None, target=None):
        if name in ("argparse", "logging"):
            raise KeyboardInterrupt

for name in ("argparse", "logging"):
    sys.modules.pop(name, None)
sys.meta_path.insert(0, Finder)
runpy.run_module(sys.argv[1], run_name="__main__")
"""


@pytest.mark.parametrize("command", COMMANDS)
def test_an_interrupt_has_no_traceback(command: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", INTERRUPTED, command],
        cwd=ROOT, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert (done.stdout, done.stderr) == ("", "\n")
    assert done.returncode != 0


def test_another_fault_has_its_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)
    printing.end_quietly()
    sys.excepthook(ValueError, ValueError("a fault"), None)
    assert capsys.readouterr().err == "ValueError: a fault\n"
    sys.excepthook(KeyboardInterrupt, KeyboardInterrupt(), None)
    assert capsys.readouterr().err == "\n"
