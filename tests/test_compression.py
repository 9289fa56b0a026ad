"""Compressed bodies on every route, and answers compressed where it is asked for."""

from __future__ import annotations

import gzip
import json
import zlib
from typing import Any

import pytest
from flask.testing import FlaskClient
from sklearn.linear_model import LinearRegression

from api.http import compression
from tests.conftest import Serve
from tests.test_rejections import GOOD

BODY = json.dumps(GOOD).encode()


def raw(body: bytes) -> bytes:
    """Compress by deflate without the zlib header, as some clients send it."""
    return zlib.compress(body, wbits=-15)


@pytest.mark.parametrize(
    ("encoding", "body"),
    [
        ("gzip", gzip.compress(BODY)),
        ("x-gzip", gzip.compress(BODY)),
        ("GZIP", gzip.compress(BODY)),
        ("deflate", zlib.compress(BODY)),
        ("deflate", raw(BODY)),
        ("identity", BODY),
    ],
    ids=["gzip", "x-gzip", "capitals", "deflate", "deflate without header", "identity"],
)
@pytest.mark.parametrize("path", ["/predict", "/predict_proba"])
def test_a_compressed_body_is_read_as_the_plain_one(
    penguins: FlaskClient, path: str, encoding: str, body: bytes
) -> None:
    answer = penguins.post(path, data=body, headers={"Content-Encoding": encoding})
    assert (answer.status_code, answer.json) == (200, penguins.post(path, json=GOOD).json)


@pytest.mark.parametrize(
    ("encoding", "body", "status", "sentence"),
    [
        ("gzip", BODY, 400, "The body is not gzip, as its Content-Encoding says."),
        ("deflate", BODY, 400, "The body is not deflate, as its Content-Encoding says."),
        ("gzip", b"", 400, "The gzip of the body ends too early."),
        ("gzip", gzip.compress(BODY)[:-9], 400, "The gzip of the body ends too early."),
        ("deflate", zlib.compress(BODY)[:-1], 400, "The deflate of the body ends too early."),
        ("gzip", gzip.compress(BODY) * 2, 400, "The gzip of the body goes on behind its end."),
        ("br", BODY, 415, "This Content-Encoding is not read: send gzip, deflate, or plain bytes."),
        ("gzip, gzip", BODY, 415, "This Content-Encoding is not read"),
    ],
    ids=["no gzip", "no deflate", "empty", "short", "short deflate", "two", "brotli", "twice"],
)
def test_a_body_that_is_not_compressed_as_it_says_is_refused(
    penguins: FlaskClient, encoding: str, body: bytes, status: int, sentence: str
) -> None:
    answer = penguins.post("/predict", data=body, headers={"Content-Encoding": encoding})
    assert answer.status_code == status
    assert answer.json["detail"].startswith(sentence)
    assert (answer.headers.get("Accept-Encoding") == "gzip, deflate") == (status == 415)


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
def test_a_bomb_is_refused_before_it_goes_off(serve: Serve, encoding: str) -> None:
    client = serve(LinearRegression().fit([[1.0], [2.0]], [1, 2]), max_body_bytes=100_000)
    plain = b"[" + (b"[1." + b"0" * 20_000 + b"],") * 4_500
    bomb = gzip.compress(plain) if encoding == "gzip" else zlib.compress(plain)
    assert len(bomb) < 100_000
    answer = client.post("/predict", data=bomb, headers={"Content-Encoding": encoding})
    assert (answer.status_code, answer.json["detail"]) == (
        413,
        "The body is over the limit of 100000 bytes when it is decompressed.",
    )


@pytest.mark.parametrize(
    ("accept", "encoding"),
    [
        ("", None),
        ("gzip", "gzip"),
        ("deflate", "deflate"),
        ("gzip, deflate, br", "gzip"),
        ("gzip;q=0.5, deflate", "deflate"),
        ("gzip;q=0", None),
        ("br", None),
        ("*", "gzip"),
    ],
)
def test_an_answer_is_compressed_as_the_client_likes_it_best(
    accept: str, encoding: str | None
) -> None:
    headers = {"Vary": "Accept"}
    body = compression.compress(b"x" * 2_000, accept, headers)
    assert headers.get("Content-Encoding") == encoding
    assert headers["Vary"] == "Accept, Accept-Encoding"
    unpack = {"gzip": gzip.decompress, "deflate": zlib.decompress, None: bytes}[encoding]
    assert unpack(body) == b"x" * 2_000


