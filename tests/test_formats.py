"""One row, one prediction: whatever the format it comes in or goes out as."""

from __future__ import annotations

import csv
import io
import json
import math
import tracemalloc
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from flask.testing import FlaskClient
from hypothesis import given
from hypothesis import strategies as st
from sklearn.compose import make_column_transformer
from sklearn.feature_extraction import DictVectorizer
from sklearn.feature_extraction.text import HashingVectorizer, TfidfVectorizer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.neighbors import NearestNeighbors, RadiusNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler
from sklearn.tree import DecisionTreeClassifier
from werkzeug.datastructures import MIMEAccept
from werkzeug.http import parse_accept_header

from api.formats.json import JsonReader
from api.formats.writers import WRITERS, preferred
from models.errors import InvalidRows, MalformedBody
from models.signature.types import Feature, Signature
from models.text import csv_numbers
from models.text.contract import Contract
from models.text.csv import CsvReader
from models.text.ndjson import LinesReader
from tests.conftest import Serve
from tests.test_rejections import CSV, GOOD, HEADER, LINE, NDJSON, NPY, npy

ROW = list(GOOD.values())
NUMPY_ROW = np.array(
    [tuple(GOOD.values())],
    dtype=[("island", "U9"), *((name, "f8") for name in list(GOOD)[1:5]), ("sex", "U6")],
)
SAME_ROW: list[tuple[str, str, Any]] = [
    ("an object", "application/json", json.dumps(GOOD)),
    ("no Content-Type", "", json.dumps(GOOD)),
    ("its fields in another order", "application/json", json.dumps(dict(reversed(GOOD.items())))),
    ("a list", "application/json", json.dumps(ROW)),
    ("a list of objects", "application/json", json.dumps([GOOD])),
    ("a list of lists", "application/json", json.dumps([ROW])),
    ("instances", "application/json", json.dumps({"instances": [GOOD]})),
    (
        "instances behind parameters",
        "application/json",
        json.dumps({"parameters": {}, "instances": [ROW]}),
    ),
    (
        "instances and no parameters",
        "application/json; charset=utf-8",
        json.dumps({"instances": [ROW], "parameters": None}),
    ),
    ("escaped names", "application/json", json.dumps(GOOD).replace('"sex"', '"\\u0073ex"')),
    ("much white space", "application/json", json.dumps([GOOD], indent=4).replace('":', '" \n:')),
    ("NDJSON", NDJSON, json.dumps(GOOD) + "\r\n\n"),
    ("CSV", CSV, f"{HEADER}\n{LINE}\n"),
    ("CSV from Excel", CSV, f"\ufeff{HEADER}\r\n{LINE}\r\n".encode()),
    ("quoted CSV in another order", CSV, '"sex",' + HEADER[:-4] + '\n"female",' + LINE[:-7]),
    ("npy", NPY, npy(NUMPY_ROW)),
]


@pytest.mark.parametrize(
    ("content_type", "body"), [r[1:] for r in SAME_ROW], ids=[r[0] for r in SAME_ROW]
)
def test_the_same_row_gives_the_same_prediction_in_every_format(
    penguins: FlaskClient, content_type: str, body: Any
) -> None:
    reference = penguins.post("/predict_proba", json=GOOD).json["predictions"]
    answer = penguins.post("/predict_proba", data=body, content_type=content_type)
    assert answer.json["predictions"] == reference


