"""The paths that Vertex AI names, beside our own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from flask.testing import FlaskClient

from api import create_app
from api.settings import Settings
from tests.test_rejections import GOOD

# Those that Vertex AI makes up where nobody has set any.
HEALTH = "/v1/endpoints/1/deployedModels/2"
PREDICT = f"{HEALTH}:predict"

Build = Callable[[str, str], FlaskClient]


@pytest.fixture
def build(penguins_path: Path) -> Build:
    def build(health: str, predict: str) -> FlaskClient:
        settings = Settings(
            model_path=str(penguins_path), aip_health_route=health, aip_predict_route=predict
        )
        return create_app(settings).test_client()

    return build


@pytest.mark.parametrize(
    ("health", "predict"),
    [
        (HEALTH, PREDICT),
        ("/well", "/answer"),
        ("/health", "/predict"),
        ("/", "/"),
        ("/", "/predict_proba"),
        ("/predict", "/invocations"),
        ("", ""),
    ],
)
def test_the_routes_it_names_answer_as_our_own(build: Build, health: str, predict: str) -> None:
    client = build(health, predict)
    assert client.get(health or "/health").status_code == 200
    instances = {"instances": [GOOD, GOOD], "parameters": {}}
    answer = client.post(predict or "/predict", json=instances)
    assert answer.status_code == 200
    assert len(answer.json["predictions"]) == 2
    assert client.post("/predict", json=instances).json == {"predictions": ["Gentoo", "Gentoo"]}
    assert client.get("/health").json == {"status": "ok"}


def test_a_path_that_answers_already_keeps_its_answer(build: Build) -> None:
    answer = build("/metadata", "/predict_proba").post("/predict_proba", json=GOOD)
    assert answer.json["classes"] == ["Adelie", "Chinstrap", "Gentoo"]


def test_parameters_that_say_something_are_refused(build: Build) -> None:
    body = {"instances": [GOOD], "parameters": {"confidence": 0.5}}
    client = build(HEALTH, PREDICT)
    assert "this model takes no parameters" in client.post("/predict", json=body).text
    answer = client.post(PREDICT, json=body)
    assert answer.status_code == 422
    assert "/parameters: this model takes no parameters" in answer.json["error"]
