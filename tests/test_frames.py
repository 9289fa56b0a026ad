"""The forms of MLflow's scoring server: each of them means the rows that `/predict` means by it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
import pytest
from flask.testing import FlaskClient
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.compose import make_column_transformer
from sklearn.feature_extraction import DictVectorizer
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

from api import create_app
from api.settings import Settings
from tests.conftest import Serve
from tests.test_rejections import GOOD

Row = dict[str, Any]
ADELIE = {**GOOD, "island": "Torgersen", "bill_length_mm": 39.1, "bill_depth_mm": 18.7}
ADELIE |= {"flipper_length_mm": 181, "body_mass_g": 3750, "sex": "male"}
LACKING = {**GOOD, "sex": None, "body_mass_g": None}
ROWS = [GOOD, ADELIE, LACKING]
NAMES = list(GOOD)


def split(rows: list[Row], names: list[str]) -> Any:
    return {"columns": names, "data": [[row[name] for name in names] for row in rows]}


# Each way to write rows down whose columns come in this order.
FORMS: dict[str, Callable[[list[Row], list[str]], Any]] = {
    "dataframe_split": lambda rows, names: {"dataframe_split": split(rows, names)},
    "dataframe_split with an index": lambda rows, names: {
        "dataframe_split": {"index": list(range(len(rows))), **split(rows, names)}
    },
    "dataframe_records": lambda rows, names: {
        "dataframe_records": [{name: row[name] for name in names} for row in rows]
    },
    "instances": lambda rows, names: {
        "instances": [{name: row[name] for name in names} for row in rows]
    },
    "inputs, of columns": lambda rows, names: {
        "inputs": {name: [row[name] for row in rows] for name in names}
    },
    "inputs, of rows": lambda rows, names: {
        "inputs": [{name: row[name] for name in names} for row in rows]
    },
    "no params": lambda rows, names: {"dataframe_split": split(rows, names), "params": {}},
    "null for params": lambda rows, names: {"inputs": rows, "params": None},
    "Vertex AI's parameters": lambda rows, names: {"instances": rows, "parameters": {}},
    "a bare list, as /predict takes it": lambda rows, names: [
        {name: row[name] for name in names} for row in rows
    ],
}
# Those whose rows are lists have no order but the model's.
LISTS: dict[str, Callable[[list[Row], list[str]], Any]] = {
    "dataframe_split without columns": lambda rows, names: {
        "dataframe_split": {"data": split(rows, names)["data"]}
    },
    "dataframe_split with null for columns and index": lambda rows, names: {
        "dataframe_split": {"columns": None, "index": None, "data": split(rows, names)["data"]}
    },
    "instances of lists": lambda rows, names: {"instances": split(rows, names)["data"]},
    "inputs of lists": lambda rows, names: {"inputs": split(rows, names)["data"]},
    "bare lists": lambda rows, names: split(rows, names)["data"],
}


def ask(client: FlaskClient, body: Any) -> Any:
    text = body if isinstance(body, str) else json.dumps(body)
    return client.post("/invocations", data=text, content_type="application/json")


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("names", [NAMES, NAMES[::-1]], ids=["in order", "in another"])
@pytest.mark.parametrize("rows", [[GOOD, ADELIE], ROWS], ids=["whole", "lacking"])
def test_every_form_is_read(
    penguins: FlaskClient, form: str, names: list[str], rows: list[Row]
) -> None:
    answer = ask(penguins, FORMS[form](rows, names))
    assert (answer.status_code, answer.json) == (200, penguins.post("/predict", json=rows).json)


@pytest.mark.parametrize("form", LISTS)
def test_rows_without_names_are_in_the_order_of_the_model(penguins: FlaskClient, form: str) -> None:
    answer = ask(penguins, LISTS[form](ROWS, NAMES))
    assert (answer.status_code, answer.json) == (200, penguins.post("/predict", json=ROWS).json)


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> FlaskClient:
    """A regression on numbers and words, whose answers differ in the last bit."""
    table = pd.DataFrame({"a": [0.1, 0.7, 2.3, 3.9], "b": [4, 3, 1, 7], "kind": list("xyxy")})
    path = tmp_path_factory.mktemp("mixed") / "latest.joblib"
    model = make_pipeline(
        make_column_transformer(
            (OneHotEncoder(handle_unknown="ignore"), ["kind"]), (SimpleImputer(), ["a", "b"])
        ),
        LinearRegression(),
    )
    joblib.dump(model.fit(table, [1.0, 0.3, 7.7, 2.9]), path)
    return create_app(Settings(model_path=str(path))).test_client()


NUMBERS = st.floats(-1e6, 1e6) | st.integers(-(10**6), 10**6)
SAMPLES = st.fixed_dictionaries(
    {
        "a": NUMBERS | st.none(),
        "b": NUMBERS | st.none(),
        "kind": st.text(st.characters(codec="utf-8"), max_size=3) | st.sampled_from("xy"),
    }
)


@settings(max_examples=40)
@given(rows=st.lists(SAMPLES, min_size=1, max_size=4), names=st.permutations(["a", "b", "kind"]))
def test_all_forms_give_the_same_numbers_to_the_last_bit(
    mixed: FlaskClient, rows: list[Row], names: list[str]
) -> None:
    reference = mixed.post("/predict", json=rows)
    assert reference.status_code == 200
    for form in FORMS.values():
        answer = ask(mixed, form(rows, names))
        assert (answer.json, answer.headers.get("X-Unknown-Categories")) == (
            reference.json, reference.headers.get("X-Unknown-Categories"),
        )  # fmt: skip
    for form in LISTS.values():
        assert ask(mixed, form(rows, ["a", "b", "kind"])).json == reference.json


def test_numbers_in_another_order_give_the_same_to_the_last_bit(serve: Serve) -> None:
    table = pd.DataFrame(np.random.default_rng(0).normal(size=(20, 7)), columns=list("abcdefg"))
    client = serve(LinearRegression().fit(table, table.sum(axis=1)))
    reference = client.post("/predict", json=table.to_dict(orient="records")).json
    turned = table[list("gacfbed")]
    for body in (
        {"dataframe_split": turned.to_dict(orient="split")},
        {"inputs": turned.to_dict(orient="list")},
        {"inputs": table.to_numpy().tolist()},
    ):
        assert ask(client, body).json == reference


def test_nan_is_a_missing_value_as_mlflows_client_writes_it(penguins: FlaskClient) -> None:
    nan = float("nan")
    body = FORMS["dataframe_split"]([{**GOOD, "sex": nan, "body_mass_g": nan}], NAMES)
    assert "NaN" in json.dumps(body)
    assert ask(penguins, body).json == penguins.post("/predict", json=LACKING).json


def test_columns_of_one_value_each_are_one_row(penguins: FlaskClient) -> None:
    assert ask(penguins, {"inputs": GOOD}).json == {"predictions": ["Gentoo"]}


@pytest.fixture(scope="module")
def numbered(serve: Serve) -> FlaskClient:
    """A model that was fitted on an array, so that its columns have no names."""
    return serve(LinearRegression().fit(np.array([[1.0, 2.0], [3.0, 5.0], [4.0, 1.0]]), [1, 2, 4]))


@pytest.mark.parametrize("columns", [[0, 1], ["x0", "x1"]])
def test_columns_without_names_go_by_their_numbers(numbered: FlaskClient, columns: Any) -> None:
    reference = numbered.post("/predict", json=[[1, 2], [3, 4]]).json
    rows = [[1, 2], [3, 4]]
    body = {"dataframe_split": {"columns": columns, "data": rows}}
    assert ask(numbered, body).json == reference
    turned = {"columns": columns[::-1], "data": [row[::-1] for row in rows]}
    assert ask(numbered, {"dataframe_split": turned}).json == reference


def test_a_number_that_no_column_has_is_refused(numbered: FlaskClient) -> None:
    answer = ask(numbered, {"dataframe_split": {"columns": [0, 2], "data": [[1, 2]]}})
    assert (
        "/dataframe_split/columns/1: expected the name of a column, got a number"
        in (answer.json["message"])
    )


def test_texts_come_as_a_column_or_as_a_list(serve: Serve) -> None:
    client = serve(
        make_pipeline(CountVectorizer(), LinearRegression()).fit(["a word", "two words"], [1, 2])
    )
    reference = client.post("/predict", json=["a word", "words"]).json
    name = client.get("/metadata").json["features"][0]["name"]
    for body in (
        {"instances": ["a word", "words"]},
        {"inputs": {name: ["a word", "words"]}},
        {"dataframe_split": {"columns": [name], "data": [["a word"], ["words"]]}},
    ):
        assert ask(client, body).json == reference


@pytest.fixture(scope="module")
def mapping(serve: Serve) -> FlaskClient:
    """A model of objects with keys of their own."""
    return serve(
        make_pipeline(DictVectorizer(), LinearRegression()).fit([{"a": 1.0}, {"b": 2.0}], [1, 2])
    )


def test_a_table_is_objects_without_what_they_lack(mapping: FlaskClient) -> None:
    rows = [{"a": 1.5}, {"b": 2, "a": 0}]
    reference = mapping.post("/predict", json=rows).json
    for body in (
        {"dataframe_records": rows},
        {"dataframe_split": {"columns": ["b", "a"], "data": [[None, 1.5], [2, 0]]}},
        {"dataframe_split": {"data": rows}},
        {"inputs": {"a": [1.5, 0], "b": [None, 2]}},
    ):
        assert ask(mapping, body).json == reference


def test_a_value_in_a_table_of_objects_is_told_by_its_column(mapping: FlaskClient) -> None:
    answer = ask(mapping, {"inputs": {"1": [1, {}]}})
    assert "/inputs/1/1: expected a number, a string, true or false" in answer.json["message"]


def test_a_model_may_have_features_of_these_names(serve: Serve) -> None:
    table = pd.DataFrame({"inputs": [1.0, 2.0], "instances": [3.0, 5.0]})
    client = serve(LinearRegression().fit(table, [1.0, 2.0]))
    row = {"inputs": 1.5, "instances": 4}
    reference = client.post("/predict", json=[row]).json
    assert ask(client, row).json == reference
    assert ask(client, [row]).json == reference
    assert ask(client, {"inputs": [row]}).json == reference


@pytest.mark.filterwarnings("ignore:overflow encountered in cast")
def test_a_row_that_the_model_refuses_is_told_by_its_place(serve: Serve) -> None:
    from sklearn.tree import DecisionTreeRegressor

    table = pd.DataFrame({"a": [1.0, 2.0], "b": [3.0, 5.0]})
    client = serve(DecisionTreeRegressor().fit(table, [1.0, 2.0]))
    by_row = {"dataframe_split": {"columns": ["b", "a"], "data": [[1, 1], [1e300, 1]]}}
    by_column = {"inputs": {"b": [1, 1e300], "a": [1, 1]}}
    for body, place in ((by_row, "/dataframe_split/data/1"), (by_column, "/inputs/a/1")):
        message = ask(client, body).json["message"]
        assert f"{place}: the model refuses this row" in message


def table(**changes: Any) -> Any:
    """A good `dataframe_split` with something changed, or left out where the change is `...`."""
    whole = {**split([GOOD, ADELIE], NAMES), **changes}
    return {"dataframe_split": {name: value for name, value in whole.items() if value is not ...}}


def columns(**changes: Any) -> Any:
    """Good columns with some changed, or left out where the change is `...`."""
    whole = {**{name: [value] * 2 for name, value in GOOD.items()}, **changes}
    return {"inputs": {name: value for name, value in whole.items() if value is not ...}}


DATA = split([GOOD, ADELIE], NAMES)["data"]
TWICE = json.dumps(table())[:-2] + ', "data": []}}'

REJECTIONS = [
    ("no JSON", '{"inputs": [', 400, "not JSON: Expecting value at line 1, column 13"),
    ("an infinity", json.dumps(table()).replace("46.1", "Infinity"), 422, "/dataframe_split/data/0/1: bill_length_mm: expected a finite number"),
    ("two forms", {"inputs": [GOOD], "instances": [GOOD]}, 422, "/: expected one of dataframe_split, dataframe_records, instances, inputs, got 2"),
    ("a form twice", '{"inputs": [1], "inputs": [2]}', 422, "/inputs: stands twice"),
    ("a form that is none", {"inputs": 5}, 422, "/inputs: is not a feature of the model"),
    ("something beside it", {"inputs": [GOOD], "colour": 1}, 422, "/colour: is not known"),
    ("params", {"inputs": [GOOD], "params": {"a": 1}}, 422, "/params: this model takes no parameters"),
    ("parameters", {"instances": [GOOD], "parameters": {"a": 1}}, 422, "/parameters: this model takes no parameters"),
    ("no rows", {"instances": []}, 422, "/: expected at least one sample"),
    ("no rows in a table", table(data=[]), 422, "/: expected at least one sample"),
    ("no values in columns", {"inputs": {name: [] for name in NAMES}}, 422, "/: expected at least one sample"),
    ("no columns", {"inputs": {}}, 422, "/inputs/island: is required"),
    ("too many rows", {"inputs": {name: [None] * 10_001 for name in NAMES}}, 413, "10001 rows are over the limit of 10000"),
    ("instances as columns", {"instances": {"island": ["Biscoe"]}}, 422, "/instances: expected a list of rows, got an object"),
    ("records as columns", {"dataframe_records": {"island": ["Biscoe"]}}, 422, "/dataframe_records: expected a list of rows, got an object"),
    ("a word among rows", {"inputs": [GOOD, "Biscoe"]}, 422, "/inputs/1: expected an object or a list of 6 values, got a string"),
    ("a wrong value in a record", {"dataframe_records": [GOOD, {**GOOD, "island": "Texel"}]}, 422, '/dataframe_records/1/island: expected one of "Biscoe", "Dream", "Torgersen"'),
    ("a record that lacks a feature", {"dataframe_records": [{"island": "Biscoe"}]}, 422, "/dataframe_records/0/sex: is required"),
    ("a table that is a list", {"dataframe_split": [GOOD]}, 422, "/dataframe_split: expected an object with columns and data, got a list"),
    ("something else in a table", table(dtypes=[]), 422, "/dataframe_split/dtypes: is not known: expected columns, index, data"),
    ("a part of a table twice", TWICE, 422, "/dataframe_split/data: stands twice"),
    ("a table without data", table(data=...), 422, "/dataframe_split/data: expected a list of rows, got null"),
    ("a table without rows", table(data={}), 422, "/dataframe_split/data: expected a list of rows, got an object"),
    ("columns that are no list", table(columns="abc"), 422, "/dataframe_split/columns: expected a list with the names of the columns, got a string"),
    ("a column that is no name", table(columns=[*NAMES[:-1], None]), 422, "/dataframe_split/columns/5: expected the name of a column, got null"),
    ("a column by number", table(columns=list(range(6))), 422, "/dataframe_split/columns/0: expected the name of a column, got a number"),
    ("an unknown column", table(columns=[*NAMES, "colour"]), 422, "/dataframe_split/columns/6: is not a feature of the model"),
    ("a column twice", table(columns=[*NAMES, "sex"]), 422, "/dataframe_split/columns/6: this column stands twice"),
    ("a column too few", table(columns=NAMES[1:]), 422, "/dataframe_split/columns: lacks the feature island"),
    ("a misspelt column", table(columns=["Island", *NAMES[1:]]), 422, "columns/0: is not a feature of the model; send the request to ...?extra=ignore to ignore names that are no features; /dataframe_split/columns: lacks the feature island"),
    ("no names at all", table(columns=[]), 422, "/dataframe_split/columns: lacks the feature island"),
    ("an index that is too short", table(index=[1]), 422, "/dataframe_split/index: expected 2 labels, one for each row, got 1"),
    ("an index that is no list", table(index="ab"), 422, "/dataframe_split/index: expected 2 labels, one for each row, got a string"),
    ("a row that is too short", table(data=[DATA[0], DATA[1][1:]]), 422, "/dataframe_split/data/1: expected 6 values, one for each column, got 5"),
    ("a row that is a word", table(data=[DATA[0], "Biscoe"]), 422, "/dataframe_split/data/1: expected an object or a list of 6 values, got a string"),
    ("a wrong value in a row", table(data=[DATA[0], ["Texel", *DATA[1][1:]]]), 422, '/dataframe_split/data/1/0: island: expected one of "Biscoe"'),
    ("a wrong value in a row that is turned", {"dataframe_split": {"columns": NAMES[::-1], "data": [[*DATA[0][:0:-1], "Texel"]]}}, 422, '/dataframe_split/data/0/5: island: expected one of "Biscoe"'),
    ("a number as text", table(data=[[*DATA[0][:4], "4500", "male"]]), 422, "/dataframe_split/data/0/4: body_mass_g: expected a number, got a string"),
    ("a number out of range", json.dumps(table()).replace("46.1", "1e999"), 422, "/dataframe_split/data/0/1: bill_length_mm: expected a finite number"),
    ("columns of several lengths", columns(sex=["male"]), 422, "/inputs/sex: expected a list of 2 values, as many as in the longest column, got 1"),
    ("a column of one value", columns(sex="male"), 422, "/inputs/sex: expected a list of 2 values, as many as in the longest column, got a string"),
    ("a column that is lacking", columns(sex=...), 422, "/inputs: lacks the feature sex"),
    ("a column too many", columns(colour=[1, 2]), 422, "/inputs/colour: is not a feature of the model"),
    ("a column twice in an object", json.dumps(columns())[:-2] + ', "sex": [null, null]}}', 422, "/inputs/sex: stands twice"),
    ("a wrong value in a column", columns(island=["Dream", "Texel"]), 422, '/inputs/island/1: island: expected one of "Biscoe"'),
]  # fmt: skip


@pytest.mark.parametrize(
    ("body", "status", "sentence"),
    [row[1:] for row in REJECTIONS],
    ids=[row[0] for row in REJECTIONS],
)
def test_what_does_not_fit_is_told_with_its_place(
    penguins: FlaskClient, body: Any, status: int, sentence: str
) -> None:
    answer = ask(penguins, body)
    assert (answer.status_code, answer.content_type) == (status, "application/json")
    assert sentence in answer.json["message"]


def test_no_error_shows_what_was_sent(penguins: FlaskClient) -> None:
    answer = ask(penguins, table(data=[["a secret", *DATA[0][1:]]], index=["a secret"]))
    assert answer.status_code == 422
    assert "a secret" not in answer.text


ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3) | st.sampled_from(["Biscoe", "sex"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from([*NAMES, "columns", "index", "data", "x"]), inner, max_size=3),
    max_leaves=8,
)  # fmt: skip
KEYS = st.sampled_from(
    ["dataframe_split", "dataframe_records", "instances", "inputs", "params", "x"]
)


@given(body=st.dictionaries(KEYS, ANY, min_size=1, max_size=2))
def test_nothing_that_can_be_sent_is_our_fault(penguins: FlaskClient, body: Any) -> None:
    assert ask(penguins, body).status_code in (200, 400, 422)


def test_a_hundred_orders_of_columns_are_all_right(serve: Serve, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    names = [f"c{i}" for i in range(5)]
    frame = pd.DataFrame(rng.normal(size=(3, 5)), columns=names)
    client = serve(LinearRegression().fit(frame, [1.0, 2.0, 3.0]))
    reference = client.post("/predict", json=frame.to_numpy().tolist()).json
    for _ in range(100):
        turned = frame[list(rng.permutation(names))]
        body = {"dataframe_split": turned.to_dict(orient="split")}
        assert ask(client, body).json == reference


@pytest.mark.parametrize(
    "body",
    [
        {"dataframe_split": {"columns": [0] * 300_000, "data": []}},
        {"dataframe_split": {"data": [], **{f"no{i}": 0 for i in range(100_000)}}},
        {"dataframe_split": {"columns": NAMES, "data": [[0]] * 9_000}},
        {"inputs": {f"no{i}": [0] for i in range(15_000)}},
        {"inputs": {f"no{i}": 0 for i in range(100_000)}},
        {"instances": [], **{f"no{i}": 0 for i in range(100_000)}},
    ],
    ids=["columns", "names", "rows", "inputs", "one row", "names outside"],
)
def test_of_many_wrong_places_the_first_are_named(penguins: FlaskClient, body: Any) -> None:
    answer = penguins.post("/invocations", json=body)
    assert answer.status_code in (400, 422)
    assert len(answer.data) < 5000


def test_a_table_of_very_many_columns_is_refused(penguins: FlaskClient) -> None:
    header = ",".join(f"c{i}" for i in range(100_000))
    answer = penguins.post("/predict", data=f"{header}\n", content_type="text/csv")
    assert answer.status_code == 422
    assert len(answer.json["errors"]) == 20
