"""Answers in parts, as uWSGI sends them."""

from __future__ import annotations

import io
from typing import Any

import pytest

from api.http import streams
from api.http.bodies import EXCHANGE, Exchange

WHOLE = b"5\r\nabcde\r\n1\r\nf\r\n0\r\n\r\n"


@pytest.mark.parametrize(
    ("protocol", "sent", "coding"),
    [("HTTP/1.1", WHOLE, {"Transfer-Encoding": "chunked"}), ("HTTP/1.0", b"abcdef", {})],
)
def test_parts_are_framed_where_the_client_can_read_frames(
    protocol: str, sent: bytes, coding: dict[str, str]
) -> None:
    exchange = Exchange(io.BytesIO())
    environ: dict[str, Any] = {EXCHANGE: exchange, "SERVER_PROTOCOL": protocol}
    headers = {"Content-Length": "0"}
    began = exchange.started
    found = streams.framed(iter([b"abcde", b"", b"f"]), environ, headers)
    assert b"".join(found) == sent
    assert headers == coding
    assert exchange.streams
    # The time of TIMEOUT begins anew with each part.
    assert exchange.started > began
    assert exchange.answered == exchange.started
