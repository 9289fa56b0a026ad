"""API keys: who is let in, who is not, and what is said of it."""

from __future__ import annotations

import hashlib
import logging
import re
import subprocess
import sys
from pathlib import Path

import pytest
from flask.testing import FlaskClient
from openapi_spec_validator import OpenAPIV31SpecValidator
from sklearn.dummy import DummyRegressor

from api import create_app
from api.http import keys
from api.settings import Settings
from tests.conftest import Serve
from tests.test_telemetry import growth

ALICE, BOB, CAROL = "alice's secret", "bob-secret", "cärol"


def entry(name: str, key: str) -> str:
    return f"{name}:{hashlib.sha256(key.encode('latin-1')).hexdigest()}"


API_KEYS = ",".join([entry("alice", "old"), entry("alice", "a1"), entry("bob", BOB)])


@pytest.fixture(scope="module")
def client(serve: Serve) -> FlaskClient:
    return serve(DummyRegressor().fit([[0], [1]], [1, 1]), api_keys=API_KEYS)


@pytest.mark.parametrize(
    "headers",
    [
        {"Authorization": f"Bearer {BOB}"},
        {"Authorization": f"bearer  {BOB} "},
        {"X-Api-Key": BOB},
        {"X-Api-Key": f" {BOB}"},
        {"X-Api-Key": "a1"},
        {"X-Api-Key": "old"},
        {"X-Api-Key": BOB, "Authorization": "Bearer token-of-a-proxy"},
        {"X-Api-Key": "wrong", "Authorization": f"Bearer {BOB}"},
    ],
)
def test_who_has_a_key_is_let_in(client: FlaskClient, headers: dict[str, str]) -> None:
    assert client.post("/predict", json=[1], headers=headers).json == {"predictions": [1.0]}
    assert client.get("/metadata", headers=headers).status_code == 200


@pytest.mark.parametrize(
    ("headers", "words"),
    [
        ({}, "This service asks for a key: send it as the header `Authorization: Bearer KEY` or `X-Api-Key: KEY`."),
        ({"Authorization": f"Basic {BOB}"}, "This service asks for a key"),
        ({"Authorization": "Bearer"}, "This service asks for a key"),
        ({"Authorization": BOB}, "This service asks for a key"),
        ({"X-Api-Key": ""}, "This service asks for a key"),
        ({"X-Api-Key": "wrong"}, "This key is not one of the service's keys: check it, and send it as"),
        ({"Authorization": f"Bearer {BOB}x"}, "This key is not one of the service's keys"),
        ({"X-Api-Key": hashlib.sha256(BOB.encode()).hexdigest()}, "This key is not one"),
        ({"X-Api-Key": "\xff\xfe"}, "This key is not one"),
    ],
)  # fmt: skip
def test_who_has_none_is_told_how_to_send_it(
    client: FlaskClient, headers: dict[str, str], words: str
) -> None:
    for path in ("/predict", "/metadata"):
        answer = client.open(path, method="POST", json=[1], headers=headers)
        assert (answer.status_code, answer.headers["WWW-Authenticate"]) == (401, "Bearer")
        assert answer.json["detail"].startswith(words)
        assert "X-Request-Id" in answer.headers


LOCKED = [
    "POST /predict",
    "POST /predict_proba",
    "POST /explain",
    "POST /invocations",
    "POST /v1/models/model:predict",
    "POST /v1/models/model:explain",
    "POST /v2/models/model/infer",
    "POST /v2/repository/index",
    "POST /vertex/predict",
    "GET /metadata",
    "GET /metrics",
    "GET /content/inputs",
    "GET /content/nothing",
    "GET /openapi.json",
    "GET /snippets",
    "GET /version",
    "GET /v1/models",
    "GET /v2",
    "GET /v2/models",
    "GET /v2/models/model",
    "GET /v2/models/model/config",
    "GET /v2/models/stats",
    "GET /nowhere",
    "POST /predict/",
    "POST //predict",
    "GET /static",
]
OPEN = [
    "GET /",
    "GET /docs",
    "GET /redoc",
    "GET /static/docs/docs.js",
    "GET /health",
    "HEAD /health",
    "GET /ready",
    "GET /ping",
    "GET /vertex/health",
    "GET /v1/models/model",
    "GET /v2/health/live",
    "GET /v2/health/ready",
    "GET /v2/models/model/ready",
    "OPTIONS /predict",
]


