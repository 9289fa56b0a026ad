"""A model in the registry of MLflow's own server, which MLflow's own client has logged."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import joblib
import pytest
import sklearn

from tests import clients
from tests.checkout import ROOT
from tests.sources.conftest import Fetch, Refused
from tests.sources.servers import MLMODEL, Web, registry
from tests.test_serving import free_port

PACKAGES = ("mlflow==3.17.2", "skops==0.16.0", f"scikit-learn=={sklearn.__version__}")
SCRIPT = ROOT / "tests" / "clients" / "mlflow_registry.py"
TOKEN = {"mlflow_tracking_token": "the-token"}


@contextmanager
def serving(place: Path, folder: Path) -> Iterator[int]:
    """MLflow's server of the registry in a folder."""
    port = free_port()
    process = subprocess.Popen(
        [place / "bin" / "python", SCRIPT, "serve", str(port), str(folder)],
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        env={k: v for k, v in os.environ.items() if k != "PYTHONPATH"},
    )  # fmt: skip
    try:
        assert process.stdout
        assert process.stdout.readline() == "serving\n"
        yield port
    finally:
        process.kill()
        process.communicate()


def logged(place: Path) -> Path:
    """The registry that MLflow's client has filled, once for each environment."""
    registry = place / "registry"
    if not registry.exists():
        made = Path(tempfile.mkdtemp(dir=place))
        with serving(place, made) as port:
            done = clients.run(place, SCRIPT.name, "log", port)
            assert done.returncode == 0, done.stderr
        with suppress(OSError):
            made.rename(registry)
    return registry


class Mlflow:
    """MLflow's server, and the settings that name it."""

    def __init__(self, port: int, folder: Path) -> None:
        self.address = f"http://127.0.0.1:{port}"
        self.folder = folder
        self.settings: dict[str, Any] = {"mlflow_tracking_uri": self.address, **TOKEN}

    def ask(self, method: str, path: str, **body: str) -> Any:
        """Call the API, as MLflow's client does."""
        url = f"{self.address}/api/2.0/mlflow/{path}"
        if method == "GET":
            url += f"?{urllib.parse.urlencode(body)}"
        request = urllib.request.Request(
            url, json.dumps(body).encode(), method=method,
            headers={"Authorization": "Bearer the-token", "Content-Type": "application/json"},
        )  # fmt: skip
        with urllib.request.urlopen(request, timeout=20) as answer:
            return json.load(answer)

    def call_champion(self, version: str) -> None:
        self.ask(
            "POST", "registered-models/alias", name="penguins", alias="champion", version=version
        )


@pytest.fixture(scope="module")
def mlflow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mlflow]:
    place = clients.environment("mlflow-server", *PACKAGES)
    folder = tmp_path_factory.mktemp("mlflow") / "registry"
    shutil.copytree(logged(place), folder)
    with serving(place, folder) as port:
        yield Mlflow(port, folder)


def test_the_model_of_an_alias_is_fetched(fetch: Fetch, folder: Path, mlflow: Mlflow) -> None:
    mlflow.call_champion("1")
    fetched = fetch("mlflow://penguins@champion", **mlflow.settings)
    assert fetched
    assert fetched.model == folder / "model.joblib"
    assert joblib.load(fetched.model).predict([[0.0, 1.0]]).tolist() == ["Adelie"]
    assert fetched.card is None


def test_the_other_form_is_skops(fetch: Fetch, folder: Path, mlflow: Mlflow) -> None:
    fetched = fetch("mlflow://penguins/2", **mlflow.settings)
    assert fetched
    assert fetched.model == folder / "model.skops"
    assert fetched.model.read_bytes().startswith(b"PK")


def test_the_latest_is_the_version_of_the_highest_number(fetch: Fetch, mlflow: Mlflow) -> None:
    fetched = fetch("mlflow://penguins/latest", **mlflow.settings)
    assert fetched
    assert fetched.revision.startswith("mlflow://penguins/latest#2-")


def test_a_password_opens_the_registry_too(fetch: Fetch, mlflow: Mlflow) -> None:
    user = {"mlflow_tracking_username": "me", "mlflow_tracking_password": "the-password"}
    assert fetch("mlflow://penguins/1", mlflow_tracking_uri=mlflow.address, **user)
    host = mlflow.address.removeprefix("http://")
    assert fetch("mlflow://penguins/1", mlflow_tracking_uri=f"http://me:the-password@{host}/")


