"""gzip and deflate, RFC 9110 section 8.4.1, in bodies that come and answers that go."""

from __future__ import annotations

import gzip
import io
import zlib
from collections.abc import Callable

from api.errors import UnsupportedType
from models.errors import MalformedBody, TooLarge

READ = {"", "identity", "gzip", "x-gzip", "deflate"}
# Compressing a shorter answer takes longer than sending it.
MIN_BYTES = 1_000
LEVEL = 1
# A body is decompressed in chunks of this size: other threads run in between.
PIECE_BYTES = 1024 * 1024
# zlib's `wbits`: each names one format around the data.
GZIP, ZLIB, RAW = 31, 15, -15


def check(encoding: str) -> None:
    """Raise UnsupportedType if this Content-Encoding, in lower case, is not one that is read."""
    if encoding not in READ:
        raise UnsupportedType(
            "This Content-Encoding is not read: send gzip, deflate, or plain bytes.",
            Accept_Encoding="gzip, deflate",
        )


def decompress(
    body: bytes, encoding: str, max_bytes: int, watch: Callable[[bytes], None] | None = None
) -> bytes:
    """The body of a request with this Content-Encoding, which is one of `READ`.

    `watch` is shown each piece that comes out, and may raise.

    Raises MalformedBody if the body is not what that says, and TooLarge before
    more than `max_bytes` have come out.
    """
    if encoding in ("", "identity"):
        return body
    if encoding == "deflate":
        # Some clients leave out the zlib header; with it, both bytes are a multiple of 31.
        window = ZLIB if body[:1] == b"\x78" and int.from_bytes(body[:2]) % 31 == 0 else RAW
    else:
        window = GZIP
    stream = zlib.decompressobj(window)
    # BytesIO.getvalue() makes no copy.
    plain = io.BytesIO()
    try:
        while piece := stream.decompress(body, PIECE_BYTES):
            body = stream.unconsumed_tail
            if watch is not None:
                watch(piece)
            plain.write(piece)
            if plain.tell() > max_bytes:
                raise TooLarge(
                    f"The body is over the limit of {max_bytes} bytes when it is decompressed."
                )
    except zlib.error:
        raise MalformedBody(f"The body is not {encoding}, as its Content-Encoding says.") from None
    if not stream.eof or stream.unused_data:
        what = "goes on behind its end" if stream.eof else "ends too early"
        raise MalformedBody(f"The {encoding} of the body {what}.")
    return plain.getvalue()


def compress(body: bytes, accept: str, headers: dict[str, str]) -> bytes:
    """An answer compressed as its Accept-Encoding asks; its headers say so."""
    if len(body) < MIN_BYTES or "Content-Encoding" in headers:
        return body
    add_vary(headers, "Accept-Encoding")
    encoding = _preferred(accept) if accept else None
    if encoding is None:
        return body
    headers["Content-Encoding"] = encoding
    if "ETag" in headers:
        # A weak ETag: other bytes with one meaning, RFC 9110, section 8.8.1.
        headers["ETag"] = f"W/{headers['ETag'].removeprefix('W/')}"
    if encoding == "gzip":
        return gzip.compress(body, LEVEL, mtime=0)
    return zlib.compress(body, LEVEL)


def add_vary(headers: dict[str, str], name: str) -> None:
    """Add a request header to `Vary`: the answer depends on it."""
    before = headers.get("Vary") or ""
    if name not in before.split(", "):
        headers["Vary"] = f"{before}, {name}" if before else name


def _preferred(accept: str) -> str | None:
    """The coding that the client prefers, gzip or deflate; None if it accepts neither."""
    if ";" not in accept:
        # Most clients send no weights; importing werkzeug takes 6 MB and time at the start.
        names = {name.strip().lower() for name in accept.split(",")}
        return next((name for name in ("gzip", "deflate") if names & {name, "*"}), None)
    from werkzeug.http import parse_accept_header

    parsed = parse_accept_header(accept)
    best = max("gzip", "deflate", key=parsed.quality)
    return best if parsed.quality(best) else None
