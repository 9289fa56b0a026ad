"""Rows from the tables that MLflow's scoring server takes, and from pandas' orient="split".

`dataframe_split` is `{columns, index?, data}`, `dataframe_records` and `instances` are lists of
rows, and `inputs` is a list of rows or an object of columns. msgspec reads good bodies here;
`orients` reads the others again, slowly, to say what is wrong and where. Source:
https://mlflow.org/docs/latest/ml/deployment/deploy-model-locally/
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np
from msgspec import UNSET, UnsetType

from api.formats.json import NOT_FAST, START, JsonReader, count_colons
from api.formats.orients import FORMS, SPLIT
from models.engines import Rows
from models.rows.check import Batch
from models.rows.names import Names
from models.signature.types import Signature

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
        self._names = Names(signature)
        self._decoder = msgspec.json.Decoder(_Request)
        self._split_decoder = msgspec.json.Decoder(_Split)
        self._reader = reader
        self._reader_of = functools.lru_cache(KEPT_ORDERS)(
            lambda names: JsonReader(self._permuted(names), max_rows)
        )

    def read(self, body: bytes) -> Batch | None:
        """Read a table; None if it is none, or if something in it has to be explained.

        Raises InvalidRows if it has no rows, TooLarge.
        """
        if START.match(body)[1] != b"{":  # type: ignore[index]
            return None
        if not any(f'"{form}"'.encode() in body for form in FORMS):
            return self._read_bare(body)
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

    def _read_bare(self, body: bytes) -> Batch | None:
        """Read pandas' orient="split", unless a feature has the name of one of its parts."""
        if b'"data"' not in body or not self._names.known.isdisjoint(SPLIT):
            return None
        try:
            split = self._split_decoder.decode(body)
        except NOT_FAST:
            return None
        raw = bytes(split.data)
        if count_colons(body) - count_colons(raw) != _count_set(split):
            return None
        return self._read_split(split, raw, "/data")

    def _read_split(self, split: _Split, raw: bytes, at: str) -> Batch | None:
        own = names = self._names.names
        if isinstance(split.columns, list):
            names = list(map(self._names.column, split.columns))
        if names == own:
            batch = self._reader.read_list(raw, at)
        elif len(names) == len(own) and set(names) == set(own):
            batch = self._reader_of(tuple(names)).read_list(raw, at)
            batch = batch and self._in_order(batch, names)
        else:
            return None
        wrong = batch and isinstance(split.index, list) and len(split.index) != len(batch.rows)
        return None if wrong else batch

    def _permuted(self, names: Sequence[str]) -> Signature:
        """The signature with its features in this order."""
        features = {feature.name: feature for feature in self._signature.features}
        order = tuple(features[name] for name in names)
        return msgspec.structs.replace(self._signature, features=order)

    def _in_order(self, batch: Batch, names: Sequence[str]) -> Batch:
        """The batch with its values, which stand in the order of these names, in the model's."""
        places = {name: j for j, name in enumerate(names)}
        order = [places[name] for name in self._names.names]
        rows: Rows
        if isinstance(batch.rows, np.ndarray):
            rows = np.ascontiguousarray(batch.rows[:, order])
        else:
            rows = [tuple(row[j] for j in order) for row in batch.rows]
        return Batch(rows, batch.pointers, batch.unknown)


def _is_set(value: Any) -> bool:
    return value is not UNSET and (not isinstance(value, msgspec.Raw) or len(bytes(value)) > 0)


def _count_set(request: Any) -> int:
    """How many names of an object were given."""
    if request is UNSET:
        return 0
    return sum(_is_set(getattr(request, name)) for name in request.__struct_fields__)
