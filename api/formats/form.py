"""The one file of a form, RFC 7578."""

from __future__ import annotations

import io
from typing import Any, NamedTuple

from models.errors import MalformedBody

MAX_FIELDS = 20
# Rows of more bytes have to come in a file.
MAX_FIELD_BYTES = 1024 * 1024
BLANK_LINE = b"\r\n\r\n"
CUT_FORM = (
    "The body is not a form that can be read: it was cut, or its boundary is not that of its "
    "Content-Type."
)


class File(NamedTuple):
    """The file of a form, its name and its Content-Type, each empty if the form does not say it."""

    data: bytes
    name: str
    content_type: str


def read(data: bytes, boundary: str) -> File:
    """Find the file of a form, or its only field, which is a file without a name.

    Raises MalformedBody if the form does not have exactly one.
    """
    mark = b"--" + boundary.encode("latin-1")
    # werkzeug parses a text above the first part very slowly, and no client sends one.
    if not data.startswith((mark, b"\r\n" + mark)):
        raise MalformedBody(CUT_FORM)
    # werkzeug's parser is slow, and copies: it gets the form without the content of the first part,
    # unless the lines above the content do not end as they should.
    begin = data.find(BLANK_LINE) + len(BLANK_LINE)
    end = max(begin, data.find(b"\r\n" + mark, begin))
    if any(data.find(other, 0, begin) >= 0 for other in (b"\n\n", b"\r\r")):
        begin = end
    content = data[begin:end]
    fields, files = _parse(data[:begin] + data[end:], boundary)
    if not files and len(fields) == 1:
        # `curl -F rows='{"a": 1}'` sends such a part.
        return File(content + fields[0].encode(), "", "text/plain")
    if len(files) != 1 or fields:
        raise MalformedBody(
            "Expected a form with one file and nothing else: "
            f"it has {len(files)} files, and {len(fields)} other fields."
        )
    file = files[0]
    return File(content + file.stream.read(), file.filename or "", file.content_type or "")


def _parse(data: bytes, boundary: str) -> tuple[list[str], list[Any]]:
    """The fields of a form, and its files."""
    from werkzeug.exceptions import RequestEntityTooLarge
    from werkzeug.formparser import MultiPartParser

    parser = MultiPartParser(
        stream_factory=lambda *_, **__: io.BytesIO(),
        max_form_memory_size=MAX_FIELD_BYTES,
        max_form_parts=MAX_FIELDS,
    )
    try:
        fields, files = parser.parse(io.BytesIO(data), boundary.encode("latin-1"), len(data))
    except ValueError:
        raise MalformedBody(CUT_FORM) from None
    except RequestEntityTooLarge:
        raise MalformedBody(
            f"The body is not a form that can be read: it has over {MAX_FIELDS} fields, or "
            f"one that is no file has over {MAX_FIELD_BYTES} bytes."
        ) from None
    return [text for _, text in fields.items(multi=True)], [
        file for _, file in files.items(multi=True)
    ]
