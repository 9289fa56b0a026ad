"""What is answered ahead of Flask, and how the rest comes to Flask."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from flask import Flask
from flask.testing import FlaskClient
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.linear_model import LinearRegression
from werkzeug.test import EnvironBuilder, run_wsgi_app

from api.http import big_body
from api.http.bodies import BIG_BODY_BYTES
from api.http.gateway import Gateway
from api.http.request import Request
from api.http.route import Route, Routes
from tests.conftest import Serve
from tests.test_rejections import GOOD

BOUND = 60
MANY = [GOOD] * (BIG_BODY_BYTES // 50)
# Asks for what instances are asked for, without anything that imports more.
PROGRAM = """
import io, sys
from api.app import load, serve
from api.settings import Settings

settings = Settings(model_path={path!r})
app = serve(load(settings), settings)

def ask(method, path, body=b"", **headers):
    environ = {{"REQUEST_METHOD": method, "PATH_INFO": path, "CONTENT_LENGTH": str(len(body)),
               "CONTENT_TYPE": "application/json", "wsgi.input": io.BytesIO(body), **headers}}
    said = []
    app(environ, lambda status, headers: said.append(status))
    return said[0][:3]

row = {row!r}
for path in ("/health", "/ready", "/ping", "/v2/health/ready"):
    assert ask("GET", path) == "200"
for accept in ("", "*/*", "application/json", "text/csv"):
    assert ask("POST", "/predict", row, HTTP_ACCEPT=accept) == "200"
