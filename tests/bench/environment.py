"""Make each server's environment in bench/ on first use, and train the models in it."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.bench.peers import FLOOR, OURS, Peer

ROOT = Path(__file__).parents[2]
SERVERS = Path(__file__).with_name("servers")
TRAIN = SERVERS / "train.py"
UV = Path(sys.executable).with_name("uv")
INSTALL_SECONDS = 900
# The packages whose versions are told with the results.
NAMED = (
    "flask",
    "fastapi",
    "uvicorn",
    "mlserver",
    "mlserver-sklearn",
    "kserve",
    "bentoml",
    "pyuwsgi",
    "scikit-learn",
    "numpy",
    "pandas",
)


@dataclass(frozen=True)
class Environment:
    """Where a server is installed, its versions, and what the models in it answer."""

    state: Path
    versions: Mapping[str, str]
    answers: Path

    @property
    def bin(self) -> Path:
        """The folder of its commands."""
        return self.state / ".venv" / "bin"

    def size(self) -> int:
        """Bytes of its packages."""
        packages = next((self.state / ".venv" / "lib").glob("python*/site-packages"))
        return sum(file.stat().st_size for file in packages.rglob("*") if file.is_file())


def make(peer: Peer) -> Environment:
    """Install what `peer` needs unless that is done already.

    Raises subprocess.SubprocessError if the installation or the training fails.
    """
    state = ROOT / "bench" / peer.name
    recipe = state / "recipe"
    wanted = _recipe(peer)
    if not recipe.exists() or recipe.read_text() != wanted:
        print(f"{peer.name}: making its environment in bench/{peer.name}", flush=True)
        state.mkdir(parents=True, exist_ok=True)
        recipe.unlink(missing_ok=True)
        _install(peer, state)
        recipe.write_text(wanted)
    versions: dict[str, str] = json.loads((state / "versions.json").read_text())
    answers = state / "answers.json"
    # The floor has no model: it gives the answers of ours.
    return Environment(state, versions, answers if answers.exists() else make(OURS).answers)


def answers(environment: Environment) -> Any:
    """The rows to send and, for each model, what the estimator itself predicts for them."""
    return json.loads(environment.answers.read_text())


def _recipe(peer: Peer) -> str:
    parts = [*peer.pins, sys.version, TRAIN.read_text()]
    if peer is OURS:
        parts.append((ROOT / peer.pins[0]).read_text())
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def _install(peer: Peer, state: Path) -> None:
    python = state / ".venv" / "bin" / "python"
    what = ["--require-hashes", "--requirement", *peer.pins] if peer is OURS else [*peer.pins]
    commands: list[list[str | Path]] = [
        [UV, "venv", "--quiet", "--clear", "--python", sys.executable, state / ".venv"],
        # Compiled as pip does it, else the first start would pay for it.
        [UV, "pip", "install", "--quiet", "--compile-bytecode", "--python", python, *what],
    ]
    if peer is not FLOOR:
        commands.append([python, TRAIN, state])
    for command in commands:
        subprocess.run(command, cwd=ROOT, check=True, timeout=INSTALL_SECONDS)
    listing: list[str | Path] = [
        UV,
        "pip",
        "list",
        "--quiet",
        "--format",
        "json",
        "--python",
        python,
    ]
    output = subprocess.run(listing, check=True, timeout=INSTALL_SECONDS, capture_output=True)
    installed = {package["name"]: package["version"] for package in json.loads(output.stdout)}
    versions = {name: installed[name] for name in NAMED if name in installed}
    (state / "versions.json").write_text(json.dumps(versions))
