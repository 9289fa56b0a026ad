"""gzip and deflate, RFC 9110 section 8.4.1, in bodies that come and answers that go."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable

from api.errors import MalformedBody, TooLarge, UnsupportedType

# What it costs to compress less than this is more than it saves.
MIN_BYTES = 1_000
LEVEL = 1
# A body is decompressed in pieces of so many bytes: Python's lock is free in between.
PIECE_BYTES = 1024 * 1024
# Sizes of zlib's window, which say what stands around the data.
GZIP, ZLIB, RAW = 31, 15, -15


def decompress(
    body: bytes, encoding: str, max_bytes: int, watch: Callable[[bytes], None] | None = None
) -> bytes:
    """The body of a request with this Content-Encoding, in lower case.

    `watch` is shown each piece that comes out, and may raise.

    Raises UnsupportedType, MalformedBody if the body is not what that says, and TooLarge before
    more than `max_bytes` have come out.
    """
    if encoding in ("", "identity"):
        return body
    if encoding in ("gzip", "x-gzip"):
        window = GZIP
    elif encoding == "deflate":
        # Some clients leave out the zlib header; with it, both bytes are a multiple of 31.
        window = ZLIB if body[:1] == b"\x78" and int.from_bytes(body[:2]) % 31 == 0 else RAW
    else:
        raise UnsupportedType(
            "This Content-Encoding is not read: send gzip, deflate, or plain bytes.",
            Accept_Encoding="gzip, deflate",
        )
    stream = zlib.decompressobj(window)
    plain = bytearray()
    try:
        while piece := stream.decompress(body, PIECE_BYTES):
            body = stream.unconsumed_tail
            if watch is not None:
                watch(piece)
            plain += piece
            if len(plain) > max_bytes:
                raise TooLarge(
                    f"The body is over the limit of {max_bytes} bytes when it is decompressed."
                )
    except zlib.error:
        raise MalformedBody(f"The body is not {encoding}, as its Content-Encoding says.") from None
    if not stream.eof or stream.unused_data:
        what = "goes on behind its end" if stream.eof else "ends too early"
        raise MalformedBody(f"The {encoding} of the body {what}.")
    return bytes(plain)


def compress(body: bytes, accept: str) -> tuple[bytes, dict[str, str]]:
    """An answer compressed as its Accept-Encoding asks, and the headers that say so."""
    if not accept or len(body) < MIN_BYTES:
        return body, {}
    encoding = _preferred(accept)
    if encoding is None:
        return body, {}
    packed = gzip.compress(body, LEVEL) if encoding == "gzip" else zlib.compress(body, LEVEL)
    return packed, {"Content-Encoding": encoding, "Vary": "Accept-Encoding"}


def _preferred(accept: str) -> str | None:
    """What the client likes best of gzip and deflate, or none if it takes neither."""
    if ";" not in accept and "gzip" in {name.strip() for name in accept.split(",")}:
        # As most clients have it, without what takes a good part of a start to import.
        return "gzip"
    from werkzeug.http import parse_accept_header

    parsed = parse_accept_header(accept)
    best = max("gzip", "deflate", key=parsed.quality)
    return best if parsed.quality(best) else None
