"""The table of rejections: what the service does not take, and what it answers.

Each row is a request to the example model; the answer's status, the pointer of its first error
(None where the whole body is at fault) and a piece of the sentence.
"""

from __future__ import annotations

import io
import json
from typing import Any

import numpy as np
import pandas as pd
import pytest
from flask.testing import FlaskClient
from sklearn.preprocessing import OneHotEncoder

from tests.conftest import Serve

GOOD = {
    "island": "Biscoe",
    "bill_length_mm": 46.1,
    "bill_depth_mm": 13.2,
    "flipper_length_mm": 211,
    "body_mass_g": 4500,
    "sex": "female",
}
HEADER = ",".join(GOOD)
LINE = "Biscoe,46.1,13.2,211,4500,female"
JSON, CSV, NDJSON, NPY = "application/json", "text/csv", "application/x-ndjson", "application/x-npy"


def but(**changes: Any) -> str:
    """The good sample with some values changed, or left out where the change is `...`."""
    sample = {**GOOD, **changes}
    return json.dumps({name: value for name, value in sample.items() if value is not ...})


def npy(array: np.ndarray, *, allow_pickle: bool = False) -> bytes:
    file = io.BytesIO()
    np.save(file, array, allow_pickle=allow_pickle)
    return file.getvalue()


STRUCTURED = np.array([("Biscoe", 1.0)], dtype=[("island", "U9"), ("bill_length_mm", "f8")])


def header(text: str, version: int = 1) -> bytes:
    """An npy header of this text, with some data behind it."""
    size = len(text).to_bytes(2 if version == 1 else 4, "little")
    return b"\x93NUMPY" + bytes([version, 0]) + size + text.encode() + b"12345678"


