"""What the service says of itself."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest
from flask.testing import FlaskClient
from sklearn.feature_extraction import DictVectorizer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OrdinalEncoder

from api import create_app
from api.app import load
from api.metadata import describe, greeting
from api.settings import Settings
from models.engines.scikit_learn import ScikitLearnEngine
from models.model import Model
from models.signature.types import Feature, Signature
from tests.conftest import Serve


def test_the_root_is_alive_and_lists_the_endpoints(penguins: FlaskClient) -> None:
    answer = penguins.get("/").json
    assert answer["status"] == "alive"
    assert "/predict_proba" in answer["endpoints"]


@pytest.mark.parametrize("path", ["/health", "/ready", "/ping"])
def test_a_loaded_service_is_well(penguins: FlaskClient, path: str) -> None:
    assert penguins.get(path).status_code == 200


def test_metadata_shows_what_a_row_must_look_like(penguins: FlaskClient) -> None:
    metadata = penguins.get("/metadata").json
    assert metadata["features"][0] == {
        "name": "island",
        "type": "string",
        "missing": True,
        "categories": ["Biscoe", "Dream", "Torgersen"],
        "unknown_categories": "refused",
    }
    assert metadata["features"][1] == {"name": "bill_length_mm", "type": "number", "missing": True}
    assert metadata["methods"] == [
        "predict",
        "predict_proba",
        "predict_log_proba",
        "decision_function",
    ]
    assert metadata["classes"] == ["Adelie", "Chinstrap", "Gentoo"]


def test_metadata_shows_version_card_and_libraries(penguins: FlaskClient) -> None:
    answer = penguins.get("/metadata")
    metadata = answer.json
    assert metadata["version"] == metadata["card"]["sha256"] == answer.headers["X-Model-Version"]
    assert metadata["card"]["metrics"]["accuracy"] > 0.9
    assert set(metadata["versions"]) == {"python", "scikit-learn", "numpy", "joblib"}


MODELS: list[Any] = [
    LinearRegression().fit(np.ones((2, 3)), [1, 2]),
    make_pipeline(OrdinalEncoder(), LogisticRegression()).fit([["it's"], ["that"]], [0, 1]),
    make_pipeline(DictVectorizer(), LinearRegression()).fit([{"a": 1}], [1]),
]


@pytest.mark.parametrize("model", MODELS, ids=["numbers", "words", "mapping"])
def test_the_example_is_answered_when_it_is_sent(model: Any, serve: Serve) -> None:
    client = serve(model)
    example = client.get("/metadata").json["example"]
    assert client.post("/predict", json=example).status_code == 200


@pytest.mark.parametrize("model", MODELS, ids=["numbers", "words", "mapping"])
def test_the_greeting_can_be_pasted_into_a_shell(model: Any, tmp_path: Path) -> None:
    settings = Settings(model_path=str(tmp_path / "latest.joblib"))
    joblib.dump(model, settings.model_path)
    client, loaded = create_app(settings).test_client(), load(settings)
    hello = greeting(loaded.model, 9001)
    command = hello[hello.index("curl") :].partition("\n\n")[0]
    _, url, _, header, _, body = shlex.split(command.replace("\\\n", ""))
    assert (url, header) == ("http://localhost:9001/predict", "content-type: application/json")
    assert json.loads(body) == client.get("/metadata").json["example"]


def constant(values: Any) -> Any:
    """A step of the user's own, which takes anything."""
    return np.ones((len(values), 1))


FREE = make_pipeline(FunctionTransformer(constant), LinearRegression()).fit(np.ones((2, 2)), [1, 2])
MADE_UP = (
    "The example is made up, and the ranges of the features are not known. "
    "Let the rows of training tell them: make card DATA=train.csv"
)
OPEN = (
    "The type of x0, x1 is not known: any number, text, true or false is taken. "
    "Let the rows of training tell it: make card DATA=train.csv"
)


@pytest.mark.parametrize(
    ("model", "card", "advice"),
    [
        (MODELS[0], None, [MADE_UP]),
        (MODELS[0], b'{"example": [1, 2, 3]}', []),
        (FREE, None, [OPEN, MADE_UP]),
        (MODELS[2], None, []),
    ],
)
def test_what_training_rows_would_tell_is_said(
    model: Any, card: bytes | None, advice: list[str], tmp_path: Path
) -> None:
    path = tmp_path / "latest.joblib"
    joblib.dump(model, path)
    if card is not None:
        path.with_suffix(".json").write_bytes(card)
    client = create_app(Settings(model_path=str(path))).test_client()
    said = [f"{sentence} MODEL_PATH={path}" for sentence in advice]
    assert client.get("/metadata").json["advice"] == said
    loaded = load(Settings(model_path=str(path)))
    assert greeting(loaded.model, 9001).endswith(
        "/docs\n" + "".join(f"\n{sentence}\n" for sentence in said)
    )


def test_the_advice_names_no_path_where_the_model_has_its_own_place() -> None:
    signature = Signature(features=tuple(Feature(name=f"x{i}", kind="any") for i in range(25)))
    model = Model(
        path="models/latest.joblib", version="", kind="", engine=ScikitLearnEngine(None, signature), signature=signature, methods=("predict",),
        classes=None, card={"example": []}, versions={},
    )  # fmt: skip
    (said,) = describe("model", model).advice
    assert "x18, x19 and 5 more is not known" in said
    assert said.endswith(": make card DATA=train.csv")


def test_the_example_of_the_card_comes_first(serve: Serve) -> None:
    client = serve(MODELS[0], card=b'{"example": [1, 2, 3]}')
    assert client.get("/metadata").json["example"] == [1, 2, 3]


def test_metadata_of_a_card_that_is_not_finite_is_json(serve: Serve) -> None:
    client = serve(OrdinalEncoder().fit([[1.0], [2.0]]))
    assert json.loads(client.get("/metadata").text)["features"][0]["categories"] == [1.0, 2.0]
