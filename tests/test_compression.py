"""Compressed bodies on every route, and answers compressed where it is asked for."""

from __future__ import annotations

import gzip
import json
import zlib

import pytest
from flask.testing import FlaskClient
from sklearn.linear_model import LinearRegression

from api import compression
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
    plain = b" " * 90_000_000
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
    body, headers = compression.compress(b"x" * 2_000, accept)
    assert headers.get("Content-Encoding") == encoding
    unpack = {"gzip": gzip.decompress, "deflate": zlib.decompress, None: bytes}[encoding]
    assert unpack(body) == b"x" * 2_000


def test_a_short_answer_is_left_as_it_is() -> None:
    assert compression.compress(b"short", "gzip") == (b"short", {})
