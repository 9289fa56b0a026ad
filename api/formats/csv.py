"""Rows from CSV, RFC 4180: UTF-8, a header row, an empty field or NA for a missing value."""

from __future__ import annotations

import codecs
import contextlib
import functools
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import msgspec
import numpy as np

from api.formats import dialect
from api.formats.limits import PIECE_BYTES, Limits, check_count
from models.errors import InvalidRows, Place, limit_faults
from models.rows.check import (
    IGNORE_HINT,
    UNKNOWN,
    Batch,
    array_of,
    check,
    check_array,
    count_unknown,
    escape,
    named,
    pointer,
)
from models.rows.names import Names
from models.signature.types import Feature, Signature

BOOLEANS = {"true": True, "false": False}
# No program writes a number with a leading zero, so this is text.
POSTCODE = re.compile(r"[+-]?0\d+", re.ASCII)
# How pandas, R and JSON spell the booleans of a column.
SPELLED = {"True": True, "False": False, "TRUE": True, "FALSE": False, "true": True, "false": False}
# A gap between two others is found the second time.
GAPS = ((b",,", b",null,"),) * 2 + ((b"\n,", b"\nnull,"), (b",\n", b",null\n"))
Fields = dict[str, Sequence[str]]
# A header 0, 1, 2, ... of fewer columns is refused, for it may be a row of values.
MIN_NUMBERED = 3
NUMBERS = msgspec.json.Decoder(list[float | None])
AS_SENT = msgspec.json.Decoder(list[int | float | None])


class CsvReader:
    """Reads tables of one signature."""

    def __init__(self, signature: Signature, max_rows: int) -> None:
        self._signature = signature
        self._max_rows = max_rows
        self._limits = Limits(signature, max_rows)
        self._names = Names(signature)

    def read(
        self, body: bytes, *, header: bool = True, delimiter: str = ",", ignore: bool = False
    ) -> Batch:
        """Read a table whose header names the features, in any order.

        Without a `header` the fields are in the order of the model. `delimiter` is tried first.
        With `ignore`, columns that are no features are ignored.

        Raises MalformedBody with the line, InvalidRows with the places, TooLarge.
        """
        signature = self._signature
        if signature.numeric and len(signature.features) > 1 and delimiter == ",":
            batch = _read_numbers(signature, self._limits, body, header=header)
            if batch:
                return batch
        table = dialect.read(
            body, self._names, self._limits, header=header, delimiter=delimiter, ignore=ignore
        )
        order, ignored = self._order(table.header, ignore=ignore)
        check_count(len(table.lines), self._max_rows)
        width = len(table.header)
        ragged = limit_faults(
            Place(f"/{i}", f"line {number}: expected {width} fields, got {len(cells)}")
            for i, (number, cells) in enumerate(table.lines)
            if len(cells) != width
        )
        if ragged:
            raise InvalidRows(ragged)
        columns = list(zip(*(cells for _, cells in table.lines), strict=True))
        if signature.form == "mapping":
            return self._mappings(table.header, columns)
        fields: Fields = {
            feature.name: columns[order[feature.name]]
            for feature in signature.features
            if feature.name in order
        }
        if table.delimiter == ";":
            fields = self._without_commas(fields)
        batch = self._batch(fields)
        batch.ignored = ignored
        return batch

    def _order(self, header: list[str], *, ignore: bool) -> tuple[dict[str, int], tuple[str, ...]]:
        """The place of each feature in the header, and the columns that are ignored."""
        if not header:
            raise InvalidRows([Place("", "expected a header row with the names of the features")])
        unnamed = dialect.unnamed(header, self._names)
        if not unnamed and self._names.are_numbers(header):
            # A header of numbers may as well be a row of values.
            count = len(self._names.names)
            if count < MIN_NUMBERED or header[:count] != list(map(str, range(count))):
                expected = "expected a header row with the names of the features, got numbers"
                raise InvalidRows([Place("", expected)])
        meant = self._names.resolve(header[unnamed:])
        if places := limit_faults(self._wrong_names(header[unnamed:], meant, ignore=ignore)):
            raise InvalidRows(places)
        order = {meant[name]: j for j, name in enumerate(header) if name in meant}
        ignored = (name or f"Unnamed: {j}" for j, name in enumerate(header) if name not in meant)
        return order, tuple(ignored)

    def _wrong_names(
        self, header: list[str], meant: dict[str, str], *, ignore: bool
    ) -> Iterator[Place]:
        for name, count in Counter(header).items():
            if name not in meant:
                if not ignore:
                    yield Place(f"/{escape(name)}", f"line 1: {UNKNOWN}; {IGNORE_HINT}")
            elif count > 1:
                yield Place(f"/{escape(name)}", "line 1: this column stands twice")
        found = frozenset(meant.values())
        for name in self._names.required:
            if name not in found:
                yield Place(f"/{escape(name)}", "line 1: the header lacks this feature")

    def _mappings(self, header: list[str], columns: list[tuple[str, ...]]) -> Batch:
        """Rows of objects with keys of their own, without what they lack."""
        loose = Feature(name="", kind="any")
        values = [_cells(loose, dialect.clean(loose, cells), cells) for cells in columns]
        return Batch([named(header, row) for row in zip(*values, strict=True)], pointer)

    def _without_commas(self, fields: Fields) -> Fields:
        """The columns of a table with semicolons, with points where its decimals have commas."""
        numbers = [
            feature
            for feature in self._signature.features
            if feature.name in fields and feature.kind in ("number", "any", "unused")
        ]
        if not dialect.has_decimal_commas(fields[feature.name] for feature in numbers):
            return fields
        return fields | {
            feature.name: dialect.with_points(feature, fields[feature.name]) for feature in numbers
        }

    def _batch(self, fields: Fields) -> Batch:
        """The rows of columns, which are taken together as far as they can be."""
        signature = self._signature
        clean: Fields = {}
        values = []
        count = len(next(iter(fields.values()), ()))
        for feature in signature.features:
            if feature.name not in fields:
                values.append([None] * count)
                continue
            cells = clean[feature.name] = fields[feature.name]
            together = None if feature.kind == "string" else _column(feature, cells)
            if together is None:
                cells = clean[feature.name] = dialect.clean(feature, cells)
                together = _column(feature, cells)
            values.append(together)
        if None not in values:
            rows: list[Any] = list(zip(*values, strict=True))
            if signature.numeric:
                return Batch(check_array(signature, array_of(rows), pointer), pointer)
            unknown = None if _gaps(signature, values) else count_unknown(signature, rows)
            if unknown is not None:
                return Batch(rows, pointer, unknown)
        values = [
            _cells(feature, clean[feature.name], fields[feature.name])
            for feature in signature.features
            if feature.name in fields
        ]
        samples = [dict(zip(fields, row, strict=True)) for row in zip(*values, strict=True)]
        try:
            return check(signature, samples, pointer)
        except InvalidRows as error:
            words = [n for n, cells in clean.items() if cells.count("") > fields[n].count("")]
            error.places = tuple(_explained(place, words) for place in error.places)
            raise


