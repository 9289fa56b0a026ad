"""What every answer carries, and what happens when the fault is the model's or ours."""

from __future__ import annotations

import json
import logging
from typing import Any

import msgspec
import numpy as np
import pytest
from flask.testing import FlaskClient
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder
from sklearn.tree import DecisionTreeRegressor

from api.batching import Batcher
from api.errors import Busy
from models.errors import MalformedBody
from models.text.parse import parse
from tests.conftest import Serve
from tests.test_rejections import GOOD

X = np.array([[0.0], [1.0], [2.0], [3.0]])


@pytest.mark.parametrize("path", ["/predict", "/nowhere", "/health"])
def test_every_answer_names_the_request_and_the_model(penguins: FlaskClient, path: str) -> None:
    first, second = (penguins.post(path, json=GOOD) for _ in range(2))
    assert first.headers["X-Request-Id"] != second.headers["X-Request-Id"]
    assert len(first.headers["X-Model-Version"]) == 64


def test_the_callers_request_id_is_kept(penguins: FlaskClient) -> None:
    answer = penguins.get("/health", headers={"X-Request-Id": "trace-1.2:3"})
    assert answer.headers["X-Request-Id"] == "trace-1.2:3"


@pytest.mark.parametrize("given", ["", "two words", "x" * 129, "<script>"])
def test_a_request_id_that_is_no_plain_word_is_replaced(penguins: FlaskClient, given: str) -> None:
    answer = penguins.get("/health", headers={"X-Request-Id": given})
    assert answer.headers["X-Request-Id"] != given


def test_an_unknown_category_that_passes_is_counted(serve: Serve) -> None:
    model = make_pipeline(OneHotEncoder(handle_unknown="ignore"), LogisticRegression())
    client = serve(model.fit([["a", "x"], ["b", "y"]], [0, 1]))
    answer = client.post("/predict", json=[["a", "x"], ["c", "x"], ["d", "z"]])
    assert answer.status_code == 200
    assert answer.headers["X-Unknown-Categories"] == "x0=2, x1=1"
    assert "X-Unknown-Categories" not in client.post("/predict", json=["a", "x"]).headers


UNKNOWN = [["a", "x"], ["c", "x"], ["d", "z"]]


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/predict", UNKNOWN),
        ("/invocations", {"instances": UNKNOWN}),
        ("/v1/models/model:predict", {"instances": UNKNOWN}),
        ("/v2/models/model/infer", {"inputs": [{"name": "x", "shape": [3, 2], "datatype": "BYTES", "data": UNKNOWN}]}),
        ("/explain", UNKNOWN),
    ],
)  # fmt: skip
def test_an_unknown_category_that_passes_is_counted_by_every_protocol(
    serve: Serve, path: str, body: Any
) -> None:
    model = make_pipeline(OneHotEncoder(handle_unknown="ignore"), LogisticRegression())
    card = msgspec.json.encode({"background": [["a", "x"], ["b", "y"]]})
    client = serve(model.fit([["a", "x"], ["b", "y"]], [0, 1]), card)
    answer = client.post(path, json=body)
    assert (answer.status_code, answer.headers["X-Unknown-Categories"]) == (200, "x0=2, x1=1")


def chunks(*given: bytes | Exception) -> Any:
    """What `server.chunk_reader` gives for a body that comes in these."""
    left = iter([*given, b""])

    def read() -> bytes:
        chunk = next(left)
        if isinstance(chunk, Exception):
            raise chunk
        return chunk

    return lambda: read


@pytest.mark.parametrize(
    ("given", "environ", "status", "words"),
    [
        ([b"[", b"]"], {}, 422, "see errors"),
        ([b"{", OSError("gone")], {}, 400, "The body ended before its last chunk had come"),
        ([b"[0]", b" " * 200], {}, 413, "The body is over the limit of 100 bytes."),
        ([b"[0]"], {"CONTENT_LENGTH": "3"}, 400, "The body has a Content-Length and comes in chunks"),
        ([b"[0]"], {"HTTP_TRANSFER_ENCODING": "gzip, chunked"}, 411, "Send the body with a"),
        ([b"[0]"], {"HTTP_TRANSFER_ENCODING": " Chunked"}, 200, ""),
    ],
)  # fmt: skip
def test_a_body_in_chunks_is_read_or_refused(
    serve: Serve, monkeypatch: pytest.MonkeyPatch, given: Any, environ: Any, status: int, words: str
) -> None:
    client = serve(LinearRegression().fit([[0], [1]], [0, 1]), max_body_bytes=100)
    monkeypatch.setattr("api.server.process.chunk_reader", chunks(*given))
    base = {"HTTP_TRANSFER_ENCODING": "chunked", "CONTENT_LENGTH": ""}
    answer = client.post("/predict", environ_overrides=base | environ)
    assert (answer.status_code, words in answer.text) == (status, True)


def test_a_name_that_does_not_fit_into_a_header_is_escaped_there(serve: Serve) -> None:
    encoder = OneHotEncoder(handle_unknown="ignore")
    client = serve(encoder.fit([["a"], ["b"]]), card='{"features": ["größe\\n✓"]}'.encode())
    answer = client.post("/transform", json=["c"])
    assert answer.headers["X-Unknown-Categories"] == "gr%C3%B6%C3%9Fe%0A%E2%9C%93=1"


class Ending:
    """A connection that ends in the middle of a body."""

    def read(self, _: int) -> bytes:
        raise OSError("client is gone")


