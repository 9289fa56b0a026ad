"""The Open Inference Protocol over REST."""

from __future__ import annotations

import gzip
import json
import zlib
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest
from flask.testing import FlaskClient
from hypothesis import given
from hypothesis import strategies as st
from sklearn.feature_extraction import DictVectorizer
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.neighbors import KNeighborsClassifier, NearestNeighbors
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from api import create_app
from api.batching import Batcher
from api.errors import Busy
from api.formats import tensors
from api.settings import Settings
from models.baking import bake
from tests.conftest import Serve
from tests.test_rejections import GOOD
from tests.test_requests import JSON_VALUES, VALID

INFER = "/v2/models/model/infer"
DATATYPES = dict.fromkeys(GOOD, "FP64") | {"island": "BYTES", "sex": "BYTES"}
X = np.random.default_rng(0).normal(size=(60, 3))
Y = (X[:, 0] > 0).astype(int)


def columns(*rows: dict[str, Any]) -> list[dict[str, Any]]:
    """One tensor for each feature."""
    return [
        {
            "name": name,
            "shape": [len(rows), 1],
            "datatype": DATATYPES[name],
            "data": [row[name] for row in rows],
        }
        for name in GOOD
    ]


def matrix(array: np.ndarray, datatype: str = "FP64") -> dict[str, Any]:
    shape, data = list(array.shape), array.tolist()
    return {"name": "input-0", "shape": shape, "datatype": datatype, "data": data}


def binary(inputs: list[dict[str, Any]], **more: Any) -> dict[str, Any]:
    """A request whose tensors are bytes behind its JSON."""
    data = []
    inputs = [dict(each) for each in inputs]
    for each in inputs:
        values = np.array(each.pop("data"), dtype=object).ravel()
        if each["datatype"] == "BYTES":
            texts = [str(value).encode() for value in values]
            data.append(b"".join(len(t).to_bytes(4, "little") + t for t in texts))
        else:
            data.append(
                values.astype(
                    {"FP64": "<f8", "FP32": "<f4", "FP16": "<f2"}[each["datatype"]]
                ).tobytes()
            )
        each["parameters"] = {"binary_data_size": len(data[-1])}
    head = json.dumps({"inputs": inputs, **more}).encode()
    length = {"Inference-Header-Content-Length": str(len(head))}
    return {"data": head + b"".join(data), "headers": length}


def read(answer: Any) -> dict[str, np.ndarray]:
    """The outputs of an answer, as a client reads them."""
    assert answer.status_code == 200, answer.text
    length = answer.headers.get("Inference-Header-Content-Length")
    head = json.loads(answer.data[: int(length)] if length else answer.data)
    left = answer.data[int(length) :] if length else b""
    found = {}
    for output in head["outputs"]:
        dtype: Any = {"FP64": "<f8", "INT64": "<i8", "BYTES": object}[output["datatype"]]
        if size := output.get("parameters", {}).get("binary_data_size"):
            data, left = left[:size], left[size:]
            if output["datatype"] == "BYTES":
                values: Any = []
                while data:
                    end = 4 + int.from_bytes(data[:4], "little")
                    values, data = [*values, data[4:end].decode()], data[end:]
            else:
                values = np.frombuffer(data, dtype)
        else:
            values = output["data"]
        found[output["name"]] = np.array(values, dtype=dtype).reshape(output["shape"])
    assert not left
    return found


def test_the_server_tells_its_extensions(penguins: FlaskClient) -> None:
    server = json.loads(penguins.get("/v2").text)
    assert server.keys() == {"name", "version", "extensions"}
    assert "binary_tensor_data" in server["extensions"]


@pytest.mark.parametrize("path", ["/v2/health/live", "/v2/health/ready"])
def test_a_loaded_service_is_live_and_ready(penguins: FlaskClient, path: str) -> None:
    assert penguins.get(path).json == {"ready": True, "live": True}


