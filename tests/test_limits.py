"""The limits of answers and of time: what is refused, and that the advice helps."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Mapping
from types import MappingProxyType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin, TransformerMixin
from sklearn.feature_extraction.text import HashingVectorizer
from sklearn.linear_model import LinearRegression
from sklearn.neighbors import NearestNeighbors

from api import batching
from api.batching import MERGED_ROWS, Batcher
from api.errors import Busy
from api.http import big_body, deadlines
from api.http.request import Request, current
from tests.conftest import Serve

CSV, NPY = "text/csv", "application/x-npy"


class Wide(TransformerMixin, BaseEstimator):
    """Gives a thousand random numbers a row, and notes how many rows it was given."""

    def fit(self, X: Any, y: Any = None) -> Wide:
        self.n_features_in_ = X.shape[1]
        return self

    def transform(self, X: Any) -> Any:
        CALLS.append(len(X))
        return np.random.default_rng(0).random((len(X), 1_000))


class Classes(ClassifierMixin, BaseEstimator):
    """Has a score for each of many classes."""

    def fit(self, X: Any, y: Any = None) -> Classes:
        self.n_features_in_ = X.shape[1]
        self.classes_ = np.arange(500)
        return self

    def predict(self, X: Any) -> Any:
        return np.zeros(len(X), dtype=np.int64)

    def decision_function(self, X: Any) -> Any:
        return np.random.default_rng(0).random((len(X), 500))


class Hungry(TransformerMixin, BaseEstimator):
    """Wants more memory than there is for a row above a thousand."""

    def fit(self, X: Any, y: Any = None) -> Hungry:
        self.n_features_in_ = X.shape[1]
        return self

    def transform(self, X: Any) -> Any:
        if (np.asarray(X) > 1_000).any():
            np.empty(1 << 50, dtype=np.uint8)
        return X


CALLS: list[int] = []
POINTS = np.random.default_rng(0).random((400, 2))
V2 = "/v2/models/model/infer"
FITTED: dict[str, Any] = {
    "wide": Wide().fit(POINTS),
    "classes": Classes().fit(POINTS),
    "neighbors": NearestNeighbors(n_neighbors=300).fit(POINTS),
    "radius": NearestNeighbors(radius=2).fit(POINTS),
    "words": HashingVectorizer(n_features=2_000),
    "linear": LinearRegression().fit(POINTS, POINTS),
}


def tensor(rows: list[Any], **more: Any) -> dict[str, Any]:
    flat = [value for row in rows for value in row]
    one = {"name": "all", "shape": [len(rows), 2], "datatype": "FP64", "data": flat}
    return {"inputs": [one], **more}


@pytest.mark.parametrize("count", [200, 3_000], ids=["some rows", "many rows"])
@pytest.mark.parametrize(
    ("model", "path", "accept"),
    [
        ("wide", "/transform", "*/*"),
        ("wide", "/transform", CSV),
        ("wide", "/transform", NPY),
        ("wide", V2, "*/*"),
        ("wide", f"{V2}?binary", "*/*"),
        ("classes", "/decision_function", "*/*"),
        ("classes", "/decision_function", CSV),
        ("neighbors", "/kneighbors", "*/*"),
        ("neighbors", "/kneighbors", NPY),
        ("radius", "/radius_neighbors", "*/*"),
        ("words", "/transform", "*/*"),
        ("linear", "/explain", "*/*"),
    ],
)
def test_an_answer_over_the_limit_is_refused_and_the_advice_helps(
    serve: Serve, model: str, path: str, accept: str, count: int
) -> None:
    limit = 30_000 if model == "linear" else 500_000
    card = b'{"background": [[0, 1]]}' if model == "linear" else None
    client = serve(FITTED[model], card, max_answer_bytes=limit)

    def ask(rows: int) -> Any:
        given: Any = ["a few words"] * rows if model == "words" else POINTS.tolist() * 10
        given = given[:rows]
        if path.startswith(V2):
            more = {"parameters": {"binary_data_output": True}} if "binary" in path else {}
            given = tensor(given, **more)
        return client.post(path, json=given, headers={"Accept": accept})

    refused = ask(count)
    assert refused.status_code == 413
    said = refused.get_data(as_text=True)
    assert f"over {limit} bytes, the limit (MAX_ANSWER_BYTES): send at most" in said
    found = re.search(r"send at most (\d+) rows in one request", said)
    assert found
    helped = ask(int(found[1]))
    assert helped.status_code == 200
    assert limit / 20 < len(helped.data) <= limit


def test_where_no_row_fits_the_answer_says_so(serve: Serve) -> None:
    client = serve(FITTED["wide"], max_answer_bytes=1_000)
    assert "not even one row fits" in client.post("/transform", json=[[1, 2]]).json["detail"]


def test_many_rows_are_not_run_if_their_answer_cannot_fit(serve: Serve) -> None:
    client = serve(FITTED["wide"], max_answer_bytes=2_000_000)
    CALLS.clear()
    assert client.post("/transform", json=POINTS.tolist() * 10).status_code == 413
    assert CALLS == [1]


@pytest.mark.parametrize("accept", ["*/*", CSV])
@pytest.mark.parametrize(
    ("model", "path"),
    [("wide", "/transform"), ("neighbors", "/kneighbors"), ("words", "/transform")],
)
def test_a_long_answer_is_the_same_as_short_ones(
    serve: Serve, model: str, path: str, accept: str
) -> None:
    client = serve(FITTED[model])
    rows: list[Any] = [f"word {i}" for i in range(400)] if model == "words" else POINTS.tolist()

    def ask(some: list[Any]) -> Any:
        answer = client.post(path, json=some, headers={"Accept": accept})
        return answer.json["predictions"] if accept != CSV else answer.text.splitlines()[1:]

    whole = ask(rows)
    assert len(whole) == len(rows)
    assert whole[-50:] == (ask(rows[-50:]) if model != "wide" else whole[-50:])


@pytest.fixture
def request_under_way() -> Any:
    token = current.set(Request({}))
    yield
    current.reset(token)


@pytest.mark.usefixtures("request_under_way")
def test_a_request_has_one_deadline_however_often_it_waits() -> None:
    end = deadlines.end(5)
    time.sleep(0.01)
    assert deadlines.end(5) == end
    assert 4 < deadlines.left(end) < 5
    assert deadlines.left(end - 10) == 0


@pytest.mark.usefixtures("request_under_way")
def test_who_has_waited_before_waits_less_for_a_turn() -> None:
    taken, done = threading.Event(), threading.Event()

    def hold() -> None:
        big_body.acquire(Request({}), 1)
        taken.set()
        done.wait(10)
        big_body.release()

    other = threading.Thread(target=hold)
    other.start()
    taken.wait(10)
    deadlines.end(0.05)
    started = time.monotonic()
    with pytest.raises(Busy):
        big_body.acquire(Request({}), 5)
    done.set()
    other.join()
    assert time.monotonic() - started < 1


@pytest.mark.parametrize("path", ["/transform", V2, "/invocations"])
def test_where_memory_runs_out_the_request_is_a_503_and_others_are_answered(
    serve: Serve, path: str, caplog: pytest.LogCaptureFixture
) -> None:
    client = serve(Hungry().fit(POINTS))

    def ask(value: int) -> Any:
        rows = [[value, 1]]
        return client.post(path, json=tensor(rows) if path == V2 else rows)

    answer = ask(2_000)
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1")
    assert "There is not enough memory for this request: send fewer rows" in answer.text
    assert ask(1).status_code == 200
    assert "needs more memory than there is" in caplog.text
    assert not any(record.exc_info for record in caplog.records)


def test_where_no_thread_can_watch_the_model_there_is_no_memory(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = serve(Hungry().fit(POINTS))
    with monkeypatch.context() as patch:
        patch.setattr(batching, "threading", SimpleNamespace(Thread=no_thread, Lock=threading.Lock))
        assert client.post("/transform", json=[[1, 1]]).status_code == 503
    assert client.post("/transform", json=[[1, 1]]).status_code == 200


def no_thread(**_: Any) -> Any:
    """What starting a thread does where a limit of memory leaves no room for its stack."""
    raise RuntimeError("can't start new thread")


def test_pieces_of_one_request_wait_no_longer_than_one() -> None:
    calls = []

    class Slow:
        batchable = True
        concurrent = ()
        one_row: Mapping[str, Any] = MappingProxyType({})

        def run(self, _: str, rows: Any) -> Any:
            calls.append(len(rows))
            time.sleep(0.06)
            return rows

        def refuses(self, *_: Any) -> bool:
            return False

    own = Batcher(Slow(), max_waiting=8, timeout=0.1)
    with pytest.raises(Busy, match=r"no answer for 0\.1 seconds"):
        own.run("predict", np.zeros((10 * MERGED_ROWS, 1)))
    assert calls == [MERGED_ROWS] * 2
