"""Rows in the JSON that MLflow's scoring server takes, and in pandas' `orient="split"`.

`dataframe_split` is `{columns, index?, data}`, `dataframe_records` and `instances` are lists of
rows, and `inputs` is a list of rows or an object of columns. msgspec reads good bodies here;
`documents` reads all others again, slowly, to say what is wrong and where. Source:
https://mlflow.org/docs/latest/ml/deployment/deploy-model-locally/
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np
from msgspec import UNSET, UnsetType

from api.formats.envelope import FORMS, envelope
from models.engines import Rows
from models.rows.batch import Batch
from models.signature.types import Signature
from models.text.contract import Contract
from models.text.samples import NOT_FAST, SampleReader, may_repeat_names

MAX_KEPT_READERS = 16


class Split(msgspec.Struct, forbid_unknown_fields=True):
    """A table in pandas' form `orient="split"`."""

    data: msgspec.Raw
    columns: list[str | int] | UnsetType | None = UNSET
    index: list[Any] | UnsetType | None = UNSET

    @property
    def names(self) -> int:
        """How many names the object has."""
        return 1 + (self.columns is not UNSET) + (self.index is not UNSET)


class FrameReader:
    """Reads tables of one signature; `samples` reads lists of its rows."""

    def __init__(self, contract: Contract, samples: SampleReader) -> None:
        self._signature = contract.signature
        self._names = contract.names
        self._split_decoder = msgspec.json.Decoder(Split)
        self._samples = samples
        # A reader for each order of columns that was sent lately.
        self._reader_of = functools.lru_cache(MAX_KEPT_READERS)(
            lambda names: SampleReader(
                msgspec.structs.replace(contract, signature=self._permuted(names))
            )
        )

    def read(self, body: bytes) -> Batch | None:
        """Read a table; None if it is none, or has to be read slowly.

        Raises InvalidRows if it has no rows, TooLarge.
        """
        if found := envelope(body, FORMS):
            rows, at = found
            if at != "/dataframe_split":
                return self._samples.read_list(rows, at)
            return self._read_split(rows, at)
        # A feature may have the name of a part.
        if self._names.known.isdisjoint(Split.__struct_fields__):
            return self._read_split(body, "")
        return None

    def _read_split(self, body: bytes, at: str) -> Batch | None:
        try:
            split = self._split_decoder.decode(body)
        except NOT_FAST:
            return None
        data = bytes(split.data)
        if may_repeat_names(body, split.names, data):
            return None
        own = names = self._names.names
        if isinstance(split.columns, list):
            names = list(map(self._names.column, split.columns))
        if names == own:
            batch = self._samples.read_list(data, f"{at}/data")
        elif len(names) == len(own) and set(names) == set(own):
            batch = self._reader_of(tuple(names)).read_list(data, f"{at}/data")
            batch = batch and self._in_order(batch, names)
        else:
            return None
        wrong = batch and isinstance(split.index, list) and len(split.index) != batch.count
        return None if wrong else batch

    def _permuted(self, names: Sequence[str]) -> Signature:
        """The signature with its features in this order."""
        features = {feature.name: feature for feature in self._signature.features}
        order = tuple(features[name] for name in names)
        return msgspec.structs.replace(self._signature, features=order)

    def _in_order(self, batch: Batch, names: Sequence[str]) -> Batch:
        """The batch with its values, which are in the order of these names, in the model's."""
        places = {name: j for j, name in enumerate(names)}
        order = [places[name] for name in self._names.names]
        rows: Rows
        if isinstance(batch.rows, np.ndarray):
            rows = np.ascontiguousarray(batch.rows[:, order])
        else:
            rows = [tuple(row[j] for j in order) for row in batch.rows]
        return Batch(rows, batch.pointers, batch.unknown)
