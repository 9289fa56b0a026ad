"""A wheel is built where nothing is installed for it, and uploaded where settings say."""

from __future__ import annotations

import importlib.util
import runpy
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from models import environment
from models.errors import ModelError
from models.packaging import __main__ as command
from models.packaging import publish
from models.packaging import wheel as wheels
from tests.packaging.conftest import Installed
from tests.test_serving import free_port


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """An index of packages on this machine, which asks nobody for a password."""
    port = free_port()
    options = ["--interface", "127.0.0.1", "--port", str(port), "--disable-fallback"]
    server = subprocess.Popen(
        [Path(sys.executable).with_name("pypi-server"), "run", *options, "-a", ".", "-P", ".", tmp_path_factory.mktemp("index")],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    address = f"http://127.0.0.1:{port}/"
    try:
        end = time.monotonic() + 30
        while True:
            try:
                requests.get(address, timeout=5)
                break
            except requests.ConnectionError:
                assert time.monotonic() < end
                time.sleep(0.1)
        yield address
    finally:
        server.terminate()
        server.wait(10)


@pytest.fixture
def settings(index: str, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    found = {publish.URL: index, publish.USER: "me", publish.PASSWORD: "secret"}
    for name, value in found.items():
        monkeypatch.setenv(name, value)
    return found


def run(monkeypatch: pytest.MonkeyPatch, *arguments: Any) -> None:
    monkeypatch.setattr(sys, "argv", ["packaging", *map(str, arguments)])
    command.main()


def test_what_is_published_is_installed_from_there(
    index: str, settings: dict[str, str], wheel: Path, model_path: Path, installed: Installed,
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path,
) -> None:  # fmt: skip
    monkeypatch.setattr(environment, "is_baked", lambda _: True)
    options = (model_path, "--name", "penguins", "--out", wheel.parent)
    run(monkeypatch, *options)
    run(monkeypatch, *options, "--publish")
    assert capsys.readouterr().out == f"{wheel}\n{wheel}\n"
    place = tmp_path / "installed"
    pip: list[str | Path] = [
        "-m",
        "pip",
        "--isolated",
        "install",
        "--quiet",
        "--no-deps",
        "--disable-pip-version-check",
    ]
    address: list[str | Path] = ["--index-url", f"{index}simple/", "--target", place]
    subprocess.run([sys.executable, *pip, *address, "penguins==0.1.0"], check=True, timeout=60)
    assert (place / "penguins" / "__init__.py").exists()
    with pytest.raises(ModelError, match="twine ended with 1: ERROR .*an index takes each version"):
        publish.upload(wheel)


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({}, r"TWINE_REPOSITORY_URL and TWINE_USERNAME and TWINE_PASSWORD are not set: write into"),
        ({"TWINE_REPOSITORY_URL": "https://example.com", "TWINE_USERNAME": "__token__"}, "TWINE_PASSWORD is not set"),
        ({"TWINE_REPOSITORY_URL": "here", "TWINE_USERNAME": "a", "TWINE_PASSWORD": "b"}, "TWINE_REPOSITORY_URL=here: expected an address"),
    ],
)  # fmt: skip
def test_nothing_is_published_by_default(given: dict[str, str], sentence: str) -> None:
    with pytest.raises(ModelError, match=sentence):
        publish.check(given)


def test_what_builds_a_wheel_is_fetched_where_it_is_not_installed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    found = wheels.python(wheels.BUILDERS)
    done = subprocess.run(
        [*found, "-c", "import build, hatchling, sys; print('sklearn' in sys.modules)"],
        capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    assert done.stdout == "False\n"


def test_without_a_network_it_is_said_what_is_missing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    monkeypatch.setenv("UV_OFFLINE", "1")
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path))
    with pytest.raises(ModelError, match="build and hatchling cannot be fetched, .* make develop"):
        wheels.python(wheels.BUILDERS)


def test_a_release_version_names_its_file(
    model_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "penguins-1.2.0.joblib").write_bytes(model_path.read_bytes())
    options = ["models/latest.joblib", "--name", "penguins", "--path"]
    run(monkeypatch, *options, "--version", "1.2.0")
    assert capsys.readouterr().out == "models/penguins-1.2.0.joblib\n"
    with pytest.raises(SystemExit, match=r"^error: there is no models/penguins-2\.0\.0\.joblib"):
        run(monkeypatch, *options, "--version", "2.0.0")
    with pytest.raises(SystemExit, match=r"^error: there is no model models/latest\.joblib"):
        run(monkeypatch, *options)


def test_a_model_is_baked_before_it_is_packaged(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    path = tmp_path / "latest.joblib"
    path.write_bytes(b"no model")
    monkeypatch.setattr(sys, "argv", ["packaging", str(path)])
    monkeypatch.delitem(sys.modules, command.__name__)
    with pytest.raises(SystemExit) as ended:
        runpy.run_module("models.packaging", run_name="__main__")
    assert ended.value.code == 1
