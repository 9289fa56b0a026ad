"""Rows from JSON and NDJSON.

Good bodies are decoded and checked in one go by msgspec, into types made out of the signature.
Whatever that refuses is decoded again, slowly, to say what is wrong and where.
"""

from __future__ import annotations

import codecs
import itertools
import json
import math
import re
import secrets
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Annotated, Any

import msgspec
import numpy as np
from msgspec import UNSET, UnsetType

from api.errors import MalformedBody
from api.formats.limits import PIECE_BYTES, TOO_DEEP, Limits, check_count, count
from api.formats.orients import Documents
from models.rows import dates
from models.rows.check import Batch, Repeated, array_of, count_unknown
from models.signature.types import Feature, Signature

# Integers that stay integers, as far as every array holds them; the others are looked at slowly.
Int64 = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]
TYPES: dict[str, Any] = {
    "unused": Int64 | float | str | bool,
    "number": float | bool,
    "string": str,
    "boolean": bool,
    "datetime": str,
    "any": Int64 | float | str | bool,
}
START = re.compile(rb"[ \t\r\n]*+(.?)[ \t\r\n]*+(.?)", re.DOTALL)
# A list of samples, bare or as `instances`, from its bracket to its first sample; and its end.
LIST = re.compile(rb'[ \t\r\n]*+(\{[ \t\r\n]*+"instances"[ \t\r\n]*+:[ \t\r\n]*+)?\[[ \t\r\n]*+(.)')
LIST_END = re.compile(rb"\][ \t\r\n]*(\}?)[ \t\r\n]*$")
TAIL_BYTES = 64
# A sample that does not end within so many pieces is not looked through for its end.
MAX_PIECES = 8
# What ends a sample that begins with this byte, and another follows.
SAMPLE_ENDS = {b"{": b"},", b"[": b"],", b'"': b'",'}
COLON = ord(":")
# From so many bytes on numpy counts faster than Python.
LONG = 10_000
LINE_END = ord("\n")
NOT_A_FIELD = re.compile(r'[\x00-\x1f"\\]')
CONSTANTS = {"NaN": None, "Infinity": math.inf, "-Infinity": -math.inf}
NOT_FAST = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


