"""What is answered where no endpoint is: the endpoint that was meant, and its HTTP method."""

from __future__ import annotations

from typing import Any

import pytest
from flask.testing import FlaskClient
from sklearn.linear_model import LinearRegression
from sklearn.preprocessing import StandardScaler
from werkzeug.exceptions import ImATeapot

from api.http.misses import MAX_PATH_CHARACTERS
from tests.conftest import Serve

STOCK = ("spelling", "not found on the server", "not allowed for the requested URL")


@pytest.fixture(scope="module")
def client(serve: Serve) -> FlaskClient:
    return serve(LinearRegression().fit([[0], [1]], [0, 1]))


@pytest.mark.parametrize(
    ("asked", "status", "sentence"),
    [
        ("POST /predcit", 404, "There is no /predcit here. Did you mean POST /predict?"),
        ("GET /Predict", 404, "There is no /Predict here. Did you mean POST /predict?"),
        ("POST /predictions", 404, "There is no /predictions here. Did you mean POST /predict?"),
        ("POST /api/v1/predict", 404, "There is no /api/v1/predict here. Did you mean POST /predict?"),
        ("GET /metdata", 404, "There is no /metdata here. Did you mean GET /metadata?"),
        ("GET /healthz", 404, "There is no /healthz here. Did you mean GET /health?"),
        ("GET /v2/health/liveness", 404, "Did you mean GET /v2/health/live?"),
        ("POST /v2/models/model/infr", 404, "Did you mean POST /v2/models/model/infer?"),
        ("POST /v1/models/model:predct", 404, "Did you mean POST /v1/models/model:predict?"),
        ("POST /predict_prob", 404, "There is no /predict_prob here. Did you mean POST /predict?"),
        ("GET /x", 404, "There is no /x here. Rows go to POST /predict, and GET / lists the paths."),
        ("GET /favicon.ico", 404, "Rows go to POST /predict, and GET / lists the paths."),
        ("GET /predict", 405, "/predict does not answer GET: send POST /predict."),
        ("PUT /predict", 405, "/predict does not answer PUT: send POST /predict."),
        ("BREW /predict", 405, "/predict does not answer BREW: send POST /predict."),
        ("POST /", 405, "/ does not answer POST: rows go to POST /predict."),
        ("POST /metadata", 405, "/metadata does not answer POST: send GET /metadata."),
        ("POST /health", 405, "/health does not answer POST: send GET /health."),
        ("GET /invocations", 405, "/invocations does not answer GET: send POST /invocations."),
        ("GET /v2/models/model/infer", 405, "send POST /v2/models/model/infer."),
        ("GET /v1/models/model:predict", 405, "send POST /v1/models/model:predict."),
        ("POST /predict/", 308, "The path /predict/ has a slash too many: send POST /predict."),
        ("GET /predict/", 308, "The path /predict/ has a slash too many: send POST /predict."),
        ("POST //predict", 308, "The path //predict has a slash too many: send POST /predict."),
        ("GET /metadata/", 308, "has a slash too many: send GET /metadata."),
        ("POST /nowhere/", 404, "There is no /nowhere/ here."),
        ("GET //evil.example/", 404, "There is no //evil.example/ here."),
    ],
)  # fmt: skip
def test_the_endpoint_that_was_meant_is_named_with_its_method(
    client: FlaskClient, asked: str, status: int, sentence: str
) -> None:
    method, path = asked.split()
    # The client takes two slashes at the beginning for a host.
    answer = client.open("/", method=method, environ_overrides={"PATH_INFO": path})
    assert answer.status_code == status
    document = answer.json or {}
    (said,) = {"detail", "error", "message"} & document.keys()
    assert sentence in document[said]
    assert not any(words in answer.text for words in STOCK)


@pytest.mark.parametrize(
    ("path", "form", "media_type"),
    [
        ("/nowhere", {"type", "title", "status", "detail", "request_id"}, "application/problem+json"),
        ("/v1/nowhere", {"error"}, "application/json"),
        ("/v2/nowhere", {"error"}, "application/json"),
        ("//v1//models", {"error"}, "application/json"),
        ("/invocations/nowhere", {"error_code", "message"}, "application/json"),
    ],
)  # fmt: skip
def test_it_is_said_in_the_form_that_the_clients_of_the_path_read(
    client: FlaskClient, path: str, form: set[str], media_type: str
) -> None:
    answer = client.get(environ_overrides={"PATH_INFO": path})
    assert (set(answer.json or ()), answer.mimetype) == (form, media_type)


@pytest.mark.parametrize(
    ("path", "query", "location"),
    [
        ("/predict/", "", "/predict"),
        ("/predict///", "extra=ignore", "/predict?extra=ignore"),
        ("//predict", "", "/predict"),
        ("//", "", "/"),
        ("//v2//models/", "a=%0A&b", "/v2/models?a=%0A&b"),
        ("/v2/models/gr\xc3\xb6\xc3\x9fe/", "", "/v2/models/gr%C3%B6%C3%9Fe"),
        ("/v2/models/a\r\nSet-Cookie: x/", "", "/v2/models/a%0D%0ASet-Cookie:%20x"),
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST", "HEAD"])
def test_a_redirect_goes_to_a_path_and_keeps_the_query(
    client: FlaskClient, method: str, path: str, query: str, location: str
) -> None:
    environ = {"PATH_INFO": path, "QUERY_STRING": query, "HTTP_HOST": "evil.example"}
    answer = client.open("/", method=method, environ_overrides=environ)
    assert (answer.status_code, answer.headers["Location"]) == (308, location)
    assert "evil.example" not in answer.text


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        ("/predict", {"POST", "OPTIONS"}),
        ("/", {"GET", "HEAD", "OPTIONS"}),
        ("/v2/repository/index", {"POST", "OPTIONS"}),
    ],
)
def test_allow_lists_the_methods_of_the_path(
    client: FlaskClient, path: str, allowed: set[str]
) -> None:
    for method in ("DELETE", "put", "OPTIONS"):
        answer = client.open(path, method=method)
        assert answer.status_code == (200 if method == "OPTIONS" else 405)
        assert set(answer.headers["Allow"].split(", ")) == allowed


def test_a_model_that_predicts_nothing_is_asked_for_what_it_does(serve: Serve) -> None:
    client = serve(StandardScaler().fit([[0], [1]]))
    assert "rows go to POST /transform" in client.post("/").json["detail"]


def test_of_a_long_path_the_beginning_is_named(client: FlaskClient) -> None:
    detail = client.get("/" + "x" * 500).json["detail"]
    assert "x" * (MAX_PATH_CHARACTERS - 1) + "… here" in detail


def test_what_else_flask_refuses_is_named_in_a_word(serve: Serve) -> None:
    client = serve(LinearRegression().fit([[0], [1]], [0, 1]))

    def refuse() -> Any:
        raise ImATeapot

    client.application.view_functions["GET /metadata"] = refuse
    assert client.get("/metadata").json["detail"] == "I'm a Teapot."


def test_nobody_has_to_change_the_protocol(client: FlaskClient) -> None:
    upgrade = {"Connection": "Upgrade", "Upgrade": "websocket"}
    assert client.get("/metadata", headers=upgrade).status_code == 200
