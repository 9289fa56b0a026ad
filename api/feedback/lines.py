"""Feedback as NDJSON: one line a record, and for each kind the columns of a table of BigQuery."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import msgspec
import numpy as np

from api.feedback.facts import HOUR_SECONDS, Hour, Prediction, Selection

PREDICTIONS, SELECTIONS, STATISTICS = "predictions", "selections", "statistics"
# Classes may be texts, numbers or booleans, and features may have any names: JSON takes all.
COLUMNS: Mapping[str, str] = MappingProxyType(
    {
        PREDICTIONS: "id:STRING,row:INTEGER,at:TIMESTAMP,version:STRING,owner:STRING,"
        "method:STRING,inputs:JSON,label:JSON,ranked:JSON",
        SELECTIONS: "id:STRING,row:INTEGER,at:TIMESTAMP,label:JSON,owner:STRING,"
        "predicted:JSON,version:STRING,is_number:BOOLEAN",
        STATISTICS: "hour:TIMESTAMP,version:STRING,layout:STRING,answers:INTEGER,counts:JSON",
    }
)

# The names of the features of a version of the model; None where they are not known.
Features = Callable[[str], Sequence[str] | None]
Record = Prediction | Selection | Hour
_ENCODER = msgspec.json.Encoder()
# What a line raises that has other values in it than a record.
LINE_ERRORS = (AttributeError, KeyError, OverflowError, TypeError, ValueError)


class _Hour(msgspec.Struct):
    """A line of statistics."""

    hour: str
    version: str
    layout: str
    answers: int
    counts: list[int]


class Malformed(Exception):
    """A line is no record of its kind; the message says which line, and why."""


def write(kind: str, records: Iterable[Record], features: Features = lambda _: None) -> bytes:
    """Records of one kind as NDJSON.

    The inputs of a prediction are an object by the names of the features where these are known,
    else a list. Times are in UTC, as BigQuery reads them.
    """
    return _ENCODER.encode_lines([_facts(kind, each, features) for each in records])


def _facts(kind: str, record: Record, features: Features) -> dict[str, Any]:
    facts = msgspec.structs.asdict(record)
    if kind == STATISTICS:
        hour = _text(facts["hour"] * HOUR_SECONDS)
        return facts | {"hour": hour, "counts": facts["counts"].tolist()}
    if kind == PREDICTIONS:
        names = features(facts["version"])
        if names is not None and len(names) == len(facts["inputs"]):
            facts["inputs"] = dict(zip(names, facts["inputs"], strict=True))
    return facts | {"at": _text(facts["at"])}


def read(kind: str, content: bytes) -> Iterator[Record]:
    """The records of NDJSON of one kind; raises Malformed."""
    for number, line in enumerate(content.splitlines(), 1):
        try:
            yield _record(kind, msgspec.json.decode(line))
        except (*LINE_ERRORS, msgspec.DecodeError) as error:
            raise Malformed(f"line {number} is none of {kind}: {error}") from None


def _record(kind: str, facts: dict[str, Any]) -> Record:
    """The record of a line; raises one of LINE_ERRORS."""
    if kind == STATISTICS:
        line = msgspec.convert(facts, _Hour)
        return Hour(
            hour=int(_seconds(line.hour) // HOUR_SECONDS),
            version=line.version,
            layout=line.layout,
            answers=line.answers,
            counts=np.array(line.counts, np.int64),
        )
    facts["at"] = _seconds(facts["at"])
    # The store has ids as bytes.
    bytes.fromhex(facts["id"])
    if kind == SELECTIONS:
        return msgspec.convert(facts, Selection)
    inputs = facts["inputs"]
    facts["inputs"] = list(inputs.values()) if isinstance(inputs, dict) else inputs
    return msgspec.convert(facts, Prediction)


def _text(seconds: float) -> str:
    """A time in seconds since 1970 as ISO 8601, in UTC, with microseconds."""
    at = dt.datetime.fromtimestamp(seconds, dt.UTC)
    return at.replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


def _seconds(text: str) -> float:
    return dt.datetime.fromisoformat(text).timestamp()