class JsonReader:
    """Reads samples of one signature."""

    def __init__(self, signature: Signature, max_rows: int) -> None:
        self._signature = signature
        self._max_rows = max_rows
        self._limits = Limits(signature, max_rows)
        self._documents = Documents(signature, max_rows)
        self._single = len(signature.features) == 1
        self._numeric = signature.numeric
        self._unused = any(feature.kind == "unused" for feature in signature.features)
        self._dates = [
            (j, feature) for j, feature in enumerate(signature.features) if dates.matter(feature)
        ]
        self._row: Any = dict
        sample: Any = _generic(dict, str, TYPES["any"])
        one: Any = sample
        if signature.form != "mapping":
            types = [_type(feature) for feature in signature.features]
            self._row = msgspec.defstruct(
                "Row",
                [
                    _field(f"f{i}", feature, type_)
                    for i, (feature, type_) in enumerate(
                        zip(signature.features, types, strict=True)
                    )
                ],
                forbid_unknown_fields=True,
                gc=False,
                kw_only=True,
            )
            one = _generic(tuple, *types)
            sample = self._row | one
            if self._single:
                # Of any length, which _finish looks at: msgspec 0.22 fails on a tuple of one value
                # beside a bounded integer.
                sample = self._row | _generic(tuple, types[0], ...) | types[0]
        instances: Any = msgspec.defstruct(
            "Instances",
            [("instances", list[sample]), ("parameters", dict[str, Any] | None, None)],
            forbid_unknown_fields=True,
        )
        self._one_object: Any = msgspec.json.Decoder(self._row if self._row is not dict else sample)
        self._one_list = msgspec.json.Decoder(one)
        self._sample: Any = msgspec.json.Decoder(sample)
        self._samples: Any = msgspec.json.Decoder(list[sample])
        self._instances = msgspec.json.Decoder(instances)
        self._numbered = _numbered(signature, max_rows)

    def read(self, body: bytes, *, ignore: bool = False) -> Batch:
        """Read one sample, a list of samples, or an object around such a list.

        With `ignore`, names that are no features are ignored. Raises MalformedBody with the
        position, InvalidRows with the places, TooLarge.
        """
        return self.read_fast(body) or self.explain(body, ignore=ignore)

    def read_fast(self, body: bytes) -> Batch | None:
        """Read one sample, a list of samples, or `{"instances": [...]}`; None if it is none."""
        if len(body) > 2 * PIECE_BYTES:
            return self._read_pieces(body)
        try:
            samples, prefix, wrappers = self._decode(body)
        except NOT_FAST:
            batch = None
        else:
            batch = self._finish(body, samples, prefix, wrappers)
        if batch is None and self._numbered is not None and b'"0"' in body:
            return self._numbered.read_fast(body)
        return batch

    def read_list(self, body: bytes, prefix: str) -> Batch | None:
        """Read a list of samples that stands at `prefix` in a larger body.

        None if something is wrong with it, which whoever knows the larger body explains.
        """
        if len(body) > 2 * PIECE_BYTES:
            return self._read_pieces(body, prefix)
        try:
            samples = self._samples.decode(body)
        except NOT_FAST:
            return None
        return self._finish(body, samples, prefix, 0)

    def _read_pieces(self, body: bytes, prefix: str = "") -> Batch | None:
        """Read a long list piece by piece; None if it has something else in it.

        Rows are counted on the way, numbers do not stay Python's, and others have Python's lock
        in between.
        """
        begin = LIST.match(body)
        end = LIST_END.search(body, len(body) - TAIL_BYTES)
        if begin is None or end is None or bool(begin[1]) != bool(end[1]):
            return None
        parts: list[Any] = []
        total = names = 0
        try:
            for piece in _pieces(body, begin.start(2), end.start(), begin[2]):
                if len(piece) > 2 * PIECE_BYTES:
                    self._limits.check_json(piece)
                samples = self._samples.decode(piece)
                found = self._rows(samples)
                if found is None or not samples:
                    return None
                total += len(samples)
                self._limits.check_rows(total)
                names += found[1]
                parts.append(array_of(found[0]) if self._numeric else found[0])
        except NOT_FAST:
            return None
        if count_colons(body) != names + bool(begin[1]):
            return None
        pointers = _pointers("/instances" if begin[1] else prefix)
        if self._numeric:
            return Batch(np.concatenate(parts), pointers)
        return self._batch(list(itertools.chain.from_iterable(parts)), pointers)

    def read_lines(self, body: bytes, *, ignore: bool = False) -> Batch:
        """Read NDJSON: one sample on each line; empty lines are ignored."""
        if len(body) > self._limits.max_lines:
            self._limits.check_lines(count(body, LINE_END))
        try:
            samples = [self._sample.decode(line) for _, line in _lines(body)]
        except NOT_FAST:
            return self._explain_lines(body, ignore=ignore)
        batch = self._finish(body, samples, "", 0)
        return batch or self._explain_lines(body, ignore=ignore)

    def _decode(self, body: bytes) -> tuple[list[Any], str | None, int]:
        """The samples, where they stand (None: alone), and the names around them."""
        first, second = START.match(body).groups()  # type: ignore[union-attr]
        if first == b"{":
            if b'"instances"' in body:
                request: Any = self._instances.decode(body)
                if not request.parameters:
                    return request.instances, "/instances", 1
            return [self._one_object.decode(body)], None, 0
        if first == b"[" and (self._single or second in b"[{]"):
            return self._samples.decode(body), "", 0
        return [(self._sample if self._single else self._one_list).decode(body)], None, 0

    def _finish(
        self, body: bytes, samples: list[Any], prefix: str | None, wrappers: int
    ) -> Batch | None:
        """Rows of decoded samples; None if something is left that has to be explained."""
        check_count(len(samples), self._max_rows)
        found = self._rows(samples)
        if found is None:
            return None
        rows, names = found
        # Each name has its colon. More colons than names: one stands in a text, or in a name
        # that was repeated, of which msgspec keeps the last.
        if count_colons(body) != names + wrappers:
            return None
        pointers = _pointers(prefix)
        alone = rows[0] if len(rows) == 1 and self._row is not dict else ()
        if self._numeric:
            return Batch(None if alone else array_of(rows), pointers, alone=alone)
        return self._batch(rows, pointers, alone)

    def _rows(self, samples: list[Any]) -> tuple[Any, int] | None:
        """Rows of decoded samples, and how many names they had; None if the width is wrong."""
        names, width = 0, len(self._signature.features)
        rows: Any = samples
        kinds = set(map(type, samples))
        if self._row is dict:
            names = sum(map(len, samples))
        elif kinds == {self._row}:
            names = width * len(samples)
            rows = list(map(msgspec.structs.astuple, samples))
            if self._unused:
                names -= sum(row.count(UNSET) for row in rows)
                rows = [tuple(None if v is UNSET else v for v in row) for row in rows]
        elif self._single or kinds != {tuple}:
            rows = []
            for sample in samples:
                if type(sample) is tuple:
                    if len(sample) != width:
                        return None
                    rows.append(sample)
                elif type(sample) is self._row:
                    values = msgspec.structs.astuple(sample)
                    names += width - values.count(UNSET)
                    rows.append(tuple(None if v is UNSET else v for v in values))
                else:
                    rows.append((sample,))
        return rows, names

    def _batch(
        self, rows: list[Any], pointers: Callable[[int], str], alone: tuple[Any, ...] = ()
    ) -> Batch | None:
        """Rows that are not all numbers; None if something is left that has to be explained."""
        if self._dates and not self._are_dates(rows):
            return None
        unknown = count_unknown(self._signature, rows)
        return None if unknown is None else Batch(rows, pointers, unknown, alone)

    def _are_dates(self, rows: list[Any]) -> bool:
        """Whether nothing is wrong with the values of the columns that hold dates."""
        return all(dates.fit(feature, [row[j] for row in rows]) for j, feature in self._dates)

    def explain(self, body: bytes, *, ignore: bool = False) -> Batch:
        """Read a body that `read_fast` does not, slowly, and say what is wrong and where."""
        return self._documents.read(parse(body), ignore=ignore)

    def _explain_lines(self, body: bytes, *, ignore: bool = False) -> Batch:
        self._limits.check_json(body)
        samples = [parse(line, f"line {number}: ") for number, line in _lines(body)]
        return self._documents.check(samples, _pointers(""), ignore=ignore)