@pytest.fixture(scope="module")
def vertex(serve: Serve) -> FlaskClient:
    return serve(
        DummyRegressor().fit([[0], [1]], [1, 1]),
        api_keys=API_KEYS,
        aip_health_route="/vertex/health",
        aip_predict_route="/vertex/predict",
    )


@pytest.mark.parametrize("asked", LOCKED)
def test_everything_else_is_locked(vertex: FlaskClient, asked: str) -> None:
    method, path = asked.split()
    environ = {"PATH_INFO": path}
    assert vertex.open("/", method=method, environ_overrides=environ).status_code == 401
    environ["HTTP_X_API_KEY"] = BOB
    assert vertex.open("/", method=method, environ_overrides=environ).status_code != 401


@pytest.mark.parametrize("asked", OPEN)
def test_what_platforms_and_browsers_ask_first_is_open(vertex: FlaskClient, asked: str) -> None:
    method, path = asked.split()
    assert vertex.open(path, method=method).status_code == 200


def test_the_refusal_has_the_form_that_the_clients_of_the_path_read(vertex: FlaskClient) -> None:
    for path, names in (
        ("/v1/models/model:predict", ["error"]),
        ("/v2/models/model/infer", ["error"]),
        ("/invocations", ["error_code", "message"]),
    ):
        assert sorted(vertex.post(path, json=[1]).json or ()) == names


def test_a_body_is_not_read_before_the_key(client: FlaskClient) -> None:
    class Unread:
        def read(self, *_: int) -> bytes:
            raise AssertionError

    environ = {"wsgi.input": Unread(), "CONTENT_LENGTH": "10"}
    assert client.post("/predict", environ_overrides=environ).status_code == 401


def test_metrics_are_open_where_that_is_set(serve: Serve) -> None:
    model = DummyRegressor().fit([[0], [1]], [1, 1])
    client = serve(model, api_keys=API_KEYS, lock_metrics="false")
    assert client.get("/metrics").status_code == 200
    assert client.get("/content/info").status_code == 200


def test_without_keys_everything_is_open(penguins: FlaskClient) -> None:
    assert penguins.get("/metadata").status_code == 200


def test_metrics_count_the_requests_of_each_key_once(serve: Serve) -> None:
    model = DummyRegressor().fit([[0], [1]], [1, 1])
    client = serve(model, api_keys=API_KEYS, lock_metrics="false")
    key = {"X-Api-Key": BOB}
    for path, method in (("/predict", "POST"), ("/metadata", "HEAD"), ("/nowhere", "GET")):
        grown = growth(client, path, method=method, json=[1], headers=key)
        assert grown["http_requests_by_key_total", "bob"] == 1


@pytest.mark.parametrize(
    ("verb", "path", "route"),
    [
        ("POST", "/predict", "/predict"),
        ("GET", "/metadata", "/metadata"),
        ("GET", "/v2/models/model", "/v2/models/<name>"),
        ("GET", "/nowhere", "other"),
    ],
)
def test_metrics_count_a_refused_request_under_its_route(
    serve: Serve, verb: str, path: str, route: str
) -> None:
    model = DummyRegressor().fit([[0], [1]], [1, 1])
    client = serve(model, api_keys=API_KEYS, lock_metrics="false")
    grown = growth(client, path, method=verb, headers={"X-Api-Key": "wrong"})
    assert grown["http_requests_total", verb, route, "401"] == 1
    assert grown["http_requests_by_key_total", "bob"] == 0