@pytest.mark.parametrize(
    ("body", "headers"), [(b"short", {}), (b"x" * 2_000, {"Content-Encoding": "br"})]
)
def test_an_answer_that_is_short_or_compressed_is_left_as_it_is(
    body: bytes, headers: dict[str, str]
) -> None:
    before = dict(headers)
    assert compression.compress(body, "gzip", headers) == body
    assert headers == before


ROWS = [GOOD] * 200
LINES = "island,bill_length_mm,bill_depth_mm,flipper_length_mm,body_mass_g,sex\n" + (
    "Biscoe,46.1,13.2,211,4500,female\n" * 200
)
INFER = {
    "inputs": [
        {
            "name": name,
            "shape": [200],
            "datatype": "BYTES" if isinstance(value, str) else "FP64",
            "data": [value] * 200,
        }
        for name, value in GOOD.items()
    ]
}


@pytest.mark.parametrize(
    ("method", "path", "arguments", "status"),
    [
        ("POST", "/predict", {"json": ROWS}, 200),
        ("POST", "/predict_proba", {"json": ROWS}, 200),
        ("POST", "/predict_proba", {"json": ROWS, "headers": {"Accept": "text/csv"}}, 200),
        ("POST", "/predict_proba", {"json": ROWS, "headers": {"Accept": "application/x-npy"}}, 200),
        ("POST", "/predict", {"data": LINES, "content_type": "text/csv"}, 200),
        ("POST", "/invocations", {"json": {"instances": ROWS}}, 200),
        ("POST", "/v1/models/model:predict", {"json": {"instances": ROWS}}, 200),
        ("POST", "/v2/models/model/infer", {"json": INFER}, 200),
        ("POST", "/explain", {"json": ROWS}, 200),
        ("POST", "/predict", {"json": [{}] * 100}, 422),
        ("GET", "/metadata", {}, 200),
        ("HEAD", "/metadata", {}, 200),
        ("GET", "/openapi.json", {}, 200),
        ("GET", "/metrics", {}, 200),
        ("GET", "/", {"headers": {"Accept": "text/html"}}, 200),
    ],
)  # fmt: skip
def test_every_long_answer_is_compressed_where_that_is_asked_for(
    penguins: FlaskClient, method: str, path: str, arguments: dict[str, Any], status: int
) -> None:
    plain = penguins.open(path, method=method, **arguments)
    asked = {**arguments.get("headers", {}), "Accept-Encoding": "gzip"}
    packed = penguins.open(path, method=method, **{**arguments, "headers": asked})
    assert (plain.status_code, packed.status_code) == (status, status)
    assert packed.headers["Content-Encoding"] == "gzip"
    assert "Content-Encoding" not in plain.headers
    assert "accept-encoding" in plain.vary.as_set()
    assert packed.vary.as_set() == plain.vary.as_set()
    if method != "HEAD":
        assert packed.headers["Content-Length"] == str(len(packed.data))
        assert len(packed.data) < len(plain.data)
        assert packed.content_type == plain.content_type
    if path in ("/predict", "/openapi.json") and status == 200:
        assert gzip.decompress(packed.data) == plain.data


def test_the_page_that_was_sent_compressed_is_not_sent_again(penguins: FlaskClient) -> None:
    headers = {"Accept": "text/html", "Accept-Encoding": "gzip"}
    first = penguins.get("/", headers=headers)
    assert first.headers["ETag"].startswith("W/")
    again = penguins.get("/", headers={**headers, "If-None-Match": first.headers["ETag"]})
    assert (again.status_code, again.data) == (304, b"")
    assert again.headers["ETag"] == first.headers["ETag"]
    assert again.vary.as_set() == first.vary.as_set()
    assert "Content-Type" not in again.headers


@pytest.mark.parametrize("path", ["/health", "/version"])
def test_a_short_answer_does_not_depend_on_accept_encoding(
    penguins: FlaskClient, path: str
) -> None:
    answer = penguins.get(path, headers={"Accept-Encoding": "gzip"})
    assert not {"Content-Encoding", "Vary"} & set(answer.headers.keys())