def test_predictions_come_in_the_order_of_the_rows(penguins: FlaskClient) -> None:
    adelie = {
        **GOOD,
        "island": "Torgersen",
        "bill_length_mm": 39,
        "bill_depth_mm": 18,
        "flipper_length_mm": 181,
    }
    one, other = (penguins.post("/predict", json=s).json["predictions"][0] for s in (GOOD, adelie))
    assert one != other
    assert penguins.post("/predict", json=[GOOD, adelie, GOOD]).json["predictions"] == [
        one,
        other,
        one,
    ]


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("application/json", json.dumps({**GOOD, "sex": None, "body_mass_g": None})),
        (NDJSON, json.dumps([*ROW[:4], None, None])),
        (CSV, f"{HEADER}\n{LINE.replace('4500', '').replace('female', '')}"),
    ],
)
def test_a_missing_value_is_the_same_in_every_format(
    penguins: FlaskClient, content_type: str, body: str
) -> None:
    reference = penguins.post("/predict_proba", json=[[*ROW[:4], None, None]]).json
    assert penguins.post("/predict_proba", data=body, content_type=content_type).json == reference


def test_csv_comes_with_the_classes_as_its_header(penguins: FlaskClient) -> None:
    answer = penguins.post("/predict_proba", json=GOOD, headers={"Accept": "text/csv"})
    probabilities = penguins.post("/predict_proba", json=GOOD).json["predictions"][0]
    lines = answer.text.splitlines()
    assert lines[0] == "Adelie,Chinstrap,Gentoo"
    assert list(map(float, lines[1].split(","))) == probabilities


def test_csv_of_labels_has_one_column(penguins: FlaskClient) -> None:
    answer = penguins.post("/predict", json=[GOOD, GOOD], headers={"Accept": "text/csv"})
    assert (answer.content_type, answer.text) == ("text/csv", "prediction\nGentoo\nGentoo\n")


@pytest.mark.parametrize("method", ["predict", "predict_proba"])
def test_npy_holds_the_same_results(penguins: FlaskClient, method: str) -> None:
    answer = penguins.post(f"/{method}", json=GOOD, headers={"Accept": NPY})
    array = np.load(io.BytesIO(answer.data))
    assert array.tolist() == penguins.post(f"/{method}", json=GOOD).json["predictions"]


NUMBERS = np.array([[0.0, 1.0], [1.0, 0.5], [2.0, 0.1], [3.0, 2.0]])


@pytest.fixture(scope="module")
def numeric(serve: Serve) -> FlaskClient:
    """A classifier of two numbers, with labels that are booleans."""
    return serve(
        make_pipeline(StandardScaler(), LogisticRegression()).fit(
            NUMBERS, [False, False, True, True]
        )
    )


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        (NPY, npy(NUMBERS)),
        (NPY, npy(np.asfortranarray(NUMBERS))),
        (NPY, npy(NUMBERS.astype(">f8"))),
        (CSV, "x1,x0\n1.0,0\n.5,1e0\n0.1,2\n2,3.0\n"),
        (NDJSON, "[0,1]\n[1,0.5]\n" + '{"x0": 2, "x1": 0.1}\n{"x1": 2, "x0": 3}'),
    ],
)
def test_numbers_are_the_same_in_every_format(
    numeric: FlaskClient, content_type: str, body: Any
) -> None:
    reference = numeric.post("/predict_proba", json=NUMBERS.tolist()).json
    assert numeric.post("/predict_proba", data=body, content_type=content_type).json == reference
    assert reference["classes"] == [False, True]


def test_one_row_may_be_an_npy_array_of_one_dimension(numeric: FlaskClient) -> None:
    answer = numeric.post("/predict", data=npy(NUMBERS[2]), content_type=NPY)
    assert answer.json == {"predictions": [True]}


def test_npy_of_version_2_is_read(numeric: FlaskClient) -> None:
    file = io.BytesIO()
    np.lib.format.write_array(file, NUMBERS, version=(2, 0))
    answer = numeric.post("/predict", data=file.getvalue(), content_type=NPY)
    assert answer.json == {"predictions": [False, False, True, True]}


