"""The dialect of a CSV table: its delimiter, blanks, decimals and missing values.

The header and the model's features decide it; a dialect other than RFC 4180's is taken only if the
table then fits the model. The words for missing values are those of pandas' `read_csv`.
"""

from __future__ import annotations

import codecs
import csv
import io
import itertools
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from models.errors import InvalidRows, MalformedBody, Place, limit_faults
from models.rows import DELIMITERS
from models.rows.names import Names
from models.rows.words import escape
from models.signature.types import Feature
from models.text.contract import Contract
from models.text.limits import Limits

# https://pandas.pydata.org/docs/reference/api/pandas.read_csv.html, na_values
MISSING = frozenset(
    {"NA", "N/A", "n/a", "<NA>", "#NA", "#N/A", "#N/A N/A", "NaN", "nan", "-NaN", "-nan"}
    | {"NULL", "null", "None", "1.#IND", "-1.#IND", "1.#QNAN", "-1.#QNAN"}
)
# A larger body is read from its bytes: StringIO takes four bytes for each character.
SMALL_BYTES = 1024 * 1024
MIXED_DECIMALS = (
    "Some numbers of this table have a decimal comma, and others a point, which could separate "
    "thousands: write all of them in one way."
)
LINE_ENDS = re.compile(rb"[\r\n]*+")
DECIMAL_COMMA = re.compile(r"[+-]?\d+,\d+(?:[eE][+-]?\d+)?")
DECIMAL_POINT = re.compile(r"[+-]?\d*\.\d+(?:[eE][+-]?\d+)?")


class Table(NamedTuple):
    """A header, and the lines below it, each with its number in the body."""

    header: list[str]
    lines: list[tuple[int, list[str]]]
    delimiter: str


def read(contract: Contract, body: bytes, *, header: bool, delimiter: str, ignore: bool) -> Table:
    """Read a table; the first of the delimiters under which the header fits is taken.

    Without a `header` it is the first under which a line has as many fields as the model has
    features, and the names are the model's. `delimiter` is tried before the others.

    Raises MalformedBody with the line, TooLarge.
    """
    names, limits = contract.names, contract.limits
    body = body.removeprefix(codecs.BOM_UTF8)
    file, begin = _file(body, limits, header=header)
    delimiter, spaced = _detect(file, names, delimiter, header=header, ignore=ignore)
    above = body[:begin].replace(b"\r\n", b"\n")
    lines = _lines(file, delimiter, spaced=spaced, above=above.count(b"\n") + above.count(b"\r"))
    given = next((cells for _, cells in lines), []) if header else names.names
    rows = list(itertools.islice(lines, limits.max_lines + 1))
    limits.check_lines(len(rows))
    if len(body) > limits.max_values:
        limits.check_values(sum(len(cells) for _, cells in rows))
    if len(given) != 1:
        return Table(given, [line for line in rows if line[1]], delimiter)
    # In a table of one column an empty line is a missing value, but not at the end.
    while rows and not rows[-1][1]:
        rows.pop()
    return Table(given, [(number, cells or [""]) for number, cells in rows], delimiter)


def detect(
    contract: Contract, body: bytes, *, header: bool, delimiter: str, ignore: bool
) -> tuple[str, bool]:
    """The delimiter that `read` takes, and whether a blank follows it.

    Raises MalformedBody if the body is not UTF-8.
    """
    file, _ = _file(body.removeprefix(codecs.BOM_UTF8), contract.limits, header=header)
    return _detect(file, contract.names, delimiter, header=header, ignore=ignore)


def _file(body: bytes, limits: Limits, *, header: bool) -> tuple[_File, int]:
    """The lines of a body from its header on, and the bytes above that.

    Empty lines above the header are skipped once, here, and not again for each delimiter.
    """
    most = 2 * limits.max_lines
    begin = LINE_ENDS.match(body, 0, most).end() if header else 0  # type: ignore[union-attr]
    if begin == most:
        limits.check_lines(begin)
    return _File(body, begin, limits), begin


def _detect(
    file: _File, names: Names, likely: str, *, header: bool, ignore: bool
) -> tuple[str, bool]:
    """The delimiter of a table, and whether a blank follows it; `likely` is tried first."""
    found = []
    for delimiter in sorted(DELIMITERS, key=lambda each: each != likely):
        spaced, cells = _first(file, delimiter, names, header=header)
        if _fits(names, cells, header=header, ignore=ignore):
            return delimiter, spaced
        found.append((len(names.resolve(cells)), delimiter, spaced))
    # Errors are reported for the delimiter under which most names match.
    _, delimiter, spaced = max(found, key=lambda each: each[0])
    return delimiter, spaced


