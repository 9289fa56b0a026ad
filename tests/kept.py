"""Reads of a feedback store for tests: sums of each hour, and selections."""

from __future__ import annotations

from typing import Any

import msgspec

from api.feedback.facts import Selection
from api.feedback.schema import hour_of, selection_in
from api.feedback.store import FeedbackStore

FOREVER = 1e15


class Told(msgspec.Struct, frozen=True):
    """How often a class was told for predictions of another, in one hour, for one version."""

    hour: int
    version: str
    predicted: Any
    label: Any
    count: int


class Errors(msgspec.Struct, frozen=True):
    """Sums of the errors (predicted minus told) of numbers, in one hour, for one version."""

    hour: int
    version: str
    count: int
    signed: float
    absolute: float
    squared: float


def told_in(store: FeedbackStore, since: float = 0, until: float = FOREVER) -> list[Told]:
    """Counts of the classes told for predictions of these hours, in seconds since 1970."""
    decode = msgspec.json.decode
    return [
        Told(row["hour"], row["name"], decode(row["predicted"]), decode(row["label"]), row["count"])
        for row in _rows(store, "told", since, until)
    ]


def errors_in(store: FeedbackStore, since: float = 0, until: float = FOREVER) -> list[Errors]:
    """The sums of the errors of predictions made in these hours."""
    names = ("count", "signed", "absolute", "squared")
    return [
        Errors(row["hour"], row["name"], *(row[name] for name in names))
        for row in _rows(store, "errors", since, until)
    ]


def recent_in(store: FeedbackStore, most: int) -> list[Selection]:
    """The newest selections, the newest first."""
    with store.reading() as db:
        found = db.execute("SELECT * FROM selections ORDER BY number DESC LIMIT ?", (most,))
        return [selection_in(db, row) for row in found]


def _rows(store: FeedbackStore, table: str, since: float, until: float) -> list[Any]:
    with store.reading() as db:
        return db.execute(
            f"SELECT {table}.*, names.name FROM {table} JOIN names ON names.number = version "
            "WHERE hour >= ? AND hour <= ? AND count ORDER BY hour",
            (hour_of(since), hour_of(until)),
        ).fetchall()
