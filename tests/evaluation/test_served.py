"""The accuracy test of the app: a running service answers the rows as the file does."""

from __future__ import annotations

import contextlib
import hashlib
import http.server
import json
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import joblib
import msgspec
import numpy as np
import pandas as pd
import pytest
from sklearn.cluster import KMeans
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from werkzeug.serving import make_server

import models
from api import create_app
from api.settings import Settings
from models.evaluation import served
from models.evaluation.facts import Unmeasurable
from models.evaluation.measure import evaluate
from models.model import Model
from tests.evaluation.samples import answers_of
from tests.test_serving import Server, free_port, serving

PENGUINS = Path("models/penguins.csv")
KEY = "k" * 32


@pytest.fixture(scope="module")
def server(baked_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A service that takes few rows at once, and needs a key."""
    folder = tmp_path_factory.mktemp("served")
    keys = f"tester:{hashlib.sha256(KEY.encode()).hexdigest()}"
    with serving(
        folder, traced=False, MODEL_PATH=baked_path, MAX_ROWS=100, API_KEYS=keys
    ) as server:
        yield server


@pytest.fixture
def url(server: Server, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("API_KEY", KEY)
    return f"http://127.0.0.1:{server.port}"


def test_the_service_answers_every_row_as_the_file_does(penguin_model: Model, url: str) -> None:
    found = evaluate(penguin_model, PENGUINS, url=f"{url}/")
    assert found.served == served.Served(
        url=url,
        version=penguin_model.version,
        is_same_version=True,
        rows=344,
        different=0,
        first=[],
    )
    assert found.scores == evaluate(penguin_model, PENGUINS).scores


@pytest.mark.parametrize(
    ("factor", "least", "said"),
    [(-1, 100, "row 1: the file answers "), (1.01, 344, "row 1: the file answers [0.99")],
    ids=["labels", "probabilities"],
)
def test_another_version_is_told_with_the_rows_that_differ(
    factor: float, least: int, said: str, penguin_model: Model, url: str, tmp_path: Path
) -> None:
    path = tmp_path / "latest.joblib"
    estimator = joblib.load(penguin_model.path)
    estimator[-1].coef_ *= factor
    joblib.dump(estimator, path)
    found = evaluate(models.load(path), PENGUINS, "species", url=url).served
    assert found is not None
    assert (found.version, found.is_same_version) == (penguin_model.version, False)
    assert found.different >= least
    assert len(found.first) == 5
    assert found.first[0].startswith(said)


@pytest.mark.parametrize("key", ["", "another"])
def test_a_refused_key_gets_a_sentence(
    key: str, penguin_model: Model, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("API_KEY", key)
    with pytest.raises(Unmeasurable, match=r"refuses the key \(401\): write one that may predict"):
        evaluate(penguin_model, PENGUINS, url=url)


def test_no_service_gets_a_sentence(penguin_model: Model) -> None:
    with pytest.raises(Unmeasurable, match=r"nothing listens at http://127.0.0.1:\d+: make run"):
        evaluate(penguin_model, PENGUINS, url=f"http://127.0.0.1:{free_port()}")


def test_the_address_of_an_endpoint_is_told_from_that_of_the_service(penguin_model: Model) -> None:
    with pytest.raises(
        Unmeasurable, match="name the service itself, as URL=http://localhost:8080$"
    ):
        evaluate(penguin_model, PENGUINS, url="http://localhost:8080/predict/")


@pytest.mark.parametrize(
    "url", ["localhost:8080", "ftp://host", "http://a@b", "http://[", "http://ü"]
)
def test_no_address_gets_a_sentence(url: str, penguin_model: Model) -> None:
    with pytest.raises(
        Unmeasurable, match="expected the address of a service, as http://127.0.0.1"
    ):
        evaluate(penguin_model, PENGUINS, url=url)


@contextlib.contextmanager
def running(path: str) -> Iterator[str]:
    """The service around a model, in this process."""
    server = make_server("127.0.0.1", 0, create_app(Settings(model_path=path)))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_a_regressor_is_served_as_it_answers(house_model: Model, houses: pd.DataFrame) -> None:
    with running(house_model.path) as url:
        found = evaluate(house_model, houses, url=url)
    assert found.served is not None
    assert (found.served.rows, found.served.different) == (400, 0)


def test_a_model_of_texts_is_served_as_it_answers(tmp_path: Path) -> None:
    path = tmp_path / "texts.joblib"
    texts = make_pipeline(TfidfVectorizer(), LogisticRegression())
    joblib.dump(texts.fit(["good", "bad", "fine"], [1, 0, 1]), path)
    rows = pd.DataFrame({"text": ["good", "bad", "all bad"], "label": [1, 0, 1]})
    with running(str(path)) as url:
        found = evaluate(str(path), rows, "label", url=url)
    assert found.served is not None
    assert (found.served.rows, found.served.different) == (3, 0)


def test_clusters_are_served_as_they_are_found(houses: pd.DataFrame, tmp_path: Path) -> None:
    path, rows = tmp_path / "groups.joblib", houses[["area", "rooms"]]
    joblib.dump(KMeans(2, n_init=1, random_state=0).fit(rows), path)
    with running(str(path)) as url:
        found = evaluate(path, rows, url=url)
    assert found.served is not None
    assert (found.served.rows, found.served.different) == (400, 0)
    assert found.scores == evaluate(path, rows).scores


def test_numbers_differ_beyond_their_rounding() -> None:
    ours = np.array([1.0, 3.0, -10.0, np.nan])
    for factor, equal in ((1 + 1e-12, True), (1 + 1e-8, False)):
        found = served._equal(ours, ours * factor)
        assert found.tolist() == [equal, equal, equal, True]


def test_labels_of_several_types_stay_as_they_are() -> None:
    answers = answers_of(3, ("a", 1))
    assert served._array(["a", 1, "a"], answers).tolist() == ["a", 1, "a"]


def test_labels_of_another_type_differ() -> None:
    given = np.array([1, "a", True], dtype=object)
    assert served._equal(np.array([1, "a", 1], dtype=object), given).tolist() == [True, True, False]


Answer = tuple[int, dict[str, str], bytes]
SAME = {"X-Model-Version": "a" * 64}


@pytest.fixture
def odd(house_model: Model, houses: pd.DataFrame) -> Iterator[Callable[..., str]]:
    """What is said of a service that gives these answers, one after another."""
    answers: list[Answer] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            status, headers, body = answers.pop(0)
            self.send_response(status)
            for name, value in ({"Content-Length": str(len(body))} | headers).items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)
            self.close_connection = "Content-Length" in headers

        def log_message(self, *_: Any) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,)).start()

        def said(*given: Answer) -> str:
            answers.extend(given)
            with pytest.raises(Unmeasurable) as raised:
                evaluate(house_model, houses, url=f"http://127.0.0.1:{server.server_port}/x")
            return str(raised.value)

        yield said
        server.shutdown()


def document(**members: object) -> bytes:
    return json.dumps(members).encode()


@pytest.mark.parametrize(
    ("answers", "said"),
    [
        ([(403, {}, document(detail="No."))], "refuses the key (403)"),
        ([(404, {}, document(detail="There is no /x/predict here."))], "answers 404: There is no"),
        ([(500, {}, b"oops")], "/x/predict answers 500:"),
        (
            [
                (
                    422,
                    {},
                    document(detail="See errors.", errors=[{"pointer": "/0/a", "detail": "no"}]),
                )
            ],
            "answers 422: See errors. /0/a: no, in the rows from 1 on",
        ),
        ([(200, SAME, b"<html>")], "does not answer /predict as this service does: check URL"),
        ([(200, {}, document(predictions=[1]))], "does not answer /predict as this service does"),
        ([(200, SAME, document(predictions=[1]))], "does not answer /predict as this service does"),
        ([(200, SAME, document(other=1))], "does not answer /predict as this service does"),
        ([(200, SAME | {"Content-Length": "9"}, b"{")], "does not answer: IncompleteRead"),
        (
            [
                (413, {}, b""),
                (200, SAME, document(predictions=[1.0] * 200)),
                (200, {"X-Model-Version": "b" * 64}, document(predictions=[1.0] * 200)),
            ],
            "went over from the version aaaaaaaaaaaa to bbbbbbbbbbbb while it was asked",
        ),
    ],
)
def test_odd_answers_get_a_sentence(
    odd: Callable[..., str], answers: list[Answer], said: str
) -> None:
    assert said in odd(*answers)


def test_a_silent_service_gets_a_sentence(
    house_model: Model, houses: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(served, "TIMEOUT_SECONDS", 0.1)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        with pytest.raises(Unmeasurable, match="has not answered in 0.1 seconds: try again"):
            evaluate(house_model, houses, url=url)


def test_a_service_of_other_classes_gets_a_sentence(penguin_model: Model, url: str) -> None:
    other = msgspec.structs.replace(penguin_model, classes=["Gentoo", "Chinstrap", "Adelie"])
    with pytest.raises(Unmeasurable, match=r"has the classes \['Adelie', 'Chinstrap', 'Gentoo'\]"):
        evaluate(other, PENGUINS, url=url)
