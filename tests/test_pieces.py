"""Long bodies are read in pieces, and mean the same as short ones."""

from __future__ import annotations

import gzip
import json
from typing import Any

import joblib
import numpy as np
import pytest
from flask.testing import FlaskClient
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.feature_extraction import DictVectorizer
from sklearn.feature_extraction.text import HashingVectorizer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline

from api import create_app
from api.formats import npy
from api.settings import Settings
from models.text.limits import PIECE_BYTES
from tests.conftest import Serve
from tests.test_rejections import GOOD

ROWS = np.random.default_rng(0).normal(size=(7_000, 10)).round(6)
NAMES = [f"x{i}" for i in range(10)]
MODEL = LinearRegression().fit(ROWS[:50], ROWS[:50, 0] * 3 + ROWS[:50, 1])
EXPECTED = MODEL.predict(ROWS)
OBJECTS = [dict(zip(NAMES, row, strict=True)) for row in ROWS.tolist()]
HEADER = ",".join(NAMES)
LINES = [",".join(map(str, row)) for row in ROWS.tolist()]
MIXED = [row if i % 3 else OBJECTS[i] for i, row in enumerate(ROWS.tolist())]
JSON, CSV = "application/json", "text/csv"


@pytest.fixture(scope="module")
def numbers(tmp_path_factory: pytest.TempPathFactory) -> Any:
    path = tmp_path_factory.mktemp("numbers") / "latest.joblib"
    joblib.dump(MODEL, path)
    return create_app(Settings(model_path=str(path))).test_client()


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        (JSON, json.dumps(ROWS.tolist())),
        (JSON, json.dumps(ROWS.tolist(), separators=(",", ":"))),
        (JSON, json.dumps(OBJECTS)),
        (JSON, json.dumps(MIXED)),
        (JSON, json.dumps({"instances": OBJECTS})),
        (JSON, "\n " + json.dumps({"instances": ROWS.tolist()}, indent=1) + "\n"),
        (JSON, json.dumps({"instances": ROWS.tolist(), "parameters": {}})),
        (JSON, json.dumps({"dataframe_split": {"columns": NAMES, "data": ROWS.tolist()}})),
        (CSV, "\n".join([HEADER, *LINES])),
        (CSV, "\r\n".join([HEADER, *LINES, ""])),
        (CSV, "\n".join([HEADER, *LINES, "", ""])),
        (CSV, "\n".join([f'"{HEADER[:2]}"{HEADER[2:]}', *LINES])),
        ("application/x-ndjson", "\n".join(map(json.dumps, OBJECTS))),
    ],
    ids=[
        "lists",
        "lists without blanks",
        "objects",
        "both",
        "instances",
        "instances, on many lines",
        "instances and parameters",
        "split",
        "CSV",
        "CSV with CRLF",
        "CSV and blank lines",
        "CSV with quotes",
        "NDJSON",
    ],
)
def test_many_rows_are_answered_as_few(numbers: FlaskClient, kind: str, body: str) -> None:
    assert len(body) > 2 * PIECE_BYTES
    answer = numbers.post("/predict", data=body, content_type=kind)
    assert answer.status_code == 200
    assert np.allclose(answer.json["predictions"], EXPECTED, rtol=1e-9)


def changed(place: int, value: Any) -> str:
    rows: list[Any] = ROWS.tolist()
    rows[place] = value
    return json.dumps(rows)


WHOLE = json.dumps(ROWS.tolist())


@pytest.mark.parametrize(
    ("body", "status", "sentence"),
    [
        (changed(6_000, [1, 2]), 422, "/6000"),
        (changed(6_999, ["a"] * 10), 422, "/6999/0"),
        (changed(6_000, {"x0": 1}), 422, "/6000/x1"),
        (WHOLE[:-1] + ",]", 400, "The body is not JSON"),
        (WHOLE[:-1], 400, "The body is not JSON"),
        (WHOLE + "]", 400, "The body is not JSON"),
        (WHOLE[:-1] + "}", 400, "The body is not JSON"),
        (f'{{"instances": {WHOLE}, "instances": []}}', 422, "stands twice"),
        ('[{"x0": 1, ' + json.dumps(OBJECTS)[2:], 422, "/0/x0"),
        (json.dumps(OBJECTS[0] | {"x0": "a" * 600_000}), 413, "no feature of this model takes"),
        (json.dumps([ROWS[0].tolist(), [{"a": [1] * 4}] * 200_000]), 413, "lists and objects"),
        (json.dumps([ROWS[0].tolist()] * 10_001), 413, "rows are over the limit of 10000"),
    ],
    ids=[
        "short row",
        "texts",
        "names missing",
        "a comma too many",
        "no end",
        "two ends",
        "another end",
        "instances twice",
        "a name twice",
        "a long text",
        "many lists",
        "too many rows",
    ],
)
def test_what_is_wrong_with_many_rows_is_told(
    numbers: FlaskClient, body: str, status: int, sentence: str
) -> None:
    assert len(body) > 2 * PIECE_BYTES
    answer = numbers.post("/predict", data=body, content_type=JSON)
    assert answer.status_code == status
    assert sentence in answer.text


