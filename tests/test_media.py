"""A body is what its Content-Type says, or the type or the name of its file."""

from __future__ import annotations

import contextlib
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from flask.testing import FlaskClient
from sklearn.linear_model import LinearRegression

from api.errors import UnsupportedType
from api.formats import csv, media
from api.formats.readers import READERS, by_media_type
from api.formats.writers import WRITERS
from tests.conftest import Serve
from tests.test_rejections import CSV, GOOD, HEADER, JSON, LINE, NDJSON, NPY, npy

TABLE = f"{HEADER}\n{LINE}\n"
ROW = json.dumps(GOOD)
TYPES = [
    (JSON, ROW),
    ("", ROW),
    (f"{JSON}; charset=UTF-8", ROW),
    (f'{JSON};charset="utf-8"', ROW),
    (f"{JSON}; charset=utf-16", ROW.encode("utf-16")),
    ("APPLICATION/JSON", ROW),
    ("application/vnd.api+json", ROW),
    ("application/problem+json; profile=x", ROW),
    ("text/json", ROW),
    ("text/plain;charset=UTF-8", ROW),
    ("application/x-www-form-urlencoded", ROW),
    (CSV, TABLE),
    ("application/csv", TABLE),
    (f"{CSV}; charset=windows-1252", TABLE),
    ("text/tab-separated-values", TABLE.replace(",", "\t")),
    (NDJSON, ROW),
    ("application/jsonl", ROW),
    ("application/jsonlines", ROW),
]


@pytest.mark.parametrize("path", ["/predict", "/invocations", "/explain"])
@pytest.mark.parametrize(("content_type", "body"), TYPES, ids=[type_ for type_, _ in TYPES])
def test_a_body_is_what_its_type_says(
    penguins: FlaskClient, content_type: str, body: str | bytes, path: str
) -> None:
    answer = penguins.post(path, data=body, content_type=content_type)
    assert answer.status_code == 200
    assert answer.json == penguins.post(path, json=[GOOD]).json


def test_bytes_are_what_they_begin_with(serve: Serve) -> None:
    client = serve(LinearRegression().fit([[1.0, 2.0], [3.0, 5.0]], [1.0, 2.0]))
    body = npy(np.array([[1.5, 2.5]]))
    answer = client.post("/predict", data=body, content_type="application/octet-stream")
    assert answer.json == client.post("/predict", data=body, content_type=NPY).json
    parquet = client.post("/predict", data=b"PAR1", content_type="application/octet-stream")
    assert "Parquet" in parquet.json["detail"]


FILES = [
    ("rows.csv", None, TABLE),
    ("ROWS.CSV", "application/octet-stream", TABLE),
    ("rows.csv", "application/vnd.ms-excel", TABLE.replace(",", ";")),
    ("rows.csv", "text/csv; charset=latin-1", TABLE),
    ("rows", "text/csv", TABLE),
    ("rows.tsv", "", TABLE.replace(",", "\t")),
    ("rows.json", None, json.dumps({"data": [GOOD]})),
    ("rows.txt", "text/plain", ROW),
    ("rows.ndjson", "application/octet-stream", ROW),
    ("rows.jsonl", None, ROW),
]


def form(name: str, type_: str | None, body: str | bytes, **fields: str) -> Any:
    data = body if isinstance(body, bytes) else body.encode()
    file = (io.BytesIO(data), name, *([] if type_ is None else [type_]))
    return {"data": {"file": file, **fields}, "content_type": "multipart/form-data"}


@pytest.mark.parametrize("path", ["/predict", "/invocations"])
@pytest.mark.parametrize(("name", "type_", "body"), FILES)
def test_a_file_is_what_its_type_or_its_name_says(
    penguins: FlaskClient, name: str, type_: str | None, body: str, path: str
) -> None:
    answer = penguins.post(path, **form(name, type_, body))
    assert (answer.status_code, answer.json) == (200, {"predictions": ["Gentoo"]})


def test_a_form_may_have_an_npy_file(serve: Serve) -> None:
    client = serve(LinearRegression().fit([[1.0, 2.0], [3.0, 5.0]], [1.0, 2.0]))
    answer = client.post("/predict", **form("rows.npy", None, npy(np.array([[1.5, 2.5]]))))
    assert answer.json == client.post("/predict", json=[[1.5, 2.5]]).json


def test_the_file_that_the_example_was_trained_on_is_predicted_whole(penguins: FlaskClient) -> None:
    table = Path("models/penguins.csv").read_bytes()
    assert b",NA," in table
    answer = penguins.post("/predict?extra=ignore", **form("penguins.csv", None, table))
    assert len(answer.json["predictions"]) == table.count(b"\n") - 1
    assert answer.headers["X-Ignored-Columns"] == "species, year"


def test_a_form_may_have_json_in_its_only_field(penguins: FlaskClient) -> None:
    answer = penguins.post("/predict", data={"rows": ROW}, content_type="multipart/form-data")
    assert answer.json == {"predictions": ["Gentoo"]}