@pytest.mark.parametrize(
    ("content_type", "body", "pointer"),
    [
        (NPY, npy(np.array([[1.0, 2.0], [np.nan, 1.0]])), "/1/0"),
        (NPY, npy(np.array([[1.0, np.inf]])), "/0/1"),
        (NPY, npy(np.array([["a", "b"]])), "/0/0"),
        (CSV, "x0,x1\n1,\n", "/0/1"),
        (CSV, "x0,x1\n1,inf\n", "/0/x1"),
        (CSV, "x0,x1\n1,heavy\n", "/0/x1"),
        (NDJSON, "[1, null]", "/0/1"),
    ],
)
def test_what_is_no_number_is_refused_in_every_format(
    numeric: FlaskClient, content_type: str, body: Any, pointer: str
) -> None:
    answer = numeric.post("/predict", data=body, content_type=content_type)
    assert answer.status_code == 422
    assert answer.json["errors"][0]["pointer"] == pointer


def test_npy_names_may_be_of_any_script(serve: Serve) -> None:
    client = serve(LinearRegression().fit(pd.DataFrame({"日本": [1.0, 2.0]}), [1.0, 2.0]))
    with pytest.warns(UserWarning, match="format 3.0"):
        body = npy(np.array([(1.5,)], dtype=[("日本", "f8")]))
    answer = client.post("/predict", data=body, content_type=NPY)
    assert answer.json == client.post("/predict", json=[1.5]).json


def test_a_line_with_nothing_on_it_is_a_missing_value_where_there_is_one_column(
    serve: Serve,
) -> None:
    client = serve(SimpleImputer().fit([[2.0], [4.0]]))
    answer = client.post("/transform", data="\nx0\n1\n\n5\n", content_type=CSV)
    assert answer.json == {"predictions": [[1.0], [3.0], [5.0]]}


def test_a_line_with_nothing_on_it_is_passed_over_where_there_are_several_columns(
    serve: Serve,
) -> None:
    client = serve(FunctionTransformer().fit(NUMBERS))
    answer = client.post("/transform", data="x0,x1\n1,2\n\n3,4\n", content_type=CSV)
    assert answer.json == {"predictions": [[1.0, 2.0], [3.0, 4.0]]}


def test_a_long_field_of_csv_takes_no_more_memory_than_itself(serve: Serve) -> None:
    client = serve(LinearRegression().fit(np.eye(60), range(60)))
    header = ",".join(f"x{i}" for i in range(60))
    line = ",".join(["1"] * 60)
    long = "a" * 130_000 + "," + ",".join(["1"] * 59)
    body = "\n".join([header, *[line] * 999, long])
    tracemalloc.start()
    answer = client.post("/predict", data=body, content_type=CSV)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert answer.status_code == 422
    assert peak < 50_000_000


def test_a_number_keeps_every_bit(serve: Serve) -> None:
    client = serve(FunctionTransformer().fit(NUMBERS))
    values = [[0.1, 5e-324], [1.7976931348623157e308, -0.0], [9007199254740993, 1 / 3]]
    answer = client.post("/transform", json=values).json["predictions"]
    assert answer == [[0.1, 5e-324], [1.7976931348623157e308, -0.0], [9007199254740992.0, 1 / 3]]
    assert math.copysign(1, answer[1][1]) == -1


@pytest.mark.parametrize(
    "name", ["a:b", 'a"b', "a\\b", "a\nb", "a/b~c", "", "instances", "größe ✓"]
)
def test_any_name_is_a_feature(serve: Serve, name: str) -> None:
    client = serve(LinearRegression().fit(pd.DataFrame({name: [1.0, 2.0]}), [1.0, 2.0]))
    own = client.post("/predict", json=[1.5]).json
    for sample in ({name: 1.5}, [{name: 1.5}], {"instances": [{name: 1.5}]}, [[1.5]]):
        assert client.post("/predict", json=sample).json == own
    many = client.post("/predict", json=[{name: 1.5}] * 2_000).json
    assert many["predictions"] == own["predictions"] * 2_000
    file = io.StringIO()
    pd.DataFrame({name: [1.5]}).to_csv(file, index=False)
    assert client.post("/predict", data=file.getvalue(), content_type=CSV).json == own


