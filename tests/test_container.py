"""The image, built and run by the real docker client, through make."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.test_rejections import GOOD
from tests.test_serving import free_port

ROOT = Path(__file__).parent.parent
NAME = "machine-learning-api-test"


def docker(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["docker", *arguments], capture_output=True, text=True, check=False, timeout=300
    )


def make(folder: Path, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    command = ["make", f"IMAGE={NAME}", *arguments]
    return subprocess.run(
        command, cwd=folder, capture_output=True, text=True, check=check, timeout=600
    )


def checkout(folder: Path, model: Path) -> Path:
    """A copy of what git knows, with this model in it and the environment of the tests."""
    names = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    ).stdout.splitlines()  # fmt: skip
    for name in names:
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    for path in (model, model.with_suffix(".json")):
        if path.exists():
            shutil.copy2(path, folder / "models" / f"latest{path.suffix}")
    (folder / "secrets" / "key.json").write_text("secret")
    (folder / ".env").write_text("MAX_ROWS=2\n")
    return folder


@pytest.fixture(scope="module")
def folder(penguins_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A checkout whose image is built, and taken away at the end."""
    if docker("version").returncode != 0:
        pytest.skip("docker does not answer")
    path = checkout(tmp_path_factory.mktemp("checkout"), penguins_path)
    make(path, "build-image")
    yield path
    docker("rm", "--force", NAME)
    docker("rmi", "--force", NAME)


@pytest.fixture(scope="module")
def port(folder: Path) -> int:
    port = free_port()
    out = make(folder, "run-container", f"OS_PORT={port}").stdout
    assert f"Ready on http://localhost:{port}" in out
    return port


def post(port: int, body: Any) -> Any:
    request = urllib.request.Request(
        f"http://localhost:{port}/predict",
        json.dumps(body).encode(),
        {"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)


def test_the_container_predicts(port: int) -> None:
    assert post(port, GOOD) == {"predictions": ["Gentoo"]}


def test_the_container_obeys_the_settings_of_env(port: int) -> None:
    with pytest.raises(urllib.error.HTTPError) as error:
        post(port, [GOOD] * 3)
    with error.value:
        assert error.value.code == 413


def test_the_container_does_not_run_as_root(port: int) -> None:
    status = docker("exec", NAME, "cat", "/proc/1/status").stdout
    assert "Uid:\t65534" in status


def test_the_log_says_what_to_send(port: int) -> None:
    log = docker("logs", NAME)
    assert "Try it:" in log.stdout + log.stderr


def test_the_image_holds_the_service_and_nothing_else(folder: Path) -> None:
    found = docker(
        "run", "--rm", "--entrypoint", "find", NAME, "/app", "-not", "-name", "*.pyc", "-type", "f"
    ).stdout
    names = {Path(line).relative_to("/app").as_posix() for line in found.split()}
    assert {name.partition("/")[0] for name in names} == {"api", "models"}
    assert {"models/latest.joblib", "models/latest.json"} <= names
    assert not [name for name in names if name.endswith((".csv", ".env")) or "secret" in name]


def test_it_stops_when_it_is_told_to(folder: Path, port: int) -> None:
    make(folder, "stop-container")
    assert docker("container", "inspect", NAME).returncode != 0


def test_a_container_that_does_not_answer_shows_its_log(folder: Path) -> None:
    result = make(folder, "run-container", f"OS_PORT={free_port()}", "THREADS=many", check=False)
    assert result.returncode != 0
    assert "error: THREADS='many': Expected `int`" in result.stderr
    docker("rm", "--force", NAME)


def test_an_image_of_a_model_elsewhere_is_refused(folder: Path) -> None:
    result = make(folder, "build-image", "MODEL_PATH=elsewhere/model.joblib", check=False)
    assert "copy elsewhere/model.joblib there" in result.stderr


def test_a_container_without_an_image_is_refused(folder: Path) -> None:
    result = make(folder, "run-container", "CONTAINER=none", "IMAGE=none", check=False)
    assert result.returncode != 0


def test_an_image_of_a_broken_model_is_not_built(folder: Path, tmp_path: Path) -> None:
    if os.environ.get("DOCKER_HOST") is None and docker("version").returncode != 0:
        pytest.skip("docker does not answer")
    broken = tmp_path / "broken.joblib"
    broken.write_text("hello")
    copy = checkout(tmp_path / "copy", broken)
    result = make(copy, "build-image", check=False)
    assert result.returncode != 0
    assert "is not a joblib file, or is damaged" in result.stdout + result.stderr
