"""Answers in parts: chunked transfer coding, RFC 9112, section 7.1."""

from __future__ import annotations

import time
from collections.abc import Iterator

from api.http.bodies import EXCHANGE, Exchange
from api.http.request import Environ


def framed(parts: Iterator[bytes], environ: Environ, headers: dict[str, str]) -> Iterator[bytes]:
    """The parts of a body, as they are sent on this connection; `headers` say how.

    A client sees that an answer is not whole if its last part is missing. HTTP/1.0 has no parts:
    the answer ends with the connection there. Other servers than uWSGI send parts by themselves.
    """
    # Flask gives the length of a body that it does not have.
    headers.pop("Content-Length", None)
    exchange: Exchange | None = environ.get(EXCHANGE)
    if exchange is None:
        return parts
    exchange.streams = True
    if environ.get("SERVER_PROTOCOL") != "HTTP/1.1":
        return _watched(parts, exchange)
    headers["Transfer-Encoding"] = "chunked"
    return _watched(_chunked(parts), exchange)


def _chunked(parts: Iterator[bytes]) -> Iterator[bytes]:
    for part in parts:
        if part:
            yield b"%x\r\n%b\r\n" % (len(part), part)
    yield b"0\r\n\r\n"


def _watched(parts: Iterator[bytes], exchange: Exchange) -> Iterator[bytes]:
    """The parts; the watcher sees each of them as a new beginning, and TIMEOUT is for each."""
    for part in parts:
        exchange.started = exchange.answered = time.perf_counter()
        yield part