def unnamed(header: Sequence[str], names: Names) -> int:
    """The number of leading columns without a name: pandas and R write labels of rows there."""
    if names.open or "" in names.known:
        return 0
    return next((j for j, name in enumerate(header) if name), len(header))


class _File:
    """The lines of a body from byte `begin` on, again and again.

    Raises MalformedBody if it is not UTF-8.
    """

    def __init__(self, body: bytes, begin: int, limits: Limits) -> None:
        try:
            text = body.decode()
        except UnicodeDecodeError as error:
            raise MalformedBody(
                f"The body is not UTF-8: {error.reason} at byte {error.start}."
            ) from None
        self._begin = begin
        self._small = len(body) <= SMALL_BYTES
        self.limits = limits
        self._file: io.TextIOBase = (
            io.StringIO(text, newline="")
            if self._small
            else io.TextIOWrapper(io.BytesIO(body), "utf-8", newline="")
        )

    def lines(self, delimiter: str) -> Iterable[str]:
        """All lines; raises TooLarge before a line with too many delimiters is split."""
        self._file.seek(self._begin)
        return self._file if self._small else self._watched(delimiter)

    def _watched(self, delimiter: str) -> Iterator[str]:
        for line in self._file:
            if len(line) > self.limits.max_values:
                self.limits.check_values(line.count(delimiter))
            yield line


def _first(file: _File, delimiter: str, names: Names, *, header: bool) -> tuple[bool, list[str]]:
    """Whether a blank after a delimiter is dropped, and the first line that has a field.

    Blanks are dropped if each name but the first begins with one, and no feature's name does.
    """
    cells = _try(file, delimiter, spaced=False)
    spaced = len(cells) > 1 and all(cell[:1] == " " for cell in cells[1:])
    if header and spaced and not names.open and names.known.isdisjoint(cells[1:]):
        return True, _try(file, delimiter, spaced=True)
    return False, cells


def _try(file: _File, delimiter: str, *, spaced: bool) -> list[str]:
    """The first line that has a field; empty if no line can be read."""
    try:
        lines = itertools.islice(_lines(file, delimiter, spaced=spaced), file.limits.max_lines)
        return next((cells for _, cells in lines if cells), [])
    except MalformedBody:
        return []


def _fits(names: Names, cells: list[str], *, header: bool, ignore: bool) -> bool:
    if not header:
        return len(cells) == len(names.names)
    return names.fit(cells[unnamed(cells, names) :], ignore=ignore)


def _lines(
    file: _File, delimiter: str, *, spaced: bool, above: int = 0
) -> Iterator[tuple[int, list[str]]]:
    """The lines of a file, each with its number; `above` counts the lines above the file."""
    lines = file.lines(delimiter)
    reader = csv.reader(lines, delimiter=delimiter, skipinitialspace=spaced, strict=True)
    try:
        for cells in reader:
            yield above + reader.line_num, cells
    except csv.Error as error:
        line = above + reader.line_num
        raise MalformedBody(f"The body is not CSV: {error} in line {line}.") from None


def clean(feature: Feature, cells: Sequence[str]) -> Sequence[str]:
    """The fields of one feature, "" for those that are missing, without blanks around values."""
    known = frozenset(feature.categories or ())
    if feature.kind != "string":
        return ["" if c in MISSING and c not in known else c for c in map(str.strip, cells)]
    if known.issuperset(cells):
        return cells
    meant = {}
    for cell in set(cells) - known:
        if cell.strip() in known:
            meant[cell] = cell.strip()
        elif cell.strip() in MISSING:
            meant[cell] = ""
    return [meant.get(cell, cell) for cell in cells] if meant else cells


def has_decimal_commas(columns: Iterable[Sequence[str]]) -> bool:
    """Whether a field of these columns, which may hold numbers, has a decimal comma."""
    return any(DECIMAL_COMMA.fullmatch(cell.strip()) for cells in columns for cell in cells)


def has_decimal_points(columns: Iterable[Sequence[str]]) -> bool:
    """Whether a field of these columns, which may hold numbers, has a decimal point."""
    return any(DECIMAL_POINT.fullmatch(cell.strip()) for cells in columns for cell in cells)


def with_points(feature: Feature, cells: Sequence[str]) -> list[str]:
    """The fields of one feature, with decimal points instead of decimal commas.

    Raises InvalidRows where a number already has a point, which could separate thousands.
    """
    places = limit_faults(
        Place(
            f"/{i}/{escape(feature.name)}",
            "expected a decimal comma, as there is in other fields, got a point",
        )
        for i, cell in enumerate(cells)
        if DECIMAL_POINT.fullmatch(cell.strip())
    )
    if places:
        raise InvalidRows(places)
    return [c.replace(",", ".") if DECIMAL_COMMA.fullmatch(c.strip()) else c for c in cells]