def test_csv_has_more_forms_of_numbers_than_json(serve: Serve) -> None:
    client = serve(FunctionTransformer().fit(NUMBERS[:, :1]))
    body = "x0\n.5\n+1\n5.\n 7 \n1e3\n007\n-0\n"
    answer = client.post("/transform", data=body, content_type=CSV)
    assert answer.json["predictions"] == [[0.5], [1], [5], [7], [1000], [7], [0]]


def test_the_header_of_numbers_may_be_quoted_but_has_to_be_utf_8(serve: Serve) -> None:
    client = serve(FunctionTransformer().fit(NUMBERS))
    answer = client.post("/transform", data='"x1","x0"\n1,2\n', content_type=CSV)
    assert answer.json["predictions"] == [[2, 1]]
    answer = client.post("/transform", data=b"x0,\xe9\n1,2\n", content_type=CSV)
    assert answer.status_code == 400
    assert "The body is not UTF-8" in answer.text


def test_nothing_is_kept_for_a_header_of_another_width(serve: Serve) -> None:
    client = serve(FunctionTransformer().fit(NUMBERS))
    kept = csv_numbers._table.cache_info().currsize
    header = ",".join(f"x{i}" for i in range(3_000))
    answer = client.post("/transform", data=f"{header}\n{'1,' * 2_999}1\n", content_type=CSV)
    assert answer.status_code == 422
    assert csv_numbers._table.cache_info().currsize == kept


@pytest.mark.parametrize("cell", ['"1,2"', "[1]", '"1\n2"', "Infinity", "1e999", "0x10"])
def test_a_field_that_is_json_but_no_number_is_refused(serve: Serve, cell: str) -> None:
    client = serve(SimpleImputer().fit([[1, np.nan], [np.nan, 2]]))
    answer = client.post("/transform", data=f"x0,x1\n1,\n,{cell}\n", content_type=CSV)
    assert answer.status_code == 422
    assert '"/1/x1"' in answer.text


def test_a_name_twice_is_found_among_many(serve: Serve) -> None:
    client = serve(LinearRegression().fit(pd.DataFrame({"x": [1.0, 2.0]}), [1.0, 2.0]))
    body = ",".join(['{"x": 1.5}'] * 1_999 + ['{"x": 1.5, "x": 2.5}'])
    answer = client.post("/predict", data=f"[{body}]", content_type="application/json")
    assert answer.status_code == 422
    assert "/1999/x" in answer.text


def test_infinities_are_words_and_nan_is_null(serve: Serve) -> None:
    tree = DecisionTreeClassifier().fit(NUMBERS, ["a", "a", "b", "b"])
    with np.errstate(divide="ignore"):
        answer = serve(tree).post("/predict_log_proba", json=NUMBERS[0].tolist())
    assert answer.text == '{"predictions":[[0.0,"-Infinity"]],"classes":["a","b"]}'
    answer = serve(StandardScaler().fit(NUMBERS)).post("/transform", json=[None, 1.0])
    assert answer.json["predictions"][0][0] is None


@pytest.mark.parametrize("sample", [[[1.0, 2.0]], [[]], {"instances": [[1.0, 2.0]]}])
def test_a_model_of_one_number_takes_lists_of_one_only(serve: Serve, sample: Any) -> None:
    client = serve(LinearRegression().fit([[1.0], [2.0]], [1, 2]))
    answer = client.post("/predict", json=sample)
    assert answer.status_code == 422
    assert "expected 1 values" in answer.json["errors"][0]["detail"]


def test_labels_of_objects_are_plain_values() -> None:
    labels = np.array([np.int64(1), np.float64(np.inf), None, "a"], dtype=object)
    assert (
        WRITERS["application/json"].write(labels, None, list, 1 << 20)
        == b'{"predictions":[1,"Infinity",null,"a"]}'
    )