def _numbered(signature: Signature, max_rows: int) -> JsonReader | None:
    """Reads the numbers that pandas gives to columns without names; None if they have names.

    Fitted on a DataFrame that `read_csv(header=None)` made, scikit-learn keeps no names.
    """
    if signature.named or signature.form != "table" or signature.features[0].name == "0":
        return None
    features = tuple(
        msgspec.structs.replace(feature, name=str(i))
        for i, feature in enumerate(signature.features)
    )
    return JsonReader(msgspec.structs.replace(signature, features=features), max_rows)


def count_colons(body: bytes) -> int:
    """How many colons a body has."""
    if len(body) < LONG:
        return body.count(b":")
    view = memoryview(body)
    return sum(count(view[at : at + PIECE_BYTES], COLON) for at in range(0, len(body), PIECE_BYTES))


def _generic(container: Any, *arguments: Any) -> Any:
    """A generic type made at run time, which a type checker need not follow."""
    return container[arguments]


def _field_name(name: str) -> str:
    """The name itself, or if msgspec does not take it, one that no object has.

    Objects with such a name are then read slowly, and lists are not.
    """
    return secrets.token_hex() if NOT_A_FIELD.search(name) else name


def _field(place: str, feature: Feature, type_: Any) -> tuple[str, Any, Any]:
    """A field of the struct that a row is decoded to; that of an unused column may be left out."""
    name = _field_name(feature.name)
    if feature.kind == "unused":
        return place, type_ | UnsetType, msgspec.field(name=name, default=UNSET)
    return place, type_, msgspec.field(name=name)


def _type(feature: Feature) -> Any:
    base: Any = TYPES[feature.kind]
    if feature.kind == "number" and feature.categories is not None:
        base = Int64 | float
    elif feature.kind == "number" and feature.sent:
        base = Int64 | float | bool
    return base | None if feature.missing else base


def _pieces(body: bytes, start: int, end: int, first: bytes) -> Iterator[bytes]:
    """A list of samples from `start` to `end` as several lists, cut where a sample seems to end.

    A cut in the middle of one leaves pieces that are no JSON.
    """
    ends = SAMPLE_ENDS.get(first, b",")
    view = memoryview(body)
    while end - start > PIECE_BYTES:
        cut = body.find(ends, start + PIECE_BYTES, min(end, start + MAX_PIECES * PIECE_BYTES))
        if cut < 0 and end - start > MAX_PIECES * PIECE_BYTES:
            raise msgspec.DecodeError("a sample does not seem to end")
        if cut < 0:
            break
        cut += len(ends) - 1
        yield b"".join((b"[", view[start:cut], b"]"))
        start = cut + 1
    yield b"".join((b"[", view[start:end], b"]"))


def _pointers(prefix: str | None) -> Callable[[int], str]:
    return lambda i: "" if prefix is None else f"{prefix}/{i}"


def _lines(body: bytes) -> list[tuple[int, bytes]]:
    """The lines that are not empty, each with its number."""
    lines = enumerate(body.split(b"\n"), 1)
    return [(number, line) for number, line in lines if line.strip(b" \t\r")]


def parse(body: bytes, where: str = "") -> Any:
    """Decode JSON as Python does, but note repeated names.

    Python and MLflow write three words that are none of JSON: NaN, which is a missing value, and
    the infinities, which no model is given.
    """
    try:
        text = body.removeprefix(codecs.BOM_UTF8).decode()
        return json.loads(text, object_pairs_hook=_object, parse_constant=CONSTANTS.__getitem__)
    except UnicodeDecodeError as error:
        raise MalformedBody(
            f"{where}The body is not UTF-8: {error.reason} at byte {error.start}."
        ) from None
    except json.JSONDecodeError as error:
        raise MalformedBody(_not_json(error, where)) from None
    except RecursionError:
        raise MalformedBody(f"{where}{TOO_DEEP}") from None
    except ValueError:
        # The only one that is left is Python's own limit.
        limit = sys.get_int_max_str_digits()
        raise MalformedBody(f"{where}The body has an integer of over {limit} digits.") from None


def _not_json(error: json.JSONDecodeError, where: str) -> str:
    """What is wrong with a text, and where."""
    if not error.doc.strip():
        return "The body is empty."
    line = "" if where else f"line {error.lineno}, "
    detail = f"{error.msg} at {where}{line}column {error.colno}."
    cut = error.pos >= len(error.doc.rstrip()) or error.msg.startswith("Unterminated")
    if cut:
        detail += " It ends too early: it was cut, or its Content-Length is too small."
    return f"The body is not JSON: {detail}"


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) == len(pairs):
        return values
    repeated = Repeated(values)
    repeated.name = Counter(name for name, _ in pairs).most_common(1)[0][0]
    return repeated
