"""Rows from the JSON that MLflow's scoring server takes: a table under one of four names.

`dataframe_split` is `{columns, index?, data}`, `dataframe_records` and `instances` are lists of
rows, and `inputs` is a list of rows or an object of columns. Source:
https://mlflow.org/docs/latest/ml/deployment/deploy-model-locally/

Good bodies are read by msgspec; whatever that refuses is read again, slowly, to say what is wrong
and where. MLflow's own client writes NaN, which is no JSON, for a missing value: so it is one here.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import msgspec
import numpy as np
from msgspec import UNSET, UnsetType

from api.engines import Rows
from api.errors import InvalidRows, Place, first
from api.formats.json import NOT_FAST, JsonReader, count_colons, parse, refuse_constant
from api.formats.rows import Batch, Repeated, check, check_count, escape, name_of, named
from api.signature import Signature

FORMS = ("dataframe_split", "dataframe_records", "instances", "inputs")
SPLIT = ("columns", "index", "data")
# The second is Vertex AI's name for the first.
PARAMETERS = ("params", "parameters")
# Orders of columns whose readers are kept.
KEPT_ORDERS = 16
ABSENT = msgspec.Raw(b"")


class _Split(msgspec.Struct, forbid_unknown_fields=True):
    data: msgspec.Raw
    columns: list[str | int] | UnsetType | None = UNSET
    index: list[Any] | UnsetType | None = UNSET


class _Request(msgspec.Struct, forbid_unknown_fields=True):
    dataframe_split: _Split | UnsetType = UNSET
    dataframe_records: msgspec.Raw = ABSENT
    instances: msgspec.Raw = ABSENT
    inputs: msgspec.Raw = ABSENT
    params: dict[str, Any] | UnsetType | None = UNSET


class FrameReader:
    """Reads tables of one signature; `reader` reads samples of the same one."""

    def __init__(self, signature: Signature, max_rows: int, reader: JsonReader) -> None:
        self._signature = signature
        self._max_rows = max_rows
        self._names = [feature.name for feature in signature.features]
        self._decoder = msgspec.json.Decoder(_Request)
        self._reader = reader
        self._reader_of = functools.lru_cache(KEPT_ORDERS)(
            lambda names: JsonReader(self._permuted(names), max_rows)
        )

    def read(self, body: bytes) -> Batch | None:
        """Read a table; None if the body is not an object with one of the four names.

        Raises MalformedBody with the position, InvalidRows with the places, TooLarge.
        """
        if not any(f'"{form}"'.encode() in body for form in FORMS):
            return None
        return self._read_fast(body) or self._explain(body)

    def _read_fast(self, body: bytes) -> Batch | None:
        try:
            request = self._decoder.decode(body)
        except NOT_FAST:
            return None
        given = [name for name in FORMS if _is_set(getattr(request, name))]
        if len(given) != 1 or request.params:
            return None
        form, split = given[0], request.dataframe_split
        raw = bytes(split.data if split else getattr(request, form))
        # Each name has its colon. More colons than names: one stands in a text, or in a name that
        # was repeated, of which msgspec keeps the last.
        if count_colons(body) - count_colons(raw) != _count_set(request) + _count_set(split):
            return None
        if split:
            return self._read_split(split, raw, f"/{form}/data")
        return self._reader.read_list(raw, f"/{form}")

    def _read_split(self, split: _Split, raw: bytes, at: str) -> Batch | None:
        names = self._names
        if isinstance(split.columns, list):
            names = [self._name(column) for column in split.columns]
        if names == self._names:
            batch = self._reader.read_list(raw, at)
        elif len(names) == len(self._names) and set(names) == set(self._names):
            batch = self._reader_of(tuple(names)).read_list(raw, at)
            batch = batch and self._in_order(batch, names)
        else:
            return None
        wrong = batch and isinstance(split.index, list) and len(split.index) != len(batch.rows)
        return None if wrong else batch

    def _explain(self, body: bytes) -> Batch | None:
        document = parse(body, constant=_missing_or_refused)
        if not isinstance(document, dict):
            return None
        given = [name for name in FORMS if isinstance(document.get(name), (list, dict))]
        if not given:
            return None
        form, value = given[0], document[given[0]]
        places = _repeated(document, "")
        if len(given) > 1:
            places.append(
                Place("", f"expected one of {', '.join(FORMS)}, got {len(given)} of them")
            )
        places += [
            Place(
                f"/{escape(name)}",
                "this model takes no parameters" if name in PARAMETERS else "is not known",
            )
            for name in document
            if name not in given and (name not in PARAMETERS or document[name] not in (None, {}))
        ]
        if places:
            raise InvalidRows(places)
        if form == "dataframe_split":
            return self._explain_split(value, f"/{form}")
        if isinstance(value, list):
            check_count(len(value), self._max_rows)
            return check(self._signature, value, lambda i: f"/{form}/{i}")
        if form == "inputs":
            return self._explain_columns(value, f"/{form}")
        raise InvalidRows([Place(f"/{form}", "expected a list of rows, got an object")])

    def _explain_split(self, split: Any, at: str) -> Batch:
        if not isinstance(split, dict):
            raise InvalidRows([Place(at, "expected an object with columns and data, got a list")])
        places = _repeated(split, at)
        places += first(
            Place(f"{at}/{escape(name)}", f"is not known: expected {', '.join(SPLIT)}")
            for name in split
            if name not in SPLIT
        )
        values: list[Any] = [split.get(name) for name in SPLIT]
        columns, index, data = values
        if columns is None:
            columns = self._names
        elif isinstance(columns, list):
            columns = [self._name(column) for column in columns]
            steps = (f"{at}/columns/{j}" for j in itertools.count())
            places += first(self._wrong_columns(columns, steps, f"{at}/columns"))
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
        check_count(len(data), self._max_rows)
        return self._explain_rows(columns, data, f"{at}/data")

    def _explain_rows(self, columns: list[str], data: list[Any], at: str) -> Batch:
        expected = f"expected {len(columns)} values, one for each column"
        places = first(
            Place(f"{at}/{i}", f"{expected}, got {len(row)}")
            for i, row in enumerate(data)
            if isinstance(row, list) and len(row) != len(columns)
        )
        if places:
            raise InvalidRows(places)
        if self._signature.form == "mapping":
            rows = [named(columns, row) if isinstance(row, list) else row for row in data]
            return check(self._signature, rows, lambda i: f"{at}/{i}")
        batch = check(self._permuted(columns), data, lambda i: f"{at}/{i}")
        return self._in_order(batch, columns)

    def _explain_columns(self, columns: dict[str, Any], at: str) -> Batch:
        lists = [values for values in columns.values() if isinstance(values, list)]
        if not lists:
            # One row: each column has one value, without a list around it.
            return check(self._signature, [columns], lambda _: at)
        count = max(map(len, lists))
        places = _repeated(columns, at)
        steps = (f"{at}/{escape(name)}" for name in columns)
        places += first(self._wrong_columns(columns, steps, at))
        expected = f"expected a list of {count} values, as many as in the longest column"
        places += first(
            Place(f"{at}/{escape(name)}", f"{expected}, got {got}")
            for name, values in columns.items()
            if (got := len(values) if isinstance(values, list) else name_of(values)) != count
        )
        if places:
            raise InvalidRows(places)
        check_count(count, self._max_rows)
        names = self._names or list(columns)
        # An unused column may be left out.
        absent = [None] * count
        rows: list[Any] = list(zip(*(columns.get(name, absent) for name in names), strict=True))
        if self._signature.form == "mapping":
            rows = [named(names, row) for row in rows]
            columns_at = {escape(name): f"{at}/{escape(name)}" for name in names}
        else:
            columns_at = {str(j): f"{at}/{escape(name)}" for j, name in enumerate(names)}
        try:
            batch = check(self._signature, rows, str)
        except InvalidRows as error:
            error.places = tuple(_turned(place, columns_at) for place in error.places)
            raise
        batch.pointers = lambda i: f"{at}/{escape(names[0])}/{i}"
        return batch

    def _wrong_columns(
        self, columns: Iterable[Any], steps: Iterable[str], at: str
    ) -> Iterator[Place]:
        """What is wrong with the columns, each of which is named at a step of its own."""
        seen = set()
        known = frozenset(self._names)
        for column, step in zip(columns, steps, strict=False):
            if not isinstance(column, str):
                yield Place(step, f"expected the name of a column, got {name_of(column)}")
            elif column in seen:
                yield Place(step, "this column stands twice")
            elif self._signature.form != "mapping" and column not in known:
                yield Place(step, "is not a feature of the model")
            else:
                seen.add(column)
        for feature in self._signature.features:
            if feature.name not in seen and feature.kind != "unused":
                yield Place(at, f"lacks the feature {feature.name}")

    def _name(self, column: Any) -> Any:
        """The feature that a column names; pandas numbers those that nobody has named."""
        numbered = type(column) is int and not self._signature.named
        return self._names[column] if numbered and 0 <= column < len(self._names) else column

    def _permuted(self, names: Sequence[str]) -> Signature:
        """The signature with its features in this order."""
        features = {feature.name: feature for feature in self._signature.features}
        order = tuple(features[name] for name in names)
        return msgspec.structs.replace(self._signature, features=order)

    def _in_order(self, batch: Batch, names: Sequence[str]) -> Batch:
        """The batch with its values, which stand in the order of these names, in the model's."""
        places = {name: j for j, name in enumerate(names)}
        order = [places.get(name) for name in self._names]
        rows: Rows
        if isinstance(batch.rows, np.ndarray):
            rows = np.ascontiguousarray(batch.rows[:, np.array(order, dtype=np.intp)])
        else:
            rows = [tuple(None if j is None else row[j] for j in order) for row in batch.rows]
        return Batch(rows, batch.pointers, batch.unknown)


def _is_set(value: Any) -> bool:
    return value is not UNSET and (not isinstance(value, msgspec.Raw) or len(bytes(value)) > 0)


def _count_set(request: Any) -> int:
    """How many names of an object were given."""
    if request is UNSET:
        return 0
    return sum(_is_set(getattr(request, name)) for name in request.__struct_fields__)


def _repeated(document: dict[str, Any], at: str) -> list[Place]:
    if not isinstance(document, Repeated):
        return []
    return [Place(f"{at}/{escape(document.name)}", "stands twice in one object")]


def _turned(place: Place, columns_at: dict[str, str]) -> Place:
    """A place in a row, as one in the column that the value came from."""
    row, _, step = place.pointer.partition("/")
    return Place(f"{columns_at[step]}/{row}", place.detail)


def _missing_or_refused(word: str) -> None:
    if word != "NaN":
        refuse_constant(word)
