"""Answer rows that a Python program has: a DataFrame, an array, or a list."""

from __future__ import annotations

import datetime as dt
from typing import Any

import numpy as np

from models.engines import Rows
from models.engines.reject import rejection
from models.errors import InvalidRows, Place, RowRejected
from models.model import Model
from models.rows.batch import row_pointer
from models.rows.check import check, check_array
from models.rows.words import IGNORE_HINT
from models.signature.types import Signature, is_missing

EXPECTED = "expected a DataFrame, an array, or a list of rows"


def answer(model: Model, method: str, rows: Any) -> Any:
    """See `Model.answer`."""
    try:
        checked = _checked(model.signature, rows)
    except InvalidRows as error:
        raise InvalidRows([_in_words(place) for place in error.places]) from None
    try:
        return _public(model.engine.run(method, checked))
    except Exception as error:
        found = rejection(model.engine, method, checked, error)
        if not isinstance(found, RowRejected):
            raise
        reason = f"the model rejects this row: {found.reason}{model.hint}"
        raise InvalidRows([Place(f"row {found.row}", reason)]) from error


def _checked(signature: Signature, rows: Any) -> Rows:
    """Rows as an engine takes them; raises InvalidRows."""
    array = _numbers(signature, rows)
    if array is not None:
        return check_array(signature, array, row_pointer)
    samples = _samples(signature, rows)
    if not samples:
        raise InvalidRows([Place("", "expected at least one row")])
    return check(signature, samples, row_pointer).rows


def _numbers(signature: Signature, rows: Any) -> np.ndarray | None:
    """A table of nothing but numbers as float64, NaN where one is missing; else None."""
    if not signature.numeric or getattr(rows, "ndim", 0) != 2 or hasattr(rows, "columns"):
        return None
    array = np.asarray(rows)
    fits = array.shape[1] == len(signature.features) and len(array)
    return array.astype(np.float64) if fits and array.dtype.kind in "biuf" else None


def _samples(signature: Signature, rows: Any) -> list[Any]:
    """Rows as plain values: dicts, lists, or single values."""
    if hasattr(rows, "columns"):
        return _of_frame(signature, rows)
    if isinstance(rows, (str, bytes, dict)) or not hasattr(rows, "__iter__"):
        raise InvalidRows([Place("", f"{EXPECTED}, got one {type(rows).__name__}")])
    return [_plain_row(row) for row in rows]


def _of_frame(signature: Signature, frame: Any) -> list[Any]:
    """The rows of a DataFrame, by its columns' names where the model goes by names.

    A model that was fitted without names takes columns in their order.
    """
    names = list(map(str, frame.columns))
    columns = [list(map(_plain, frame.iloc[:, j].astype(object))) for j in range(len(names))]
    rows = [list(row) for row in zip(*columns, strict=True)]
    features = [feature.name for feature in signature.features]
    if len(names) == 1 and signature.form in ("text", "labels"):
        return columns[0]
    by_name = signature.form == "mapping" or signature.named or set(names) == set(features)
    if not by_name:
        return rows
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise InvalidRows([Place("", f"two columns have the name {twice}")])
    return [dict(zip(names, row, strict=True)) for row in rows]


def _plain_row(row: Any) -> Any:
    if isinstance(row, dict):
        return {str(name): _plain(value) for name, value in row.items()}
    if isinstance(row, (list, tuple, np.ndarray)):
        return [_plain(value) for value in row]
    return _plain(row)


def _plain(value: Any) -> Any:
    """A value as JSON has it: None if it is missing, dates as text in ISO 8601."""
    if is_missing(value):
        return None
    if isinstance(value, np.datetime64):
        return str(value)
    if isinstance(value, np.generic):
        return value.item()
    return value.isoformat() if isinstance(value, (dt.date, dt.time)) else value


def _in_words(place: Place) -> Place:
    """A JSON Pointer as words: `row 3, sex` for `/3/sex`."""
    _, row, *names = place.pointer.split("/")
    detail = place.detail.removesuffix(f"; {IGNORE_HINT}")
    step = names[0].replace("~1", "/").replace("~0", "~") if names else ""
    # A value of a list is named by the sentence itself.
    where = f"row {row}, {step}" if step and not step.isdecimal() else f"row {row}"
    return Place(where, detail)


def _public(result: Any) -> Any:
    """A result without the plan's own types: a sparse table as scipy's, where scipy is there."""
    if isinstance(result, (list, tuple)):
        return type(result)(map(_public, result))
    return result