def test_text_is_taken_alone_or_named(serve: Serve) -> None:
    texts = ["good: very good", "bad", "good", "bad, so bad"]
    model = make_pipeline(TfidfVectorizer(), LogisticRegression()).fit(texts, [1, 0, 1, 0])
    client = serve(model)
    own = model.predict(texts).tolist()
    assert client.post("/predict", json=texts).json["predictions"] == own
    assert client.post("/predict", json={"instances": texts}).json["predictions"] == own
    assert client.post("/predict", json="good: very good").json["predictions"] == [1]
    assert client.post("/predict", json={"text": "bad"}).json["predictions"] == [0]
    assert client.post("/predict", data="text\nbad\n", content_type=CSV).json["predictions"] == [0]
    assert (
        client.post("/predict", data=npy(np.array(texts)), content_type=NPY).json["predictions"]
        == own
    )
    assert client.post("/predict", json=[None]).json["errors"][0]["pointer"] == "/0"


def test_objects_with_keys_of_their_own_are_taken_by_a_dict_vectorizer(serve: Serve) -> None:
    records = [{"city": "Oslo", "size": 2.5}, {"city": "Rome", "old": True}, {"size": 0.5}]
    model = make_pipeline(DictVectorizer(), LinearRegression()).fit(records, [1.0, 2.0, 3.0])
    client = serve(model)
    own = model.predict(records).tolist()
    assert client.post("/predict", json=records).json["predictions"] == own
    assert client.post("/predict", json=records[0]).json["predictions"] == own[:1]
    lines = "city,size,old\nOslo,2.5,\nRome,,true\n,.5,\n"
    assert client.post("/predict", data=lines, content_type=CSV).json["predictions"] == own
    assert client.post("/predict", json=[{"city": "x:y"}]).status_code == 200
    assert client.post("/predict", json=[{"size": [1]}]).json["errors"][0]["pointer"] == "/0/size"
    assert (
        client.post("/predict", json=["a"])
        .json["errors"][0]["detail"]
        .startswith("expected an object")
    )
    assert client.post("/predict", data=npy(NUMBERS), content_type=NPY).status_code == 422


def test_neighbours_are_objects_in_json_and_records_in_npy(serve: Serve) -> None:
    model = NearestNeighbors(n_neighbors=2).fit(NUMBERS)
    client = serve(model)
    distances, indices = model.kneighbors(NUMBERS)
    answer = client.post("/kneighbors", json=NUMBERS.tolist())
    assert answer.json["predictions"][0] == {
        "distances": distances[0].tolist(),
        "indices": indices[0].tolist(),
    }
    array = np.load(
        io.BytesIO(client.post("/kneighbors", json=NUMBERS.tolist(), headers={"Accept": NPY}).data)
    )
    assert array["indices"].tolist() == indices.tolist()
    lines = client.post(
        "/kneighbors", json=NUMBERS[0].tolist(), headers={"Accept": CSV}
    ).text.splitlines()
    assert lines[0] == "distances,indices"
    assert lines[1].endswith(f'"[{indices[0][0]},{indices[0][1]}]"')


def test_neighbours_within_a_radius_may_be_of_any_number(serve: Serve) -> None:
    model = RadiusNeighborsClassifier(radius=1.2).fit(NUMBERS, [0, 0, 1, 1])
    client = serve(model)
    found = client.post("/radius_neighbors", json=NUMBERS.tolist()).json["predictions"]
    own = model.radius_neighbors(NUMBERS)
    assert [row["indices"] for row in found] == [row.tolist() for row in own[1]]
    refused = client.post("/radius_neighbors", json=NUMBERS.tolist(), headers={"Accept": NPY})
    assert (refused.status_code, "different lengths" in refused.json["detail"]) == (406, True)


@pytest.fixture(scope="module")
def several(serve: Serve) -> FlaskClient:
    """A classifier with two outputs, of two and of three classes."""
    labels = [["a", "x"], ["a", "y"], ["b", "z"], ["b", "x"]]
    return serve(DecisionTreeClassifier(random_state=0).fit(NUMBERS, np.array(labels)))


