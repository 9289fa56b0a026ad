"""The image, built and run by the real docker client, through make."""

from __future__ import annotations

import concurrent.futures
import contextlib
import hashlib
import json
import re
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import joblib
import pytest
import sklearn
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.checkout import NAME, ROOT, checkout, docker, make, sleeper
from tests.test_rejections import GOOD
from tests.test_serving import free_port

OTHER_NAME = f"{NAME}-other"
# Not the scikit-learn of the lock, and its name is as long.
OTHER_VERSION = "1.8.0"


def inside(image: str, *command: str) -> str:
    """What a command prints that is run in the image instead of the service."""
    entrypoint, *arguments = command
    result = docker("run", "--rm", "--entrypoint", entrypoint, image, *arguments)
    assert result.returncode == 0, result.stderr
    return result.stdout


def distributions(image: str) -> dict[str, str]:
    """The packages in the image and their versions."""
    code = "import importlib.metadata as m; [print(d.name, d.version) for d in m.distributions()]"
    lines = inside(image, "python", "-c", code).splitlines()
    return {canonicalize_name(name): version for name, version in map(str.split, lines)}


def locked(name: str) -> dict[str, str]:
    """The packages that a lock has for the Python of the image."""
    lines = re.findall(r"^[a-z].*==[^\\\n]*", (ROOT / name).read_text(), re.MULTILINE)
    python = {"python_version": "3.13", "python_full_version": "3.13.0"}
    return {
        canonicalize_name(entry.name): str(entry.specifier).removeprefix("==")
        for entry in map(Requirement, lines)
        if entry.marker is None or entry.marker.evaluate(python)
    }