def test_gaps_are_found_in_every_piece_of_csv(serve: Serve) -> None:
    model = HistGradientBoostingRegressor(max_iter=3).fit(ROWS[:500], ROWS[:500, 0])
    lines = [line if i % 100 else "," * 9 for i, line in enumerate(LINES)]
    holes = ROWS.copy()
    holes[::100] = np.nan
    client = serve(model)
    answer = client.post("/predict", data="\n".join([HEADER, *lines]), content_type=CSV)
    assert np.allclose(answer.json["predictions"], model.predict(holes))


@pytest.mark.parametrize("sign", ["", '\\"', ", [", '",'], ids=["plain", "quote", "list", "end"])
def test_texts_are_not_cut_where_they_look_like_two(serve: Serve, sign: str) -> None:
    client = serve(HashingVectorizer(n_features=4))
    texts = [f"word {sign} {i} " * 60 for i in range(800)]
    whole = client.post("/transform", json=texts)
    assert whole.status_code == 200
    assert (
        whole.json["predictions"][-5:]
        == (client.post("/transform", json=texts[-5:]).json["predictions"])
    )


def test_a_text_may_be_longer_than_a_piece(serve: Serve) -> None:
    client = serve(HashingVectorizer(n_features=4))
    text = "word " * 600_000 + "\\"
    assert client.post("/transform", json=[text, "a, b"]).status_code == 200
    assert client.post("/transform", json=[text, "[{" * 500_000]).status_code == 200


def test_a_text_may_be_as_long_as_a_few_pieces(serve: Serve) -> None:
    client = serve(HashingVectorizer(n_features=4))
    assert client.post("/transform", json=["word, " * 120_000] * 2).status_code == 200


def test_a_row_of_two_numbers_is_found_among_many_of_one(serve: Serve) -> None:
    model = LinearRegression().fit(ROWS[:50, :1], ROWS[:50, 0])
    client = serve(model, max_rows=200_000)
    rows = [[1.5]] * 100_000
    assert client.post("/predict", json=rows).status_code == 200
    assert "/99999" in client.post("/predict", json=[*rows[1:], [1, 2]]).text


def test_a_line_of_many_fields_is_refused(penguins: FlaskClient) -> None:
    answer = penguins.post("/predict", data=b"," * 1_200_000, content_type=CSV)
    assert answer.status_code == 413
    assert "over 310000 values" in answer.text


def test_an_array_is_looked_at_before_all_of_it_is_decompressed(numbers: FlaskClient) -> None:
    packed = {"Content-Encoding": "gzip", "Content-Type": "application/x-npy"}
    for count, sentence in ((20_000, "20000 rows"), (200_000, "over 350000 values")):
        body = gzip.compress(npy.write(np.zeros((count, 10))), 1)
        answer = numbers.post("/predict", data=body, headers=packed)
        assert answer.status_code == 413
        assert sentence in answer.text


def test_many_objects_with_keys_of_their_own_are_read(serve: Serve) -> None:
    rows = [{"a": i, "b": f"word {i % 7}"} for i in range(9_000)]
    model = make_pipeline(DictVectorizer(), LogisticRegression())
    client = serve(model.fit(rows[:50], [0, 1] * 25), max_rows=100_000)
    rows *= 4
    assert len(client.post("/predict", json=rows).json["predictions"]) == len(rows)


def test_rows_of_words_and_numbers_are_read_in_pieces(penguins: FlaskClient) -> None:
    rows = [GOOD] * 9_000
    answer = penguins.post("/predict", json=rows)
    assert answer.json == {"predictions": ["Gentoo"] * len(rows)}