def test_it_lists_its_model(penguins: FlaskClient) -> None:
    version = penguins.get("/metadata").json["version"]
    assert penguins.get("/v2/models").json == {"models": ["model"]}
    assert penguins.post("/v2/repository/index").json == [
        {"name": "model", "version": version, "state": "READY", "reason": ""}
    ]


@pytest.mark.parametrize("versioned", [False, True], ids=["newest", "version"])
def test_a_model_tells_its_tensors(penguins: FlaskClient, versioned: bool) -> None:  # noqa: FBT001
    version = penguins.get("/metadata").json["version"]
    path = "/v2/models/model" + (f"/versions/{version}" if versioned else "")
    assert penguins.get(f"{path}/ready").json == {"name": "model", "ready": True}
    metadata = penguins.get(path).json
    assert metadata == {
        "name": "model",
        "versions": [version],
        "platform": "sklearn_joblib",
        "inputs": [{"name": name, "datatype": DATATYPES[name], "shape": [-1, 1]} for name in GOOD],
        "outputs": [
            {"name": "predict", "datatype": "BYTES", "shape": [-1]},
            {"name": "predict_proba", "datatype": "FP64", "shape": [-1, 3]},
            {"name": "predict_log_proba", "datatype": "FP64", "shape": [-1, 3]},
            {"name": "decision_function", "datatype": "FP64", "shape": [-1, 3]},
        ],
    }
    config = penguins.get(f"{path}/config").json
    assert config["max_batch_size"] == 10_000
    assert config["input"][0] == {"name": "island", "data_type": "TYPE_STRING", "dims": [1]}
    assert config["output"][1] == {"name": "predict_proba", "data_type": "TYPE_FP64", "dims": [3]}


@pytest.mark.filterwarnings("ignore:divide by zero encountered in log")
def test_what_a_model_tells_is_what_it_takes_and_gives(serve: Serve) -> None:
    for model in (
        LinearRegression().fit(X, X),
        DecisionTreeClassifier(max_depth=2).fit(X, Y),
        KNeighborsClassifier().fit(X, Y),
        StandardScaler().fit(X),
    ):
        client = serve(model)
        metadata = client.get("/v2/models/model").json
        assert [output["name"] for output in metadata["outputs"]] == [
            m for m in client.get("/metadata").json["methods"] if m != "kneighbors"
        ]
        inputs = [
            {"name": i["name"], "datatype": i["datatype"], "shape": [2, 1], "data": [0.5, 1]}
            for i in metadata["inputs"]
        ]
        for output in metadata["outputs"]:
            asked = {"inputs": inputs, "outputs": [{"name": output["name"]}]}
            (given,) = client.post(INFER, json=asked).json["outputs"]
            assert given["datatype"] == output["datatype"]
            assert given["shape"] == [2, *output["shape"][1:]]


def test_rows_come_back_as_one_tensor_of_labels(penguins: FlaskClient) -> None:
    version = penguins.get("/metadata").json["version"]
    inputs = columns(GOOD, {**GOOD, "sex": None})
    answer = penguins.post(INFER, json={"id": "42", "inputs": inputs})
    assert answer.content_type == "application/json"
    assert answer.json == {
        "model_name": "model",
        "model_version": version,
        "outputs": [
            {"name": "predict", "shape": [2], "datatype": "BYTES", "data": ["Gentoo", "Gentoo"]}
        ],
        "id": "42",
    }
    path = f"/v2/models/model/versions/{version}/infer"
    assert penguins.post(path, json={"id": "42", "inputs": inputs}).json == answer.json


def test_without_an_id_there_is_none_in_the_answer(penguins: FlaskClient) -> None:
    assert "id" not in penguins.post(INFER, json={"inputs": columns(GOOD)}).json