REJECTIONS = [
    # Bodies that are not what they say.
    ("empty body", JSON, "", 400, None, "The body is empty."),
    ("truncated", JSON, '{"island": "Bis', 400, None, "column 12. It ends too early: it was cut"),
    ("truncated behind a comma", JSON, "[1, ", 400, None, "its Content-Length is too small"),
    ("trailing comma", JSON, '{"island": "Biscoe",}', 400, None, "line 1, column"),
    ("something behind it", JSON, "[1] x", 400, None, "Extra data at line 1, column 5"),
    ("many byte order marks", JSON, "\ufeff" * 5000, 400, None, "The body is not JSON"),
    (
        "wrong UTF-8",
        JSON,
        b'{"island": "\xff"}',
        400,
        None,
        "not UTF-8: invalid start byte at byte 12",
    ),
    ("UTF-16", JSON, "[1]".encode("utf-16"), 400, None, "not UTF-8"),
    ("deep nesting", JSON, "[" * 100_000, 400, None, "nested too deeply"),
    (
        "endless digits",
        JSON,
        "[" + "1" * 5000 + "]",
        400,
        None,
        "The body has an integer of over 4300 digits.",
    ),
    ("NDJSON with a broken line", NDJSON, but() + "\n{", 400, None, "line 2: "),
    ("NDJSON split over lines", NDJSON, '["Biscoe", 1,\n1, 1, 1, "male"]', 400, None, "line 1: "),
    ("CSV with an open quote", CSV, f'{HEADER}\n"Bis', 400, None, "not CSV"),
    ("CSV in Latin-1", CSV, f"{HEADER}\nBisc\xf6e".encode("latin-1"), 400, None, "not UTF-8"),
    ("no npy", NPY, b"hello", 400, None, "not an npy array"),
    ("npy cut short", NPY, npy(np.ones((2, 6)))[:-8], 400, None, "not an npy array"),
    (
        "npy that promises too much",
        NPY,
        npy(np.ones((2, 6))).replace(b"(2, 6)", b"(9, 6)"),
        400,
        None,
        "not an npy",
    ),
    (
        "npy of objects",
        NPY,
        npy(np.array([None]), allow_pickle=True),
        400,
        None,
        "an array of object is not read",
    ),
    (
        "npy of complex numbers",
        NPY,
        npy(np.ones((1, 6), complex)),
        400,
        None,
        "complex128 is not read",
    ),
    ("npy with half a header", NPY, header("{'descr': ("), 400, None, "not an npy array"),
    ("npy of no type", NPY, header("{'descr': (), 'shape': ()}"), 400, None, "not an npy array"),
    ("npy of endless signs", NPY, header("-" * 3000 + "1"), 400, None, "not an npy array"),
    ("npy with an endless header", NPY, header(" " * 70_000, 2), 400, None, "header is too long"),
    (
        "npy of letters that are none",
        NPY,
        npy(np.array([["a"] * 6])).replace(b"a\0\0\0", b"\xff" * 4),
        400,
        None,
        "not an npy array",
    ),
    (
        "npy of arrays in fields",
        NPY,
        npy(np.zeros(1, dtype=[("island", "<f8", (3,))])),
        400,
        None,
        "is not read",
    ),
    # Rows that do not fit.
    ("a word", JSON, '"Biscoe"', 422, "", "expected an object, a list, or"),
    ("null", JSON, "null", 422, "", "got null"),
    ("no samples", JSON, "[]", 422, "", "at least one sample"),
    ("no instances", JSON, '{"instances": []}', 422, "", "at least one sample"),
    ("instances that are no list", JSON, '{"instances": 1}', 422, "/instances", "is not a feature"),
    (
        "parameters",
        JSON,
        f'{{"instances": [{but()}], "parameters": {{"a": 1}}}}',
        422,
        "/parameters",
        "takes no parameters",
    ),
    (
        "something beside instances",
        JSON,
        f'{{"instances": [{but()}], "x": 1}}',
        422,
        "/x",
        "not known",
    ),
    (
        "half a pair beside instances",
        JSON,
        '{"instances": [[1]], "\\ud800": 1}',
        422,
        "/?",
        "not known",
    ),
    ("a slash beside instances", JSON, '{"instances": [[1]], "a/b": 1}', 422, "/a~1b", "not known"),
    (
        "instances twice",
        JSON,
        f'{{"instances": [{but()}], "instances": [{but()}]}}',
        422,
        "/instances",
        "twice",
    ),
    (
        "an empty object",
        JSON,
        "{}",
        422,
        "/island",
        'is required: expected one of "Biscoe", "Dream", "Torgersen"; send null',
    ),
    ("a missing field", JSON, but(sex=...), 422, "/sex", "is required"),
    (
        "an unknown field",
        JSON,
        but(colour="red"),
        422,
        "/colour",
        "is not a feature of the model: expected island",
    ),
    ("a field with a slash", JSON, but(**{"a/b~c": 1}), 422, "/a~1b~0c", "is not a feature"),
    (
        "a field named by half a pair",
        JSON,
        but()[:-1] + ', "\\ud800": 1}',
        422,
        "/?",
        "is not a feature",
    ),
    ("a field twice", JSON, but()[:-1] + ', "sex": "male"}', 422, "/sex", "stands twice"),
    (
        "a number as text",
        JSON,
        but(body_mass_g="4500"),
        422,
        "/body_mass_g",
        "expected a number, got a string",
    ),
    (
        "a list for a number",
        JSON,
        but(body_mass_g=[1]),
        422,
        "/body_mass_g",
        "expected a number, got a list",
    ),
    (
        "a list for a number",
        JSON,
        but(body_mass_g=[1]),
        422,
        "/body_mass_g",
        "expected a number, got a list",
    ),
    (
        "an object for a word",
        JSON,
        but(island={}),
        422,
        "/island",
        'expected one of "Biscoe", "Dream", "Torgersen", got an object',
    ),
    ("a number for a word", JSON, but(island=1), 422, "/island", "got a number"),
    (
        "an unknown category",
        JSON,
        but(island="Texel"),
        422,
        "/island",
        'expected one of "Biscoe", "Dream", "Torgersen"',
    ),
    ("half of a pair", JSON, but(island="\ud800"), 422, "/island", "half of a surrogate pair"),
    (
        "a number out of range",
        JSON,
        but(body_mass_g=1).replace(": 1,", ": 1e999,"),
        422,
        "/body_mass_g",
        "64-bit float",
    ),
    ("infinity", JSON, but(body_mass_g=-np.inf), 422, "/body_mass_g", "expected a finite number"),
    ("infinity for a word", JSON, but(island=np.inf), 422, "/island", "got a number"),
    (
        "an integer out of range",
        JSON,
        but(body_mass_g=10**400),
        422,
        "/body_mass_g",
        "64-bit float",
    ),
    (
        "too few values",
        JSON,
        "[1, 2]",
        422,
        "",
        "expected 6 values in the order of the model, too few here: 2",
    ),
    ("too many values", JSON, '["Biscoe", 1, 1, 1, 1, "male", 1]', 422, "", "too many here: 7"),
    (
        "a value in a list",
        JSON,
        '[["Texel", 1, 1, 1, 1, "male"]]',
        422,
        "/0/0",
        "island: expected one of",
    ),
    ("a sample that is a word", JSON, '[{}, "Biscoe"]', 422, "/0/island", "is required"),
    (
        "a word among samples",
        JSON,
        f'{{"instances": [{but()}, 5]}}',
        422,
        "/instances/1",
        "expected an object or a list",
    ),
    (
        "the fourth instance",
        JSON,
        f'{{"instances": [{but()}, {but()}, {but()}, {but(island="X")}]}}',
        422,
        "/instances/3/island",
        "expected one of",
    ),
    ("NDJSON without lines", NDJSON, "\n\n", 422, "", "at least one sample"),
    (
        "an NDJSON line that does not fit",
        NDJSON,
        but() + "\n\n" + but(sex=1),
        422,
        "/1/sex",
        "got a number",
    ),
    ("CSV without a header", CSV, "", 422, "", "expected a header row"),
    ("CSV without rows", CSV, HEADER, 422, "", "at least one sample"),
    ("a CSV column too few", CSV, f"{HEADER[:-4]}\n{LINE[:-7]}", 422, "/sex", "the header lacks"),
    (
        "a CSV column too many",
        CSV,
        f"{HEADER},colour\n{LINE},red",
        422,
        "/colour",
        "is not a feature",
    ),
    (
        "a CSV index with a name",
        CSV,
        f"id,{HEADER}\n0,{LINE}",
        422,
        "/id",
        "send the request to ...?extra=ignore",
    ),
    ("numbers for a CSV header", CSV, "0,1,2,3,4,5\n", 422, "/0", "is not a feature"),
    ("a CSV column twice", CSV, f"{HEADER},sex\n{LINE},male", 422, "/sex", "stands twice"),
    (
        "a short CSV line",
        CSV,
        f"{HEADER}\n{LINE}\n\nBiscoe,1",
        422,
        "/1",
        "line 4: expected 6 fields, got 2",
    ),
    (
        "a word for a CSV number",
        CSV,
        f"{HEADER}\n{LINE.replace('4500', 'heavy')}",
        422,
        "/0/body_mass_g",
        "expected a number",
    ),
    (
        "a decimal comma and a point",
        CSV,
        f"{HEADER}\n{LINE.replace('46.1', '46#1')}".replace(",", ";").replace("#", ","),
        422,
        "/0/bill_depth_mm",
        "expected a decimal comma",
    ),
    (
        "1_000 in CSV",
        CSV,
        f"{HEADER}\n{LINE.replace('4500', '4_500')}",
        422,
        "/0/body_mass_g",
        "expected a number",
    ),
    (
        "1e999 in CSV",
        CSV,
        f"{HEADER}\n{LINE.replace('4500', '1e999')}",
        422,
        "/0/body_mass_g",
        "64-bit float",
    ),
    (
        "npy of another shape",
        NPY,
        npy(np.ones((2, 5))),
        422,
        "",
        "expected an array of shape (rows, 6), got (2, 5)",
    ),
    ("npy without rows", NPY, npy(np.ones((0, 6))), 422, "", "at least one sample"),
    ("npy of numbers for words", NPY, npy(np.ones((1, 6))), 422, "/0/0", "island: expected one of"),
    ("npy without some features", NPY, npy(STRUCTURED), 422, "/0/bill_depth_mm", "is required"),
    # Types that are not read or written.
    ("XML", "text/xml", "<a/>", 415, None, "text/xml is not read: send application/json"),
    (
        "CSV, as curl -d sends it",
        "application/x-www-form-urlencoded",
        f"{HEADER}\n{LINE}",
        415,
        None,
        "curl -d",
    ),
    ("CSV as plain text", "text/plain", f"{HEADER}\n{LINE}", 415, None, "it may be anything"),
    ("bytes that may be anything", "application/octet-stream", "1", 415, None, "may be anything"),
    ("an unknown charset", f"{CSV}; charset=klingon", HEADER, 415, None, "klingon is not read"),
    ("not of its charset", f"{CSV}; charset=utf-16", b"\xff", 400, None, "not utf-16, as its"),
    ("a form without a boundary", "multipart/form-data", "a", 400, None, "its boundary is not"),
]


