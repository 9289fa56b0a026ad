"""`POST /invocations`, as MLflow and SageMaker call it."""

from __future__ import annotations

import io
import json
from typing import Any

import numpy as np
import pytest
from flask.testing import FlaskClient
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from tests.conftest import Serve
from tests.test_rejections import CSV, GOOD, HEADER, JSON, LINE, NPY, npy

NUMBERS = np.array([[0.1, 1.0], [1.7, 0.5], [2.3, 0.1], [3.9, 2.0]])


@pytest.fixture(scope="module")
def numeric(serve: Serve) -> FlaskClient:
    """A regression of two numbers."""
    return serve(
        make_pipeline(StandardScaler(), LinearRegression()).fit(NUMBERS, [0.3, 0.9, 1.1, 2.2])
    )


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        (JSON, json.dumps(GOOD)),
        (f"{JSON}; charset=utf-8", json.dumps([GOOD])),
        ("", json.dumps({"instances": [GOOD]})),
        (JSON, json.dumps({"dataframe_records": [GOOD]})),
        (CSV, f"{HEADER}\n{LINE}\n"),
        (f"{CSV}; charset=utf-8; header=present", f"{HEADER}\n{LINE}\n"),
        (f"{CSV}; header=absent", f"{LINE}\n"),
        ("application/x-ndjson", json.dumps(GOOD)),
        ("application/jsonlines", json.dumps(GOOD) + "\n"),
    ],
)
def test_a_row_is_read_as_its_content_type_says(
    penguins: FlaskClient, content_type: str, body: str
) -> None:
    answer = penguins.post("/invocations", data=body, content_type=content_type)
    assert (answer.status_code, answer.json) == (200, {"predictions": ["Gentoo"]})


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        (NPY, npy(NUMBERS)),
        (CSV, "x1,x0\n1.0,0.1\n.5,1.7\n0.1,2.3\n2,3.9\n"),
        (f"{CSV};header=absent", "0.1,1\n1.7,0.5\n2.3,0.1\n3.9,2"),
        (JSON, json.dumps({"inputs": NUMBERS.tolist()})),
    ],
)
def test_numbers_are_the_same_to_the_last_bit(
    numeric: FlaskClient, content_type: str, body: Any
) -> None:
    reference = numeric.post("/predict", json=NUMBERS.tolist()).json
    answer = numeric.post("/invocations", data=body, content_type=content_type)
    assert answer.json == reference


def test_an_empty_line_of_one_column_without_a_header_is_a_missing_value(serve: Serve) -> None:
    from sklearn.impute import SimpleImputer

    client = serve(make_pipeline(SimpleImputer(), LinearRegression()).fit([[1.0], [3.0]], [1, 2]))
    answer = client.post("/invocations", data="\n1\n", content_type=f"{CSV}; header=absent")
    assert answer.json == client.post("/predict", json=[[None], [1]]).json


@pytest.mark.parametrize("accept", ["", "*/*", JSON, CSV, NPY])
def test_the_answer_is_in_the_type_that_is_asked_for(numeric: FlaskClient, accept: str) -> None:
    ours, own = (
        numeric.post(path, json=NUMBERS.tolist(), headers={"Accept": accept})
        for path in ("/invocations", "/predict")
    )
    assert ours.status_code == 200
    assert (ours.content_type, ours.data) == (own.content_type, own.data)


def test_npy_comes_back(numeric: FlaskClient) -> None:
    headers = {"Accept": NPY, "Content-Type": NPY}
    answer = numeric.post("/invocations", data=npy(NUMBERS), headers=headers)
    reference = numeric.post("/predict", json=NUMBERS.tolist()).json["predictions"]
    assert np.load(io.BytesIO(answer.data)).tolist() == reference


@pytest.mark.parametrize(
    ("content_type", "accept", "body", "status", "code", "sentence"),
    [
        ("text/xml", "", "<a/>", 415, "UNSUPPORTED_MEDIA_TYPE", "The Content-Type text/xml"),
        ("application/vnd.apache.parquet", "", "PAR1", 415, "UNSUPPORTED_MEDIA_TYPE", "Parquet is read where pyarrow is installed"),
        (JSON, "text/html", json.dumps(GOOD), 406, "NOT_ACCEPTABLE", "The answer can be"),
        (JSON, "", "{", 400, "BAD_REQUEST", "The body is not JSON"),
        (JSON, "", "", 400, "BAD_REQUEST", "The body is empty"),
        (CSV, "", LINE, 422, "UNPROCESSABLE_ENTITY", "/46.1: line 1: is not a feature"),
        (f"{CSV}; header=absent", "", "1,2", 422, "UNPROCESSABLE_ENTITY", "/0: line 1: expected 6 fields, got 2."),
        (f"{CSV}; header=absent", "", f"\n{LINE}\n{LINE[7:]}", 422, "UNPROCESSABLE_ENTITY", "/1: line 3: expected 6 fields, got 5."),
        (f"{CSV}; header=absent", "", "", 422, "UNPROCESSABLE_ENTITY", "at least one sample"),
        (f"{CSV}; header=absent", "", f"{HEADER}\n{LINE}", 422, "UNPROCESSABLE_ENTITY", '/0/island: expected one of "Biscoe"'),
    ],
)  # fmt: skip
def test_an_error_is_a_code_and_a_sentence(
    penguins: FlaskClient, content_type: str, accept: str, body: str, status: int, code: str, sentence: str
) -> None:  # fmt: skip
    answer = penguins.post(
        "/invocations", data=body, content_type=content_type, headers={"Accept": accept}
    )
    assert (answer.status_code, answer.content_type) == (status, JSON)
    assert sorted(answer.json or ()) == ["error_code", "message"]
    assert answer.json["error_code"] == code
    assert sentence in answer.json["message"]


def test_another_http_method_is_told_in_the_same_form(penguins: FlaskClient) -> None:
    answer = penguins.get("/invocations")
    assert (answer.status_code, answer.json["error_code"]) == (405, "METHOD_NOT_ALLOWED")


def test_a_model_that_predicts_nothing_answers_with_what_it_does(serve: Serve) -> None:
    client = serve(StandardScaler().fit(NUMBERS))
    rows = NUMBERS.tolist()
    answer = client.post("/invocations", json={"inputs": rows})
    assert answer.json == client.post("/transform", json=rows).json


def test_the_version_is_that_of_the_model(penguins: FlaskClient) -> None:
    answer = penguins.get("/version")
    assert answer.content_type.startswith("text/plain")
    assert answer.text == penguins.get("/metadata").json["version"]
