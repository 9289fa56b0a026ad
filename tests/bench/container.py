"""The images of this server: how much room they take, and how soon a container answers."""

from __future__ import annotations

import contextlib
import os
import shlex
import shutil
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.bench import answer
from tests.bench.environment import BENCH, ROOT, Environment
from tests.bench.peers import OURS
from tests.bench.process import ServerError, free_ports

MODEL = "penguins"
BUILD_SECONDS = 900
DOCKER_SECONDS = 60
CONTEXT = BENCH / "image"
# What make run-container says too.
HARDENED = shlex.split("--read-only --tmpfs /tmp --cap-drop ALL --security-opt no-new-privileges")
# What stands behind make build-image.
KINDS = {"usual": "SLIM=false", "slim": "SLIM=true"}


class NotMeasuredError(Exception):
    """There is no container to measure; the message says why."""


@dataclass(frozen=True)
class Image:
    """Bytes that it adds to its base image, and seconds to the first answer in each round."""

    size: int
    starts: list[float]


def measure(ours: Environment, known: answer.Known, rounds: int) -> dict[str, Image]:
    """Build both images with the penguins in them, and start each so often, in turns.

    Raises NotMeasuredError if docker does not answer, or an image is not built or does not answer.
    """
    if shutil.which("docker") is None or _docker("version").returncode:
        raise NotMeasuredError("docker does not answer")
    try:
        _copy(ours)
        sizes = {kind: _build(kind) for kind in KINDS}
        starts: dict[str, list[float]] = {kind: [] for kind in KINDS}
        for _ in range(rounds):
            for kind in KINDS:
                with running(kind) as container:
                    seconds = answer.wait_for_first_answer(container, OURS, known.first(1))
                starts[kind].append(seconds)
                print(f"container, {kind} image: first answer after {seconds:.2f} s", flush=True)
    except (ServerError, OSError, subprocess.SubprocessError) as error:
        raise NotMeasuredError(str(error)) from error
    return {kind: Image(sizes[kind], starts[kind]) for kind in KINDS}


@dataclass(frozen=True)
class Container:
    """A container that runs for as long as the docker client that started it."""

    name: str
    port: int
    started: float
    client: subprocess.Popen[bytes]

    def check_alive(self) -> None:
        """Raise ServerError if it has ended."""
        if self.client.poll() is not None:
            log = (BENCH / "container.log").read_text(errors="replace").splitlines()
            raise ServerError(f"the container ended: {' / '.join(log[-3:])}")


@contextlib.contextmanager
def running(kind: str) -> Iterator[Container]:
    """A container of this image, whose clock runs from before docker is called."""
    name, port = f"{_image(kind)}-{os.getpid()}", free_ports(1)[0]
    options = ["--rm", "--name", name, "--publish", f"127.0.0.1:{port}:8080", *HARDENED]
    with (BENCH / "container.log").open("wb") as log:
        started = time.perf_counter()
        client = subprocess.Popen(
            ["docker", "run", *options, _image(kind)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
    try:
        yield Container(name, port, started, client)
    finally:
        _docker("rm", "--force", name)
        client.wait(DOCKER_SECONDS)


def _copy(ours: Environment) -> None:
    """Copy what an image is made of, so that the penguins are its model, whatever is in models/."""
    shutil.rmtree(CONTEXT, ignore_errors=True)
    CONTEXT.mkdir()
    makefiles = ROOT / "Makefile", ROOT / "google-cloud.mk"
    for file in (*makefiles, ROOT / "Dockerfile", ROOT / ".dockerignore", *_locks()):
        shutil.copy(file, CONTEXT)
    own = shutil.ignore_patterns("__pycache__", "latest.*", "requirements.txt")
    for folder in ("api", "models"):
        shutil.copytree(ROOT / folder, CONTEXT / folder, ignore=own)
    for suffix in ("joblib", "json"):
        shutil.copy(ours.file(f"{MODEL}.{suffix}"), CONTEXT / "models" / f"latest.{suffix}")


def _locks() -> Iterator[Path]:
    return ROOT.glob("requirements*.lock")


def _build(kind: str) -> int:
    """Build the image; how many bytes its own two folders have."""
    print(f"building the {kind} image", flush=True)
    log = BENCH / f"{kind}-image.log"
    model = "MODEL_PATH=models/latest.joblib"
    command = [
        "make",
        "-C",
        str(CONTEXT),
        "build-image",
        f"IMAGE={_image(kind)}",
        KINDS[kind],
        model,
    ]
    with log.open("wb") as output:
        built = subprocess.run(
            command, stdout=output, stderr=output, check=False, timeout=BUILD_SECONDS
        )
    if built.returncode:
        raise NotMeasuredError(f"the {kind} image was not built: {log.relative_to(ROOT)} says why")
    du = ["--entrypoint", "du", _image(kind), "-s", "--apparent-size", "-B1", "/venv", "/app"]
    lines = _docker("run", "--rm", *du).stdout.splitlines()
    return sum(int(line.split()[0]) for line in lines)


def _image(kind: str) -> str:
    return f"machine-learning-api-bench-{kind}"


def _docker(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["docker", *arguments], capture_output=True, text=True, check=False, timeout=DOCKER_SECONDS
    )
