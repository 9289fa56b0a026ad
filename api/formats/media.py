"""The format of a body, by its Content-Type; in a form, by the type or the name of its file."""

from __future__ import annotations

import io
from pathlib import PurePosixPath
from typing import NamedTuple

from api.errors import MalformedBody, UnsupportedType

JSON, CSV, TSV = "application/json", "text/csv", "text/tab-separated-values"
NDJSON, NPY, PARQUET = "application/x-ndjson", "application/x-npy", "application/vnd.apache.parquet"
READ = (JSON, CSV, TSV, NDJSON, NPY, PARQUET)
FORM, URL_ENCODED = "multipart/form-data", "application/x-www-form-urlencoded"
BYTES = "application/octet-stream"
# Media types of bodies that are looked at to find their format.
GUESSED = (URL_ENCODED, "text/plain", BYTES)
# Other media types of these formats.
ALIASES = {
    "": JSON,
    "text/json": JSON,
    "application/csv": CSV,
    "application/x-csv": CSV,
    "text/x-csv": CSV,
    "text/comma-separated-values": CSV,
    "text/tsv": TSV,
    "application/ndjson": NDJSON,
    "application/jsonl": NDJSON,
    "application/x-jsonl": NDJSON,
    "application/jsonlines": NDJSON,  # SageMaker's
    "application/x-jsonlines": NDJSON,
    "application/x-parquet": PARQUET,  # SageMaker's
    "application/parquet": PARQUET,
}
SUFFIXES = {
    ".json": JSON,
    ".csv": CSV,
    ".tsv": TSV,
    ".ndjson": NDJSON,
    ".jsonl": NDJSON,
    ".npy": NPY,
    ".parquet": PARQUET,
}
# Media types that do not tell the format of a file: browsers and curl send them for files that they
# do not know, and Windows sends that of a spreadsheet for CSV.
VAGUE = {"", BYTES, "text/plain", "application/vnd.ms-excel"}
TEXTS = {JSON, CSV, TSV, NDJSON}
CHARSETS = {
    "ascii": "utf-8",
    "us-ascii": "utf-8",
    "utf-8": "utf-8",
    "utf8": "utf-8",
    "utf-16": "utf-16",
    "utf-16le": "utf-16-le",
    "utf-16be": "utf-16-be",
    "iso-8859-1": "latin-1",
    "latin-1": "latin-1",
    "latin1": "latin-1",
    "iso-8859-15": "iso8859-15",
    "windows-1252": "cp1252",
    "cp1252": "cp1252",
}
# First bytes that only one format has.
STARTS = {b"\x93NUMPY": NPY, b"PAR1": PARQUET}
# A form with more fields is refused.
MAX_PARTS = 20
# Above JSON that its Content-Type does not tell there may be so much white space.
MAX_BLANKS = 64 * 1024
# Rows that are longer come in a file.
MAX_FIELD_BYTES = 1024 * 1024
BLANK_LINE = b"\r\n\r\n"
CUT_FORM = (
    "The body is not a form that can be read: it was cut, or its boundary is not that of its "
    "Content-Type."
)


class Body(NamedTuple):
    """The bytes of a body, UTF-8 if text; its format, one of `READ`; whether CSV has a header."""

    data: bytes
    type: str
    header: bool = True


def identify(data: bytes, content_type: str) -> Body:
    """Find the format of a body.

    Raises UnsupportedType; MalformedBody if a form does not have exactly one file, or if text is
    not in the charset that its Content-Type says.
    """
    given, options = _parse(content_type)
    if given == FORM:
        return _identify_form(data, options)
    return _identify(data, given, options)


def check(content_type: str) -> None:
    """Raise UnsupportedType if no body of this Content-Type is read."""
    given, _ = _parse(content_type)
    if _known(given) not in {*READ, FORM, *GUESSED}:
        raise UnsupportedType(_not_read(given))


def is_json(content_type: str) -> bool:
    """Whether a body of this Content-Type is JSON in UTF-8."""
    return content_type in ("", JSON) or (
        _known(_parse(content_type)[0]) == JSON
        and CHARSETS.get(_parse(content_type)[1].get("charset", "utf-8").lower()) == "utf-8"
    )


def is_text(content_type: str) -> bool:
    """Whether a body of this Content-Type is a text, as far as the Content-Type tells."""
    return _known(_parse(content_type)[0]) in TEXTS


