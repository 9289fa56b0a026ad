"""Samples in JSON to rows: msgspec decodes and checks them in one go.

Whatever msgspec refuses gives None here, and is read again, slowly, by `documents`.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable
from typing import Any

import msgspec
import numpy as np
from msgspec import UNSET

from models.rows import dates
from models.rows.batch import Batch, array_of, count_unknown
from models.text.contract import Contract
from models.text.limits import PIECE_BYTES
from models.text.pieces import pieces
from models.text.sample_types import sample_types

# What msgspec raises on bodies that have to be read slowly.
NOT_FAST = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
COLON = ord(":")
# From so many bytes on, numpy counts faster than Python.
NUMPY_BYTES = 10_000
START = re.compile(rb"[ \t\r\n]*+(.?)[ \t\r\n]*+(.?)", re.DOTALL)


class SampleReader:
    """Reads samples of one signature."""

    def __init__(self, contract: Contract) -> None:
        self._contract = contract
        self._signature = signature = contract.signature
        self._numeric = signature.numeric
        self._width = contract.width
        self._max_rows = contract.max_rows
        self._one_feature = self._width == 1
        self._unused = any(feature.kind == "unused" for feature in signature.features)
        self._dates = [(j, f) for j, f in enumerate(signature.features) if dates.matter(f)]
        self._row, values, sample = sample_types(signature)
        list_of: Any = list
        instances: Any = msgspec.defstruct(
            "Instances",
            [("instances", list_of[sample]), ("parameters", dict[str, Any] | None, None)],
            forbid_unknown_fields=True,
        )
        self._one_object: Any = msgspec.json.Decoder(sample if self._row is dict else self._row)
        self._one_list: Any = msgspec.json.Decoder(sample if self._one_feature else values)
        self._samples: Any = msgspec.json.Decoder(list_of[sample])
        self._instances: Any = msgspec.json.Decoder(instances)
        # Decodes one sample of any form.
        self.decode: Any = msgspec.json.Decoder(sample).decode

    def read(self, body: bytes) -> Batch | None:
        """Read one sample, a list of samples, or `{"instances": [...]}`; None if it is none."""
        if len(body) > 2 * PIECE_BYTES:
            return self._read_pieces(body)
        try:
            samples, prefix, names = self._decode(body)
        except NOT_FAST:
            return None
        return self.finish(body, samples, prefix, names)

    def read_list(self, body: bytes, prefix: str) -> Batch | None:
        """Read a list of samples that stands at `prefix` in a larger body; None if it is none."""
        if len(body) > 2 * PIECE_BYTES:
            return self._read_pieces(body, prefix)
        try:
            samples = self._samples.decode(body)
        except NOT_FAST:
            return None
        return self.finish(body, samples, prefix)

    def _decode(self, body: bytes) -> tuple[list[Any], str | None, int]:
        """The samples, their JSON Pointer (None: the body is a sample), and the names around."""
        first, second = START.match(body).groups()  # type: ignore[union-attr]
        if first == b"{":
            if b'"instances"' in body:
                request: Any = self._instances.decode(body)
                if not request.parameters:
                    return request.instances, "/instances", 1
            return [self._one_object.decode(body)], None, 0
        if first == b"[" and (self._one_feature or second in b"[{"):
            return self._samples.decode(body), "", 0
        return [self._one_list.decode(body)], None, 0

    def finish(
        self, body: bytes, samples: list[Any], prefix: str | None, names: int = 0
    ) -> Batch | None:
        """The rows of decoded samples; None if they have to be read slowly.

        `prefix` is the JSON Pointer of the samples, None if the body is one sample; `names` is how
        many names the body has around them.
        """
        if not 0 < len(samples) <= self._max_rows:
            self._contract.check_count(len(samples))
        found = self._rows(samples)
        if found is None or may_repeat_names(body, names + found[1]):
            return None
        rows = found[0]
        only_row = rows[0] if len(rows) == 1 and self._row is not dict else ()
        if self._numeric:
            return Batch(None if only_row else array_of(rows), _pointers(prefix), only_row=only_row)
        return self._batch(rows, _pointers(prefix), only_row)

    def _read_pieces(self, body: bytes, prefix: str = "") -> Batch | None:
        """Read a long list piece by piece; None if it is none."""
        cut = pieces(body)
        if cut is None:
            return None
        limits = self._contract.limits
        parts: list[Any] = []
        total, names = 0, int(cut[1])
        try:
            for piece in cut[0]:
                if len(piece) > 2 * PIECE_BYTES:
                    limits.check_json(piece)
                samples = self._samples.decode(piece)
                found = self._rows(samples)
                if found is None or not samples:
                    return None
                total += len(samples)
                limits.check_rows(total)
                names += found[1]
                parts.append(array_of(found[0]) if self._numeric else found[0])
        except NOT_FAST:
            return None
        if may_repeat_names(body, names):
            return None
        pointers = _pointers("/instances" if cut[1] else prefix)
        if self._numeric:
            return Batch(np.concatenate(parts), pointers)
        return self._batch(list(itertools.chain.from_iterable(parts)), pointers)

    def _rows(self, samples: list[Any]) -> tuple[Any, int] | None:
        """The rows of decoded samples, and how many names these had; None if a width is wrong."""
        if self._row is dict:
            return samples, sum(map(len, samples))
        kinds = set(map(type, samples))
        if kinds == {self._row} and not self._unused:
            return list(map(msgspec.structs.astuple, samples)), self._width * len(samples)
        if kinds == {tuple} and not self._one_feature:
            return samples, 0
        rows: list[Any] = []
        names = 0
        for sample in samples:
            if type(sample) is tuple:
                if len(sample) != self._width:
                    return None
                rows.append(sample)
            elif type(sample) is self._row:
                values = msgspec.structs.astuple(sample)
                names += self._width - values.count(UNSET)
                rows.append(tuple(None if value is UNSET else value for value in values))
            else:
                rows.append((sample,))
        return rows, names

    def _batch(
        self, rows: list[Any], pointers: Callable[[int], str], only_row: tuple[Any, ...] = ()
    ) -> Batch | None:
        """Rows that are not all numbers; None if they have to be read slowly."""
        if self._dates and not self._are_dates(rows):
            return None
        unknown = count_unknown(self._signature, rows)
        return None if unknown is None else Batch(rows, pointers, unknown, only_row)

    def _are_dates(self, rows: list[Any]) -> bool:
        return all(dates.fit(feature, [row[j] for row in rows]) for j, feature in self._dates)


def _pointers(prefix: str | None) -> Callable[[int], str]:
    return lambda i: "" if prefix is None else f"{prefix}/{i}"


def may_repeat_names(body: bytes, names: int, inner: bytes = b"") -> bool:
    """Whether a JSON object may have a name twice, of which msgspec keeps the last silently.

    `names` is how many names msgspec has decoded, outside of the part `inner`. Each name has a
    colon, so more colons stand in a text or behind a repeated name.
    """
    return _count_colons(body) - _count_colons(inner) != names


def _count_colons(body: bytes) -> int:
    if len(body) < NUMPY_BYTES:
        return body.count(b":")
    view = np.frombuffer(body, np.uint8)
    # In pieces, since a comparison allocates as many bytes as it compares.
    pieces = (view[at : at + PIECE_BYTES] for at in range(0, len(view), PIECE_BYTES))
    return sum(int(np.count_nonzero(piece == COLON)) for piece in pieces)