def test_the_outputs_are_those_that_are_asked_for(penguins: FlaskClient) -> None:
    names = ["decision_function", "predict"]
    asked = {"inputs": columns(GOOD), "outputs": [{"name": name} for name in names]}
    given = read(penguins.post(INFER, json=asked))
    assert list(given) == names
    for name in names:
        assert given[name].tolist() == penguins.post(f"/{name}", json=GOOD).json["predictions"]


@pytest.mark.parametrize(
    ("parameters", "of_each", "expected"),
    [
        ({}, {}, [False, False]),
        ({"binary_data_output": True}, {}, [True, True]),
        ({"binary_data_output": True}, {"binary_data": False}, [True, False]),
        ({}, {"binary_data": True}, [False, True]),
    ],
)
def test_outputs_are_binary_where_that_is_asked_for(
    penguins: FlaskClient, parameters: Any, of_each: Any, expected: list[bool]
) -> None:
    outputs = [{"name": "predict"}, {"name": "predict_proba", "parameters": of_each}]
    asked = {"inputs": columns(GOOD), "outputs": outputs, "parameters": parameters}
    answer = penguins.post(INFER, json=asked)
    given = read(answer)
    assert given["predict"].tolist() == ["Gentoo"]
    own = penguins.post("/predict_proba", json=GOOD).json["predictions"]
    assert given["predict_proba"].tolist() == own
    length = answer.headers.get("Inference-Header-Content-Length")
    assert (answer.content_type == "application/octet-stream") == any(expected) == bool(length)
    head = json.loads(answer.data[: int(length)] if length else answer.data)
    assert ["data" not in output for output in head["outputs"]] == expected


@given(rows=st.lists(VALID, min_size=1, max_size=5))
def test_columns_give_the_same_numbers_as_predict(
    penguins: FlaskClient, rows: list[dict[str, Any]]
) -> None:
    own = penguins.post("/predict_proba", json=rows).json["predictions"]
    outputs = [{"name": "predict_proba"}]
    asked = {"inputs": columns(*rows), "outputs": outputs}
    assert read(penguins.post(INFER, json=asked))["predict_proba"].tolist() == own
    if all(row["island"] and row["sex"] for row in rows):
        for more in ({}, {"parameters": {"binary_data_output": True}}):
            answer = penguins.post(INFER, **binary(columns(*rows), outputs=outputs, **more))
            assert read(answer)["predict_proba"].tolist() == own


@pytest.fixture(scope="module")
def numbers(tmp_path_factory: pytest.TempPathFactory) -> FlaskClient:
    """A model of three numbers."""
    import joblib

    from api import create_app
    from api.settings import Settings

    path = tmp_path_factory.mktemp("numbers") / "latest.joblib"
    joblib.dump(LogisticRegression().fit(X, Y), path)
    return create_app(Settings(model_path=str(path))).test_client()


@given(
    rows=st.lists(
        st.tuples(*[st.floats(-1e6, 1e6) | st.integers(-9, 9)] * 3), min_size=1, max_size=4
    )
)
def test_numbers_are_the_same_in_every_form(numbers: FlaskClient, rows: list[Any]) -> None:
    own = numbers.post("/predict_proba", json=rows).json["predictions"]
    array = np.array(rows, dtype=np.float64)
    apart = [{**matrix(array[:, [j]]), "name": f"x{j}"} for j in range(3)]
    outputs = {"outputs": [{"name": "predict_proba"}]}
    for inputs in ([matrix(array)], [{**matrix(array), "data": array.ravel().tolist()}], apart):
        for request in ({"json": {"inputs": inputs, **outputs}}, binary(inputs, **outputs)):
            assert read(numbers.post(INFER, **request))["predict_proba"].tolist() == own