FORMS: list[tuple[str, Any, int, str]] = [
    ("two files", {"a": (io.BytesIO(b"1"), "a.csv"), "b": (io.BytesIO(b"1"), "b.csv")}, 400, "it has 2 files, and 0 other fields"),
    ("a field beside a file", {"a": (io.BytesIO(b"1"), "a.csv"), "b": "1"}, 400, "it has 1 files, and 1 other fields"),
    ("nothing", {}, 400, "it has 0 files"),
    ("many fields", {f"a{i}": "1" for i in range(30)}, 400, "it has over 20 fields"),
    ("a field that is no JSON", {"a": "1"}, 415, "text/plain is not read, since it may be anything"),
    ("a picture", {"a": (io.BytesIO(b"1"), "a.png")}, 415, "image/png is not read"),
    ("a file of no kind", {"a": (io.BytesIO(b"1"), "a", "application/octet-stream")}, 415, "may be anything"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("data", "status", "sentence"), [f[1:] for f in FORMS], ids=[f[0] for f in FORMS]
)
def test_a_form_without_one_file_is_told_why(
    penguins: FlaskClient, data: Any, status: int, sentence: str
) -> None:
    answer = penguins.post("/predict", data=data, content_type="multipart/form-data; boundary=x")
    assert answer.status_code == status
    assert sentence in answer.json["detail"]


HEAD = b'--x\r\nContent-Disposition: form-data; name="f"; filename="a.csv"\r\n\r\n'
END = b"\r\n--x--\r\n"


@pytest.mark.parametrize(
    ("head", "content", "end"),
    [
        (HEAD, b"a\n1", END),
        (b"\r\n" + HEAD, b"a\r\n1\r\n", END),
        (HEAD, b"", END),
        (HEAD, b"a\r\n--xx\r\n1", END),
        (HEAD, b"a\r\n\r\n1", END),
        (HEAD.replace(b"\r", b""), b"a\n1", END.replace(b"\r", b"")),
        (HEAD.replace(b"\r", b""), b"a\r\n\r\n1", END),
    ],
    ids=[
        "plain",
        "a line end above",
        "nothing",
        "what looks like its end",
        "a blank line",
        "LF",
        "LF above, a blank line",
    ],
)
def test_the_file_of_a_form_is_taken_whole(head: bytes, content: bytes, end: bytes) -> None:
    found = media.identify(head + content + end, "multipart/form-data; boundary=x")
    assert (found.format.media_type, found.data) == (CSV, content)


def test_a_form_that_is_cut_is_refused(penguins: FlaskClient) -> None:
    body = b'--x\r\nContent-Disposition: form-data; name="f"; filename="r.csv"\r\n\r\na,b'
    answer = penguins.post("/predict", data=body, content_type="multipart/form-data; boundary=x")
    assert "it was cut, or its boundary is not that of its Content-Type" in answer.json["detail"]


def test_fields_of_npy_that_are_no_features_are_passed_over(serve: Serve) -> None:
    client = serve(LinearRegression().fit([[1.0, 2.0], [3.0, 5.0]], [1.0, 2.0]))
    array = np.array([(1.5, 2.5, 9)], dtype=[("x0", "f8"), ("x1", "f8"), ("id", "i8")])
    answer = client.post("/predict?extra=ignore", data=npy(array), content_type=NPY)
    assert answer.json == client.post("/predict", json=[[1.5, 2.5]]).json
    assert answer.headers["X-Ignored-Columns"] == "id"
    refused = client.post("/predict", data=npy(array), content_type=NPY)
    assert (refused.status_code, "?extra=ignore" in refused.text) == (422, True)


@pytest.mark.parametrize(
    "content_type", ["", JSON, f"{JSON}; charset=utf-8", "text/json", "a/b+json"]
)
def test_protocols_of_json_take_each_name_of_it(penguins: FlaskClient, content_type: str) -> None:
    answer = penguins.post(
        "/v1/models/model:predict",
        data=json.dumps({"instances": [GOOD]}),
        content_type=content_type,
    )
    assert answer.json == {"predictions": ["Gentoo"]}
    assert media.is_json(content_type)


def test_json_of_another_charset_is_not_taken_by_protocols_that_are_utf_8() -> None:
    assert not media.is_json(f"{JSON}; charset=utf-16")
    assert not media.is_json(CSV)


@pytest.mark.parametrize(
    ("content_type", "refused"),
    [("", False), ("application/json; charset=utf-8", False), ("text/plain", False),
     ("application/vnd.api+json", False), ("multipart/form-data; boundary=x", False),
     ("application/octet-stream", False), ("application/x-www-form-urlencoded", False),
     ("application/pdf", True), ("text/html; charset=utf-8", True)],
)  # fmt: skip
def test_what_no_body_can_be_is_known_before_it_comes(content_type: str, *, refused: bool) -> None:
    with pytest.raises(UnsupportedType) if refused else contextlib.nullcontext():
        media.check(content_type)


def test_the_docs_name_every_format_that_is_read_or_written() -> None:
    text = Path("docs/api.md").read_text(encoding="utf-8")
    assert [name for name in (*READERS, *WRITERS) if f"`{name}`" not in text] == []


def test_two_formats_of_one_media_type_are_refused() -> None:
    own = csv.FORMAT._replace(about="another")
    with pytest.raises(ValueError, match="two formats have the media type 'text/csv'"):
        by_media_type([csv.FORMAT, own])
