"""The real clients of MLflow, vetiver and Vertex AI, and SageMaker's way to run the image."""

from __future__ import annotations

import contextlib
import json
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest
from flask.testing import FlaskClient
from sklearn.linear_model import LinearRegression

from tests import clients
from tests.checkout import NAME, docker
from tests.test_container import post
from tests.test_rejections import GOOD
from tests.test_serving import BOUND, Server, free_port, serving

MLFLOW = ("mlflow-skinny==3.17.2", "pandas==3.1.1", "numpy==2.4.6", "scipy==1.17.1")
VETIVER = ("vetiver==0.2.6", "setuptools")
AIPLATFORM = ("google-cloud-aiplatform[prediction]==2.7.0",)
ADELIE = {**GOOD, "island": "Torgersen", "bill_length_mm": 39.1, "bill_depth_mm": 18.7}
ADELIE |= {"flipper_length_mm": 181, "body_mass_g": 3750, "sex": "male"}
ROWS = [GOOD, ADELIE]
BOTH = ["Gentoo", "Adelie"]


def said(result: subprocess.CompletedProcess[str]) -> Any:
    assert result.returncode == 0, result.stderr[-3000:]
    return json.loads(result.stdout)


@pytest.fixture(scope="module")
def server(penguins_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(tmp_path_factory.mktemp("serve"), MODEL_PATH=penguins_path) as server:
        yield server


@pytest.fixture(scope="module")
def image(built: Path) -> str:
    """The image of the example model."""
    return NAME


@pytest.fixture(scope="module")
def mlflow(server: Server) -> Any:
    """What MLflow's client says."""
    place = clients.environment("mlflow", *MLFLOW)
    return said(clients.run(place, "mlflow_client.py", server.port, json.dumps(ROWS)))


FRAMES = ["frame", "frame, turned", "frame, sorted", "frame, with labels", "frame, a category"]
OTHERS = ["array", "list", "text", "text of columns", "no params"]


@pytest.mark.parametrize("sent", [*FRAMES, *OTHERS])
def test_mlflows_client_gets_its_predictions(mlflow: Any, sent: str) -> None:
    assert mlflow[sent] == {"predictions": BOTH, "frame": [2, 1]}


def test_mlflows_client_may_lack_values(mlflow: Any, penguins: FlaskClient) -> None:
    rows = [{**GOOD, "body_mass_g": None}, {**ADELIE, "sex": None}]
    expected = penguins.post("/predict", json=rows).json["predictions"]
    assert mlflow["frame, lacking"]["predictions"] == expected


def test_mlflows_client_is_told_the_version(mlflow: Any, penguins: FlaskClient) -> None:
    assert mlflow["version"] == penguins.get("/metadata").json["version"]


@pytest.mark.parametrize(
    ("sent", "sentence"),
    [
        ("params", "/params: this model takes no parameters"),
        ("a column too few", "/dataframe_split/columns: lacks the feature sex"),
        ("a column too many", "/dataframe_split/columns/6: is not a feature of the model"),
        (
            "a wrong value",
            r"/dataframe_split/data/0/0: island: expected one of \"Biscoe\", \"Dream\"",
        ),
        ("a number as text", "/inputs/0/1: bill_length_mm: expected a number, got a string"),
    ],
)
def test_mlflows_client_raises_our_sentence(mlflow: Any, sent: str, sentence: str) -> None:
    assert sentence in mlflow[sent]["error"]


def test_vetiver_predicts(server: Server) -> None:
    place = clients.environment("vetiver", *VETIVER)
    answers = said(clients.run(place, "vetiver_client.py", server.port, json.dumps(ROWS)))
    both, first = {"predictions": BOTH}, {"predictions": BOTH[:1]}
    assert r"is required: expected one of \"female\", \"male\"" in answers.pop("mistake")
    assert answers == {"frame": both, "series": first, "dict": first, "list": both}


@pytest.mark.parametrize(
    "routes",
    [
        {},
        {
            "serving_container_predict_route": "/v1/endpoints/1/deployedModels/2:predict",
            "serving_container_health_route": "/v1/endpoints/1/deployedModels/2",
            "serving_container_ports": [7080],
        },
    ],
    ids=["default", "its own"],
)
def test_vertex_ais_sdk_runs_the_image_and_gets_its_predictions(
    image: str, routes: dict[str, Any]
) -> None:
    place = clients.environment("aiplatform", *AIPLATFORM)
    arguments = (image, json.dumps(routes), json.dumps(ROWS))
    answers = said(clients.run(place, "aiplatform_client.py", *arguments))
    assert answers["health"] == 200
    good, also_good, (status, refusal) = answers["answers"]
    assert good == also_good == [200, {"predictions": BOTH}]
    assert status == 422
    assert "this model takes no parameters" in json.dumps(refusal)


def test_sagemaker_serves_the_model_that_it_unpacks_at_the_port_it_names(
    image: str, tmp_path: Path
) -> None:
    joblib.dump(LinearRegression().fit([[0.0], [1.0]], [1.0, 3.0]), tmp_path / "other.joblib")
    (tmp_path / "other.joblib").chmod(0o644)
    tmp_path.chmod(0o755)
    port = free_port()
    started = docker(
        "run", "--detach", "--publish", f"127.0.0.1:{port}:9090",
        "--volume", f"{tmp_path}:/opt/ml/model:ro",
        "--env", "SAGEMAKER_BIND_TO_PORT=9090", image, "serve",
    )  # fmt: skip
    assert started.returncode == 0, started.stderr
    container = started.stdout.strip()
    try:
        deadline = time.monotonic() + BOUND
        while time.monotonic() < deadline:
            with contextlib.suppress(OSError):
                urllib.request.urlopen(f"http://localhost:{port}/ping", timeout=2).close()
                break
            time.sleep(0.1)
        answer = post(port, {"inputs": [[2], [3]]}, "invocations")
        assert np.allclose(answer["predictions"], [5, 7])
    finally:
        docker("rm", "--force", container)


@pytest.mark.parametrize("word", ["train", "--help"])
def test_the_image_knows_no_other_word(image: str, word: str) -> None:
    result = docker("run", "--rm", image, word)
    assert result.stderr.strip() == (
        f"error: {word!r} is not known: only the words `serve` and `worker` can stand here, "
        "and everything else is set by variables"
    )