def test_several_outputs_are_a_list_for_each_row(several: FlaskClient) -> None:
    answer = several.post("/predict_proba", json=NUMBERS.tolist()).json
    assert answer["predictions"][1] == [[1.0, 0.0], [0.0, 1.0, 0.0]]
    assert answer["classes"] == [["a", "b"], ["x", "y", "z"]]
    assert several.post("/predict", json=[0, 1]).json["predictions"] == [["a", "x"]]


def test_several_outputs_fit_into_npy_only_if_they_are_alike(
    several: FlaskClient, serve: Serve
) -> None:
    assert several.post("/predict_proba", json=[0, 1], headers={"Accept": NPY}).status_code == 406
    alike = DecisionTreeClassifier().fit(NUMBERS, [[0, 1], [0, 1], [1, 0], [1, 0]])
    answer = serve(alike).post("/predict_proba", json=[0, 1], headers={"Accept": NPY})
    assert np.load(io.BytesIO(answer.data)).tolist() == [[[1.0, 0.0], [0.0, 1.0]]]


def test_probabilities_of_several_outputs_in_csv_have_a_column_for_each_class(
    several: FlaskClient,
) -> None:
    answer = several.post("/predict_proba", json=[0, 1], headers={"Accept": "text/csv"})
    rows = several.post("/predict_proba", json=[0, 1]).json["predictions"]
    lines = [line.split(",") for line in answer.text.splitlines()]
    assert lines[0] == ["0_a", "0_b", "1_x", "1_y", "1_z"]
    flat = [[number for output in row for number in output] for row in rows]
    assert [[float(cell) for cell in line] for line in lines[1:]] == flat


def test_a_transformer_names_the_columns_of_its_csv(serve: Serve) -> None:
    frame = pd.DataFrame({"a": [1.0, 2.0, 4.0], "b": [3.0, 5.0, 1.0], "k": list("xyx")})
    columns = make_column_transformer((StandardScaler(), ["a", "b"]), (OneHotEncoder(), ["k"]))
    answer = serve(columns.fit(frame)).post(
        "/transform", json=frame.to_dict("records"), headers={"Accept": "text/csv"}
    )
    assert answer.text.splitlines()[0] == ",".join(columns.get_feature_names_out())


