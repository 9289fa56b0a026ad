"""Web pages of other origins: what a browser wants to see before it lets them read answers."""

from __future__ import annotations

from typing import Any

import pytest
from flask.testing import FlaskClient
from sklearn.linear_model import LinearRegression

from tests.conftest import Serve
from tests.test_keys import API_KEYS, BOB

PAGE = "http://localhost:3000"
PREFLIGHT = {
    "Origin": PAGE,
    "Access-Control-Request-Method": "POST",
    "Access-Control-Request-Headers": "authorization,content-type",
}


def names(header: str) -> set[str]:
    return {name.strip().lower() for name in header.split(",")}


@pytest.fixture
def make(serve: Serve) -> Any:
    def build(**settings: Any) -> FlaskClient:
        return serve(LinearRegression().fit([[0], [1]], [0, 1]), **settings)

    return build


@pytest.mark.parametrize(
    "given", [PAGE, f"https://a.example, {PAGE}", "HTTP://LocalHost:3000,http://b.example"]
)
def test_a_page_of_a_listed_origin_may_read_answers(make: Any, given: str) -> None:
    client = make(allowed_origins=given)
    answer = client.post("/predict", json=[1], headers={"Origin": PAGE})
    assert answer.headers["Access-Control-Allow-Origin"] == PAGE
    assert names(answer.headers["Access-Control-Expose-Headers"]) >= {
        "x-request-id",
        "x-model-version",
        "x-unknown-categories",
        "x-ignored-columns",
        "retry-after",
    }
    assert answer.vary.as_set() == {"origin"}


@pytest.mark.parametrize(
    ("given", "origin"),
    [("https://a.example:443", "https://a.example"), ("http://a.example:80", "http://a.example")],
)
def test_the_usual_port_is_left_out_as_browsers_do(make: Any, given: str, origin: str) -> None:
    answer = make(allowed_origins=given).get("/health", headers={"Origin": origin})
    assert answer.headers["Access-Control-Allow-Origin"] == origin


@pytest.mark.parametrize(
    ("method", "path", "arguments", "status"),
    [
        ("GET", "/metadata", {}, 200),
        ("GET", "/nowhere", {}, 404),
        ("GET", "/predict", {}, 405),
        ("POST", "/predict/", {}, 308),
        ("POST", "/predict", {"data": "{"}, 400),
        ("POST", "/predict", {"json": ["x"]}, 422),
        ("POST", "/v2/models/model/infer", {"json": {}}, 400),
        ("POST", "/predict", {"environ_overrides": {"SERVER_PROTOCOL": "x"}}, 400),
    ],
)
def test_every_answer_may_be_read(
    make: Any, method: str, path: str, arguments: dict[str, Any], status: int
) -> None:
    client = make(allowed_origins=PAGE)
    answer = client.open(path, method=method, headers={"Origin": PAGE}, **arguments)
    assert answer.status_code == status
    assert answer.headers["Access-Control-Allow-Origin"] == PAGE


def test_a_refusal_for_want_of_a_key_may_be_read(make: Any) -> None:
    client = make(allowed_origins=PAGE, api_keys=API_KEYS)
    for path in ("/predict", "/metadata"):
        answer = client.open(path, method="POST", json=[1], headers={"Origin": PAGE})
        assert answer.status_code == 401
        assert answer.headers["Access-Control-Allow-Origin"] == PAGE
    assert client.post("/predict", json=[1], headers={"X-Api-Key": BOB}).status_code == 200


@pytest.mark.parametrize(
    "path", ["/predict", "/metadata", "/v2/models/model/infer", "/predict/", "/nowhere"]
)
@pytest.mark.parametrize("allowed", [PAGE, "*"])
@pytest.mark.parametrize("api_keys", ["", API_KEYS])
def test_a_browser_that_asks_first_is_answered(
    make: Any, path: str, allowed: str, api_keys: str
) -> None:
    client = make(allowed_origins=allowed, api_keys=api_keys)
    answer = client.options(path, headers=PREFLIGHT)
    assert answer.status_code == 200
    assert answer.headers["Access-Control-Allow-Origin"] == allowed
    assert {"get", "post"} <= names(answer.headers["Access-Control-Allow-Methods"])
    assert names(answer.headers["Access-Control-Allow-Headers"]) >= {
        "accept",
        "authorization",
        "content-type",
        "x-api-key",
        "x-request-id",
    }
    assert answer.vary.as_set() == (set() if allowed == "*" else {"origin"})


@pytest.mark.parametrize("origin", ["http://localhost:3001", "https://localhost:3000", "null", "*"])
def test_a_page_of_any_other_origin_may_not(make: Any, origin: str) -> None:
    client = make(allowed_origins=PAGE)
    answer = client.options("/predict", headers=PREFLIGHT | {"Origin": origin})
    assert answer.status_code == 403
    assert answer.json["detail"].startswith(f"The origin {origin} is not in ALLOWED_ORIGINS")
    assert "Access-Control-Allow-Origin" not in answer.headers
    answer = client.post("/predict", json=[1], headers={"Origin": origin})
    assert answer.status_code == 200
    assert "Access-Control-Allow-Origin" not in answer.headers
    assert answer.vary.as_set() == {"origin"}


def test_a_plain_options_is_answered_as_ever(make: Any) -> None:
    answer = make(allowed_origins=PAGE).options("/predict", headers={"Origin": PAGE})
    assert names(answer.headers["Allow"]) == {"options", "post"}


def test_it_is_off_unless_it_is_set(make: Any) -> None:
    client = make()
    for answer in (
        client.options("/predict", headers=PREFLIGHT),
        client.post("/predict", json=[1], headers={"Origin": PAGE}),
    ):
        assert answer.status_code == 200
        assert "Access-Control" not in str(answer.headers)