def test_an_alias_that_moves_is_new_and_one_that_stays_is_not(
    fetch: Fetch, folder: Path, mlflow: Mlflow
) -> None:
    mlflow.call_champion("1")
    first = fetch("mlflow://penguins@champion", **mlflow.settings)
    assert first
    first.model.unlink()
    assert fetch("mlflow://penguins@champion", first.revision, **mlflow.settings) is None
    assert [*folder.iterdir()] == []
    mlflow.call_champion("2")
    second = fetch("mlflow://penguins@champion", first.revision, **mlflow.settings)
    assert second
    assert second.model.name == "model.skops"


MISSING = "the registry must have this model and its version or alias"
OPENED = "MLFLOW_TRACKING_TOKEN, or MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, must be allowed to read it"
REFUSED = [
    ("mlflow://penguins@none", {}, "(400 BAD REQUEST)", MISSING),
    ("mlflow://none@champion", {}, "(404 NOT FOUND)", MISSING),
    ("mlflow://penguins/9", {}, "(404 NOT FOUND)", MISSING),
    ("mlflow://none/latest", {}, "(its answer has no version)", "it must answer as MLflow's server does"),
    ("mlflow://penguins@champion", {"mlflow_tracking_token": "wrong-token"}, "(401 Unauthorized)", OPENED),
    ("mlflow://penguins@champion", {"mlflow_tracking_token": ""}, "(401 Unauthorized)", OPENED),
    ("mlflow://penguins@champion", {"mlflow_tracking_uri": "http://127.0.0.1:9"}, "Connection refused", "it must answer as"),
    ("mlflow://penguins@champion", {"mlflow_tracking_uri": "databricks"}, "", "set MLFLOW_TRACKING_URI, as in https://mlflow.example.com"),
    ("mlflow://penguins", {}, "", "names no model: expected mlflow://name@alias, mlflow://name/version or mlflow://name/latest"),
    ("mlflow://others/1", {}, "", "has the flavors python_function: expected sklearn, as mlflow.sklearn.log_model writes it"),
    ("mlflow://penguins/1", {"max_model_bytes": 500}, "", "has 641 bytes, more than MAX_MODEL_BYTES=500"),
]  # fmt: skip


@pytest.mark.parametrize(("uri", "changes", "reason", "advice"), REFUSED)
def test_what_cannot_be_fetched_is_one_sentence(
    refused: Refused, mlflow: Mlflow, uri: str, changes: Any, reason: str, advice: str
) -> None:
    said = refused(uri, **(mlflow.settings | changes))
    assert reason in said
    assert advice in said
    assert "-token" not in said


# Artifacts that the server does not pass on; the registry's answers are ours.


@pytest.fixture
def web() -> Iterator[Web]:
    with Web().serving() as web:
        yield web


@pytest.mark.parametrize("scheme", ["", "file://"])
def test_artifacts_may_be_on_a_shared_disk(
    fetch: Fetch, web: Web, tmp_path: Path, scheme: str
) -> None:
    (tmp_path / "MLmodel").write_text(MLMODEL)
    (tmp_path / "model.pkl").write_bytes(b"a model")
    fetched = fetch("mlflow://penguins/1", **registry(web, f"{scheme}{tmp_path}"))
    assert fetched
    assert fetched.model.read_bytes() == b"a model"


def test_artifacts_elsewhere_are_one_sentence(refused: Refused, web: Web) -> None:
    said = refused("mlflow://penguins/1", **registry(web, "dbfs:/a/b"))
    assert said == (
        "mlflow://penguins/1 has its artifacts at dbfs:/a/b, where they cannot be fetched: let the "
        "server pass them on, with mlflow server --serve-artifacts"
    )


def test_a_server_that_lost_an_artifact_is_one_sentence(refused: Refused, web: Web) -> None:
    said = refused("mlflow://penguins/1", **registry(web, "mlflow-artifacts:/a/b"))
    assert f"cannot fetch mlflow://penguins/1 from {web.address} (404 Not Found): " in said
    assert web.asked[-1][0] == "/api/2.0/mlflow-artifacts/artifacts/a/b/MLmodel"


@pytest.mark.parametrize("answer", [b"[]", b"{}", b'{"model_version": {"name": "a"}}'])
def test_an_answer_that_is_not_mlflows_is_one_sentence(
    refused: Refused, web: Web, answer: bytes
) -> None:
    settings = registry(web, "/nowhere")
    web.paths = {path: answer for path in web.paths if "get?" in path}
    assert "(its answer has no version): " in refused("mlflow://penguins/1", **settings)


def test_an_answer_without_artifacts_is_one_sentence(refused: Refused, web: Web) -> None:
    settings = registry(web, "/nowhere")
    web.paths = {path: b"[]" if "uri?" in path else body for path, body in web.paths.items()}
    assert "(its answer has no artifacts): " in refused("mlflow://penguins/1", **settings)
