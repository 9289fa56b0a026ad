"""Tables as `{columns, data}`, as pandas writes them with `orient="split"` or `"tight"`."""

from __future__ import annotations

import itertools
from typing import Any

from api.formats.tables import Tables, repeated
from models.errors import InvalidRows, Place, limit_faults
from models.rows.batch import Batch
from models.rows.words import escape, name_of

PARTS = ("columns", "index", "data")
# What pandas' to_dict(orient="tight") writes besides these three.
TIGHT = ("index_names", "column_names")


def read_split(tables: Tables, split: Any, at: str) -> Batch:
    """Read the table at the JSON Pointer `at`; raises as `Tables.check` does."""
    if not isinstance(split, dict):
        raise InvalidRows([Place(at, "expected an object with columns and data, got a list")])
    places = repeated(split, at)
    places += limit_faults(
        Place(f"{at}/{escape(name)}", f"is not known: expected {', '.join(PARTS)}")
        for name in split
        if name not in (*PARTS, *TIGHT)
    )
    columns = split.get("columns")
    if columns is None:
        columns = tables.names.names
    elif isinstance(columns, list):
        columns = list(map(tables.names.column, columns))
        steps = (f"{at}/columns/{j}" for j in itertools.count())
        places += limit_faults(tables.wrong_columns(columns, steps, f"{at}/columns"))
    else:
        expected = "expected a list with the names of the columns"
        places.append(Place(f"{at}/columns", f"{expected}, got {name_of(columns)}"))
    if places := places + _wrong_data(split.get("data"), split.get("index"), at):
        raise InvalidRows(places)
    return _read_rows(tables, columns, split["data"], f"{at}/data")


def _wrong_data(data: Any, index: Any, at: str) -> list[Place]:
    if not isinstance(data, list):
        return [Place(f"{at}/data", f"expected a list of rows, got {name_of(data)}")]
    if index is None or (isinstance(index, list) and len(index) == len(data)):
        return []
    got = len(index) if isinstance(index, list) else name_of(index)
    expected = f"expected {len(data)} labels, one for each row"
    return [Place(f"{at}/index", f"{expected}, got {got}")]


def _read_rows(tables: Tables, columns: list[str], data: list[Any], at: str) -> Batch:
    tables.contract.check_count(len(data))
    expected = f"expected {len(columns)} values, one for each column"
    places = limit_faults(
        Place(f"{at}/{i}", f"{expected}, got {len(row)}")
        for i, row in enumerate(data)
        if isinstance(row, list) and len(row) != len(columns)
    )
    if places:
        raise InvalidRows(places)
    samples = [tables.sample(columns, row) if isinstance(row, list) else row for row in data]
    try:
        return tables.check(samples, lambda i: f"{at}/{i}")
    except InvalidRows as error:
        numbers = {escape(n): (j, n) for j, n in enumerate(tables.features(columns))}
        error.places = tuple(_numbered(place, data, at, numbers) for place in error.places)
        raise


def _numbered(place: Place, data: list[Any], at: str, numbers: dict[str, tuple[int, str]]) -> Place:
    """A place in a row, by the number of its column instead of the name."""
    row, _, step = place.pointer.removeprefix(f"{at}/").partition("/")
    if step not in numbers or not isinstance(data[int(row)], list):
        return place
    number, name = numbers[step]
    return Place(f"{at}/{row}/{number}", f"{name}: {place.detail}")
