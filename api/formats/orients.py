"""Rows from decoded JSON: a row, a list of rows, or one of the forms that pandas and MLflow write.

This reads the bodies that the fast decoders of `json` and `frames` refuse: to say what is wrong and
where, and to find the orients of pandas' `to_json`. No value of a row is a list or an object, so
none of these forms can be mistaken for a row.

https://pandas.pydata.org/docs/reference/api/pandas.DataFrame.to_json.html
https://mlflow.org/docs/latest/ml/deployment/deploy-model-locally/
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import Any

from api.formats.limits import check_count
from models.errors import InvalidRows, Place, limit_faults
from models.rows.check import (
    IGNORE_HINT,
    UNKNOWN,
    Batch,
    Repeated,
    check,
    escape,
    name_of,
    named,
)
from models.rows.names import Names
from models.signature.types import Signature

# The names that MLflow, Vertex AI and KServe give to a table.
FORMS = ("dataframe_split", "dataframe_records", "instances", "inputs")
SPLIT = ("columns", "index", "data")
# What pandas' to_dict(orient="tight") writes besides these three.
TIGHT = ("index_names", "column_names")
# The second is Vertex AI's name for the first.
PARAMETERS = ("params", "parameters")
RECORDS = 'pandas writes them with to_json(orient="records")'


class Documents:
    """Reads decoded JSON of one signature."""

    def __init__(self, signature: Signature, max_rows: int) -> None:
        self._signature = signature
        self._max_rows = max_rows
        self._names = Names(signature)
        self._single = len(signature.features) == 1

    def read(self, document: Any, *, ignore: bool = False) -> Batch:
        """Read a whole body; with `ignore`, names that are no features are ignored.

        Raises InvalidRows with the places, TooLarge.
        """
        if isinstance(document, dict):
            return self._read_object(document, ignore=ignore)
        if isinstance(document, list):
            alone = not self._single and not any(isinstance(v, (list, dict)) for v in document)
            if document and alone:
                return self.check([document], lambda _: "", ignore=ignore)
            return self.check(document, lambda i: f"/{i}", ignore=ignore)
        if self._single:
            return self.check([document], lambda _: "", ignore=ignore)
        expected = 'expected an object, a list, or {"instances": [...]}'
        raise InvalidRows([Place("", f"{expected}, got {name_of(document)}")])

    def check(
        self, samples: Sequence[Any], pointers: Callable[[int], str], *, ignore: bool
    ) -> Batch:
        """Turn samples into rows; raises as `read` does."""
        check_count(len(samples), self._max_rows)
        ignored: dict[str, None] = {}
        rows = [self._names.row(sample, ignored if ignore else None) for sample in samples]
        batch = check(self._signature, rows, pointers)
        batch.ignored = tuple(ignored)
        return batch

    def _read_object(self, document: dict[str, Any], *, ignore: bool) -> Batch:
        """Read an object: a row, or a table in one of the forms."""
        given = [name for name in FORMS if isinstance(document.get(name), (list, dict))]
        own = not self._names.open and self._names.fit(document, ignore=False)
        if given and not (own and len(document) > 1):
            return self._read_form(document, given, ignore=ignore)
        columns, data = document.get("columns"), document.get("data")
        # If a feature is called "data", its column has no lists in it.
        if isinstance(data, list) and not (own and _are_values(data)):
            if isinstance(columns, list):
                return self._read_split(document, "", ignore=ignore)
            if isinstance(document.get("schema"), dict):
                return self._read_table(document, data, ignore=ignore)
            if document.keys() == {"data"}:
                return self.check(data, lambda i: f"/data/{i}", ignore=ignore)
        kinds: set[Any] = set(map(type, document.values()))
        if kinds and all(issubclass(kind, dict) for kind in kinds):
            return self._read_labelled(document, ignore=ignore)
        if kinds == {list} and not self._names.open and self._names.resolve(document):
            return self._read_columns(document, "", ignore=ignore)
        return self.check([document], lambda _: "", ignore=ignore)

    def _read_form(self, document: dict[str, Any], given: list[str], *, ignore: bool) -> Batch:
        form, value = given[0], document[given[0]]
        places = _repeated(document, "")
        if len(given) > 1:
            places.append(
                Place("", f"expected one of {', '.join(FORMS)}, got {len(given)} of them")
            )
        places += limit_faults(
            Place(
                f"/{escape(name)}",
                "this model takes no parameters" if name in PARAMETERS else "is not known",
            )
            for name in document
            if name not in given and (name not in PARAMETERS or document[name] not in (None, {}))
        )
        if places:
            raise InvalidRows(places)
        if form == "dataframe_split":
            return self._read_split(value, f"/{form}", ignore=ignore)
        if isinstance(value, list):
            return self.check(value, lambda i: f"/{form}/{i}", ignore=ignore)
        if form == "inputs":
            return self._read_columns(value, f"/{form}", ignore=ignore)
        raise InvalidRows([Place(f"/{form}", "expected a list of rows, got an object")])

    def _read_split(self, split: Any, at: str, *, ignore: bool) -> Batch:
        if not isinstance(split, dict):
            raise InvalidRows([Place(at, "expected an object with columns and data, got a list")])
        places = _repeated(split, at)
        places += limit_faults(
            Place(f"{at}/{escape(name)}", f"is not known: expected {', '.join(SPLIT)}")
            for name in split
            if name not in (*SPLIT, *TIGHT)
        )
        values: list[Any] = [split.get(name) for name in SPLIT]
        columns, index, data = values
        if columns is None:
            columns = self._names.names
        elif isinstance(columns, list):
            columns = list(map(self._names.column, columns))
            steps = (f"{at}/columns/{j}" for j in itertools.count())
            places += limit_faults(
                self._wrong_columns(columns, steps, f"{at}/columns", ignore=ignore)
            )
        else:
            expected = "expected a list with the names of the columns"
            places.append(Place(f"{at}/columns", f"{expected}, got {name_of(columns)}"))
        if not isinstance(data, list):
            places.append(Place(f"{at}/data", f"expected a list of rows, got {name_of(data)}"))
        elif index is not None and not (isinstance(index, list) and len(index) == len(data)):
            got = len(index) if isinstance(index, list) else name_of(index)
            places.append(
                Place(f"{at}/index", f"expected {len(data)} labels, one for each row, got {got}")
            )
        if places:
            raise InvalidRows(places)
        return self._read_rows(columns, data, f"{at}/data", ignore=ignore)

    def _read_rows(self, columns: list[str], data: list[Any], at: str, *, ignore: bool) -> Batch:
        check_count(len(data), self._max_rows)
        expected = f"expected {len(columns)} values, one for each column"
        places = limit_faults(
            Place(f"{at}/{i}", f"{expected}, got {len(row)}")
            for i, row in enumerate(data)
            if isinstance(row, list) and len(row) != len(columns)
        )
        if places:
            raise InvalidRows(places)
        numbers = {escape(name): (j, name) for j, name in enumerate(self._meant(columns))}
        samples = [self._sample(columns, row) if isinstance(row, list) else row for row in data]
        try:
            return self.check(samples, lambda i: f"{at}/{i}", ignore=ignore)
        except InvalidRows as error:
            error.places = tuple(_counted(place, data, at, numbers) for place in error.places)
            raise

    def _sample(self, columns: Sequence[str], row: Sequence[Any]) -> dict[str, Any]:
        """A row of a table as an object."""
        if self._names.open:
            return named(columns, row)
        return dict(zip(columns, row, strict=True))

    def _meant(self, columns: Iterable[Any]) -> list[str]:
        """The features for these names, in their order; a name that means none is left as it is."""
        columns = list(columns)
        meant = self._names.resolve(columns)
        return [meant.get(column, column) for column in columns]

    def _read_table(self, table: dict[str, Any], data: list[Any], *, ignore: bool) -> Batch:
        """Read what orient="table" writes: records, among them the index, which the schema names.

        https://specs.frictionlessdata.io/table-schema/
        """
        places = _repeated(table, "")
        places += limit_faults(
            Place(f"/{escape(name)}", "is not known: expected schema, data")
            for name in table
            if name not in ("schema", "data")
        )
        if places:
            raise InvalidRows(places)
        index = table["schema"].get("primaryKey", [])
        labels = index if isinstance(index, list) else [index]
        rows = [
            {name: value for name, value in row.items() if name not in labels}
            if type(row) is dict
            else row
            for row in data
        ]
        return self.check(rows, lambda i: f"/data/{i}", ignore=ignore)

    def _read_labelled(self, document: dict[str, Any], *, ignore: bool) -> Batch:
        """Read what orient="columns" or orient="index" writes: an object of objects."""
        names = self._names
        # Numbers may be labels of rows as well as names of columns, and decide nothing.
        fits = partial(names.fit, ignore=ignore, numbers=False)
        columns = not names.open and fits(document)
        rows = not names.open and all(map(fits, document.values()))
        if columns == rows:
            known = partial(names.resolve, numbers=False)
            columns = bool(known(document))
            rows = any(map(known, document.values()))
            if columns == rows:
                what = "columns or rows, and it can be both" if columns else "rows of the model"
                raise InvalidRows([Place("", f"expected {what}: send a list of rows; {RECORDS}")])
        if rows:
            places = _repeated(document, "")
            if places:
                raise InvalidRows(places)
            labels = [escape(label) for label in document]
            return self.check(list(document.values()), lambda i: f"/{labels[i]}", ignore=ignore)
        return self._read_columns(document, "", ignore=ignore)

    def _read_columns(self, columns: dict[str, Any], at: str, *, ignore: bool) -> Batch:
        """Read columns, each a list of its values, or an object of them by the labels of rows."""
        many = [values for values in columns.values() if isinstance(values, (list, dict))]
        if not many:
            # One row: each column has one value, without a list around it.
            return self.check([columns], lambda _: at, ignore=ignore)
        places = _repeated(columns, at)
        steps = (f"{at}/{escape(name)}" for name in columns)
        places += limit_faults(self._wrong_columns(list(columns), steps, at, ignore=ignore))
        longest = max(many, key=len)
        labels = [escape(label) for label in longest] if isinstance(longest, dict) else None
        for name, values in columns.items():
            places += _wrong_labels(values, longest, f"{at}/{escape(name)}")
            if len(places) > len(columns):
                break
        if places:
            raise InvalidRows(limit_faults(places))
        check_count(len(longest), self._max_rows)
        names = list(columns)
        lists = [
            [values[label] for label in longest] if isinstance(values, dict) else values
            for values in columns.values()
        ]
        samples = [self._sample(names, row) for row in zip(*lists, strict=True)]
        columns_at = dict(zip(self._meant(names), (escape(name) for name in names), strict=True))

        def label(i: int | str) -> str:
            return labels[int(i)] if labels else str(i)

        try:
            batch = self.check(samples, str, ignore=ignore)
        except InvalidRows as error:
            prefixed = not self._names.open
            error.places = tuple(
                _turned(place, at, columns_at, label, prefixed=prefixed) for place in error.places
            )
            raise
        # An unused column may be left out.
        start = next(
            (columns_at[n] for n in self._names.names if n in columns_at), escape(names[0])
        )
        batch.pointers = lambda i: f"{at}/{start}/{label(i)}"
        return batch

    def _wrong_columns(
        self, columns: Sequence[Any], steps: Iterable[str], at: str, *, ignore: bool
    ) -> Iterator[Place]:
        """What is wrong with the columns; `steps` are the JSON Pointers of their names."""
        seen = set()
        meant = self._names.resolve(column for column in columns if isinstance(column, str))
        for column, step in zip(columns, steps, strict=False):
            if not isinstance(column, str):
                yield Place(step, f"expected the name of a column, got {name_of(column)}")
            elif column in seen:
                yield Place(step, "this column stands twice")
            else:
                seen.add(meant.get(column, column))
                if column not in meant and not ignore:
                    yield Place(step, f"{UNKNOWN}; {IGNORE_HINT}")
        for name in self._names.required:
            if name not in seen:
                yield Place(at, f"lacks the feature {name}")


def _are_values(data: list[Any]) -> bool:
    return any(not isinstance(value, (list, dict)) for value in data)


def _repeated(document: dict[str, Any], at: str) -> list[Place]:
    if not isinstance(document, Repeated):
        return []
    return [Place(f"{at}/{escape(document.name)}", "stands twice in one object")]


def _wrong_labels(values: Any, longest: Any, at: str) -> list[Place]:
    """What is wrong with a column beside the longest one."""
    if isinstance(longest, list):
        expected = f"expected a list of {len(longest)} values, as many as in the longest column"
        got: Any = len(values) if isinstance(values, list) else name_of(values)
        return [] if got == len(longest) else [Place(at, f"{expected}, got {got}")]
    if not isinstance(values, dict):
        return [Place(at, f"expected an object of values by row, got {name_of(values)}")]
    places = _repeated(values, at)
    if values.keys() != longest.keys():
        places.append(Place(at, "expected the labels that the longest column has"))
    return places


def _counted(place: Place, data: list[Any], at: str, numbers: dict[str, tuple[int, str]]) -> Place:
    """A place in a row with the number of its column instead of the name."""
    row, _, step = place.pointer.removeprefix(f"{at}/").partition("/")
    if step not in numbers or not isinstance(data[int(row)], list):
        return place
    number, name = numbers[step]
    return Place(f"{at}/{row}/{number}", f"{name}: {place.detail}")


def _turned(
    place: Place,
    at: str,
    columns_at: dict[str, str],
    label: Callable[[str], str],
    *,
    prefixed: bool,
) -> Place:
    """A place in a row as the place in the column that the value came from."""
    row, _, step = place.pointer.partition("/")
    name = {escape(name): name for name in columns_at}.get(step, step)
    detail = f"{name}: {place.detail}" if prefixed else place.detail
    return Place(f"{at}/{columns_at.get(name, step)}/{label(row)}", detail)
