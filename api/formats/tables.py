"""Tables in decoded JSON: `{columns, data}`, and objects of columns.

pandas writes the first with `orient="split"` or `"tight"`, and the second with `orient="columns"`.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from models.errors import InvalidRows, Place, limit_faults
from models.rows.batch import Batch
from models.rows.names import Repeated, as_mapping
from models.rows.words import IGNORE_HINT, NOT_A_FEATURE, escape, name_of
from models.text.contract import Contract

PARTS = ("columns", "index", "data")
# What pandas' to_dict(orient="tight") writes besides these three.
TIGHT = ("index_names", "column_names")


class Tables:
    """Checks tables against a contract; with `ignore`, columns that are no features are ignored."""

    def __init__(self, contract: Contract, *, ignore: bool) -> None:
        self.contract = contract
        self.names = contract.names
        self.ignore = ignore

    def check(self, samples: Sequence[Any], pointers: Callable[[int], str]) -> Batch:
        """Turn samples into rows; raises InvalidRows with the places, TooLarge."""
        return self.contract.check(samples, pointers, ignore=self.ignore)

    def sample(self, columns: Sequence[str], row: Sequence[Any]) -> dict[str, Any]:
        """A row of a table as an object."""
        return as_mapping(columns, row) if self.names.open else dict(zip(columns, row, strict=True))

    def features(self, columns: Iterable[Any]) -> list[Any]:
        """The feature that each column means; a column that means none is left as it is."""
        columns = list(columns)
        meant = self.names.resolve(columns)
        return [meant.get(column, column) for column in columns]

    def wrong_columns(
        self, columns: Sequence[Any], steps: Iterable[str], at: str
    ) -> Iterator[Place]:
        """What is wrong with the names of columns; `steps` are the JSON Pointers of the names."""
        seen = set()
        meant = self.names.resolve(column for column in columns if isinstance(column, str))
        for column, step in zip(columns, steps, strict=False):
            if not isinstance(column, str):
                yield Place(step, f"expected the name of a column, got {name_of(column)}")
            elif column in seen:
                yield Place(step, "this column stands twice")
            else:
                seen.add(meant.get(column, column))
                if column not in meant and not self.ignore:
                    yield Place(step, f"{NOT_A_FEATURE}; {IGNORE_HINT}")
        for name in self.names.required:
            if name not in seen:
                yield Place(at, f"lacks the feature {name}")


def repeated(document: dict[str, Any], at: str) -> list[Place]:
    """The place of the repeated name of an object, if it has one."""
    return [document.place(at)] if isinstance(document, Repeated) else []


def read_split(tables: Tables, split: Any, at: str) -> Batch:
    """Read `{columns, data}` at the JSON Pointer `at`; raises as `Tables.check` does."""
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


def read_columns(tables: Tables, columns: dict[str, Any], at: str) -> Batch:
    """Read an object of columns at the JSON Pointer `at`; raises as `Tables.check` does.

    Each column is a list of its values, or an object of values by the labels of the rows.
    """
    many = [values for values in columns.values() if isinstance(values, (list, dict))]
    if not many:
        # One row: each column has one value, without a list around it.
        return tables.check([columns], lambda _: at)
    longest = max(many, key=len)
    if places := _wrong_columns(tables, columns, longest, at):
        raise InvalidRows(limit_faults(places))
    tables.contract.check_count(len(longest))
    names = list(columns)
    lists = [
        [values[label] for label in longest] if isinstance(values, dict) else values
        for values in columns.values()
    ]
    samples = [tables.sample(names, row) for row in zip(*lists, strict=True)]
    steps = dict(zip(tables.features(names), map(escape, names), strict=True))
    # The first feature stands for the row. An unused one may be left out.
    start = next((steps[name] for name in tables.names.names if name in steps), escape(names[0]))
    labels = (
        [escape(label) for label in longest] if isinstance(longest, dict) else range(len(longest))
    )
    prefix = f"{at}/{start}/"
    try:
        return tables.check(samples, lambda i: f"{prefix}{labels[i]}")
    except InvalidRows as error:
        error.places = tuple(_turned(tables, place, prefix, at, steps) for place in error.places)
        raise


def _wrong_columns(
    tables: Tables, columns: dict[str, Any], longest: list[Any] | dict[str, Any], at: str
) -> list[Place]:
    places = repeated(columns, at)
    steps = (f"{at}/{escape(name)}" for name in columns)
    places += limit_faults(tables.wrong_columns(list(columns), steps, at))
    for name, values in columns.items():
        places += _wrong_labels(values, longest, f"{at}/{escape(name)}")
        if len(places) > len(columns):
            break
    return places


def _wrong_labels(values: Any, longest: list[Any] | dict[str, Any], at: str) -> list[Place]:
    """What is wrong with the length or the labels of a column beside the longest one."""
    if isinstance(longest, list):
        expected = f"expected a list of {len(longest)} values, as many as in the longest column"
        got: Any = len(values) if isinstance(values, list) else name_of(values)
        return [] if got == len(longest) else [Place(at, f"{expected}, got {got}")]
    if not isinstance(values, dict):
        return [Place(at, f"expected an object of values by row, got {name_of(values)}")]
    places = repeated(values, at)
    if values.keys() != longest.keys():
        places.append(Place(at, "expected the labels that the longest column has"))
    return places


def _turned(tables: Tables, place: Place, prefix: str, at: str, steps: Mapping[str, str]) -> Place:
    """A place in a row as the place in the column that the value came from."""
    label, _, step = place.pointer.removeprefix(prefix).partition("/")
    name = {escape(name): name for name in steps}.get(step, step)
    detail = place.detail if tables.names.open else f"{name}: {place.detail}"
    return Place(f"{at}/{steps.get(name, step)}/{label}", detail)