@pytest.mark.parametrize(
    ("content_type", "body", "status", "pointer", "sentence"),
    [row[1:] for row in REJECTIONS],
    ids=[row[0] for row in REJECTIONS],
)
def test_a_request_that_does_not_fit_is_told_why(
    penguins: FlaskClient,
    content_type: str,
    body: str | bytes,
    status: int,
    pointer: str | None,
    sentence: str,
) -> None:
    answer = penguins.post("/predict", data=body, content_type=content_type)
    problem = answer.json
    assert (answer.status_code, answer.content_type) == (status, "application/problem+json")
    assert problem["status"] == status
    assert problem["request_id"] == answer.headers["X-Request-Id"]
    if pointer is None:
        assert "errors" not in problem
        assert sentence in problem["detail"]
    else:
        assert problem["errors"][0]["pointer"] == pointer
        assert sentence in problem["errors"][0]["detail"]


TYPED = [
    (["1", "2", "3"], 2, 'expected one of "1", "2", "3", got the number 2'),
    (["1", "2", "3"], 2.0, 'expected one of "1", "2", "3", got the number 2.0'),
    (["1", "2", "3"], 4, 'expected one of "1", "2", "3", got a number'),
    (["true", "false"], True, 'expected one of "false", "true", got the boolean true'),
    (["", "é"], 1, 'expected one of "", "é", got a number'),
    ([1, 2], "2", 'expected one of 1, 2, got the string "2"'),
    ([1, 2], "3", "expected one of 1, 2, got a string"),
    ([True, False], "True", 'expected one of false, true, got the string "True"'),
]