def test_very_many_names_of_columns_are_not_kept(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("models.fitted.MAX_OUTPUTS", 1)
    scaler = serve(StandardScaler().fit(NUMBERS))
    answer = scaler.post("/transform", json=[[1, 2]], headers={"Accept": "text/csv"})
    assert answer.text.startswith("transform_0,transform_1\n")


def test_a_transformer_without_names_numbers_the_columns_of_its_csv(serve: Serve) -> None:
    headers = {"Accept": "text/csv"}
    unnamed = serve(FunctionTransformer(np.log1p).fit(NUMBERS))
    answer = unnamed.post("/transform", json=[[1, 2]], headers=headers)
    assert answer.text.splitlines()[0] == ",".join(f"transform_{i}" for i in range(2))
    scaler = serve(StandardScaler().fit(NUMBERS), card=b'{"features": ["p", "q"]}')
    assert scaler.post("/transform", json=[[1, 2]], headers=headers).text.startswith("p,q\n")


def test_several_outputs_in_csv_have_a_column_each(several: FlaskClient) -> None:
    answer = several.post("/predict", json=[0, 1], headers={"Accept": CSV})
    assert answer.text == "prediction_0,prediction_1\na,x\n"


def test_an_answer_of_too_many_numbers_is_refused(serve: Serve) -> None:
    client = serve(HashingVectorizer(n_features=2**20))
    assert client.post("/transform", json=["one"]).status_code == 200
    answer = client.post("/transform", json=["one"] * 10)
    assert answer.status_code == 413
    assert "at most 7 rows" in answer.json["detail"]


def test_too_many_rows_are_refused(serve: Serve) -> None:
    client = serve(LinearRegression().fit(NUMBERS, [1, 2, 3, 4]), max_rows=3)
    assert client.post("/predict", json=NUMBERS[:3].tolist()).status_code == 200
    for content_type, body in (
        (NPY, npy(NUMBERS)),
        (CSV, "x0,x1\n" + "1,1\n" * 4),
        (NDJSON, "[1,1]\n" * 4),
    ):
        answer = client.post("/predict", data=body, content_type=content_type)
        assert (answer.status_code, answer.json["detail"]) == (
            413,
            "4 rows are over the limit of 3 in one request.",
        )


def test_too_large_a_body_is_refused(serve: Serve) -> None:
    client = serve(LinearRegression().fit(NUMBERS, [1, 2, 3, 4]), max_body_bytes=100)
    answer = client.post("/predict", data=b" " * 101, content_type="application/json")
    assert (answer.status_code, answer.json["detail"]) == (
        413,
        "The body is over the limit of 100 bytes.",
    )


def test_a_body_in_chunks_is_refused(penguins: FlaskClient) -> None:
    answer = penguins.post("/predict", headers={"Transfer-Encoding": "chunked"})
    assert answer.status_code == 411


# Any JSON at all, for the two ways through it: the fast one may accept nothing that the slow one
# refuses, and both must read the same rows.
FEATURES = (
    Feature(name="n"),
    Feature(name="m", missing=True),
    Feature(name="s", kind="string", categories=("a", "b:c"), unknown="refused"),
    Feature(name="p", kind="string", categories=("a",), unknown="passed", missing=True),
    Feature(name="i", categories=(1, 2), unknown="refused"),
    Feature(name="b", kind="boolean"),
    Feature(name="any", kind="any"),
)
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.sampled_from(["a", "b:c", "instances", "1"])
    | st.text(max_size=3)
)
GOOD_VALUES = st.tuples(
    st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(2**60), 2**60),
    st.none() | st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from(["a", "b:c"]),
    st.none() | st.text(max_size=3),
    st.sampled_from([1, 2, 2.0, 2**63, 10**400]),
    st.booleans(),
    st.booleans() | st.integers(-9, 9) | st.text(max_size=2),
)


@st.composite
def cases(draw: st.DrawFn) -> tuple[Signature, list[Any]]:
    """A signature and some samples: good ones, some of them spoilt in one place."""
    chosen = draw(st.lists(st.integers(0, len(FEATURES) - 1), min_size=1, unique=True))
    samples = []
    for values in draw(st.lists(GOOD_VALUES, max_size=3)):
        row = [values[i] for i in chosen]
        if draw(st.booleans()):
            row[draw(st.integers(0, len(row) - 1))] = draw(SCALARS)
        sample: Any = dict(zip([FEATURES[i].name for i in chosen], row, strict=True))
        shape = draw(
            st.sampled_from(["object", "object", "list", "list", "scalar", "more", "less"])
        )
        if shape == "list":
            sample = row
        elif shape == "scalar":
            sample = row[0]
        elif shape == "more":
            sample[draw(st.text(max_size=2))] = draw(SCALARS)
        elif shape == "less":
            sample = row[1:]
        samples.append(sample)
    return Signature(features=tuple(FEATURES[i] for i in chosen)), samples


BODIES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=2), inner, max_size=3)
    ),
)
SHAPES: dict[str, Callable[[list[Any]], Any]] = {
    "list": lambda samples: samples,
    "instances": lambda samples: {"instances": samples},
    "one": lambda samples: samples[0] if samples else {},
}


def outcome(read: Any, body: bytes) -> Any:
    try:
        batch = read(body)
    except (InvalidRows, MalformedBody) as error:
        return type(error)
    # As numbers count, true is 1.
    rows = [[float(v) if type(v) is bool else v for v in row] for row in batch.rows]
    return [[(type(value), repr(value)) for value in row] for row in rows], batch.unknown


