"""Rows from CSV, RFC 4180: UTF-8, a header row, an empty field for a missing value."""

from __future__ import annotations

import codecs
import csv
import functools
import io
import itertools
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
import numpy as np

from api.errors import InvalidRows, MalformedBody, Place, first
from api.formats.rows import (
    Batch,
    array_of,
    by_number,
    check,
    check_array,
    check_count,
    count_unknown,
    escape,
    pointer,
)
from api.signature import Feature, Signature

BOOLEANS = {"true": True, "false": False}
# Text, for nothing writes a number so.
POSTCODE = re.compile(r"[+-]?0\d+", re.ASCII)
# Spellings of a whole column at once: pandas', R's and JSON's.
SPELLED = {"True": True, "False": False, "TRUE": True, "FALSE": False, "true": True, "false": False}
# A gap between two others is found the second time.
GAPS = ((b",,", b",null,"),) * 2 + ((b"\n,", b"\nnull,"), (b",\n", b",null\n"))
NUMBERS = msgspec.json.Decoder(list[float | None])
AS_SENT = msgspec.json.Decoder(list[int | float | None])


def read(signature: Signature, max_rows: int, body: bytes, *, header: bool = True) -> Batch:
    """Read a table whose header names the features, in any order.

    Without a `header` the fields are in the order of the model.

    Raises MalformedBody with the line, InvalidRows with the places, TooLarge.
    """
    names = [feature.name for feature in signature.features]
    if signature.numeric and len(names) > 1:
        batch = _read_numbers(signature, max_rows, body, header=header)
        if batch:
            return batch
    lines = _lines(body)
    if header:
        lines = list(itertools.dropwhile(lambda line: not line[1], lines))
        names = lines.pop(0)[1] if lines else []
    # In a table of one column, a line with nothing on it is a missing value.
    lines = [(number, cells or [""]) for number, cells in lines if cells or len(names) == 1]
    names = _by_number(signature, names)
    order = _order(signature, names)
    check_count(len(lines), max_rows)
    ragged = [
        Place(f"/{i}", f"line {number}: expected {len(names)} fields, got {len(cells)}")
        for i, (number, cells) in enumerate(lines)
        if len(cells) != len(names)
    ]
    if ragged:
        raise InvalidRows(ragged)
    if signature.form == "mapping":
        loose = Feature(name="", kind="any")
        samples: list[Any] = [
            {name: _cell(loose, cell) for name, cell in zip(names, cells, strict=True) if cell}
            for _, cells in lines
        ]
        return Batch(samples, pointer)
    columns = list(zip(*(cells for _, cells in lines), strict=True))
    absent = ("",) * len(lines)
    values = [
        _column(feature, absent if j is None else columns[j])
        for feature, j in zip(signature.features, order, strict=True)
    ]
    if None not in values:
        rows: list[Any] = list(zip(*values, strict=True))
        if signature.numeric:
            return Batch(check_array(signature, array_of(rows), pointer), pointer)
        unknown = None if _gaps(signature, values) else count_unknown(signature, rows)
        if unknown is not None:
            return Batch(rows, pointer, unknown)
    named = [
        {
            f.name: _cell(f, cells[j])
            for f, j in zip(signature.features, order, strict=True)
            if j is not None
        }
        for _, cells in lines
    ]
    return check(signature, named, pointer)


def _read_numbers(
    signature: Signature, max_rows: int, body: bytes, *, header: bool
) -> Batch | None:
    """Read a table of nothing but numbers, as JSON has them, and gaps; None if it is another."""
    text = body.removeprefix(codecs.BOM_UTF8).replace(b"\r\n", b"\n").removesuffix(b"\n")
    names = [feature.name for feature in signature.features]
    if header:
        first_line, _, text = text.partition(b"\n")
        if b'"' in first_line or not first_line:
            return None
        try:
            names = first_line.decode().split(",")
        except UnicodeDecodeError:
            return None
    # What decodes rows is kept for each width: of the model's, not of whatever is sent.
    if len(names) != len(signature.features):
        return None
    # What would be something else in JSON: an end of the list, null, white space.
    if any(sign in text for sign in (b"]", b"n", b"\r")):
        return None
    decode = _table(len(names)).decode
    try:
        rows = decode(_as_json(text))
    except msgspec.DecodeError:
        text = b"\n%b\n" % text
        for gap, null in GAPS:
            text = text.replace(gap, null)
        try:
            rows = decode(_as_json(text[1:-1]))
        except msgspec.DecodeError:
            return None
    order = _order(signature, _by_number(signature, names))
    check_count(len(rows), max_rows)
    table = array_of(rows).take(np.array(order, dtype=np.intp), axis=1)
    return Batch(check_array(signature, table, pointer), pointer)


def _as_json(text: bytes) -> bytes:
    return b"[[%b]]" % text.replace(b"\n", b"],[")


@functools.cache
def _table(width: int) -> Any:
    """What decodes rows of so many numbers; msgspec is slower where it does not know how many."""
    return msgspec.json.Decoder(list[tuple[(float | None,) * width]])  # type: ignore[misc]


def _lines(body: bytes) -> list[tuple[int, list[str]]]:
    """The lines, each with its number in the body."""
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise MalformedBody(
            f"The body is not UTF-8: {error.reason} at byte {error.start}."
        ) from None
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        return [(reader.line_num, cells) for cells in reader]
    except csv.Error as error:
        raise MalformedBody(f"The body is not CSV: {error} in line {reader.line_num}.") from None


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


def _order(signature: Signature, header: list[str]) -> list[int | None]:
    """The place of each feature in the header; None for one that may be left out, and is."""
    if not header:
        raise InvalidRows([Place("", "expected a header row with the names of the features")])
    if wrong := first(_wrong_names(signature, header)):
        raise InvalidRows(wrong)
    places = {name: j for j, name in enumerate(header)}
    return [places.get(feature.name) for feature in signature.features]


def _by_number(signature: Signature, header: list[str]) -> list[str]:
    """The header with the names of the features, where it has the numbers of nameless columns."""
    renamed = by_number(signature, dict.fromkeys(header))
    return list(renamed) if len(renamed) == len(header) else header


def _wrong_names(signature: Signature, header: list[str]) -> Iterator[Place]:
    names = {feature.name: feature.kind for feature in signature.features}
    counts = Counter(header)
    for name, count in counts.items():
        if count > 1:
            yield Place(f"/{escape(name)}", "line 1: this column stands twice")
        elif signature.form != "mapping" and name not in names:
            hint = " (an index? pandas leaves it out with index=False)" if name == "" else ""
            yield Place(f"/{escape(name)}", f"line 1: is not a feature of the model{hint}")
    for name, kind in names.items():
        if name not in counts and kind != "unused":
            yield Place(f"/{escape(name)}", "line 1: the header lacks this feature")


def _cell(feature: Feature, cell: str) -> Any:
    """The value of a field; one that does not fit the feature stays text, to be refused as that."""
    if cell == "":
        return None
    if feature.kind in ("string", "datetime"):
        return cell
    if (not feature.categories or feature.kind != "number") and cell.lower() in BOOLEANS:
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