@pytest.mark.parametrize("datatype", ["FP32", "FP16"])
def test_short_numbers_are_those_that_they_stand_for(numbers: FlaskClient, datatype: str) -> None:
    array = np.array([[0.1, 2.5, -3]], dtype={"FP32": np.float32, "FP16": np.float16}[datatype])
    own = numbers.post("/predict_proba", json=array.tolist()).json["predictions"]
    request = binary([matrix(array, datatype)], outputs=[{"name": "predict_proba"}])
    assert read(numbers.post(INFER, **request))["predict_proba"].tolist() == own


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
def test_bodies_are_compressed_both_ways(numbers: FlaskClient, encoding: str) -> None:
    pack, unpack = (
        (gzip.compress, gzip.decompress) if encoding == "gzip" else (zlib.compress, zlib.decompress)
    )
    rows = np.tile(X, (10, 1))
    request = binary([matrix(rows)], parameters={"binary_data_output": True})
    plain = numbers.post(INFER, **request)
    request["data"] = pack(request["data"])
    request["headers"] |= {"Content-Encoding": encoding, "Accept-Encoding": encoding}
    answer = numbers.post(INFER, **request)
    assert answer.headers["Content-Encoding"] == encoding
    assert unpack(answer.data) == plain.data
    length = "Inference-Header-Content-Length"
    assert answer.headers[length] == plain.headers[length]


def test_requests_are_counted(serve: Serve) -> None:
    client = serve(LinearRegression().fit(X, Y), model_name="counted")
    path = "/v2/models/counted"
    before = client.get(f"{path}/stats").json["model_stats"][0]
    for rows in (X, X[:2], X[:, :2]):
        client.post(f"{path}/infer", json={"inputs": [matrix(rows)]})
    (after,) = client.get("/v2/models/stats").json["model_stats"]
    assert after["name"] == "counted"
    assert after["inference_count"] - before["inference_count"] == 62
    assert after["execution_count"] - before["execution_count"] == 2
    assert after["inference_stats"] == {"success": {"count": 2}, "fail": {"count": 1}}


TENSORS = st.fixed_dictionaries(
    {
        "name": st.sampled_from([*GOOD, "input-0"]) | st.text(),
        "shape": st.sampled_from([[1], [1, 1], [1, 6], [2, 6]]) | JSON_VALUES,
        "datatype": st.sampled_from(tensors.DATATYPES) | JSON_VALUES,
    },
    optional={
        "data": st.lists(st.just(1) | st.just("x") | JSON_VALUES, max_size=12),
        "parameters": st.dictionaries(
            st.sampled_from(["binary_data_size", "content_type"]), JSON_VALUES
        ),
    },
)


@given(
    head=st.fixed_dictionaries(
        {"inputs": st.lists(TENSORS, max_size=7)},
        optional={
            "id": JSON_VALUES,
            "parameters": JSON_VALUES,
            "outputs": st.lists(st.fixed_dictionaries({"name": st.just("predict") | st.text()})),
        },
    ),
    data=st.binary(max_size=60),
    length=st.none() | st.just("") | st.integers().map(str),
)
def test_no_request_at_all_makes_a_500(
    penguins: FlaskClient, head: Any, data: bytes, length: str | None
) -> None:
    body = json.dumps(head).encode("utf-8", "surrogatepass")
    headers = (
        {} if length is None else {"Inference-Header-Content-Length": length or str(len(body))}
    )
    answer = penguins.post(INFER, data=body + data, headers=headers)
    assert answer.status_code in (200, 400, 422)


