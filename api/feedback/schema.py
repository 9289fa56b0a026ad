"""The tables of feedback in SQLite, and their rows as records."""

from __future__ import annotations

import math
import sqlite3
from typing import Any

import msgspec
import numpy as np

from api.feedback import exact
from api.feedback.facts import HOUR_SECONDS, TIME_DIGITS, Hour, Prediction, Selection

SCHEMA = (
    # Versions, methods and names of keys, as numbers in the other tables.
    "CREATE TABLE IF NOT EXISTS names (number INTEGER PRIMARY KEY, name TEXT UNIQUE)",
    # Ids begin with their time: new rows are the last ones, and the oldest lie together.
    """CREATE TABLE IF NOT EXISTS predictions (
        id BLOB, row INTEGER, at REAL, version INTEGER, owner INTEGER, method INTEGER, inputs BLOB,
        answer BLOB, PRIMARY KEY (id, row)) WITHOUT ROWID""",
    """CREATE TABLE IF NOT EXISTS selections (
        number INTEGER PRIMARY KEY AUTOINCREMENT, id BLOB, row INTEGER, at REAL, label BLOB,
        owner INTEGER, predicted BLOB, version INTEGER, is_number INTEGER,
        UNIQUE (id, row, at))""",
    # The selection of each prediction that counts, and whether the sums below have it.
    """CREATE TABLE IF NOT EXISTS latest (
        id BLOB, row INTEGER, number INTEGER, hour INTEGER, is_counted INTEGER,
        PRIMARY KEY (id, row)) WITHOUT ROWID""",
    "CREATE INDEX IF NOT EXISTS uncounted ON latest (id) WHERE is_counted = 0",
    """CREATE TABLE IF NOT EXISTS hours (
        hour INTEGER, version INTEGER, layout TEXT, answers INTEGER, counts BLOB,
        PRIMARY KEY (hour, version, layout)) WITHOUT ROWID""",
    """CREATE TABLE IF NOT EXISTS told (
        hour INTEGER, version INTEGER, predicted TEXT, label TEXT, count INTEGER,
        PRIMARY KEY (hour, version, predicted, label)) WITHOUT ROWID""",
    # `parts` are the exact sums, from which a corrected number can be taken away.
    """CREATE TABLE IF NOT EXISTS errors (
        hour INTEGER, version INTEGER, count INTEGER, signed REAL, absolute REAL, squared REAL,
        parts TEXT, PRIMARY KEY (hour, version)) WITHOUT ROWID""",
    "CREATE TABLE IF NOT EXISTS notes (name TEXT PRIMARY KEY, value TEXT) WITHOUT ROWID",
)
# The notes that count the predictions, and those that have ever got their truth.
KEPT = "predictions"
TOLD = "told"
# The sums of squares of larger errors would be infinite.
MAX_ERROR = 1e140
# Whether one more is told, or one less.
MORE, LESS = 1, -1


def plain(value: Any) -> str:
    """A label as JSON, by which labels are told apart."""
    return msgspec.json.encode(value).decode()


def named(db: sqlite3.Connection, name: str) -> int:
    """The number of a name, which it gets where it has none."""
    found = db.execute("SELECT number FROM names WHERE name = ?", (name,)).fetchone()
    if found:
        return int(found["number"])
    return db.execute("INSERT INTO names (name) VALUES (?)", (name,)).lastrowid or 0


def name_of(db: sqlite3.Connection, number: int) -> str:
    """The name that has this number."""
    return str(db.execute("SELECT name FROM names WHERE number = ?", (number,)).fetchone()["name"])


def insert_prediction(db: sqlite3.Connection, prediction: Prediction) -> int:
    """Insert a prediction, unless it is there, and give how many were inserted."""
    each = prediction
    values = (
        *(bytes.fromhex(each.id), each.row, each.at),
        *(named(db, name) for name in (each.version, each.owner, each.method)),
        msgspec.msgpack.encode(each.inputs),
        msgspec.msgpack.encode((each.label, each.ranked)),
    )
    done = db.execute("INSERT OR IGNORE INTO predictions VALUES (?, ?, ?, ?, ?, ?, ?, ?)", values)
    return done.rowcount


def note_more(db: sqlite3.Connection, name: str, more: int) -> None:
    """Add to a number that is noted, since SQLite would count all rows."""
    found = db.execute("SELECT value FROM notes WHERE name = ?", (name,)).fetchone()
    total = (int(found["value"]) if found else 0) + more
    db.execute("INSERT OR REPLACE INTO notes VALUES (?, ?)", (name, str(total)))