def _explained(place: Place, words: list[str]) -> Place:
    """A place; if a word such as NA was read as missing there, with how to send it as text."""
    name = place.pointer.rpartition("/")[2]
    if name not in map(escape, words) or "no missing value" not in place.detail:
        return place
    hint = "NA, null and the like are missing values, as pandas reads CSV: send JSON to mean words"
    return Place(place.pointer, f"{place.detail} ({hint})")


def _read_numbers(
    signature: Signature, limits: Limits, body: bytes, *, header: bool
) -> Batch | None:
    """Read a table of nothing but numbers, as JSON has them, and gaps; None if it is another."""
    text = body.removeprefix(codecs.BOM_UTF8).removesuffix(b"\n").removesuffix(b"\r")
    names = [feature.name for feature in signature.features]
    if header:
        first_line, _, text = text.partition(b"\n")
        first_line = first_line.removesuffix(b"\r")
        if b'"' in first_line or first_line.count(b",") != len(names) - 1:
            return None
        try:
            names = first_line.decode().split(",")
        except UnicodeDecodeError:
            return None
    # What decodes rows is kept for each width: of the model's, not of whatever is sent.
    places = {name: j for j, name in enumerate(names)}
    try:
        order = [places.pop(feature.name) for feature in signature.features]
    except KeyError:
        return None
    parts = []
    total = 0
    for piece in _pieces(text):
        rows = _read_piece(piece, len(names))
        if rows is None:
            return None
        total += len(rows)
        limits.check_rows(total)
        parts.append(array_of(rows))
    table = np.concatenate(parts)
    table = table.take(np.array(order, dtype=np.intp), axis=1)
    return Batch(check_array(signature, table, pointer), pointer)


