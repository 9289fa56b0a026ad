"""The body of a request, from the connection to plain bytes: its length, its time, its coding."""

from __future__ import annotations

import contextlib
import math
import os
import time
from collections.abc import Callable, Iterator
from typing import Any

from api.errors import LengthRequired, TooSlow
from api.http import big_body
from api.http.compression import check, decompress
from api.http.request import Environ, Request
from api.server import process
from models.errors import MalformedBody, TooLarge

# Most digits of a Content-Length: int() raises on thousands of them.
MAX_DIGITS = 18
# A body of more bytes waits until no other large body is at work in this process.
BIG_BODY_BYTES = 64 * 1024
# A big body is read in 4 chunks: uWSGI holds the last chunk until the request ends, so fewer would
# hold more memory, and each chunk acquires the GIL once more.
BIG_BODY_CHUNKS = 4
# A body that goes to a file is read in pieces of this size.
PIECE_BYTES = 1024 * 1024
# White space around the value of a header, also of a folded one: RFC 9112, section 5.
BLANKS = " \t\r\n"

# The WSGI environment has the Exchange under this key, under uWSGI.
EXCHANGE = "api.exchange"
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


class Exchange:
    """What uWSGI's connection does for one request; times are by time.perf_counter.

    `started` leaves out the time of the body, which `input` reads from `reading` on, until all has
    come (`is_read`) or its sender is too `late`. `merged` says whether the request has waited for a
    call that others share, and `answered` is when its answer, or the last part of it, was ready to
    be sent. `streams` says that the answer is sent in parts.
    """

    __slots__ = ("answered", "input", "is_read", "late", "merged", "reading", "started", "streams")

    def __init__(self, body: Any) -> None:
        self.started = time.perf_counter()
        self.input = body
        self.reading: float | None = None
        self.answered: float | None = None
        self.is_read = False
        self.late = False
        self.merged = False
        self.streams = False


def read_body(
    request: Request,
    max_bytes: int,
    timeout: float,
    watch: Callable[[bytes], None] | None = None,
) -> bytes:
    """Read the whole body of a request, and decompress it.

    A big one waits until no other is at work.

    `watch` is what `compression.decompress` shows its pieces.

    Raises LengthRequired if its length is not known, TooLarge, MalformedBody if it ends too early,
    TooSlow if it has not come within BODY_TIMEOUT, Busy if others are at work for `timeout`
    seconds, and what `compression.decompress` raises.
    """
    environ = request.environ
    encoding = environ.get("HTTP_CONTENT_ENCODING")
    if encoding:
        encoding = encoding.strip().lower()
        check(encoding)
    read = _read_chunks if "HTTP_TRANSFER_ENCODING" in environ else _read
    exchange: Exchange | None = environ.get(EXCHANGE)
    if exchange is None:
        # Another server than uWSGI looks after its connections itself.
        body = read(environ, max_bytes)
    else:
        body = _read_in_time(read, environ, max_bytes, exchange)
    # The size of a compressed body is not known before it is decompressed.
    if len(body) > BIG_BODY_BYTES or encoding:
        big_body.acquire(request, timeout)
    if encoding:
        return decompress(body, encoding, max_bytes, watch)
    return body


def stream_body(request: Request, max_bytes: int, take: Callable[[bytes], object]) -> int:
    """Give the body of a request to `take`, piece by piece, and its length in bytes.

    BODY_TIMEOUT is for each piece: a large body may take long. Raises LengthRequired, TooLarge,
    MalformedBody or TooSlow as `read_body` does.
    """
    environ = request.environ
    exchange: Exchange | None = environ.get(EXCHANGE)
    pieces = _chunks if "HTTP_TRANSFER_ENCODING" in environ else _pieces
    length = 0
    try:
        for piece in pieces(environ, max_bytes):
            length += len(piece)
            if length > max_bytes:
                raise _too_large(max_bytes)
            take(piece)
            if exchange is not None:
                exchange.reading = time.perf_counter()
    except MalformedBody:
        if exchange is not None and exchange.late:
            raise TooSlow("The body took too long to come: send it faster.") from None
        raise
    finally:
        if exchange is not None:
            exchange.started = time.perf_counter()
            exchange.reading = None
    if exchange is not None:
        exchange.is_read = True
    return length