@pytest.fixture(scope="module")
def port(built: Path) -> Iterator[int]:
    port = free_port()
    out = make(built, "run-container", f"OS_PORT={port}").stdout
    assert f"Ready on http://localhost:{port}" in out
    assert f"is served on http://localhost:{port}\n" in docker("logs", NAME).stdout
    yield port
    docker("rm", "--force", NAME)
    docker("volume", "rm", "--force", f"{NAME}-data")


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The output of make for an image that explains a slow model of another scikit-learn."""
    if docker("ps", "--quiet").returncode != 0:
        pytest.skip("docker does not answer")
    model = tmp_path_factory.mktemp("model") / "latest.joblib"
    slowly = sleeper()
    slowly.made_at_ = time.time()  # a step that is found in the cache says nothing
    joblib.dump(slowly, model)
    ours = sklearn.__version__.encode()
    assert len(ours) == len(OTHER_VERSION)
    model.write_bytes(model.read_bytes().replace(ours, OTHER_VERSION.encode()))
    model.chmod(0o600)
    path = checkout(tmp_path_factory.mktemp("other"), model)
    yield make(path, "build-image", f"IMAGE={OTHER_NAME}", "EXPLAIN=true").stdout
    docker("rmi", "--force", OTHER_NAME)


@pytest.fixture
def other_port(other: str) -> Iterator[int]:
    """A container of that image, on another port inside, with as little to write to as can be."""
    port = free_port()
    result = docker(
        "run", "--detach", "--name", OTHER_NAME, "--publish", f"127.0.0.1:{port}:9090",
        "--env", "PORT=9090", "--read-only", "--tmpfs", "/tmp:size=1m", OTHER_NAME,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError):
            urllib.request.urlopen(f"http://localhost:{port}/ready", timeout=5).close()
            break
        time.sleep(0.1)
    yield port
    docker("rm", "--force", OTHER_NAME)


def post(port: int, body: Any, method: str = "predict") -> Any:
    request = urllib.request.Request(
        f"http://localhost:{port}/{method}",
        json.dumps(body).encode(),
        {"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)


def ask(port: int, path: str, body: Any = None) -> Any:
    """The JSON of an answer."""
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}{path}",
        None if body is None else json.dumps(body).encode(),
        {"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)


def test_the_container_keeps_its_tasks_in_a_volume(port: int) -> None:
    task_id = ask(port, "/inference/start", GOOD)["task_id"]
    deadline = time.monotonic() + 30
    while ask(port, f"/inference/status/{task_id}")["status"] != "SUCCESS":
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert ask(port, f"/inference/results/{task_id}")["predictions"] == ["Gentoo"]
    assert docker("volume", "inspect", f"{NAME}-data").returncode == 0


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


def test_the_health_check_of_the_image_passes_where_the_service_is_well(port: int) -> None:
    # podman's images have none, so it is read off the Dockerfile.
    found = re.search(
        r"^HEALTHCHECK .*\n +CMD (.*)$", (ROOT / "Dockerfile").read_text(), re.MULTILINE
    )
    assert found
    command = json.loads(found[1])
    assert docker("exec", NAME, *command).returncode == 0
    assert docker("exec", "--env", "PORT=1", NAME, *command).returncode != 0


def test_the_image_holds_the_service_and_nothing_else(built: Path) -> None:
    listed = inside(NAME, "find", "/app", "-type", "f", "-not", "-name", "*.pyc")
    names = {Path(line).relative_to("/app").as_posix() for line in listed.split()}
    code = {
        path.relative_to(built).as_posix()
        for package, pattern in (("api", "**/*"), ("models", "**/*.py"))
        for path in (built / package).glob(pattern)
        if path.is_file()
    }
    baked = {f"models/latest.{kind}" for kind in ("joblib", "json", "plan.npz")}
    # The rows by which the example is trained anew.
    assert names == code | baked | {"models/penguins.csv"}


def test_the_image_holds_the_packages_of_the_lock_and_no_others(built: Path) -> None:
    assert distributions(NAME) == locked("requirements-pandas.lock")


def test_nothing_that_does_not_serve_is_in_any_file_of_the_image(built: Path) -> None:
    ours, base = (
        set(inside(image, "find", "/", "-xdev", "-not", "-type", "d").splitlines())
        for image in (NAME, "python:3.13-slim-trixie")
    )
    unwanted = re.compile(
        r"^/(?!app/|venv/)|/\.env|/\.git|/tests?/|/secrets/|/\.dockerignore|/Dockerfile|/Makefile"
        r"|/\.cache/|\.(csv|lock|pem|key|whl)$|^/app/(?!api/|models/)|/site-packages/pip/|/bin/pip"
    )
    # A package may have a table of its own; the engine itself leaves a file or two.
    lines = [
        line
        for line in ours - base
        if "/sklearn/datasets/" not in line
        and not line.startswith(("/run/", "/proc/", "/dev/"))
        and line != "/app/models/penguins.csv"
    ]
    assert len(lines) > 1000
    assert [line for line in lines if unwanted.search(line)] == []


def test_the_image_has_no_compiler(built: Path) -> None:
    tools = "for name in gcc g++ cc c++ clang ld make git; do command -v $name; done; true"
    assert inside(NAME, "sh", "-c", tools) == ""


def test_the_code_belongs_to_root_and_the_service_can_change_none_of_it(built: Path) -> None:
    # All but the folder of tasks.
    where = ["/app", "/venv", "-path", "/app/data", "-prune", "-o"]
    assert inside(NAME, "find", *where, "-not", "-user", "root", "-print") == ""
    assert inside(NAME, "find", *where, "-not", "-type", "l", "-writable", "-print") == ""
    assert inside(NAME, "find", *where, "-not", "-type", "l", "-not", "-readable", "-print") == ""


def test_the_image_says_what_it_is_made_of(built: Path, example: Path) -> None:
    (image,) = json.loads(docker("image", "inspect", NAME).stdout)
    labels = {name.rpartition(".")[2]: value for name, value in image["Config"]["Labels"].items()}
    assert labels["title"] == "machine-learning-api"
    assert labels["revision"] == "unknown"  # this checkout has no git
    assert labels["version"] == hashlib.sha256(example.read_bytes()).hexdigest()
    assert (image["Os"], image["Architecture"]) == ("linux", "amd64")
    assert image["Config"]["Entrypoint"] == ["python", "-m", "api"]


def test_a_model_of_another_scikit_learn_brings_it_along(other: str) -> None:
    assert f"The model needs scikit-learn=={OTHER_VERSION}: /venv gets it" in other
    # All else is what explaining needs, and no more.
    expected = locked("requirements-explain.lock") | {"scikit-learn": OTHER_VERSION}
    assert distributions(OTHER_NAME) == expected


def test_pandas_is_left_out_where_only_explaining_needs_it(other: str) -> None:
    installed = re.findall(r"^Successfully installed (.*shap-.*)$", other, re.MULTILINE)
    assert len(installed) == 1
    assert "pandas-" in installed[0], "it was there already"


def test_an_image_that_explains_trees_does_so_where_nothing_can_be_written(other: str) -> None:
    code = "import shap; print(shap.TreeExplainer.__name__)"
    sealed = ("run", "--rm", "--read-only", "--tmpfs", "/tmp", "--entrypoint", "python")
    result = docker(*sealed, OTHER_NAME, "-c", code)
    assert result.stdout == "TreeExplainer\n", result.stderr


def test_it_answers_on_the_port_it_is_given(other_port: int) -> None:
    assert post(other_port, [[0]], "transform") == {"predictions": [[None]]}


def test_a_container_that_stops_answers_first_what_is_under_way(other_port: int) -> None:
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        answer = pool.submit(post, other_port, [[3e6]], "transform")
        time.sleep(1)
        started = time.monotonic()
        docker("stop", "--time", "10", OTHER_NAME)  # docker's default; podman's API has none
        assert time.monotonic() - started < 10
        assert answer.result() == {"predictions": [[None]]}
    state = docker("inspect", "--format", "{{.State.ExitCode}}", OTHER_NAME).stdout
    assert state.strip() == "0"


def test_it_stops_when_it_is_told_to(built: Path, port: int) -> None:
    make(built, "stop-container")
    assert docker("container", "inspect", NAME).returncode != 0


def test_a_container_that_does_not_answer_shows_its_log(built: Path) -> None:
    result = make(built, "run-container", f"OS_PORT={free_port()}", "THREADS=many", check=False)
    assert result.returncode != 0
    assert "error: THREADS='many': expected a whole number from 1" in result.stderr
    docker("rm", "--force", NAME)


def test_an_image_cannot_both_leave_scikit_learn_out_and_look_into_it(built: Path) -> None:
    result = make(built, "build-image", "SLIM=true", "EXPLAIN=true", check=False)
    assert result.returncode != 0
    assert "EXPLAIN=true looks into scikit-learn, which SLIM=true leaves out" in result.stderr


def test_an_image_of_a_model_elsewhere_is_refused(built: Path) -> None:
    result = make(built, "build-image", "MODEL_PATH=elsewhere/model.joblib", check=False)
    assert "copy elsewhere/model.joblib there" in result.stderr


def test_a_container_without_an_image_is_refused(built: Path) -> None:
    result = make(built, "run-container", "CONTAINER=none", "IMAGE=none", check=False)
    assert result.returncode != 0


def test_an_image_of_a_broken_model_is_not_built(built: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken.joblib"
    broken.write_text("hello")
    copy = checkout(tmp_path / "copy", broken)
    result = make(copy, "build-image", check=False)
    assert result.returncode != 0
    assert "is a text file, not a joblib file" in result.stdout + result.stderr