def _pieces(text: bytes) -> Iterator[bytes]:
    """A text in pieces of whole lines, without the line end between them."""
    start = 0
    while len(text) - start > PIECE_BYTES and (cut := text.find(b"\n", start + PIECE_BYTES)) >= 0:
        yield text[start:cut]
        start = cut + 1
    yield text[start:]


def _read_piece(text: bytes, width: int) -> list[Any] | None:
    """Rows of numbers and gaps; None if there is something else."""
    text = text.removesuffix(b"\r").replace(b"\r\n", b"\n")
    # What would be something else in JSON: an end of the list, null, white space.
    if any(sign in text for sign in (b"]", b"n", b"\r")):
        return None
    decode: Callable[[bytes], list[Any]] = _table(width).decode
    with contextlib.suppress(msgspec.DecodeError):
        return decode(_as_json(text))
    text = b"\n%b\n" % text
    for gap, null in GAPS:
        text = text.replace(gap, null)
    with contextlib.suppress(msgspec.DecodeError):
        return decode(_as_json(text[1:-1]))
    return None


def _as_json(text: bytes) -> bytes:
    return b"[[%b]]" % text.replace(b"\n", b"],[")


@functools.cache
def _table(width: int) -> Any:
    """What decodes rows of so many numbers; msgspec is slower where it does not know how many."""
    return msgspec.json.Decoder(list[tuple[(float | None,) * width]])  # type: ignore[misc]


def _column(feature: Feature, cells: Sequence[str]) -> Any:
    """The values of one feature, taken together; None if they have to be looked at one by one."""
    gaps = cells.count("")
    if feature.kind == "string":
        return [cell or None for cell in cells] if gaps else cells
    if feature.kind == "unused":
        return [None] * len(cells)
    if feature.kind not in ("number", "boolean") or feature.categories:
        return None
    if SPELLED.keys() >= set(cells):
        flags = [SPELLED[cell] for cell in cells]
        return flags if feature.sent or feature.kind == "boolean" else list(map(float, flags))
    if feature.kind == "boolean":
        return None
    text = ",".join([cell or "null" for cell in cells] if gaps else cells)
    try:
        # Most numbers of CSV are those of JSON, which msgspec reads in a quarter of the time.
        numbers = (AS_SENT if feature.sent else NUMBERS).decode(f"[{text}]")
    except msgspec.DecodeError:
        return None
    # There may have been a comma in a cell, or the word null.
    return numbers if len(numbers) == len(cells) and numbers.count(None) == gaps else None


def _gaps(signature: Signature, values: Sequence[Sequence[Any]]) -> bool:
    """Whether a value is missing where it may not be."""
    return any(
        None in column
        for feature, column in zip(signature.features, values, strict=True)
        if not feature.missing
    )


def _cells(feature: Feature, cells: Sequence[str], given: Sequence[str]) -> list[Any]:
    """The values of fields, without blanks around them, of a feature, and as they were given.

    Where anything is taken, the blanks around a text are part of it, as in pandas. A column that
    somebody's own code looks at has one type, as in pandas: beside a text all others are text.
    """
    values = [_cell(feature, cell) for cell in cells]
    if feature.kind != "any":
        return values
    known = feature.categories or ()
    kinds = {type(value) for value in values} - {type(None)}
    if feature.sent and not known and not (kinds <= {int, float} or kinds == {bool}):
        return [text if cell else None for cell, text in zip(cells, given, strict=True)]
    return [
        text if isinstance(value, str) and value not in known else value
        for value, text in zip(values, given, strict=True)
    ]


def _cell(feature: Feature, cell: str) -> Any:
    """The value of a field; one that does not fit the feature stays text, to be refused as that."""
    if cell == "":
        return None
    if feature.kind in ("string", "datetime"):
        return cell
    if cell.lower() in BOOLEANS:
        return BOOLEANS[cell.lower()]
    if feature.kind == "boolean" or "_" in cell:
        return cell
    if feature.kind == "any" and POSTCODE.fullmatch(cell):
        return cell
    try:
        return int(cell)
    except ValueError:
        pass
    try:
        number = float(cell)
    except ValueError:
        return cell
    # CSV has no word for these: a missing value is an empty field.
    return number if np.isfinite(number) or cell.strip("+-0123456789.eE") == "" else cell
