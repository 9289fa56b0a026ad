"""CSV, RFC 4180: UTF-8, a header row, and an empty field or NA for a missing value."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from models.errors import InvalidRows, Place, limit_faults
from models.rows.batch import Batch, array_of, count_unknown, row_pointer
from models.rows.check import ANY, check, check_array
from models.rows.names import as_mapping
from models.rows.words import IGNORE_HINT, NOT_A_FEATURE, escape
from models.signature.types import Feature
from models.text import csv_cells, dialect
from models.text.contract import Contract
from models.text.csv_numbers import read_numbers

Fields = dict[str, Sequence[str]]
# A header 0, 1, 2, ... of fewer columns is refused, for it may be a row of values.
MIN_NUMBERED_COLUMNS = 3
# The kinds of features whose values may be numbers.
NUMBERS = ("number", "any", "unused")
EXPECTED_HEADER = "expected a header row with the names of the features"


class CsvReader:
    """Reads tables of one signature."""

    def __init__(self, contract: Contract) -> None:
        self._contract = contract
        self._signature = contract.signature
        self._names = contract.names

    def read(
        self, body: bytes, *, header: bool = True, delimiter: str = ",", ignore: bool = False
    ) -> Batch:
        """Read a table whose header names the features, in any order.

        Without a `header` the fields are in the order of the model. `delimiter` is tried first.
        With `ignore`, columns that are no features are ignored.

        Raises MalformedBody with the line, InvalidRows with the places, TooLarge.
        """
        if self._signature.numeric and self._contract.width > 1 and delimiter == ",":
            batch = read_numbers(self._contract, body, header=header)
            if batch:
                return batch
        table = dialect.read(
            self._contract, body, header=header, delimiter=delimiter, ignore=ignore
        )
        order, ignored = self._order(table.header, ignore=ignore)
        columns = self._columns(table)
        if self._signature.form == "mapping":
            return self._mappings(table.header, columns)
        fields: Fields = {name: columns[j] for name, j in order.items()}
        if table.delimiter == ";":
            fields = self._without_commas(fields)
        return self._batch(fields, ignored)

    def decimals(self, body: bytes, *, header: bool, ignore: bool) -> list[str]:
        """What stands before the decimals of a table that semicolons part: commas, points, or both.

        `body` is one that has been read without an error.
        """
        table = dialect.read(self._contract, body, header=header, delimiter=",", ignore=ignore)
        order, _ = self._order(table.header, ignore=ignore)
        columns = self._columns(table)
        numbers = self._numbers({name: columns[j] for name, j in order.items()})
        has = {"commas": dialect.has_decimal_commas(numbers)}
        has["points"] = dialect.has_decimal_points(numbers)
        return [name for name, there in has.items() if there]

    def _order(self, header: list[str], *, ignore: bool) -> tuple[dict[str, int], tuple[str, ...]]:
        """The place of each feature in the header, and the columns that are ignored."""
        if not header:
            raise InvalidRows([Place("", EXPECTED_HEADER)])
        unnamed = dialect.unnamed(header, self._names)
        if not unnamed and self._names.are_numbers(header):
            # A header of numbers may as well be a row of values.
            count = self._contract.width
            if count < MIN_NUMBERED_COLUMNS or header[:count] != list(map(str, range(count))):
                raise InvalidRows([Place("", f"{EXPECTED_HEADER}, got numbers")])
        meant = self._names.resolve(header[unnamed:])
        if places := limit_faults(self._wrong_names(header[unnamed:], meant, ignore=ignore)):
            raise InvalidRows(places)
        places_of = {meant[name]: j for j, name in enumerate(header) if name in meant}
        order = {name: places_of[name] for name in self._names.names if name in places_of}
        ignored = (name or f"Unnamed: {j}" for j, name in enumerate(header) if name not in meant)
        return order, tuple(ignored)

    def _wrong_names(
        self, header: list[str], meant: dict[str, str], *, ignore: bool
    ) -> Iterator[Place]:
        for name, count in Counter(header).items():
            if name not in meant:
                if not ignore:
                    yield Place(f"/{escape(name)}", f"line 1: {NOT_A_FEATURE}; {IGNORE_HINT}")
            elif count > 1:
                yield Place(f"/{escape(name)}", "line 1: this column stands twice")
        found = frozenset(meant.values())
        for name in self._names.required:
            if name not in found:
                yield Place(f"/{escape(name)}", "line 1: the header lacks this feature")

    def _columns(self, table: dialect.Table) -> list[tuple[str, ...]]:
        """The columns of a table, all of them as long as each other."""
        self._contract.check_count(len(table.lines))
        width = len(table.header)
        ragged = limit_faults(
            Place(f"/{i}", f"line {number}: expected {width} fields, got {len(cells)}")
            for i, (number, cells) in enumerate(table.lines)
            if len(cells) != width
        )
        if ragged:
            raise InvalidRows(ragged)
        return list(zip(*(cells for _, cells in table.lines), strict=True))

    def _mappings(self, header: list[str], columns: list[tuple[str, ...]]) -> Batch:
        """Rows of objects with names of their own, without those whose value is missing."""
        values = [csv_cells.read_cells(ANY, dialect.clean(ANY, cells), cells) for cells in columns]
        rows = [as_mapping(header, row) for row in zip(*values, strict=True)]
        return Batch(rows, row_pointer)

    def _without_commas(self, fields: Fields) -> Fields:
        """The columns of a table with semicolons, with points where its decimals have commas."""
        if not dialect.has_decimal_commas(self._numbers(fields)):
            return fields
        return fields | {
            feature.name: dialect.with_points(feature, fields[feature.name])
            for feature in self._signature.features
            if feature.name in fields and feature.kind in NUMBERS
        }

    def _numbers(self, fields: Fields) -> list[Sequence[str]]:
        """The columns that may hold numbers."""
        return [
            fields[feature.name]
            for feature in self._signature.features
            if feature.name in fields and feature.kind in NUMBERS
        ]

    def _batch(self, fields: Fields, ignored: tuple[str, ...]) -> Batch:
        """The rows of columns, whose values are read together where they can be."""
        count = len(next(iter(fields.values()), ()))
        clean: Fields = {}
        columns: list[Any] = []
        for feature in self._signature.features:
            if feature.name in fields:
                clean[feature.name], column = _read_column(feature, fields[feature.name])
                columns.append(column)
            else:
                columns.append([None] * count)
        batch = None if None in columns else self._together(columns, ignored)
        return batch or self._singly(fields, clean, ignored)

    def _together(self, columns: list[Any], ignored: tuple[str, ...]) -> Batch | None:
        """The rows of values; None if one of them is missing or unknown and may not be."""
        rows: list[Any] = list(zip(*columns, strict=True))
        if self._signature.numeric:
            array = check_array(self._signature, array_of(rows), row_pointer)
            return Batch(array, row_pointer, ignored=ignored)
        for feature, column in zip(self._signature.features, columns, strict=True):
            if not feature.missing and None in column:
                return None
        unknown = count_unknown(self._signature, rows)
        return None if unknown is None else Batch(rows, row_pointer, unknown, ignored=ignored)

    def _singly(self, fields: Fields, clean: Fields, ignored: tuple[str, ...]) -> Batch:
        """The rows of fields that are read one by one, which tells what is wrong."""
        values = [
            csv_cells.read_cells(feature, clean[feature.name], fields[feature.name])
            for feature in self._signature.features
            if feature.name in fields
        ]
        samples = (dict(zip(fields, row, strict=True)) for row in zip(*values, strict=True))
        try:
            return check(self._signature, samples, row_pointer, ignored)
        except InvalidRows as error:
            words = [n for n, cells in clean.items() if cells.count("") > fields[n].count("")]
            error.places = tuple(_explained(place, words) for place in error.places)
            raise


def _read_column(feature: Feature, cells: Sequence[str]) -> tuple[Sequence[str], Any]:
    """The fields of a column, cleaned where they have to be, and their values; see `csv_cells`."""
    if feature.kind != "string":
        column = csv_cells.read_column(feature, cells)
        if column is not None:
            return cells, column
    cells = dialect.clean(feature, cells)
    return cells, csv_cells.read_column(feature, cells)


def _explained(place: Place, words: list[str]) -> Place:
    """A place; if a word such as NA was read as missing there, with how to send it as text."""
    name = place.pointer.rpartition("/")[2]
    if name not in map(escape, words) or "no missing value" not in place.detail:
        return place
    hint = "NA, null and the like are missing values, as pandas reads CSV: send JSON to mean words"
    return Place(place.pointer, f"{place.detail} ({hint})")
