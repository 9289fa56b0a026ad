"""Make each server's environment in bench/ on first use, and the models in it."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.bench.peers import FLOOR, MODELS, OURS, Peer

ROOT = Path(__file__).parents[2]
BENCH = ROOT / "bench"
SERVERS = Path(__file__).with_name("servers")
TRAIN = SERVERS / "train.py"
TRAIN_PENGUINS = SERVERS / "train_penguins.py"
COMPILER = ("models/**/*.py",)
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
    """Where a server is installed, its versions, and the models that it serves."""

    state: Path
    versions: Mapping[str, str]

    @property
    def bin(self) -> Path:
        """The folder of its commands."""
        return self.state / ".venv" / "bin"

    def size(self) -> int:
        """Bytes of its packages."""
        packages = next((self.state / ".venv" / "lib").glob("python*/site-packages"))
        return sum(file.stat().st_size for file in packages.rglob("*") if file.is_file())

    def file(self, name: str) -> Path:
        """A model or its answers; what it has not trained itself is trained in ours."""
        own = self.state / name
        return own if own.exists() else BENCH / OURS.name / name


def make(peer: Peer) -> Environment:
    """Install what `peer` needs, and train and bake its models, unless that is done already.

    Raises subprocess.SubprocessError if the installation or the training fails.
    """
    state = BENCH / (peer.home or peer.name)
    ours = peer.pins == OURS.pins
    pins = [(ROOT / peer.pins[0]).read_text()] if ours else peer.pins
    if _changed(state / "recipe", [*pins, sys.version]):
        print(f"{state.name}: making its environment in bench/{state.name}", flush=True)
        # What is made in it is made again.
        (state / "trained").unlink(missing_ok=True)
        _install(peer, state)
        _keep(state / "recipe", [*pins, sys.version])
    sources = [TRAIN, *([TRAIN_PENGUINS, ROOT / "models/pipeline.py"] if ours else [])]
    texts = [source.read_text() for source in sources]
    if state.name != FLOOR.name and _changed(state / "trained", texts):
        _run(state, TRAIN, state)
        if ours:
            _run(state, "-m", "tests.bench.servers.train_penguins", state)
        _keep(state / "trained", texts)
    if ours:
        _bake(state)
    return Environment(state, json.loads((state / "versions.json").read_text()))


def answers(environment: Environment, model: str) -> Any:
    """The rows to send and what the estimator itself predicts for them."""
    return json.loads(environment.file(f"{model}.answers").read_text())


def _bake(state: Path) -> None:
    """Make the plan of each model, if the model or the compiler is newer than it."""
    newest = max(file.stat().st_mtime for pattern in COMPILER for file in ROOT.glob(pattern))
    for model in MODELS:
        path = state / f"{model}.joblib"
        plan = path.with_suffix(".plan.npz")
        if not plan.exists() or plan.stat().st_mtime < max(newest, path.stat().st_mtime):
            print(f"{state.name}: baking {model}", flush=True)
            _run(state, "-m", "models.bake", path)


def _changed(note: Path, texts: Iterable[str]) -> bool:
    return not note.exists() or note.read_text() != _digest(texts)


def _keep(note: Path, texts: Iterable[str]) -> None:
    note.write_text(_digest(texts))


def _digest(texts: Iterable[str]) -> str:
    return hashlib.sha256("\n".join(texts).encode()).hexdigest()


def _run(state: Path, *arguments: str | Path) -> None:
    python = state / ".venv" / "bin" / "python"
    subprocess.run([python, *arguments], cwd=ROOT, check=True, timeout=INSTALL_SECONDS)


def _install(peer: Peer, state: Path) -> None:
    python = state / ".venv" / "bin" / "python"
    locked = peer.pins == OURS.pins
    what = ["--require-hashes", "--requirement", *peer.pins] if locked else [*peer.pins]
    state.mkdir(parents=True, exist_ok=True)
    (state / "recipe").unlink(missing_ok=True)
    commands: list[list[str | Path]] = [
        [UV, "venv", "--quiet", "--clear", "--python", sys.executable, state / ".venv"],
        # Compiled as pip does it, else the first start would pay for it.
        [UV, "pip", "install", "--quiet", "--compile-bytecode", "--python", python, *what],
    ]
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
