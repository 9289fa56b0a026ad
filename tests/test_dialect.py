"""CSV as pandas, R and spreadsheets write it predicts what `estimator.predict(frame)` does."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
import pytest
from flask.testing import FlaskClient
from sklearn.feature_extraction import DictVectorizer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder

from api import create_app
from api.settings import Settings
from models.text import dialect
from models.text.dialect import MISSING
from tests.conftest import Serve
from tests.test_orients import EXTRA, FRAME, MODEL, OWN
from tests.test_rejections import CSV

TSV = "text/tab-separated-values"


def renamed(frame: pd.DataFrame, rename: Callable[[str], str]) -> pd.DataFrame:
    return frame.rename(columns=rename)


def spelled(missing: str) -> Callable[[pd.DataFrame], str]:
    return lambda frame: frame.to_csv(index=False, na_rep=missing)


WRITTEN: dict[str, Callable[[pd.DataFrame], str]] = {
    "as to_csv writes it": lambda frame: frame.to_csv(index=False),
    "quoted": lambda frame: frame.to_csv(index=False, quoting=1),
    "semicolons": lambda frame: frame.to_csv(index=False, sep=";"),
    "semicolons and decimal commas": lambda frame: frame.to_csv(index=False, sep=";", decimal=","),
    "tabs": lambda frame: frame.to_csv(index=False, sep="\t"),
    "bars": lambda frame: frame.to_csv(index=False, sep="|"),
    "blanks behind commas": lambda frame: frame.to_csv(index=False).replace(",", ", "),
    "blanks before quotes": lambda frame: frame.to_csv(index=False, quoting=1).replace(",", ", "),
    "blanks around names": lambda frame: renamed(frame, lambda n: f" {n} ").to_csv(index=False),
    "blanks behind values": lambda frame: frame.to_csv(index=False).replace("\n", " \n"),
    "decomposed": lambda frame: unicodedata.normalize("NFD", frame.to_csv(index=False)),
    "CRLF": lambda frame: frame.to_csv(index=False, lineterminator="\r\n"),
    "a byte order mark": lambda frame: "\ufeff" + frame.to_csv(index=False),
    "empty lines": lambda frame: "\n\n" + frame.to_csv(index=False).replace("\n", "\n\n"),
    **{f"{word} for what is missing": spelled(word) for word in sorted(MISSING)},
}


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> FlaskClient:
    path = tmp_path_factory.mktemp("dialect") / "latest.joblib"
    joblib.dump(MODEL, path)
    return create_app(Settings(model_path=str(path))).test_client()


def ask(client: FlaskClient, body: Any, path: str = "/predict", type_: str = CSV) -> Any:
    return client.post(path, data=body, content_type=type_)


@pytest.mark.parametrize("form", WRITTEN)
def test_a_table_predicts_as_the_frame(client: FlaskClient, form: str) -> None:
    for type_ in (CSV, TSV):
        answer = ask(client, WRITTEN[form](FRAME), type_=type_)
        assert (answer.status_code, answer.json) == (200, {"predictions": OWN})
        assert "X-Ignored-Columns" not in answer.headers


def test_a_table_of_over_a_megabyte_is_read_to_its_end(client: FlaskClient) -> None:
    copies = 10_000 // len(FRAME)
    body = pd.concat([FRAME] * copies).to_csv(index=False, float_format="%.200f")
    assert len(body) > dialect.SMALL_BYTES
    assert ask(client, body).json == {"predictions": OWN * copies}


@pytest.mark.parametrize("form", ["as to_csv writes it", "semicolons and decimal commas", "tabs"])
def test_columns_too_many_are_refused_unless_they_may_be_passed_over(
    client: FlaskClient, form: str
) -> None:
    refused = ask(client, WRITTEN[form](EXTRA))
    assert refused.status_code == 422
    assert [error["pointer"] for error in refused.json["errors"]] == ["/id", "/target"]
    assert "line 1: is not a feature of the model; send the request to" in refused.text
    answer = ask(client, WRITTEN[form](EXTRA), "/predict?extra=ignore")
    assert (answer.json, answer.headers["X-Ignored-Columns"]) == (
        {"predictions": OWN},
        "id, target",
    )


@pytest.mark.parametrize("sep", [",", ";", "\t", "|"])
def test_the_index_that_to_csv_writes_is_passed_over_and_told(
    client: FlaskClient, sep: str
) -> None:
    answer = ask(client, FRAME.to_csv(sep=sep))
    assert (answer.status_code, answer.json) == (200, {"predictions": OWN})
    assert answer.headers["X-Ignored-Columns"] == "Unnamed%3A%200"


def test_lines_are_counted_from_the_first_of_the_body(client: FlaskClient) -> None:
    for above in ("\n\n\n", "\r\n\r\n\r\n", "\r\r\r"):
        answer = ask(client, f"{above}Größe,b,kind\n1,2\n")
        assert "line 5: expected 3 fields, got 2" in answer.text
    assert 'in line 4."' in ask(client, '\n\n\n"Größe').text


def test_only_the_first_columns_may_lack_a_name(client: FlaskClient) -> None:
    answer = ask(client, FRAME.assign(**{"": 1}).to_csv(index=False))
    assert answer.json["errors"][0]["pointer"] == "/"


def test_a_delimiter_under_which_the_header_does_not_fit_is_not_taken(client: FlaskClient) -> None:
    answer = ask(client, "Größe;b;sort\n1;2;x\n")
    assert [error["pointer"] for error in answer.json["errors"]] == ["/sort", "/kind"]
    assert ask(client, "Größe;b,kind\n1;2,x\n").status_code == 422


def test_a_table_without_a_header_may_have_other_delimiters(client: FlaskClient) -> None:
    for delimiter in ",;\t|":
        body = FRAME.to_csv(index=False, header=False, sep=delimiter)
        answer = ask(client, body, type_=f"{CSV}; header=absent")
        assert answer.json == {"predictions": OWN}
    assert ask(client, '"', type_=f"{CSV}; header=absent").status_code == 400


@pytest.fixture(scope="module")
def words(serve: Serve) -> FlaskClient:
    """Knows the word NA as a category; the other column takes any text, and nothing else."""
    frame = pd.DataFrame({"a": ["NA", "x", "None"], "t": ["p", "q", "r"]})
    encoder = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
    return serve(make_pipeline(encoder, LinearRegression()).fit(frame, [1.0, 2.0, 4.0]))


def test_a_word_for_what_is_missing_that_is_a_category_is_that(words: FlaskClient) -> None:
    answer = ask(words, "a,t\nNA,p\n x ,q\nNone,r\n")
    assert answer.json == {"predictions": pytest.approx([1.0, 2.0, 4.0])}


def test_another_word_for_what_is_missing_is_missing(words: FlaskClient) -> None:
    answer = ask(words, "a,t\nnull,p\n")
    expected = words.post("/predict", json=[{"a": None, "t": "p"}])
    assert (answer.status_code, answer.json) == (200, expected.json)


def test_a_word_that_is_missing_where_nothing_may_is_told_how_to_be_sent(
    client: FlaskClient,
) -> None:
    answer = ask(client, "Größe,b,kind\n1,2,NA\n1,2,\n")
    details = [error["detail"] for error in answer.json["errors"]]
    assert "this model takes no missing value here (NA, null and the like" in details[0]


def test_a_row_of_numbers_is_no_header(serve: Serve) -> None:
    frame = pd.DataFrame([[0.0, 1.0, 2.0], [1.0, 0.0, 7.0], [2.0, 3.0, 1.0], [4.0, 1.0, 1.0]])
    model = LinearRegression().fit(frame, frame[0] * 2 + frame[2])
    client = serve(model)
    own = {"predictions": pytest.approx(model.predict(frame).tolist())}
    for body in (frame.to_csv(index=False), frame.to_csv()):
        assert ask(client, body).json == own
    answer = ask(client, "1,0,2\n3,4,5\n")
    assert "expected a header row with the names of the features" in answer.text
    small = serve(LinearRegression().fit(frame[[0, 1]], frame[0]))
    assert "expected a header row" in ask(small, "0,1\n3,4\n").text
    assert ask(small, ",0,1\n0,3,4\n").status_code == 200


def test_empty_lines_behind_a_column_are_no_rows(serve: Serve) -> None:
    client = serve(make_pipeline(SimpleImputer(), LinearRegression()).fit([[1.0], [3.0]], [1, 2]))
    for body, count in (("x0\n1\n\n2\n\n\n", 3), ('x0\n1\n""\n', 2), ("x0\n1\nNA", 2)):
        assert len(ask(client, body).json["predictions"]) == count


def test_a_table_of_objects_with_keys_of_their_own_has_what_it_has(serve: Serve) -> None:
    client = serve(
        make_pipeline(DictVectorizer(), LinearRegression()).fit([{"a": 1.0}, {"b": 2.0}], [1, 2])
    )
    answer = ask(client, "a\tb\n1\tNA\n\t2\n", type_=TSV)
    assert answer.json == client.post("/predict", json=[{"a": 1}, {"b": 2}]).json


def test_words_of_python_are_booleans(serve: Serve, tmp_path: Path) -> None:
    frame = pd.DataFrame({"a": [True, False, True], "b": [1.0, 2.0, 3.0]})
    encoder = OneHotEncoder(sparse_output=False)
    model = make_pipeline(encoder, LinearRegression()).fit(frame[["a"]], frame.b)
    answer = ask(serve(model), frame[["a"]].to_csv(index=False))
    assert answer.json == {"predictions": pytest.approx(model.predict(frame[["a"]]).tolist())}


def test_a_charset_that_is_declared_is_read(client: FlaskClient) -> None:
    body = FRAME.to_csv(index=False)
    for charset in ("iso-8859-1", "windows-1252", "UTF-16", "utf-8"):
        answer = ask(client, body.encode(charset), type_=f"{CSV}; charset={charset}")
        assert answer.json == {"predictions": OWN}


def test_numbers_with_decimal_commas_are_those_of_the_frame(serve: Serve) -> None:
    frame = pd.DataFrame({"a": [1.5, -2e-7, 3.0], "b": [np.nan, 1e21, 0.25]})
    client = serve(FunctionTransformer().fit(frame))
    own = client.post("/transform", json=frame.fillna(0).to_dict("records")).json
    body = frame.fillna(0).to_csv(sep=";", decimal=",", index=False)
    assert ask(client, body, "/transform").json == own