@given(case=cases(), shape=st.sampled_from(list(SHAPES)), indent=st.none() | st.just(1))
def test_the_fast_way_reads_what_the_slow_way_reads(
    case: tuple[Signature, list[Any]], shape: str, indent: int | None
) -> None:
    reader = JsonReader(Contract(case[0], 10))
    body = json.dumps(SHAPES[shape](case[1]), indent=indent).encode("utf-8", "surrogatepass")
    assert outcome(reader.read, body) == outcome(reader.explain, body)


@given(case=cases(), body=BODIES)
def test_the_fast_way_refuses_what_the_slow_way_refuses(
    case: tuple[Signature, Any], body: Any
) -> None:
    reader = JsonReader(Contract(case[0], 10))
    encoded = json.dumps(body).encode("utf-8", "surrogatepass")
    assert outcome(reader.read, encoded) == outcome(reader.explain, encoded)


@given(case=cases(), extra=st.sampled_from([b"", b"\n", b"{", b"[\n]", b" 1"]))
def test_the_fast_way_reads_the_lines_that_the_slow_way_reads(
    case: tuple[Signature, list[Any]], extra: bytes
) -> None:
    reader = LinesReader(Contract(case[0], 10))
    body = b"\n".join(json.dumps(sample).encode() for sample in case[1]) + extra
    assert outcome(reader.read, body) == outcome(reader.explain, body)


CELLS = st.sampled_from(
    [
        "",
        ".5",
        "+1",
        " 7",
        "1_0",
        "1,2",
        "1\n2",
        "\r",
        '"',
        "[",
        "],",
        "{",
        ":",
        "a",
        "é",
        "nan",
        "null",
        "true",
        "1e999",
        "0x1",
    ]
)


@st.composite
def tables(draw: st.DrawFn) -> tuple[Signature, bytes]:
    """A signature and a table of CSV, most of it good."""
    chosen = draw(st.lists(st.integers(0, len(FEATURES) - 1), min_size=1, unique=True))
    chosen = draw(st.sampled_from([chosen, [0, 1], [1, 0], [1]]))
    order = draw(st.permutations(chosen))
    lines = [[FEATURES[i].name for i in order]]
    good = st.tuples(
        *(st.sampled_from(["1", "2.5", "-1e-3", ""][: 4 if i == 1 else 3]) for i in order)
    )
    for cells in draw(st.lists(good, max_size=4)):
        line = list(cells)
        if draw(st.integers(0, 3)) == 0:
            line[draw(st.integers(0, len(line) - 1))] = draw(CELLS)
        lines.append(line)
    file = io.StringIO()
    end = draw(st.sampled_from(["\n", "\r\n", "\r", "\n\n"]))
    if draw(st.booleans()):
        csv.writer(file, lineterminator=end).writerows(lines)
    else:
        file.write(end.join(map(",".join, lines)))
    return Signature(features=tuple(FEATURES[i] for i in chosen)), file.getvalue().encode()


@given(tables())
def test_csv_taken_together_is_what_it_is_cell_by_cell(table: tuple[Signature, bytes]) -> None:
    signature, body = table
    together = outcome(CsvReader(Contract(signature, 10)).read, body)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("models.text.csv.read_numbers", lambda *_, **__: None)
        patch.setattr("models.text.csv_cells.read_column", lambda *_: None)
        assert together == outcome(CsvReader(Contract(signature, 10)).read, body)


TYPES = list(WRITERS)
OTHERS = ["*/*", "text/*", "application/*", "text/html", "", " TEXT/CSV ", "text/csv;q=0.5", "x"]


@given(st.lists(st.sampled_from(TYPES + OTHERS), max_size=4))
def test_what_accept_likes_best_is_what_werkzeug_finds(names: list[str]) -> None:
    accept = ",".join(names)
    parsed = parse_accept_header(accept, MIMEAccept)
    best = parsed.best_match(TYPES) if parsed else TYPES[0]
    assert preferred(accept, TYPES) == best
