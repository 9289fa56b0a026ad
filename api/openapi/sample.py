"""The example row of a model, in every form that its methods read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from api.formats import Reader
from api.metadata import example
from models.errors import CallError
from models.model import Model
from models.rows.batch import Batch
from models.signature.types import Signature, plain_rows


class Sample(msgspec.Struct, frozen=True):
    """One row that the model takes: its values by name, and its batch, read as a request is.

    `batch` is None if even a row made from the signature is refused.
    """

    row: dict[str, Any]
    mapping: bool
    batch: Batch | None

    @property
    def values(self) -> list[Any]:
        """The row's values in the model's order."""
        return list(self.row.values())

    def json(self) -> dict[str, Any]:
        """A body for each JSON form, by what OpenAPI calls it."""
        forms: dict[str, Any] = {"object": self.row}
        rows: list[Any] = [self.row]
        if not self.mapping:
            if len(self.row) > 1:
                forms["list"] = self.values
            else:
                forms["value"] = self.values[0]
            rows.append(self.values)
        forms |= {"rows": rows, "instances": {"instances": rows}}
        if not self.mapping:
            # pandas writes the first with to_json unless told otherwise.
            forms["columns"] = {name: {"0": value} for name, value in self.row.items()}
            forms["split"] = {"columns": list(self.row), "data": [self.values]}
        return forms


def choose(model: Model, reader: Reader) -> Sample:
    """The example that `/metadata` shows, or a row made up if the model refuses the example."""
    signature = model.signature
    candidates = [example(model), *plain_rows(signature)]
    for candidate in candidates:
        try:
            batch = reader.read(msgspec.json.encode(candidate), "application/json")
        except CallError:
            continue
        if batch.count == 1 and _is_row(signature, candidate):
            return _sample(signature, candidate, batch)
    return _sample(signature, candidates[-1], None)


def _is_row(signature: Signature, candidate: Any) -> bool:
    """Whether an example is a row alone: a card may have an object around it, or several rows."""
    names = {feature.name for feature in signature.features}
    if signature.form == "mapping":
        return isinstance(candidate, dict) and "instances" not in candidate
    if isinstance(candidate, dict):
        return candidate.keys() == names
    if isinstance(candidate, (list, tuple)):
        plain = not any(isinstance(value, (dict, list)) for value in candidate)
        return plain and len(candidate) == len(names)
    # The reader takes a value alone only as a row of one feature.
    return True


def _sample(signature: Signature, row: Any, batch: Batch | None) -> Sample:
    mapping = signature.form == "mapping"
    if not mapping and not isinstance(row, dict):
        values: Sequence[Any] = row if isinstance(row, (list, tuple)) else [row]
        names = [feature.name for feature in signature.features]
        row = dict(zip(names, values, strict=True))
    elif not mapping:
        row = {feature.name: row[feature.name] for feature in signature.features}
    return Sample(row, mapping, batch)
