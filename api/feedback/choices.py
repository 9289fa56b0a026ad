"""Keep predictions and selections, and the sums over all that count, in one transaction."""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Iterable

import msgspec

from api.feedback import schema
from api.feedback.facts import Prediction, Selection, as_known, is_number
from api.feedback.schema import LESS, MORE, hour_of


def prediction(db: sqlite3.Connection, prediction_id: bytes, row: int) -> Prediction | None:
    """The prediction of this id and row; None if it is not kept."""
    found = db.execute(
        "SELECT * FROM predictions WHERE id = ? AND row = ?", (prediction_id, row)
    ).fetchone()
    return found and schema.prediction_in(db, found)


def selection(db: sqlite3.Connection, number: int) -> Selection:
    """The selection that has this number."""
    found = db.execute("SELECT * FROM selections WHERE number = ?", (number,)).fetchone()
    return schema.selection_in(db, found)


def _joined(chosen: Selection, made: Prediction) -> Selection:
    """A selection with what is known of its prediction; clusters have numbers, and no errors."""
    # The class 1, where 1.0 or True was predicted.
    told = chosen.predicted, chosen.label
    return msgspec.structs.replace(
        chosen,
        predicted=as_known(made.label, told),
        version=made.version,
        is_number=chosen.is_number and is_number(made.label),
    )


def select(db: sqlite3.Connection, chosen: Selection, *, is_new: bool) -> None:
    """Keep one selection, and have it count where it is the last of its prediction, by its time.

    One that is new is the last in any case: the clock may have gone back since.
    """
    key = bytes.fromhex(chosen.id), chosen.row
    old = db.execute("SELECT * FROM latest WHERE id = ? AND row = ?", key).fetchone()
    before = selection(db, old["number"]) if old else None
    if is_new and before is not None and before.at >= chosen.at:
        chosen = msgspec.structs.replace(chosen, at=math.nextafter(before.at, math.inf))
    made = prediction(db, *key)
    if made is not None:
        chosen = _joined(chosen, made)
    number = schema.insert_selection(db, chosen)
    if not number:
        return
    if before is None:
        schema.note_more(db, schema.TOLD, 1)
    else:
        if before.at > chosen.at:
            return
        if old["is_counted"]:
            schema.count(db, before, old["hour"], LESS)
    hour = hour_of(made.at if made else chosen.at)
    if chosen.version:
        schema.count(db, chosen, hour, MORE)
    db.execute(
        "INSERT OR REPLACE INTO latest VALUES (?, ?, ?, ?, ?)",
        (*key, number, hour, bool(chosen.version)),
    )


def add(db: sqlite3.Connection, predictions: Iterable[Prediction]) -> None:
    """Keep predictions; those that are there stay as they are."""
    inserted = sum(schema.insert_prediction(db, each) for each in predictions)
    schema.note_more(db, schema.KEPT, inserted)
    _count_late(db)


def _count_late(db: sqlite3.Connection) -> None:
    """Count the selections that came before their predictions."""
    found = db.execute(
        "SELECT predictions.*, number FROM latest JOIN predictions USING (id, row) "
        "WHERE is_counted = 0"
    )
    for late in found.fetchall():
        made = schema.prediction_in(db, late)
        chosen = _joined(selection(db, late["number"]), made)
        hour = hour_of(made.at)
        schema.count(db, chosen, hour, MORE)
        db.execute(
            "UPDATE selections SET predicted = ?, version = ?, is_number = ? WHERE number = ?",
            (
                schema.plain(chosen.predicted),
                schema.named(db, chosen.version),
                chosen.is_number,
                late["number"],
            ),
        )
        db.execute(
            "UPDATE latest SET is_counted = 1, hour = ? WHERE id = ? AND row = ?",
            (hour, late["id"], late["row"]),
        )