def prediction_in(db: sqlite3.Connection, row: sqlite3.Row) -> Prediction:
    """The prediction of a row."""
    label, ranked = msgspec.msgpack.decode(row["answer"])
    return Prediction(
        id=row["id"].hex(),
        row=row["row"],
        at=row["at"],
        version=name_of(db, row["version"]),
        owner=name_of(db, row["owner"]),
        method=name_of(db, row["method"]),
        inputs=msgspec.msgpack.decode(row["inputs"]),
        label=label,
        ranked=ranked,
    )


def insert_selection(db: sqlite3.Connection, selection: Selection) -> int:
    """Insert a selection, and give its number; 0 if it is there."""
    each = selection
    key = (bytes.fromhex(each.id), each.row, each.at)
    # Not by OR IGNORE, which leaves gaps in the numbers.
    if db.execute("SELECT 1 FROM selections WHERE id = ? AND row = ? AND at = ?", key).fetchone():
        return 0
    values = (
        *(*key, plain(each.label), named(db, each.owner)),
        *(plain(each.predicted), named(db, each.version), each.is_number),
    )
    done = db.execute(
        "INSERT INTO selections (id, row, at, label, owner, predicted, version, "
        "is_number) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        values,
    )
    return int(done.lastrowid or 0)


def selection_in(db: sqlite3.Connection, row: sqlite3.Row) -> Selection:
    """The selection of a row."""
    return Selection(
        id=row["id"].hex(),
        row=row["row"],
        at=row["at"],
        label=msgspec.json.decode(row["label"]),
        owner=name_of(db, row["owner"]),
        predicted=msgspec.json.decode(row["predicted"]),
        version=name_of(db, row["version"]),
        is_number=bool(row["is_number"]),
    )


def count(db: sqlite3.Connection, selection: Selection, hour: int, sign: int) -> None:
    """Add a selection to the sums of an hour, or take it away."""
    version = named(db, selection.version)
    if selection.is_number:
        # A prediction of NaN has no error.
        if selection.label is None or selection.predicted is None:
            return
        _count_error(db, float(selection.predicted) - float(selection.label), hour, version, sign)
        return
    db.execute(
        "INSERT INTO told VALUES (?, ?, ?, ?, ?) "
        "ON CONFLICT DO UPDATE SET count = count + excluded.count",
        (hour, version, plain(selection.predicted), plain(selection.label), sign),
    )


def _count_error(db: sqlite3.Connection, error: float, hour: int, version: int, sign: int) -> None:
    """Add an error to the sums of an hour, or take it away, exactly."""
    if not abs(error) < MAX_ERROR:
        # A prediction that is infinite has no error.
        return
    found = db.execute(
        "SELECT * FROM errors WHERE hour = ? AND version = ?", (hour, version)
    ).fetchone()
    terms = {"signed": error, "absolute": abs(error), "squared": error * error}
    old = msgspec.json.decode(found["parts"]) if found else {}
    parts = {name: exact.add(old.get(name, []), sign * term) for name, term in terms.items()}
    count = sign + (found["count"] if found else 0)
    db.execute(
        "INSERT OR REPLACE INTO errors VALUES (?, ?, ?, ?, ?, ?, ?)",
        (hour, version, count, *map(math.fsum, parts.values()), plain(parts)),
    )


def add_hour(db: sqlite3.Connection, hour: Hour) -> None:
    """Add counts to those of their hour, version and layout."""
    key = (hour.hour, named(db, hour.version), hour.layout)
    found = db.execute(
        "SELECT answers, counts FROM hours WHERE hour = ? AND version = ? AND layout = ?", key
    ).fetchone()
    answers, counts = hour.answers, hour.counts.astype(np.int64)
    if found:
        answers += found["answers"]
        counts = counts + np.frombuffer(found["counts"], np.int64)
    db.execute(
        "INSERT OR REPLACE INTO hours VALUES (?, ?, ?, ?, ?)", (*key, answers, counts.tobytes())
    )


def first_id(at: float) -> bytes:
    """The smallest id of a prediction made at this time or later, in seconds since 1970."""
    return bytes.fromhex(f"{max(0, int(at * 1000)):0{TIME_DIGITS}x}")


def hour_of(at: float) -> int:
    """The number of the hour, since 1970, of a time in seconds."""
    return int(at // HOUR_SECONDS)