@pytest.mark.parametrize(
    ("environ", "status", "sentence"),
    [
        ({"CONTENT_LENGTH": "many"}, 400, "The Content-Length is not a number."),
        ({"CONTENT_LENGTH": "0" * 5000 + "1"}, 400, "The Content-Length is not a number."),
        ({"CONTENT_LENGTH": "-1"}, 400, "The Content-Length is not a number."),
        ({"CONTENT_LENGTH": "500"}, 400, "The body ended before its 500 bytes had come."),
        ({"wsgi.input": Ending()}, 400, "The body ended before its"),
        ({"HTTP_TRANSFER_ENCODING": "chunked"}, 411, "Send the body with a Content-Length"),
    ],
)
def test_a_body_that_cannot_be_read_is_refused(
    penguins: FlaskClient, environ: dict[str, Any], status: int, sentence: str
) -> None:
    answer = penguins.post("/predict", json=GOOD, environ_overrides=environ)
    assert answer.status_code == status
    assert answer.json["detail"].startswith(sentence)


@pytest.mark.filterwarnings("ignore:overflow encountered in cast")
def test_values_that_the_estimator_refuses_are_told_with_their_row(serve: Serve) -> None:
    client = serve(DecisionTreeRegressor().fit(X, X[:, 0]))
    answer = client.post("/predict", json={"instances": [[1], [2], [1e300], [1e300]]})
    assert answer.status_code == 422
    assert answer.json["errors"] == [
        {
            "pointer": "/instances/2",
            "detail": "the model refuses this row: "
            "Input X contains infinity or a value too large for dtype('float32').",
        }
    ]


class Broken(ClassifierMixin, BaseEstimator):
    """Works when it is tried, and never again."""

    n_features_in_ = 1
    classes_ = np.array([0, 1])
    now = False

    def predict(self, X: Any) -> Any:
        if Broken.now:
            raise RuntimeError("a secret of the house")
        return np.zeros(len(X))


def test_our_own_fault_is_a_bare_500_and_a_traceback_in_the_log(
    serve: Serve, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logging.getLogger("api"), "propagate", True)
    client = serve(Broken())
    monkeypatch.setattr(Broken, "now", True)
    answer = client.post("/predict", json=[[7]])
    assert (answer.status_code, answer.content_type) == (500, "application/problem+json")
    assert answer.headers["X-Request-Id"] in answer.json["detail"]
    assert "secret" not in answer.text
    assert "a secret of the house" in caplog.text
    assert answer.headers["X-Request-Id"] in caplog.text


def test_too_many_waiting_is_a_503_that_says_when_to_come_again(
    penguins: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def busy(*_: Any) -> None:
        raise Busy("256 requests or more wait for the model.")

    monkeypatch.setattr(Batcher, "run", busy)
    answer = penguins.post("/predict", json=GOOD)
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1")


ISLANDS = st.sampled_from(["Biscoe", "Dream", "Torgersen"]) | st.none()
NUMBERS = st.floats(-1e6, 1e6) | st.integers(0, 10_000) | st.none()
VALID = st.fixed_dictionaries(
    {"island": ISLANDS, "sex": st.sampled_from(["female", "male"]) | st.none()}
    | dict.fromkeys(
        ("bill_length_mm", "bill_depth_mm", "flipper_length_mm", "body_mass_g"), NUMBERS
    )
)


@settings(deadline=None)
@given(rows=st.lists(VALID, min_size=1, max_size=5))
def test_any_valid_rows_get_scikit_learns_own_answer(
    penguins: FlaskClient, penguins_path: Any, rows: list[dict[str, Any]]
) -> None:
    import joblib
    import pandas as pd

    estimator = joblib.load(penguins_path)
    columns = {
        name: pd.Series(
            [row[name] for row in rows], dtype=object if name in ("island", "sex") else float
        )
        for name in estimator.feature_names_in_
    }
    frame = pd.DataFrame(columns).replace({None: np.nan})
    answer = penguins.post("/predict_proba", json=rows)
    assert answer.json["predictions"] == estimator.predict_proba(frame).tolist()


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["instances", "island", "sex", "parameters"]) | st.text(),
            inner,
            max_size=4,
        )
    ),
)
ANY_BODY = st.binary() | JSON_VALUES.map(
    lambda value: json.dumps(value).encode("utf-8", "surrogatepass")
)


@settings(deadline=None)
@given(
    body=ANY_BODY,
    content_type=st.sampled_from(
        ["application/json", "text/csv", "application/x-ndjson", "application/x-npy", "x/y", "junk"]
    ),
    accept=st.sampled_from(["*/*", "text/csv", "application/x-npy", ";;q=,", ""]),
)
def test_no_body_at_all_makes_a_500(
    penguins: FlaskClient, body: bytes, content_type: str, accept: str
) -> None:
    answer = penguins.post(
        "/predict", data=body, content_type=content_type, headers={"Accept": accept}
    )
    assert answer.status_code in (200, 400, 406, 415, 422)


def test_a_client_that_asks_before_it_sends_is_refused_by_its_type(penguins: FlaskClient) -> None:
    headers = {"Expect": "100-continue", "Content-Type": "image/png"}
    assert penguins.post("/predict", headers=headers).status_code == 415


def test_json_that_is_nested_too_deeply_for_python_is_refused() -> None:
    with pytest.raises(MalformedBody, match="nested too deeply"):
        parse(b"[" * 100_000)