def _pieces(environ: Environ, max_bytes: int) -> Iterator[bytes]:
    """The pieces of a body that has a length."""
    left = length = _length(environ, max_bytes)
    _begin(environ)
    while left:
        try:
            piece = environ["wsgi.input"].read(min(left, PIECE_BYTES))
        except OSError:
            piece = b""
        if not piece:
            raise MalformedBody(f"The body ended before its {length} bytes had come.")
        left -= len(piece)
        yield piece


def _begin(environ: Environ) -> None:
    """Start the clock of BODY_TIMEOUT, and tell a client that waits for it to send its body."""
    if (exchange := environ.get(EXCHANGE)) is not None:
        exchange.reading = time.perf_counter()
    if "HTTP_EXPECT" in environ:
        _ask_for_it(environ)


def _read_in_time(
    read: Callable[[Environ, int], bytes], environ: Environ, max_bytes: int, exchange: Exchange
) -> bytes:
    """Read a body while the watcher looks at the time; TooSlow if the watcher ended it."""
    exchange.reading = time.perf_counter()
    try:
        body = read(environ, max_bytes)
    except MalformedBody:
        if exchange.late:
            detail = "The body took too long to come: send it faster, or send fewer rows."
            raise TooSlow(detail) from None
        raise
    finally:
        exchange.started = time.perf_counter()
        exchange.reading = None
    exchange.is_read = True
    return body


def is_number(length: str) -> bool:
    """Whether a Content-Length is a number that uWSGI reads rightly."""
    return length.isascii() and length.isdigit() and len(length) <= MAX_DIGITS


def _length(environ: Environ, max_bytes: int) -> int:
    """The Content-Length of a body; raises MalformedBody or TooLarge."""
    given = environ.get("CONTENT_LENGTH") or "0"
    if not is_number(given):
        # uWSGI keeps blanks at the end of a header.
        given = given.rstrip(BLANKS)
        if not is_number(given):
            raise MalformedBody("The Content-Length is not a number.")
    length = int(given)
    if length > max_bytes:
        raise _too_large(max_bytes)
    return length


def _read(environ: Environ, max_bytes: int) -> bytes:
    """A body that has a length."""
    length = _length(environ, max_bytes)
    if "HTTP_EXPECT" in environ:
        _ask_for_it(environ)
    read = environ["wsgi.input"].read
    try:
        body = read(length) if length <= BIG_BODY_BYTES else _join(read, length)
    except OSError:
        body = b""
    if len(body) < length:
        raise MalformedBody(f"The body ended before its {length} bytes had come.")
    return body


def _join(read: Callable[[int], bytes], length: int) -> bytes:
    size = math.ceil(length / BIG_BODY_CHUNKS)
    return b"".join([read(min(size, length - at)) for at in range(0, length, size)])


def _read_chunks(environ: Environ, max_bytes: int) -> bytes:
    """A body without a length, in chunks that each have theirs: RFC 9112, section 7.1."""
    body = bytearray()
    for chunk in _chunks(environ, max_bytes):
        body += chunk
        if len(body) > max_bytes:
            raise _too_large(max_bytes)
    return bytes(body)


def _chunks(environ: Environ, _: int) -> Iterator[bytes]:
    read = process.chunk_reader()
    if read is None or environ["HTTP_TRANSFER_ENCODING"].strip(BLANKS).lower() != "chunked":
        raise LengthRequired("Send the body with a Content-Length instead of in chunks.")
    if environ.get("CONTENT_LENGTH"):
        raise MalformedBody("The body has a Content-Length and comes in chunks, too.")
    _begin(environ)
    try:
        while chunk := read():
            yield chunk
    except OSError:
        raise MalformedBody(
            "The body ended before its last chunk had come, or has a chunk that cannot be read: "
            "send it with a Content-Length instead."
        ) from None


def _ask_for_it(environ: Environ) -> None:
    """Tell a client that waits with its body to send it: RFC 9110, section 10.1.1."""
    if (
        EXCHANGE in environ
        and "100-continue" in environ["HTTP_EXPECT"].lower()
        and environ.get("SERVER_PROTOCOL") != "HTTP/1.0"
    ):
        # uWSGI does not send this line itself.
        with contextlib.suppress(OSError):
            os.write(environ["wsgi.input"].fileno(), CONTINUE)


def _too_large(max_bytes: int) -> TooLarge:
    return TooLarge(f"The body is over the limit of {max_bytes} bytes.")
