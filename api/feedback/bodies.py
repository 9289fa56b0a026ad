"""Read what a request tells of predictions: one choice, or many as JSON, NDJSON or CSV."""

from __future__ import annotations

import codecs
import csv
import io
import math
import re
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import UNSET

from api.errors import Problem, UnsupportedType
from api.feedback.truth import NO_TRUTH, Choice, Untold, read_label
from api.formats import media
from api.formats.writers import JSON
from models.errors import MAX_PLACES, MalformedBody, Place
from models.rows import DELIMITERS
from models.rows.names import Repeated
from models.text.parse import parse

if TYPE_CHECKING:
    from api.http.request import Request
    from api.service import Service

LINES = ("application/x-ndjson", "application/jsonl", "application/x-jsonlines")
CSV = ("text/csv", "text/tab-separated-values")
COLUMNS = ("prediction_id", "task_id", "row", "label")
INDEX = "the index"
WHOLE = re.compile(r"[0-9]{1,9}(\.0*)?")


class Wrong(Problem):
    """Choices cannot be read, or are none of the model's."""

    status = HTTPStatus.UNPROCESSABLE_ENTITY

    def __init__(self, places: Sequence[Place]) -> None:
        many = f"the first {MAX_PLACES} places" if len(places) > MAX_PLACES else "see errors"
        super().__init__(f"The choice cannot be kept: {many}.", places[:MAX_PLACES])


def read_one(service: Service, request: Request) -> Any:
    """The JSON of a request. Raises MalformedBody, UnsupportedType."""
    given, _ = media.parsed(request.content_type)
    if not (given in media.GUESSED or media.is_json(request.content_type)):
        raise UnsupportedType(f"The Content-Type {given} is not read: send {JSON}.")
    return _parse(service.body(request))


def read(service: Service, request: Request) -> list[tuple[str, Any]]:
    """The choices in a body of JSON, NDJSON or CSV, each with its JSON Pointer.

    Raises MalformedBody, Wrong, UnsupportedType.
    """
    given, _ = media.parsed(request.content_type)
    body = service.body(request)
    if given in media.GUESSED:
        # curl -d says the same of any body.
        first = body.removeprefix(codecs.BOM_UTF8).lstrip()[:1]
        given = {b"[": JSON, b"{": LINES[0]}.get(first, CSV[0])
    if given in LINES:
        return list(_lines(body))
    if given in CSV:
        return list(_table(service, body))
    if not media.is_json(request.content_type) and given != JSON:
        listed = ", ".join((JSON, LINES[0], CSV[0]))
        raise UnsupportedType(f"The Content-Type {given} is not read: send {listed}.")
    values = _parse(body)
    if not isinstance(values, list):
        expected = 'expected a list of choices, as pandas\' to_json(orient="records") writes it'
        raise Wrong([Place("", expected)])
    return [(f"/{i}", value) for i, value in enumerate(values)]


# A truth that is missing is no null, which says that it is none of the classes.
_parse = partial(parse, nan=math.nan)


def _lines(body: bytes) -> Iterator[tuple[str, Any]]:
    """The choices of NDJSON. Raises MalformedBody."""
    for i, line in enumerate(body.split(b"\n")):
        if line.strip() in (b"{", b"["):
            raise MalformedBody(
                f"line {i + 1}: expected a whole choice on each line, as jq -c writes it."
            )
        if line.strip():
            yield f"/{i}", _parse(line, f"line {i + 1}: ")


def _table(service: Service, body: bytes) -> Iterator[tuple[str, Any]]:
    """The choices of a CSV, whose header names the columns. Raises MalformedBody, Wrong."""
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise MalformedBody(
            f"The body is not UTF-8: {error.reason} at byte {error.start}."
        ) from None
    first = text.lstrip("\r\n").partition("\n")[0]
    delimiter = max(DELIMITERS, key=first.count)
    reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        names = [name.strip() for name in reader.fieldnames or ()]
        # pandas writes its index as a first column without a name.
        names[:1] = [INDEX] if names[:1] == [""] else names[:1]
        known = set(names) <= {INDEX, *COLUMNS} and "label" in names
        if not known or len(set(names)) < len(names) or not {"prediction_id", "task_id"} & {*names}:
            raise MalformedBody(
                "Expected a CSV whose first line names the columns prediction_id (or task_id), "
                f"label, and row if there are several rows: it has {first.strip()[:80]!r}."
            )
        reader.fieldnames = names
        read = partial(read_label, model=service.model, commas=delimiter == ";")
        for number, cells in enumerate(reader):
            yield f"/{number}", _cells(cells, number, read)
    except csv.Error as error:
        raise MalformedBody(f"The body is not CSV: line {reader.line_num}: {error}.") from None


def _cells(
    cells: dict[str | Any, str | Any], number: int, read_label: Callable[[str], Any]
) -> dict[str, Any]:
    """A line of a CSV as JSON would have it. Raises Wrong."""
    if None in cells or None in cells.values():
        raise Wrong([Place(f"/{number}", "expected a cell for each column")])
    found: dict[str, Any] = {
        name: cell.strip() for name, cell in cells.items() if cell.strip() and name != INDEX
    }
    if "label" not in found:
        raise Wrong([Place(f"/{number}/label", NO_TRUTH)])
    try:
        found["label"] = read_label(cells["label"])
    except Untold as error:
        raise Wrong([Place(f"/{number}/label", error.expected)]) from None
    # pandas writes whole numbers with a point where some are missing.
    if WHOLE.fullmatch(row := found.get("row", "")):
        found["row"] = int(row.partition(".")[0])
    return found


def choice_in(value: Any, pointer: str) -> Choice:
    """The choice that a value of JSON is. Raises Wrong."""
    if isinstance(value, Repeated):
        raise Wrong([Place(pointer, f"expected {value.name} once: it is repeated")])
    row = value.get("row") if isinstance(value, dict) else None
    if isinstance(row, float) and row.is_integer():
        # JSON does not tell 3.0 from 3.
        value = {**value, "row": int(row)}
    try:
        choice = msgspec.convert(value, Choice)
    except msgspec.ValidationError as error:
        words, _, where = str(error).partition(" - at `$")
        place = where.strip("`").replace(".", "/")
        expected = words[:1].lower() + words[1:].replace("`", "")
        raise Wrong([Place(f"{pointer}{place}", expected)]) from None
    if (choice.prediction_id is UNSET) == (choice.task_id is UNSET):
        raise Wrong([Place(pointer, "expected either prediction_id or task_id")])
    return choice
