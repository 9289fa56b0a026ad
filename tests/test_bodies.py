"""What is read of a body, told of it, and waited for: beside a real server, see test_connections."""

from __future__ import annotations

import os
import sys
import types
from collections.abc import Iterator
from typing import Any

import pytest

from api.errors import Problem, TooSlow
from api.http.bodies import CONTINUE, EXCHANGE, PIECE_BYTES, Exchange, read_body, stream_body
from api.http.request import Request
from models.errors import MalformedBody, TooLarge

LIMIT = 100


class Input:
    """wsgi.input with this body, and the writing end of the connection."""

    def __init__(self, body: bytes, descriptor: int) -> None:
        self._body = body
        self._descriptor = descriptor

    def read(self, size: int) -> bytes:
        return self._body[:size]

    def fileno(self) -> int:
        return self._descriptor


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    ours, theirs = os.pipe()
    os.set_blocking(ours, False)
    yield ours, theirs
    os.close(ours)
    os.close(theirs)


def environ(body: bytes, descriptor: int, **variables: Any) -> dict[str, Any]:
    read = Input(body, descriptor)
    return {
        "wsgi.input": read,
        EXCHANGE: Exchange(read),
        "CONTENT_LENGTH": str(len(body)),
        "SERVER_PROTOCOL": "HTTP/1.1",
        **variables,
    }


def written(pipe: tuple[int, int]) -> bytes:
    try:
        return os.read(pipe[0], 1000)
    except BlockingIOError:
        return b""


@pytest.mark.parametrize(
    ("variables", "told"),
    [
        ({"HTTP_EXPECT": "100-continue"}, CONTINUE),
        ({"HTTP_EXPECT": "100-Continue "}, CONTINUE),
        ({"HTTP_EXPECT": "100-continue, 100-continue"}, CONTINUE),
        ({"HTTP_EXPECT": "100-continue", "SERVER_PROTOCOL": "HTTP/1.0"}, b""),
        ({"HTTP_EXPECT": "something"}, b""),
        ({}, b""),
    ],
)
def test_a_client_that_waits_with_its_body_is_told_to_send_it(
    pipe: tuple[int, int], variables: dict[str, str], told: bytes
) -> None:
    assert read_body(Request(environ(b"body", pipe[1], **variables)), LIMIT, 1) == b"body"
    assert written(pipe) == told


def test_a_client_that_is_gone_is_not_told(pipe: tuple[int, int]) -> None:
    assert read_body(Request(environ(b"body", -1, HTTP_EXPECT="100-continue")), LIMIT, 1) == b"body"


def test_chunks_are_asked_for_too(pipe: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    chunks = iter([b"bo", b"dy", b""])
    uwsgi = types.SimpleNamespace(chunked_read=lambda: next(chunks))
    monkeypatch.setitem(sys.modules, "uwsgi", uwsgi)
    given = environ(
        b"", pipe[1], CONTENT_LENGTH="", HTTP_TRANSFER_ENCODING="chunked",
        HTTP_EXPECT="100-continue",
    )  # fmt: skip
    assert read_body(Request(given), LIMIT, 1) == b"body"
    assert written(pipe) == CONTINUE
    assert given[EXCHANGE].is_read


def test_a_body_that_is_refused_is_not_asked_for(pipe: tuple[int, int]) -> None:
    given = environ(b"body", pipe[1], HTTP_EXPECT="100-continue", CONTENT_LENGTH="101")
    with pytest.raises(TooLarge):
        read_body(Request(given), LIMIT, 1)
    assert written(pipe) == b""


@pytest.mark.parametrize(("late", "error"), [(True, TooSlow), (False, MalformedBody)])
def test_a_body_that_ends_early_may_have_been_late(
    pipe: tuple[int, int], *, late: bool, error: type[Problem]
) -> None:
    given = environ(b"bo", pipe[1], CONTENT_LENGTH="4")
    given[EXCHANGE].late = late
    with pytest.raises(error):
        read_body(Request(given), LIMIT, 1)
    assert given[EXCHANGE].reading is None
    assert not given[EXCHANGE].is_read


def test_the_time_that_a_body_took_is_not_the_time_of_its_answer(pipe: tuple[int, int]) -> None:
    given = environ(b"body", pipe[1])
    given[EXCHANGE].started = 0.0
    read_body(Request(given), LIMIT, 1)
    assert given[EXCHANGE].started > 0


@pytest.mark.parametrize(
    ("length", "body"),
    [("2", b"{}"), ("2 ", b"{}"), ("2\t", b"{}"), ("002", b"{}"), ("", b""), ("0", b"")],
)
def test_blanks_after_a_length_are_no_part_of_it(length: str, body: bytes) -> None:
    assert (
        read_body(Request({"CONTENT_LENGTH": length, "wsgi.input": Input(body, -1)}), LIMIT, 1)
        == body
    )


@pytest.mark.parametrize("length", ["\xb2", "+2", "2, 2", "0x2", "2_0", "-1", " ", "9" * 5_000])
def test_a_length_that_is_no_number_is_refused(length: str) -> None:
    with pytest.raises(MalformedBody, match="Content-Length is not a number"):
        read_body(Request({"CONTENT_LENGTH": length, "wsgi.input": Input(b"{}", -1)}), LIMIT, 1)


class Sender:
    """wsgi.input of a client that sends these pieces, and then none, or an error."""

    def __init__(self, *pieces: bytes | Exception) -> None:
        self._pieces = list(pieces)

    def read(self, size: int) -> bytes:
        piece = self._pieces.pop(0) if self._pieces else b""
        if isinstance(piece, Exception):
            raise piece
        assert len(piece) <= size
        return piece


def streamed(
    sender: Sender, length: int, *, late: bool = False, **environ: str
) -> tuple[Exchange, list[bytes]]:
    exchange = Exchange(sender)
    exchange.late = late
    taken: list[bytes] = []
    given = {"CONTENT_LENGTH": str(length), "wsgi.input": sender, EXCHANGE: exchange, **environ}
    assert stream_body(Request(given), LIMIT, taken.append) == sum(map(len, taken))
    return exchange, taken


def test_a_body_is_streamed_piece_by_piece() -> None:
    exchange, taken = streamed(Sender(b"abc", b"de"), 5)
    assert taken == [b"abc", b"de"]
    assert (exchange.is_read, exchange.reading) == (True, None)
    assert PIECE_BYTES >= LIMIT


@pytest.mark.parametrize("end", [b"", OSError("reset")])
def test_a_streamed_body_that_ends_too_early_is_told(end: bytes | Exception) -> None:
    with pytest.raises(MalformedBody, match="ended before its 5 bytes had come"):
        streamed(Sender(b"abc", end), 5)
    with pytest.raises(TooSlow, match="took too long to come: send it faster"):
        streamed(Sender(b"abc", end), 5, late=True)


def test_a_streamed_body_in_chunks_is_bounded_too(monkeypatch: pytest.MonkeyPatch) -> None:
    chunks = iter([b"a" * LIMIT, b"b"])
    monkeypatch.setitem(
        sys.modules, "uwsgi", types.SimpleNamespace(chunked_read=lambda: next(chunks))
    )
    with pytest.raises(TooLarge):
        streamed(Sender(), 0, CONTENT_LENGTH="", HTTP_TRANSFER_ENCODING="chunked")
