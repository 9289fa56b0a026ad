"""KServe's protocol v1."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from flask.testing import FlaskClient
from sklearn.linear_model import LinearRegression
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeRegressor

from tests.conftest import Serve
from tests.test_rejections import GOOD

PREDICT = "/v1/models/model:predict"
LIST = list(GOOD.values())


def test_it_lists_its_model(penguins: FlaskClient) -> None:
    assert penguins.get("/v1/models").json == {"models": ["model"]}


def test_its_model_is_ready(penguins: FlaskClient) -> None:
    version = penguins.get("/metadata").json["version"]
    state = {"version": version, "state": "AVAILABLE"}
    told = {
        "name": "model",
        "ready": True,
        "model_version_status": [state | {"status": {"error_code": "OK", "error_message": ""}}],
    }
    assert penguins.get("/v1/models/model").json == told
    assert penguins.get(f"/v1/models/model/versions/{version}").json == told


@pytest.mark.parametrize("name", ["penguins", "größe"])
def test_the_model_has_the_name_that_is_set(serve: Serve, name: str) -> None:
    client = serve(LinearRegression().fit([[1.0], [2.0]], [1, 2]), model_name=name)
    assert client.get("/v1/models").json == {"models": [name]}
    assert client.get(f"/v1/models/{name}").status_code == 200
    answer = client.post(f"/v1/models/{name}:predict", json={"instances": [[1.0]]})
    assert answer.json["predictions"] == pytest.approx([1.0])


@pytest.mark.parametrize("key", ["instances", "inputs"])
def test_predictions_are_those_of_predict(penguins: FlaskClient, key: str) -> None:
    rows = [GOOD, LIST, {**GOOD, "bill_length_mm": None}]
    answer = penguins.post(PREDICT, json={key: rows})
    assert (answer.status_code, answer.content_type) == (200, "application/json")
    own = penguins.post("/predict", json=rows).json["predictions"]
    assert answer.json == {"predictions": own}


def test_a_body_without_a_content_type_is_json(penguins: FlaskClient) -> None:
    body = json.dumps({"instances": [GOOD]})
    assert penguins.post(PREDICT, data=body).json == {"predictions": ["Gentoo"]}


REJECTIONS: list[tuple[str, Any, int, str]] = [
    ("a row alone", GOOD, 400, 'expected {"instances": [...]} or {"inputs": [...]}'),
    ("a list alone", [GOOD], 400, 'expected {"instances": [...]} or {"inputs": [...]}'),
    ("nothing in it", {}, 400, 'expected {"instances": [...]} or {"inputs": [...]}'),
    ("both names", {"instances": [], "inputs": []}, 400, 'expected {"instances": [...]} or'),
    ("no list", {"instances": GOOD}, 400, 'expected {"instances": [...]} or {"inputs": [...]}'),
    ("no rows", {"instances": []}, 422, "expected at least one sample"),
    ("another name", {"instances": [GOOD], "id": 1}, 422, "/id: is not known"),
    ("a wrong value", {"instances": [GOOD, {**GOOD, "sex": 1}]}, 422, "/instances/1/sex: expected"),
    (
        "one in inputs",
        {"inputs": [GOOD, {**GOOD, "sex": 1}]},
        422,
        " /inputs/1/sex: expected one of",
    ),
    ("a short row", {"instances": [[1, 2]]}, 422, "/instances/0: expected 6 values"),
    ("one name left out", {"inputs": [{}]}, 422, "/inputs/0/island: is required"),
    ("no JSON", b'{"instances": [', 400, "not JSON"),
    ("a bare NaN", b'{"instances": [[NaN]]}', 422, "/instances/0: expected 6 values"),
    ("NaN in a list alone", b"[[NaN]]", 400, 'expected {"instances": [...]}'),
]


@pytest.mark.parametrize(
    ("body", "status", "sentence"),
    [row[1:] for row in REJECTIONS],
    ids=[row[0] for row in REJECTIONS],
)
def test_a_request_that_does_not_fit_is_told_why(
    penguins: FlaskClient, body: Any, status: int, sentence: str
) -> None:
    data = body if isinstance(body, bytes) else json.dumps(body)
    answer = penguins.post(PREDICT, data=data, content_type="application/json")
    assert (answer.status_code, answer.content_type) == (status, "application/json")
    assert json.loads(answer.text).keys() == {"error"}
    assert sentence in answer.json["error"]


@pytest.mark.filterwarnings("ignore:overflow encountered in cast")
def test_a_row_that_the_estimator_refuses_is_named(serve: Serve) -> None:
    client = serve(DecisionTreeRegressor().fit([[0.0], [1.0]], [0.0, 1.0]))
    answer = client.post(PREDICT, json={"inputs": [[1], [1e300]]})
    assert answer.status_code == 422
    assert "/inputs/1: the model refuses this row" in answer.json["error"]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/v1/models/other", 404),
        ("POST", "/v1/models/other:predict", 404),
        ("POST", "/v1/models/model:regress", 404),
        ("GET", PREDICT, 405),
        ("POST", "/v1/models", 405),
        ("GET", "/v1/nothing", 404),
    ],
)
def test_what_is_not_there_is_told_in_the_protocols_form(
    penguins: FlaskClient, method: str, path: str, status: int
) -> None:
    answer = penguins.open(path, method=method)
    assert (answer.status_code, json.loads(answer.text).keys()) == (status, {"error"})
    if "other" in path:
        assert answer.json["error"] == "There is no such model here, only model."


def test_another_content_type_is_refused(penguins: FlaskClient) -> None:
    answer = penguins.post(PREDICT, data="a,b", content_type="text/csv")
    assert answer.status_code == 415
    assert answer.json == {"error": "The Content-Type text/csv is not read: send application/json."}


def test_a_model_that_does_not_predict_is_a_404(serve: Serve) -> None:
    client = serve(StandardScaler().fit(np.eye(2)))
    answer = client.post(PREDICT, json={"instances": [[1, 2]]})
    assert (answer.status_code, json.loads(answer.text).keys()) == (404, {"error"})