assert ask("POST", "/predict_proba", b"[" + b",".join([row] * 1000) + b"]") == "200"
assert ask("POST", "/predict", b"[]") == "422"
print([name for name in {names!r} if name in sys.modules])
"""
NOT_NEEDED = ["flask", "werkzeug", "jinja2", "prometheus_client", "ssl", "dotenv", "pandas"]


def test_predictions_and_health_checks_do_without_flask(baked_path: Path) -> None:
    row = b'{"bill_length_mm": 46.1, "bill_depth_mm": 13.2, "flipper_length_mm": 211, '
    row += b'"body_mass_g": 4500, "island": "Biscoe", "sex": "female"}'
    program = PROGRAM.format(path=str(baked_path), row=row, names=NOT_NEEDED)
    done = subprocess.run(
        [sys.executable, "-c", program],
        check=False,
        capture_output=True,
        text=True,
        timeout=BOUND,
    )
    assert (done.stderr, done.stdout) == ("", "[]\n")


def test_flask_is_made_once_however_many_ask_for_it_first() -> None:
    made: list[Any] = []

    def build() -> Any:
        time.sleep(0.1)
        made.append(SimpleNamespace(app=Flask("slow")))
        return made[-1]

    gateway = Gateway("1", [], build)
    with ThreadPoolExecutor(8) as pool:
        apps = list(pool.map(lambda _: gateway.app, range(8)))
    assert apps == [made[0].app] * 8
    assert len(made) == 1


@pytest.mark.parametrize("path", ["/health", "/v2/health/live"])
def test_a_health_check_can_be_asked_for_in_all_the_ways_of_a_get(
    penguins: FlaskClient, path: str
) -> None:
    here = penguins.get(path)
    head = penguins.head(path)
    assert (head.status_code, head.headers["Content-Length"]) == (200, str(len(here.data)))
    assert head.headers["X-Model-Version"] == here.headers["X-Model-Version"]
    refused = penguins.post(path)
    assert refused.status_code == 405
    assert set(refused.headers["Allow"].split(", ")) == {"GET", "HEAD", "OPTIONS"}


@pytest.mark.parametrize("path", ["/health", "/v2/health/live", "/metrics", "/metadata"])
def test_get_in_small_letters_is_answered_as_get(penguins: FlaskClient, path: str) -> None:
    environ = EnvironBuilder(path).get_environ() | {"REQUEST_METHOD": "get"}
    _, status, headers = run_wsgi_app(penguins.application.wsgi_app, environ)
    assert status == "200 OK"
    assert headers["Content-Type"] == penguins.get(path).content_type


@pytest.mark.parametrize("body", [[GOOD], MANY], ids=["small", "large"])
@pytest.mark.parametrize(
    ("method", "path", "status"), [("POST", "//predict", 308), ("post", "/predict", 405)]
)
def test_what_flask_takes_for_a_prediction_is_none(
    penguins: FlaskClient, method: str, path: str, status: int, body: Any
) -> None:
    environ = EnvironBuilder("/predict", method="POST", json=body).get_environ()
    environ |= {"PATH_INFO": path, "REQUEST_METHOD": method}
    for _ in range(2):
        answer = run_wsgi_app(penguins.application.wsgi_app, dict(environ))
        assert answer[1].startswith(str(status))


def get(path: str, *, yields: bool = False) -> Route:
    return Route(verb="GET", path=path, handler=lambda _: None, yields=yields)


def test_a_route_that_yields_is_left_out_where_another_has_its_path() -> None:
    routes = Routes()
    routes.add(get("/health"))
    routes.add(get("/health", yields=True))
    routes.add(get("/alive", yields=True))
    assert [(route.path, route.yields) for route in routes] == [
        ("/health", False),
        ("/alive", True),
    ]


def test_two_routes_for_one_path_are_refused() -> None:
    routes = Routes()
    routes.add(get("/health"))
    with pytest.raises(ValueError, match="two routes answer GET /health"):
        routes.add(get("/health"))


def in_background(client: FlaskClient, **arguments: Any) -> threading.Thread:
    """Send a request to `/predict`, whose answer must be right, from another thread."""

    def ask() -> None:
        assert client.application.test_client().post("/predict", **arguments).status_code == 200

    thread = threading.Thread(target=ask)
    thread.start()
    return thread


def test_a_large_request_waits_for_its_turn_and_a_small_one_does_not(
    penguins: FlaskClient,
) -> None:
    big_body.acquire(Request({}), BOUND)
    try:
        waiting = in_background(penguins, json=MANY)
        # From a thread of its own too: an answer gives back what its thread has taken.
        small = in_background(penguins, json=GOOD)
        small.join(BOUND)
        waiting.join(0.3)
        assert (small.is_alive(), waiting.is_alive()) == (False, True)
    finally:
        big_body.release()
    waiting.join(BOUND)
    assert not waiting.is_alive()


def test_a_large_request_that_gets_no_turn_is_told_when_to_come_again(serve: Serve) -> None:
    client = serve(LinearRegression().fit([[0], [1]], [0, 1]), timeout=0.2)
    answers = []
    big_body.acquire(Request({}), BOUND)
    try:
        other = client.application.test_client()
        thread = threading.Thread(
            target=lambda: answers.append(other.post("/predict", json=[[1.23456789]] * 10_000))
        )
        thread.start()
        thread.join(BOUND)
    finally:
        big_body.release()
    assert (answers[0].status_code, answers[0].headers["Retry-After"]) == (503, "1")


def test_a_large_request_that_is_refused_gives_its_turn_back(penguins: FlaskClient) -> None:
    for _ in range(2):
        assert penguins.post("/predict", json=[{}, *MANY]).status_code == 422


class Held(RegressorMixin, BaseEstimator):
    """Predicts when it is let."""

    let = threading.Event()
    asked = threading.Event()

    def fit(self, x: Any, _: Any = None) -> Held:
        self.n_features_in_ = len(x[0])
        return self

    def predict(self, x: Any) -> list[int]:
        x = np.asarray(x, dtype=float)
        self.asked.set()
        assert self.let.wait(BOUND)
        return [0] * len(x)


def test_a_large_request_that_waits_for_the_model_holds_no_other_up(serve: Serve) -> None:
    rows = [[1.23456789]] * 10_000
    Held.let.set()
    client = serve(Held().fit(rows))
    Held.let.clear()
    Held.asked.clear()
    try:
        waiting = in_background(client, json=rows)
        assert Held.asked.wait(BOUND)
        assert client.post("/predict", json=[["x"], *rows[1:]]).status_code == 422
        assert waiting.is_alive()
    finally:
        Held.let.set()
    waiting.join(BOUND)
    assert not waiting.is_alive()
