"""Environments for real clients, made in .clients/ at their first use."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from models import threads
from tests.tracing import CONFIG, TOLD

CLIENTS = Path(__file__).parents[1] / ".clients"
UV = Path(sys.executable).with_name("uv")
INSTALL_SECONDS = 900


def environment(name: str, *pins: str) -> Path:
    """The folder of an environment with these packages; its commands are in `bin`.

    Two processes may make the same one: the first to be done keeps its own.
    """
    recipe = hashlib.sha256("\n".join([sys.version, *pins]).encode()).hexdigest()[:12]
    place = CLIENTS / f"{name}-{recipe}"
    if place.exists():
        return place
    CLIENTS.mkdir(exist_ok=True)
    made = Path(tempfile.mkdtemp(prefix=f"{name}-", dir=CLIENTS))
    try:
        commands: list[list[str | Path]] = [
            [UV, "venv", "--quiet", "--relocatable", "--clear", "--python", sys.executable, made],
            [UV, "pip", "install", "--quiet", "--python", made / "bin" / "python", *pins],
        ]
        for command in commands:
            subprocess.run(command, check=True, timeout=INSTALL_SECONDS)
        with contextlib.suppress(OSError):
            made.rename(place)
    finally:
        shutil.rmtree(made, ignore_errors=True)
    return place


def untraced() -> dict[str, str]:
    """Our environment for a process without coverage: to trace one takes as long as it does itself.

    It is for processes that run a copy of our code, or lines that other tests execute too.
    """
    return {name: value for name, value in os.environ.items() if name not in (CONFIG, TOLD)}


def run(place: Path, script: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    """Run tests/clients/<script> with an environment's Python, and take what it prints."""
    path = Path(__file__).with_name("clients") / script
    variables = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "VIRTUAL_ENV")}
    variables |= dict.fromkeys(threads.VARIABLES, "1")
    return subprocess.run(
        [place / "bin" / "python", path, *map(str, arguments)],
        check=False,
        capture_output=True,
        text=True,
        timeout=300,
        env=variables,
    )