def _parse(content_type: str) -> tuple[str, dict[str, str]]:
    """A media type in lower case, and its parameters."""
    if ";" not in content_type:
        return content_type.strip().lower(), {}
    # Most clients send this; importing werkzeug would take a good part of a start.
    given, _, charset = content_type.lower().replace(" ", "").partition(";charset=")
    if charset == "utf-8":
        return given, {}
    from werkzeug.http import parse_options_header

    given, options = parse_options_header(content_type)
    return given.lower(), options


def _known(given: str) -> str:
    """The name in `READ` of a media type; the media type itself if it is not read."""
    return JSON if given.endswith("+json") else ALIASES.get(given, given)


def _identify(data: bytes, given: str, options: dict[str, str]) -> Body:
    found = _known(given)
    json = data[:MAX_BLANKS].lstrip()[:1] in (b"{", b"[")
    if found in (URL_ENCODED, "text/plain") and json:
        # curl -d sends the first type with any body, and fetch in a browser the second.
        found = JSON
    elif found == BYTES:
        found = next((STARTS[start] for start in STARTS if data.startswith(start)), found)
    if found not in READ:
        raise UnsupportedType(_not_read(given))
    if found in TEXTS:
        data = _decoded(data, options.get("charset", "utf-8"))
    return Body(data, found, header=options.get("header") != "absent")


def _not_read(given: str) -> str:
    hint = ""
    if given == URL_ENCODED:
        hint = " (curl -d says so unless told otherwise: add -H 'content-type: text/csv' for CSV)"
    elif given in VAGUE:
        hint = ", since it may be anything"
    read = f"send {', '.join(READ)}, or one of these as the file of a form"
    return f"The Content-Type {given} is not read{hint}: {read}."


def _decoded(data: bytes, charset: str) -> bytes:
    """The bytes of a text, in UTF-8 instead of its charset."""
    known = CHARSETS.get(charset.strip().lower())
    if known is None:
        raise UnsupportedType(f"The charset {charset[:40]} is not read: send utf-8.")
    if known == "utf-8":
        return data
    try:
        return data.decode(known).encode()
    except UnicodeError:
        raise MalformedBody(f"The body is not {charset}, as its Content-Type says.") from None


def _identify_form(data: bytes, options: dict[str, str]) -> Body:
    """Find the format of the one file of a form, RFC 7578."""
    from werkzeug.exceptions import RequestEntityTooLarge
    from werkzeug.formparser import MultiPartParser

    boundary = options.get("boundary", "").encode("latin-1")
    # A text above the first part is parsed very slowly, and no client sends one.
    if not data.startswith((b"--" + boundary, b"\r\n--" + boundary)):
        raise MalformedBody(CUT_FORM)
    # The parser is slow, and copies: it is not given what is in the first part up to its end, or to
    # what looks like it, unless its lines do not end as they should.
    begin = data.find(BLANK_LINE) + len(BLANK_LINE)
    end = max(begin, data.find(b"\r\n--" + boundary, begin))
    if any(data.find(other, 0, begin) >= 0 for other in (b"\n\n", b"\r\r")):
        begin = end
    content, data = data[begin:end], data[:begin] + data[end:]
    parser = MultiPartParser(
        stream_factory=lambda *_, **__: io.BytesIO(),
        max_form_memory_size=MAX_FIELD_BYTES,
        max_form_parts=MAX_PARTS,
    )
    try:
        fields, files = parser.parse(io.BytesIO(data), boundary, len(data))
    except ValueError:
        raise MalformedBody(CUT_FORM) from None
    except RequestEntityTooLarge:
        raise MalformedBody(
            f"The body is not a form that can be read: it has over {MAX_PARTS} fields, or "
            f"one that is no file has over {MAX_FIELD_BYTES} bytes."
        ) from None
    given = list(files.items(multi=True))
    others = list(fields.items(multi=True))
    if not given and len(others) == 1:
        # What `curl -F rows='{"a": 1}'` sends.
        return _identify(content + others[0][1].encode(), "text/plain", {})
    if len(given) != 1 or others:
        raise MalformedBody(
            "Expected a form with one file and nothing else: "
            f"it has {len(given)} files, and {len(others)} other fields."
        )
    file = given[0][1]
    type_, own = _parse(file.content_type or "")
    if type_ in VAGUE:
        suffix = PurePosixPath((file.filename or "").lower()).suffix
        type_ = SUFFIXES.get(suffix, type_ or BYTES)
    return _identify(content + file.stream.read(), type_, own)
