"""What pandas writes of a DataFrame as JSON predicts what `estimator.predict(frame)` does."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
import pytest
from flask.testing import FlaskClient
from sklearn.compose import make_column_transformer
from sklearn.feature_extraction import DictVectorizer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

from api import create_app
from api.settings import Settings
from tests.conftest import Serve

FRAME = pd.DataFrame(
    {"Größe": [1.5, 2.5, 3.5, np.nan], "b": [4, 3, 1, 7], "kind": list("xyxy")},
    index=[7, 5, 6, 10],
)
MODEL = make_pipeline(
    make_column_transformer((OneHotEncoder(), ["kind"]), (SimpleImputer(), ["Größe", "b"])),
    LinearRegression(),
).fit(FRAME, [1.0, 0.3, 7.7, 2.9])
OWN = MODEL.predict(FRAME).tolist()
EXTRA = FRAME.assign(id=range(4), target="é, x")
REFUSED = "is not a feature of the model"


def dumps(frame: pd.DataFrame, orient: Any) -> str:
    """As Python writes it, with the word NaN."""
    text = json.dumps(frame.to_dict(orient))
    assert "NaN" in text
    return text


def under(name: str) -> Callable[[pd.DataFrame], str]:
    return lambda frame: json.dumps({name: json.loads(frame.to_json(orient="records"))})


FORMS: dict[str, Callable[[pd.DataFrame], str]] = {
    "to_json()": lambda frame: frame.to_json(),
    "to_json of columns": lambda frame: frame.to_json(orient="columns"),
    "to_json of index": lambda frame: frame.to_json(orient="index"),
    "to_json of records": lambda frame: frame.to_json(orient="records"),
    "to_json of split": lambda frame: frame.to_json(orient="split"),
    "to_json of split without an index": lambda frame: frame.to_json(orient="split", index=False),
    "to_json of table": lambda frame: frame.to_json(orient="table"),
    "to_json of table with a named index": lambda frame: frame.rename_axis("row").to_json(
        orient="table"
    ),
    "to_json of table without an index": lambda frame: frame.to_json(orient="table", index=False),
    "to_dict()": lambda frame: dumps(frame, "dict"),
    "to_dict of records": lambda frame: dumps(frame, "records"),
    "to_dict of lists": lambda frame: dumps(frame, "list"),
    "to_dict of split": lambda frame: dumps(frame, "split"),
    "to_dict of tight": lambda frame: dumps(frame, "tight"),
    "to_dict of index": lambda frame: dumps(frame, "index"),
    "data": under("data"),
    "inputs": under("inputs"),
    "instances": under("instances"),
    "dataframe_records": under("dataframe_records"),
    "dataframe_split": lambda frame: json.dumps({"dataframe_split": frame.to_dict("split")}),
    "a byte order mark": lambda frame: "\ufeff" + frame.to_json(orient="records"),
}


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> FlaskClient:
    path = tmp_path_factory.mktemp("orients") / "latest.joblib"
    joblib.dump(MODEL, path)
    return create_app(Settings(model_path=str(path))).test_client()


def ask(client: FlaskClient, body: str, path: str = "/predict") -> Any:
    return client.post(path, data=body, content_type="application/json")


@pytest.mark.parametrize("path", ["/predict", "/invocations"])
@pytest.mark.parametrize("form", FORMS)
def test_what_pandas_writes_predicts_as_the_frame(
    client: FlaskClient, form: str, path: str
) -> None:
    answer = ask(client, FORMS[form](FRAME), path)
    assert (answer.status_code, answer.json) == (200, {"predictions": OWN})
    assert "X-Ignored-Columns" not in answer.headers


@pytest.mark.parametrize("form", FORMS)
def test_columns_too_many_are_passed_over_where_that_is_asked_for(
    client: FlaskClient, form: str
) -> None:
    answer = ask(client, FORMS[form](EXTRA), "/predict?extra=ignore")
    assert (answer.status_code, answer.json) == (200, {"predictions": OWN})
    assert answer.headers["X-Ignored-Columns"] == "id, target"


@pytest.mark.parametrize("form", FORMS)
def test_columns_too_many_are_refused_and_the_option_is_named(
    client: FlaskClient, form: str
) -> None:
    for path in ("/predict", "/predict?extra=refuse"):
        answer = ask(client, FORMS[form](EXTRA), path)
        assert answer.status_code == 422
        assert REFUSED in answer.text
        assert "?extra=ignore" in answer.text


def test_a_service_may_pass_over_them_unless_a_request_says_otherwise(serve: Serve) -> None:
    client = serve(MODEL, extra_fields="ignore")
    body = EXTRA.to_json(orient="records")
    assert ask(client, body).headers["X-Ignored-Columns"] == "id, target"
    assert ask(client, body, "/predict?a=b&extras=1").status_code == 200
    assert ask(client, body, "/predict?extra=refuse").status_code == 422


def test_another_word_for_the_option_is_refused(client: FlaskClient) -> None:
    for query in ("extra=yes", "extra="):
        answer = ask(client, "{}", f"/predict?{query}")
        assert answer.status_code == 400
        assert answer.json["detail"] == "Expected extra=refuse or extra=ignore in the query."


def test_of_many_that_are_passed_over_the_first_are_named(client: FlaskClient) -> None:
    many = {f"n{i:02}": 0 for i in range(25)} | {"\ud800" + "é" * 500: 1}
    row = {**json.loads(FRAME.to_json(orient="records"))[0], **many}
    answer = ask(client, json.dumps([row]), "/predict?extra=ignore")
    names = answer.headers["X-Ignored-Columns"]
    assert names.startswith("n00, n01")
    assert names.endswith("n19 and 6 more")
    del many["n00"], row["n00"]
    answer = ask(client, json.dumps([dict(reversed(row.items()))]), "/predict?extra=ignore")
    assert len(answer.headers["X-Ignored-Columns"]) < 1_000


def test_names_in_another_form_of_unicode_or_with_blanks_mean_the_same(client: FlaskClient) -> None:
    for rename in (
        lambda name: unicodedata.normalize("NFD", name),
        lambda name: f" {name} ",
    ):
        for form in FORMS.values():
            answer = ask(client, form(FRAME.rename(columns=rename)))
            assert (answer.status_code, answer.json) == (200, {"predictions": OWN})


def test_a_name_that_may_be_either_of_two_is_refused(serve: Serve) -> None:
    table = pd.DataFrame({"a": [1.0, 2.0], "a ": [3.0, 5.0]})
    client = serve(LinearRegression().fit(table, [1.0, 2.0]))
    assert ask(client, '{"a": 1, "a ": 3}').status_code == 200
    assert '"/ a"' in ask(client, '{" a": 1, "a ": 3}').text
    table = pd.DataFrame({"a": [1.0, 2.0]})
    client = serve(LinearRegression().fit(table, [1.0, 2.0]))
    assert ask(client, '{" a": 1}').status_code == 200
    assert '"/ a"' in ask(client, '{" a": 1, "a": 3}').text
    assert '"/ a"' in ask(client, '{" a": 1, "a ": 3}').text


def test_features_called_like_the_parts_of_a_form_keep_their_meaning(serve: Serve) -> None:
    table = pd.DataFrame({"columns": [1.0, 2.0], "data": [3.0, 5.0], "index": [0.5, 4]})
    model = LinearRegression().fit(table, [1.0, 2.0])
    client = serve(model)
    for orient in ("records", "columns", "index", "split"):
        answer = ask(client, table.to_json(orient=orient))
        assert answer.json == {"predictions": model.predict(table).tolist()}
    answer = ask(client, json.dumps(table.to_dict("list")))
    assert answer.json == {"predictions": model.predict(table).tolist()}
    one = serve(LinearRegression().fit(table[["data"]], [1.0, 2.0]))
    assert ask(one, '{"data": [3, 5]}').json == ask(one, "[3, 5]").json
    assert ask(one, '{"data": [[3], [5]]}').json == ask(one, "[3, 5]").json


@pytest.fixture(scope="module")
def numbered(serve: Serve) -> FlaskClient:
    """A model of columns that have no names, which pandas numbers."""
    return serve(LinearRegression().fit(UNNAMED, UNNAMED[0] + 1))


UNNAMED = pd.DataFrame([[1.0, 2.0, 0.0], [3.0, 5.0, 1.0], [4.0, 1.0, 7.0], [0.0, 1.0, 1.0]])


@pytest.mark.parametrize("orient", ["records", "split", "values", "table"])
def test_columns_without_names_go_by_their_numbers(numbered: FlaskClient, orient: Any) -> None:
    reference = ask(numbered, json.dumps(UNNAMED.to_numpy().tolist())).json
    assert ask(numbered, UNNAMED.to_json(orient=orient)).json == reference


@pytest.mark.parametrize("orient", ["columns", "index"])
def test_numbers_alone_do_not_tell_rows_from_columns(numbered: FlaskClient, orient: Any) -> None:
    answer = ask(numbered, UNNAMED.to_json(orient=orient))
    assert answer.status_code == 422
    assert 'pandas writes them with to_json(orient=\\"records\\")' in answer.text
    assert ask(numbered, UNNAMED.to_json(orient="records")).status_code == 200


def test_labels_that_are_names_of_features_do_not_tell_rows_from_columns(serve: Serve) -> None:
    table = pd.DataFrame({"a": [1.0, 2.0], "b": [3.0, 5.0]}, index=["a", "b"])
    answer = ask(serve(LinearRegression().fit(table, [1.0, 2.0])), table.to_json())
    assert "expected columns or rows, and it can be both" in answer.text


def test_objects_with_keys_of_their_own_are_read_as_rows_and_tables(serve: Serve) -> None:
    rows = [{"a": 1.0, "b": 3.0}, {"a": 2.0, "b": 5.0}]
    client = serve(make_pipeline(DictVectorizer(), LinearRegression()).fit(rows, [1, 2]))
    reference = ask(client, json.dumps(rows)).json
    frame = pd.DataFrame(rows)
    for body in (frame.to_json(orient="split"), frame.to_json(orient="table", index=False)):
        assert ask(client, body).json == reference
    assert "to_json(orient" in ask(client, frame.to_json()).text


GOOD = json.loads(FRAME.to_json(orient="records"))[0]
REJECTIONS = [
    ("neither rows nor columns", {"a": {"c": 1}}, "", "expected rows of the model: send a list"),
    ("rows and columns", {"kind": {"b": 1}}, "", "expected columns or rows, and it can be both"),
    ("a wrong value by column", {"Größe": {"r": 1}, "b": {"r": "x"}, "kind": {"r": "x"}}, "/b/r", "b: expected a number"),
    ("a wrong value by row", {"r": {**GOOD, "b": "x"}}, "/r/b", "expected a number, got a string"),
    ("a row twice", '{"r": {"b": 1}, "r": {"b": 1}}', "/r", "stands twice"),
    ("a label twice", '{"Größe": {"r": 1}, "b": {"r": 1, "r": 2}, "kind": {"r": "x"}}', "/b/r", "stands twice"),
    ("other labels", {"Größe": {"r": 1}, "b": {"s": 1}, "kind": {"r": "x"}}, "/b", "expected the labels"),
    ("a column that lacks", {"Größe": {"r": 1}, "b": {"r": 1}}, "", "lacks the feature kind"),
    ("a column too short", {"Größe": [1, 2], "b": [3], "kind": ["x", "y"]}, "/b", "expected a list of 2 values"),
    ("a list among objects", {"inputs": {"Größe": {"r": 1}, "b": [1], "kind": {"r": "x"}}}, "/inputs/b", "expected an object of values by row, got a list"),
    ("a split that lacks", {"columns": ["b", "kind"], "data": []}, "/columns", "lacks the feature"),
    ("a wrong value in a split", {"columns": ["b", "kind", "Größe"], "data": [["x", "x", 1]]}, "/data/0/0", "b: expected a number"),
    ("an object in a split", {"columns": ["b", "kind", "Größe"], "data": [{**GOOD, "b": "x"}]}, "/data/0/b", "expected a number"),
    ("another thing in a table", {"schema": {}, "data": [], "x": 1}, "/x", "is not known: expected schema, data"),
    ("a word in a table", {"schema": {}, "data": ["x"]}, "/data/0", "expected an object or a list of 3"),
    ("a label for a feature", {"schema": {"primaryKey": "b"}, "data": [GOOD]}, "/data/0/b", "is required"),
    ("data beside something", {"data": [GOOD], "x": 1}, "/data", "is not a feature"),
    ("data twice", '{"columns": ["b"], "data": [[1]], "data": [[2]]}', "/data", "stands twice"),
    ("a split twice", json.dumps(GOOD)[:-1] + ', "columns": [], "data": [], "data": []}', "/data", "stands twice"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("body", "pointer", "sentence"),
    [row[1:] for row in REJECTIONS],
    ids=[row[0] for row in REJECTIONS],
)
def test_what_does_not_fit_is_told_with_its_place(
    client: FlaskClient, body: Any, pointer: str, sentence: str
) -> None:
    answer = ask(client, body if isinstance(body, str) else json.dumps(body))
    assert answer.status_code == 422
    errors = {error["pointer"]: error["detail"] for error in answer.json["errors"]}
    assert sentence in errors[pointer]


def test_nan_is_missing_on_each_line_of_ndjson(client: FlaskClient, tmp_path: Path) -> None:
    lines = "\n".join(map(json.dumps, FRAME.to_dict("records")))
    assert "NaN" in lines
    for body in (lines, "\ufeff" + lines, FRAME.to_json(orient="records", lines=True)):
        answer = client.post("/predict", data=body, content_type="application/x-ndjson")
        assert answer.json == {"predictions": OWN}
    extra = EXTRA.to_json(orient="records", lines=True)
    answer = client.post("/predict?extra=ignore", data=extra, content_type="application/x-ndjson")
    assert (answer.json, answer.headers["X-Ignored-Columns"]) == (
        {"predictions": OWN},
        "id, target",
    )


def test_nan_is_missing_in_the_protocol_of_kserve(client: FlaskClient) -> None:
    for name in ("instances", "inputs"):
        body = json.dumps({name: EXTRA.to_dict("records")})
        answer = ask(client, "\ufeff" + body, "/v1/models/model:predict?extra=ignore")
        assert answer.json == {"predictions": OWN}
        assert answer.headers["X-Ignored-Columns"] == "id, target"


def test_tensors_too_many_are_passed_over_where_that_is_asked_for(client: FlaskClient) -> None:
    tensors: Any = [
        {"name": "b", "datatype": "FP64", "shape": [1], "data": [4]},
        {"name": "id", "datatype": "INT64", "shape": [1], "data": [4]},
        {"name": "kind", "datatype": "BYTES", "shape": [1], "data": ["x"]},
        {"name": "Größe", "datatype": "FP64", "shape": [1], "data": [1.5]},
    ]
    path = "/v2/models/model/infer"
    answer = client.post(f"{path}?extra=ignore", json={"inputs": tensors})
    assert answer.json["outputs"][0]["data"] == OWN[:1]
    assert answer.headers["X-Ignored-Columns"] == "id"
    assert "?extra=ignore" in client.post(path, json={"inputs": tensors}).json["error"]