REJECTIONS: list[tuple[str, Any, int, str]] = [
    ("no JSON", {"data": "{"}, 400, "The body is not JSON"),
    ("a column missing", {"json": {"inputs": columns(GOOD)[1:]}}, 422, "there is no tensor 'island': expected one of"),
    ("an extra column", {"json": {"inputs": [*columns(GOOD), matrix(X)]}}, 422, "Tensor 'input-0' is not a feature"),
    ("a wrong value", {"json": {"inputs": columns({**GOOD, "island": "Texel"})}}, 422, 'row 0, island: expected one of "Biscoe"'),
    ("an unknown datatype", {"json": {"inputs": [matrix(X, "FP8")]}}, 400, "Tensor 'input-0': expected one of the datatypes"),
    ("another shape", {"json": {"inputs": [matrix(X)]}}, 422, "Tensor 'input-0': expected the shape [rows, 6], got [60, 3]"),
    ("an unknown output", {"json": {"inputs": columns(GOOD), "outputs": [{"name": "transform"}]}}, 400, "Expected as outputs some of predict,"),
    ("an output twice", {"json": {"inputs": columns(GOOD), "outputs": [{"name": "predict"}] * 2}}, 400, "An output is asked for twice."),
    ("no length of the JSON", {**binary(columns(GOOD)), "headers": {}}, 400, "Binary tensors need the header Inference-Header-Content-Length."),
    ("a form", {"data": "{}", "content_type": "application/x-www-form-urlencoded"}, 415, "is not read: send application/json."),
    ("brotli", {"data": "{}", "headers": {"Content-Encoding": "br"}}, 415, "send gzip, deflate, or plain bytes"),
    ("chunks", {"headers": {"Transfer-Encoding": "chunked"}}, 411, "Content-Length"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("request_", "status", "sentence"),
    [row[1:] for row in REJECTIONS],
    ids=[row[0] for row in REJECTIONS],
)
def test_a_request_that_does_not_fit_is_told_why(
    penguins: FlaskClient, request_: dict[str, Any], status: int, sentence: str
) -> None:
    answer = penguins.post(INFER, **request_)
    assert (answer.status_code, answer.content_type) == (status, "application/json")
    assert json.loads(answer.text).keys() == {"error"}
    assert sentence in answer.json["error"]


@pytest.mark.parametrize(
    ("method", "path", "status", "sentence"),
    [
        ("GET", "/v2/models/other", 404, "There is no such model here, only model."),
        ("GET", "/v2/models/other/ready", 404, "There is no such model here, only model."),
        ("POST", "/v2/models/other/infer", 404, "There is no such model here, only model."),
        ("GET", "/v2/models/model/versions/1", 404, "The model model has only the version "),
        ("POST", "/v2/models/model/versions/1/infer", 404, "The model model has only the version "),
        ("POST", "/v2/repository/models/model/load", 404, ""),
        ("GET", INFER, 405, ""),
        ("POST", "/v2/models/model", 405, ""),
        ("GET", "/v2/nothing", 404, ""),
    ],
)
def test_what_is_not_there_is_told_in_the_protocols_form(
    penguins: FlaskClient, method: str, path: str, status: int, sentence: str
) -> None:
    answer = penguins.open(path, method=method)
    assert (answer.status_code, answer.content_type) == (status, "application/json")
    assert answer.json["error"].startswith(sentence)
    assert json.loads(answer.text).keys() == {"error"}


@pytest.mark.filterwarnings("ignore:overflow encountered in cast")
def test_a_row_that_the_estimator_refuses_is_named(serve: Serve) -> None:
    client = serve(DecisionTreeRegressor().fit([[0.0], [1.0]], [0.0, 1.0]))
    answer = client.post(INFER, json={"inputs": [matrix(np.array([[1], [1e300]]))]})
    assert answer.status_code == 422
    assert "row 1: the model refuses this row" in answer.json["error"]


def test_a_model_that_does_not_predict_answers_with_what_it_does(serve: Serve) -> None:
    client = serve(StandardScaler().fit(X))
    given = read(client.post(INFER, json={"inputs": [matrix(X)]}))
    assert (
        given["transform"].tolist()
        == client.post("/transform", json=X.tolist()).json["predictions"]
    )


def test_outputs_of_different_widths_are_no_tensor(serve: Serve) -> None:
    targets = np.column_stack([Y, np.arange(60) % 3])
    client = serve(DecisionTreeClassifier(max_depth=2).fit(X, targets))
    asked = {"inputs": [matrix(X)], "outputs": [{"name": "predict_proba"}]}
    answer = client.post(INFER, json=asked)
    assert answer.status_code == 406
    assert answer.json["error"] == (
        "predict_proba has outputs of different widths, which make no tensor: POST /predict_proba."
    )
    outputs = client.get("/v2/models/model").json["outputs"]
    assert {"name": "predict", "datatype": "INT64", "shape": [-1, 2]} in outputs


def test_a_busy_model_does_not_tell_its_tensors_wrong(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = serve(LinearRegression().fit(X, Y))

    def busy(*_: Any) -> None:
        raise Busy("256 requests or more wait for the model.")

    with monkeypatch.context() as patch:
        patch.setattr(Batcher, "run", busy)
        assert client.get("/v2/models/model").status_code == 503
    assert client.get("/v2/models/model").status_code == 200


@pytest.mark.parametrize(
    ("model", "described", "sent", "own"),
    [
        (
            make_pipeline(CountVectorizer(), LogisticRegression()).fit(["good", "bad"], [1, 0]),
            [{"name": "text", "datatype": "BYTES", "shape": [-1, 1]}],
            [{"name": "text", "datatype": "BYTES", "shape": [2], "data": ["bad", "good"]}],
            ["bad", "good"],
        ),
        (
            make_pipeline(DictVectorizer(), LinearRegression()).fit([{"a": 1}, {"b": 2}], [1, 2]),
            [],
            [{"name": "a", "datatype": "FP64", "shape": [2, 1], "data": [1.5, None]}],
            [{"a": 1.5}, {}],
        ),
    ],
    ids=["text", "mapping"],
)
def test_models_of_texts_and_mappings_answer_too(
    serve: Serve, model: Any, described: Any, sent: Any, own: Any
) -> None:
    client = serve(model)
    assert client.get("/v2/models/model").json["inputs"] == described
    given = read(client.post(INFER, json={"inputs": sent}))["predict"]
    assert given.tolist() == client.post("/predict", json=own).json["predictions"]


def test_a_path_with_a_slash_too_many_is_told_in_json(penguins: FlaskClient) -> None:
    for path in ("/v2//models", "/v2/models//model"):
        answer = penguins.get(path, headers={"Host": "elsewhere.example"})
        assert answer.status_code == 308
        assert list(answer.json or ()) == ["error"]


def test_results_that_make_no_tensors_are_told_where_to_get(serve: Serve) -> None:
    client = serve(NearestNeighbors(n_neighbors=1).fit([[1.0], [2.0]]))
    answer = client.post(INFER, json={"inputs": [matrix(np.array([[1.0]]))]})
    assert answer.status_code == 406
    assert answer.json == {
        "error": "The results of this NearestNeighbors make no tensors: POST /kneighbors."
    }


@pytest.mark.parametrize(
    "labels",
    [Y.astype(np.int32), np.where(Y, "a long label", "b"), Y.astype(bool), Y.astype(float)],
)
def test_one_row_by_itself_has_the_tensor_that_it_has_among_others(
    tmp_path: Path, labels: np.ndarray
) -> None:
    path = tmp_path / "latest.joblib"
    joblib.dump(make_pipeline(StandardScaler(), LogisticRegression()).fit(X, labels), path)
    bake(path)
    client = create_app(Settings(model_path=str(path), engine="plan")).test_client()

    def ask(rows: np.ndarray) -> list[Any]:
        outputs = [{"name": "predict"}, {"name": "predict_proba"}]
        answer = client.post(INFER, json={"inputs": [matrix(rows)], "outputs": outputs})
        return [(each["datatype"], each["data"]) for each in answer.json["outputs"]]

    # What was answered together tells the datatype of a row that is answered by itself.
    (kind, found), (_, shares) = ask(X[:20])
    for i in range(20):
        (kind_of_one, one), (_, share) = ask(X[i : i + 1])
        assert (kind_of_one, one) == (kind, [found[i]])
        # A sum may differ in its last bit.
        assert share == pytest.approx(shares[2 * i : 2 * i + 2], rel=1e-12)