@pytest.mark.parametrize(("categories", "value", "sentence"), TYPED)
def test_a_category_of_another_type_is_told_by_its_value(
    serve: Serve, categories: list[Any], value: Any, sentence: str
) -> None:
    encoder = OneHotEncoder(sparse_output=False).fit(pd.DataFrame({"a": categories}))
    answer = serve(encoder).post("/transform", json=[{"a": value}])
    assert answer.json["errors"] == [{"pointer": "/0/a", "detail": sentence}]


def test_the_first_20_errors_are_told_at_once(penguins: FlaskClient) -> None:
    answer = penguins.post("/predict", json=[{**GOOD, "island": "Texel"}] * 30)
    assert [e["pointer"] for e in answer.json["errors"]] == [f"/{i}/island" for i in range(20)]
    assert answer.json["detail"] == "The rows do not fit the model: the first 20 places."


def test_no_error_shows_what_was_sent(penguins: FlaskClient) -> None:
    answer = penguins.post("/predict", json={**GOOD, "island": "a secret", "sex": 12345})
    assert "a secret" not in answer.text
    assert "12345" not in answer.text


def test_a_body_compressed_in_a_way_we_do_not_read_is_refused(penguins: FlaskClient) -> None:
    answer = penguins.post("/predict", json=GOOD, headers={"Content-Encoding": "br"})
    assert (answer.status_code, answer.json["status"]) == (415, 415)


def test_an_answer_in_a_type_we_do_not_write_is_refused(penguins: FlaskClient) -> None:
    answer = penguins.post("/predict", json=GOOD, headers={"Accept": "text/html"})
    assert answer.status_code == 406
    assert (
        answer.json["detail"]
        == "The answer can be application/json, text/csv or application/x-npy."
    )


def test_a_method_that_the_model_lacks_is_a_404_that_lists_those_it_has(
    penguins: FlaskClient,
) -> None:
    answer = penguins.post("/transform", json=GOOD)
    assert answer.status_code == 404
    assert (
        "it has /predict, /predict_proba, /predict_log_proba, /decision_function."
        in answer.json["detail"]
    )


def test_an_unknown_path_is_a_404_in_json(penguins: FlaskClient) -> None:
    answer = penguins.get("/no/such/path")
    assert (answer.status_code, answer.content_type) == (404, "application/problem+json")


def test_a_wrong_http_method_is_a_405_in_json_that_says_what_is_allowed(
    penguins: FlaskClient,
) -> None:
    answer = penguins.get("/predict")
    assert (answer.status_code, answer.content_type) == (405, "application/problem+json")
    assert "POST" in answer.headers["Allow"]
