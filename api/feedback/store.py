"""Predictions, selections and counts in SQLite: the feedback store of one machine."""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from api.feedback import choices, schema
from api.feedback.facts import Hour, Prediction, Selection
from api.feedback.schema import first_id, hour_of
from api.tasks.database import Database

# The rows are read and written in their order; most of a cache would lie idle.
CACHE_KIB = 256
# Rows that one transaction removes, so that others do not wait for long.
EXPIRED_AT_ONCE = 5000
# The primary keys of the tables, where it is not the id and the row.
KEYS = {
    "selections": "number",
    "hours": "hour, version, layout",
    "told": "hour, version, predicted, label",
    "errors": "hour, version",
}


COUNTS = (
    "EXISTS (SELECT 1 FROM latest WHERE latest.id = selections.id "
    "AND latest.row = selections.row AND latest.number = selections.number)"
)


class FeedbackStore:
    """The file `feedback.db` in a folder, which is made whenever it is not there.

    Raises OSError with a sentence where it cannot be read or written.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        path = folder / "feedback.db"
        self._database = Database(path, schema.SCHEMA, durable=False, cache_kib=CACHE_KIB)

    def check(self) -> None:
        """Make the file anew where somebody has removed it; raise OSError if that cannot be."""
        with self._database.reading():
            pass

    def add(self, predictions: Iterable[Prediction]) -> None:
        """Keep predictions; those that are there stay as they are."""
        with self._database.writing() as db:
            choices.add(db, predictions)

    def add_counts(self, hours: Iterable[Hour]) -> None:
        """Add counts to those of their hour, version and layout."""
        with self._database.writing() as db:
            for each in hours:
                schema.add_hour(db, each)

    def prediction(self, prediction_id: str, row: int) -> Prediction | None:
        """The prediction of this id and row; None if it is not kept."""
        with self._database.reading() as db:
            return choices.prediction(db, bytes.fromhex(prediction_id), row)

    def rows_of(self, prediction_id: str) -> int:
        """How many rows are kept of an answer; 0 if none are."""
        with self._database.reading() as db:
            found = db.execute(
                "SELECT count(*) AS rows FROM predictions WHERE id = ?",
                (bytes.fromhex(prediction_id),),
            ).fetchone()
            return int(found["rows"])

    def select(self, selections: Iterable[Selection]) -> None:
        """Keep selections, all or none: they survive a loss of power once this returns.

        Of several for one prediction the last one counts.
        """
        with self._database.writing(durable=True) as db:
            for selection in selections:
                choices.select(db, selection, is_new=True)

    def reading(self) -> AbstractContextManager[sqlite3.Connection]:
        """A connection to read sums from."""
        return self._database.reading()

    def hours(self, since: float, until: float = math.inf) -> list[Hour]:
        """The counts of the hours that begin in this time, in seconds since 1970."""
        with self._database.reading() as db:
            return [
                Hour(
                    hour=row["hour"],
                    version=row["name"],
                    layout=row["layout"],
                    answers=row["answers"],
                    counts=np.frombuffer(row["counts"], np.int64),
                )
                for row in _within(db, since, until)
            ]

    def labelled(
        self, after: float = 0, until: float = math.inf
    ) -> Iterator[tuple[Prediction, Selection]]:
        """Each prediction made after a time that has a selection, with the one that counts.

        They come in the order of the predictions' time.
        """
        last = b"\xff" * 16 if math.isinf(until) else first_id(until)
        with self._database.reading() as db:
            found = db.execute(
                "SELECT latest.id, latest.row, latest.number FROM latest "
                "WHERE id >= ? AND id < ? ORDER BY id, row",
                (first_id(after), last),
            )
            for row in found:
                prediction = choices.prediction(db, row["id"], row["row"])
                if prediction is not None:
                    yield prediction, choices.selection(db, row["number"])

    def predictions_after(
        self, prediction_id: str, row: int, until: float, most: int
    ) -> list[Prediction]:
        """The first predictions behind this one that were made before `until`.

        A process writes a prediction up to a second after it was made: with an `until` of some
        seconds ago none is missed.
        """
        with self._database.reading() as db:
            found = db.execute(
                "SELECT * FROM predictions WHERE (id, row) > (?, ?) AND id < ? "
                "ORDER BY id, row LIMIT ?",
                (bytes.fromhex(prediction_id), row, first_id(until), most),
            )
            return [schema.prediction_in(db, each) for each in found]

    def count_selections(self) -> int:
        """How many predictions have got their truth since the store was made."""
        return int(self.note(schema.TOLD) or 0)

    def note(self, name: str) -> Any:
        """What was noted under a name; None if nothing was."""
        with self._database.reading() as db:
            found = db.execute("SELECT value FROM notes WHERE name = ?", (name,)).fetchone()
            return msgspec.json.decode(found["value"]) if found else None

    def set_note(self, name: str, value: Any) -> None:
        """Note a plain value under a name, or forget it where the value is None."""
        with self._database.writing() as db:
            db.execute("DELETE FROM notes WHERE name = ?", (name,))
            if value is not None:
                db.execute("INSERT INTO notes VALUES (?, ?)", (name, schema.plain(value)))

    def count_predictions(self) -> int:
        """How many predictions are kept."""
        return int(self.note(schema.KEPT) or 0)

    def expire(self, before: float, most: int) -> None:
        """Remove what is older than a time, in seconds since 1970.

        The oldest predictions go as well until there are at most so many.
        """
        while (above := self.count_predictions() - most) > 0:
            self._remove_some("predictions", "1 ORDER BY id", (), min(above, EXPIRED_AT_ONCE))
        first, hour = first_id(before), hour_of(before)
        for table, condition, value in (
            ("predictions", "id < ?", first),
            ("latest", "hour < ?", hour),
            # A selection that counts stays until the hour of its prediction has passed.
            ("selections", f"at < ? AND NOT {COUNTS}", before),
            ("hours", "hour < ?", hour),
            ("told", "hour < ?", hour),
            ("errors", "hour < ?", hour),
        ):
            self._remove(table, condition, value)
        with self._database.writing() as db:
            db.execute("PRAGMA incremental_vacuum")

    def _remove(self, table: str, condition: str, value: Any) -> None:
        while self._remove_some(table, condition, (value,), EXPIRED_AT_ONCE) == EXPIRED_AT_ONCE:
            pass

    def _remove_some(self, table: str, condition: str, values: tuple[Any, ...], most: int) -> int:
        """Remove rows in one transaction, and give their number."""
        keys = KEYS.get(table, "id, row")
        with self._database.writing() as db:
            removed = db.execute(
                f"DELETE FROM {table} WHERE ({keys}) IN "  # noqa: S608
                f"(SELECT {keys} FROM {table} WHERE {condition} LIMIT {most})",
                values,
            ).rowcount
            if table == "predictions":
                schema.note_more(db, schema.KEPT, -removed)
        return removed


def _within(db: sqlite3.Connection, since: float, until: float) -> sqlite3.Cursor:
    """The counts of the hours in this time, each with the name of its version."""
    last = 2**62 if math.isinf(until) else hour_of(until)
    return db.execute(
        "SELECT hours.*, names.name FROM hours JOIN names ON names.number = version "
        "WHERE hour >= ? AND hour <= ? ORDER BY hour",
        (hour_of(since), last),
    )