def test_the_name_of_the_key_is_in_the_log_and_the_key_is_not(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    model = DummyRegressor().fit([[0], [1]], [1, 1])
    client = serve(model, api_keys=API_KEYS, access_log="true")
    with caplog.at_level(logging.INFO, "api.access"):
        client.post("/predict", json=[1], headers={"X-Api-Key": BOB})
        client.post("/predict", json=[1], headers={"X-Api-Key": "wrong"})
    assert [" key=bob" in message for message in caplog.messages] == [True, False]
    assert not any(key in caplog.text for key in (BOB, "wrong"))


def test_the_document_says_which_operations_need_a_key(penguins_path: Path) -> None:
    settings = Settings(model_path=str(penguins_path), api_keys=API_KEYS, lock_metrics="false")
    client = create_app(settings).test_client()
    document = client.get("/openapi.json", headers={"X-Api-Key": BOB}).json or {}
    OpenAPIV31SpecValidator(document).validate()
    assert document["security"] == [{"Bearer": []}, {"X-Api-Key": []}]
    assert list(document["components"]["securitySchemes"]) == ["Bearer", "X-Api-Key"]
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            answer = client.open(path, method=method.upper())
            locked = answer.status_code == 401
            assert ("401" in operation["responses"]) == locked
            assert (operation.get("security") == []) != locked


def test_the_document_of_an_open_service_has_no_keys_in_it(penguins: FlaskClient) -> None:
    text = penguins.get("/openapi.json").text
    assert not any(word in text for word in ("security", "X-Api-Key", "401", "API_KEY"))


ADMIN = "root's key"


@pytest.fixture(scope="module")
def locked(serve: Serve) -> FlaskClient:
    model = DummyRegressor().fit([[0], [1]], [1, 1])
    return serve(model, api_keys=API_KEYS, admin_keys=entry("root", ADMIN))


def test_an_administrators_key_opens_what_a_key_opens(locked: FlaskClient) -> None:
    answer = locked.post("/predict", json=[1], headers={"X-Api-Key": ADMIN})
    assert answer.json == {"predictions": [1.0]}


def make_key(monkeypatch: pytest.MonkeyPatch, *names: str, api_keys: str = "") -> None:
    """What `make api-key` runs."""
    monkeypatch.setattr(sys, "argv", ["api.http.keys", *names])
    monkeypatch.setenv("API_KEYS", api_keys)
    keys.main()


def test_a_key_that_was_made_is_let_in_beside_those_before(
    serve: Serve, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    make_key(monkeypatch, "carol", api_keys=entry("bob", BOB))
    out = capsys.readouterr().out
    _, _, key, *_, line = out.splitlines()
    variable, _, value = line.partition("=")
    settings = Settings.from_env({variable: value})
    client = serve(DummyRegressor().fit([[0], [1]], [1, 1]), api_keys=settings.api_keys)
    for each in (key.strip(), BOB):
        answer = client.post("/predict", json=[1], headers={"Authorization": f"Bearer {each}"})
        assert answer.status_code == 200
    assert value.startswith("bob:")
    assert "ADMIN_KEYS=carol:" in out
    # .env takes none of these.
    assert not set("'\"$`\\#") & set(line)


def test_the_first_key_stands_alone() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "api.http.keys", "alice"],
        check=False,
        capture_output=True,
        text=True,
        cwd=Path(__file__).parent.parent,
    )
    assert re.search(r"^API_KEYS=alice:[0-9a-f]{64}$", done.stdout, re.MULTILINE)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    ("names", "api_keys", "words"),
    [
        ([], "", "error: NAME='': expected up to 64 of the letters"),
        (["two words"], "", "error: NAME='two words': expected"),
        (["a:b"], "", "error: NAME='a:b': expected"),
        (["alice"], "secret", "error: API_KEYS=…: expected names with the SHA-256"),
    ],
)
def test_a_key_that_cannot_be_made_is_told_why(
    names: list[str], api_keys: str, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(SystemExit) as end:
        make_key(monkeypatch, *names, api_keys=api_keys)
    assert str(end.value).startswith(words)
    assert "secret" not in str(end.value)
