"""Sums over hours and days of what was answered and told: their time depends on no row."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
import numpy as np

from api.feedback.store import FeedbackStore


class Sum(msgspec.Struct, kw_only=True):
    """What one version answered in an hour or a day, and what was told of it.

    `hour` is the first one, since 1970. `none` are selections of none of the classes; the others
    are correct or not. For numbers, `numbers` are told with their errors (predicted minus told).
    """

    hour: int
    version: str
    answers: int = 0
    labels: int = 0
    correct: int = 0
    none: int = 0
    numbers: int = 0
    signed: float = 0.0
    absolute: float = 0.0
    squared: float = 0.0

    @property
    def selected(self) -> int:
        """The predictions whose truth was told."""
        return self.labels + self.numbers

    def add(self, other: Sum) -> None:
        """Add the sums of another time."""
        for name in self.__struct_fields__[2:]:
            setattr(self, name, getattr(self, name) + getattr(other, name))


# What is summed in each table, by the names of the sums.
TABLES = {
    "hours": {"answers": "answers"},
    "told": {
        "labels": "count",
        "correct": "count * (label = predicted)",
        "none": "count * (label = 'null')",
    },
    "errors": {
        "numbers": "count",
        "signed": "signed",
        "absolute": "absolute",
        "squared": "squared",
    },
}


def sums(store: FeedbackStore, first_hour: int, each: int) -> list[Sum]:
    """The sums of each version since an hour, over each so many hours, the oldest first."""
    found: dict[tuple[int, str], Sum] = {}
    with store.reading() as db:
        for table, columns in TABLES.items():
            what = ", ".join(f"sum({sql}) AS {name}" for name, sql in columns.items())
            rows = db.execute(
                f"SELECT hour / ? * ? AS first, names.name AS version, {what} FROM {table} "  # noqa: S608
                "JOIN names ON names.number = version WHERE hour >= ? GROUP BY first, names.number",
                (each, each, first_hour),
            )
            for row in rows:
                key = row["first"], row["version"]
                total = found.setdefault(key, Sum(hour=key[0], version=key[1]))
                for name in columns:
                    setattr(total, name, row[name])
    return [found[key] for key in sorted(found)]


def by_version(parts: list[Sum]) -> list[Sum]:
    """The sums of each version over all of the time, the one that answered last first."""
    found: dict[str, Sum] = {}
    for part in reversed(parts):
        found.setdefault(part.version, Sum(hour=part.hour, version=part.version)).add(part)
    return list(found.values())


def told(store: FeedbackStore, first_hour: int) -> list[tuple[Any, Any, int]]:
    """How often each class was told for each prediction since an hour, by all versions."""
    with store.reading() as db:
        rows = db.execute(
            "SELECT predicted, label, sum(count) AS count FROM told WHERE hour >= ? "
            "GROUP BY predicted, label",
            (first_hour,),
        )
        decode = msgspec.json.decode
        return [
            (decode(row["predicted"]), decode(row["label"]), row["count"])
            for row in rows
            if row["count"]
        ]


def counts(
    store: FeedbackStore, first_hour: int, version: str, layout: str
) -> Iterator[tuple[int, np.ndarray]]:
    """The hours since one that have counts of a version, one after another, and these."""
    with store.reading() as db:
        rows = db.execute(
            "SELECT hour, counts FROM hours JOIN names ON names.number = version "
            "WHERE hour >= ? AND names.name = ? AND layout = ? ORDER BY hour",
            (first_hour, version, layout),
        )
        for row in rows:
            yield row["hour"], np.frombuffer(row["counts"], np.int64)


def span(store: FeedbackStore) -> tuple[int | None, int | None]:
    """The first and the last hour that has counts; None where there are none."""
    with store.reading() as db:
        row = db.execute("SELECT min(hour) AS first, max(hour) AS last FROM hours").fetchone()
        return row["first"], row["last"]


def first_hours(store: FeedbackStore) -> dict[str, int]:
    """The first hour in which each version that is kept answered."""
    with store.reading() as db:
        rows = db.execute(
            "SELECT names.name AS version, min(hour) AS first FROM hours "
            "JOIN names ON names.number = version GROUP BY names.number"
        )
        return {row["version"]: row["first"] for row in rows}
