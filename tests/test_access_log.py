"""One line in the log for each request, with no value that was sent."""

from __future__ import annotations

import json
import logging
import re
from typing import Any

import pytest
from flask.testing import FlaskClient
from sklearn.linear_model import LinearRegression

from api.monitor.access_log import MAX_PATH_CHARACTERS, log
from api.monitor.telemetry import JsonFormatter
from tests.conftest import Serve

ID = {"X-Request-Id": "r1"}


@pytest.fixture(scope="module")
def client(serve: Serve) -> FlaskClient:
    return serve(LinearRegression().fit([[0], [1]], [0, 1]), access_log="true")


def logged(caplog: pytest.LogCaptureFixture) -> list[str]:
    """The lines of this test, without how long each answer took, and by which version."""
    found = [record.getMessage() for record in caplog.records if record.name == log.name]
    found = [re.sub(r"version=[0-9a-f]{12}$", "version=V", line) for line in found]
    return [re.sub(r" [0-9.]+ ms", " 0 ms", line) for line in found]


@pytest.mark.parametrize(
    ("method", "path", "arguments", "line"),
    [
        ("POST", "/predict", {"json": [[1], [2]]}, "POST /predict 200 0 ms rows=2 request_id=r1 version=V"),
        ("POST", "/invocations", {"json": [1]}, "POST /invocations 200 0 ms rows=1 request_id=r1 version=V"),
        ("POST", "/predict?extra=ignore", {"json": [1]}, "POST /predict 200 0 ms rows=1 request_id=r1 version=V"),
        ("POST", "/predict", {"json": ["secret"]}, "POST /predict 422 0 ms request_id=r1 version=V"),
        ("GET", "/metadata", {}, "GET /metadata 200 0 ms request_id=r1 version=V"),
        ("HEAD", "/health", {}, "HEAD /health 200 0 ms request_id=r1 version=V"),
        ("GET", "/no where", {}, "GET /no%20where 404 0 ms request_id=r1 version=V"),
        ("GET", "/predict", {}, "GET /predict 405 0 ms request_id=r1 version=V"),
        ("GET", "/", {"environ_overrides": {"PATH_INFO": "/a\nb"}}, "GET /a%0Ab 404 0 ms request_id=r1 version=V"),
        ("GET", "/", {"environ_overrides": {"SERVER_PROTOCOL": ""}}, "GET / 400 0 ms request_id=r1 version=V"),
        ("BREW", "/", {"environ_overrides": {"PATH_INFO": ""}}, "other - 400 0 ms request_id=r1 version=V"),
    ],
)  # fmt: skip
def test_a_request_is_one_line(
    client: FlaskClient,
    caplog: pytest.LogCaptureFixture,
    method: str,
    path: str,
    arguments: dict[str, Any],
    line: str,
) -> None:
    client.open(path, method=method, headers=ID, **arguments)
    assert logged(caplog) == [line]


def test_a_long_path_is_cut(client: FlaskClient, caplog: pytest.LogCaptureFixture) -> None:
    client.get("/" + "x" * 1000)
    assert len(logged(caplog)[0].split()[1]) == MAX_PATH_CHARACTERS


def test_in_google_cloud_it_is_json(client: FlaskClient, caplog: pytest.LogCaptureFixture) -> None:
    caplog.handler.setFormatter(JsonFormatter())
    client.post("/predict", json=[1], headers=ID)
    (line,) = caplog.text.splitlines()
    entry = json.loads(line)
    assert isinstance(entry.pop("ms"), float)
    assert entry.pop("message").startswith("POST /predict 200 ")
    assert len(entry.pop("version")) == 12
    assert entry == {
        "severity": "INFO",
        "method": "POST",
        "path": "/predict",
        "status": 200,
        "rows": 1,
        "request_id": "r1",
    }


def test_it_is_off_unless_it_is_set(serve: Serve, caplog: pytest.LogCaptureFixture) -> None:
    log.setLevel(logging.NOTSET)
    serve(LinearRegression().fit([[0], [1]], [0, 1])).post("/predict", json=[1])
    assert logged(caplog) == []
