"""The format of a body: by its Content-Type, or in a form by the type or the name of its file."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import NamedTuple

from api.errors import UnsupportedType
from api.formats import form
from api.formats.format import Format
from api.formats.readers import MEDIA_TYPES, READERS
from models.errors import MalformedBody

FORM, URL_ENCODED = "multipart/form-data", "application/x-www-form-urlencoded"
BYTES = "application/octet-stream"
# Media types of bodies that are looked at to find their format.
GUESSED = (URL_ENCODED, "text/plain", BYTES)
# Media types that do not tell the format of a file: browsers and curl send them for files that they
# do not know, and Windows sends the last one for CSV.
VAGUE = {"", BYTES, "text/plain", "application/vnd.ms-excel"}
SUFFIXES = {suffix: each.media_type for each in READERS.values() for suffix in each.suffixes}
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
# The most white space above JSON whose Content-Type does not say that it is JSON.
MAX_BLANK_BYTES = 64 * 1024
JSON = MEDIA_TYPES["application/json"]


class Body(NamedTuple):
    """The bytes of a body, UTF-8 if text; its format; whether a header row is promised."""

    data: bytes
    format: Format
    header: bool = True


def identify(data: bytes, content_type: str) -> Body:
    """Find the format of a body.

    Raises UnsupportedType; MalformedBody if a form does not have exactly one file, or if text is
    not in the charset that its Content-Type says.
    """
    given, options = parsed(content_type)
    if given != FORM:
        return _identify(data, given, options)
    file = form.read(data, options.get("boundary", ""))
    given, options = parsed(file.content_type)
    if given in VAGUE:
        suffix = PurePosixPath(file.name.lower()).suffix
        given = SUFFIXES.get(suffix, given or BYTES)
    return _identify(file.data, given, options)


def check(content_type: str) -> None:
    """Raise UnsupportedType if no body of this Content-Type is read."""
    given, _ = parsed(content_type)
    if given not in (FORM, *GUESSED) and _format(given) is None:
        raise _unsupported(given)


def is_json(content_type: str) -> bool:
    """Whether a body of this Content-Type is JSON in UTF-8."""
    if content_type in ("", JSON.media_type):
        return True
    given, options = parsed(content_type)
    charset = CHARSETS.get(options.get("charset", "utf-8").lower())
    return _format(given) is JSON and charset == "utf-8"


def format_of(content_type: str) -> Format | None:
    """The format that a Content-Type names, if it names one."""
    return _format(parsed(content_type)[0])


def parsed(content_type: str) -> tuple[str, dict[str, str]]:
    """A media type in lower case, and its parameters."""
    if ";" not in content_type:
        return content_type.strip().lower(), {}
    # The common case without werkzeug, which is slow to import.
    given, _, charset = content_type.lower().replace(" ", "").partition(";charset=")
    if charset == "utf-8":
        return given, {}
    from werkzeug.http import parse_options_header

    given, options = parse_options_header(content_type)
    return given.lower(), options


def _format(given: str) -> Format | None:
    return JSON if given.endswith("+json") else MEDIA_TYPES.get(given)


def _identify(data: bytes, given: str, options: dict[str, str]) -> Body:
    found = _format(given)
    if given in (URL_ENCODED, "text/plain"):
        # curl -d sends the first type with any body, and fetch in a browser the second.
        if data[:MAX_BLANK_BYTES].lstrip()[:1] in (b"{", b"["):
            found = JSON
    elif given == BYTES:
        found = next((f for f in READERS.values() if f.start and data.startswith(f.start)), None)
    if found is None:
        raise _unsupported(given)
    if found.is_text:
        data = _decoded(data, options.get("charset", "utf-8"))
    return Body(data, found, header=options.get("header") != "absent")


def _unsupported(given: str) -> UnsupportedType:
    hint = ""
    if given == URL_ENCODED:
        hint = " (curl -d says so unless told otherwise: add -H 'content-type: text/csv' for CSV)"
    elif given in VAGUE:
        hint = ", since it may be anything"
    read = f"send {', '.join(READERS)}, or one of these as the file of a form"
    return UnsupportedType(f"The Content-Type {given} is not read{hint}: {read}.")


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
