"""Answer the rows that a Python program has: a DataFrame, an array, or a list."""

from __future__ import annotations

import datetime as dt
from typing import Any

import numpy as np

from models import frames
from models.engines import Rows
from models.engines.reject import rejection
from models.errors import InvalidRows, Place, RowRejected
from models.model import Model
from models.plan.operations.sparse import Sparse
from models.rows.batch import row_pointer
from models.rows.check import check, check_array
from models.rows.words import IGNORE_HINT, NOT_A_FEATURE, some
from models.signature.types import Signature, is_missing


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
    if hasattr(rows, "columns") and _has_columns(signature, rows):
        known = frames.read(signature, rows)
        if known is not None:
            return known
    samples = _samples(signature, rows)
    if not samples:
        raise InvalidRows([Place("rows", "expected at least one")])
    return check(signature, samples, row_pointer).rows


def _numbers(signature: Signature, rows: Any) -> np.ndarray | None:
    """An array of numbers as float64, if it has a column for each feature; else None."""
    if not isinstance(rows, np.ndarray) or not signature.numeric or rows.dtype.kind not in "biuf":
        return None
    fits = rows.ndim == 2 and len(rows) and rows.shape[1] == len(signature.features)
    return rows.astype(np.float64) if fits else None


def _has_columns(signature: Signature, frame: Any) -> bool:
    """Whether a DataFrame has a column for each feature of a table, by its name, and no other."""
    features = {feature.name for feature in signature.features}
    names = list(frame.columns)
    return signature.form == "table" and len(names) == len(features) and features == set(names)


def _samples(signature: Signature, rows: Any) -> list[Any]:
    """Rows as plain values: dicts, lists, or single values."""
    if hasattr(rows, "columns"):
        return _of_frame(signature, rows)
    if isinstance(rows, (str, bytes, dict)) or not hasattr(rows, "__iter__"):
        expected = "expected a DataFrame, an array or a list of rows"
        raise InvalidRows([Place("rows", f"{expected}, got one {type(rows).__name__}")])
    return [_plain_row(row) for row in rows]


def _of_frame(signature: Signature, frame: Any) -> list[Any]:
    """The rows of a DataFrame, by its columns' names where the model goes by names.

    A model that was fitted without names takes columns in their order.
    """
    names = list(map(str, frame.columns))
    columns = [list(map(_plain, frame.iloc[:, j].astype(object))) for j in range(len(names))]
    if len(names) == 1 and signature.form in ("text", "labels"):
        return columns[0]
    rows = [list(row) for row in zip(*columns, strict=True)]
    features = {feature.name for feature in signature.features}
    if signature.form == "table":
        if not signature.named and features != set(names):
            return rows
        _check_columns(signature, names)
    return [dict(zip(names, row, strict=True)) for row in rows]


def _check_columns(signature: Signature, names: list[str]) -> None:
    """Raise InvalidRows once for each column that is wrong, rather than once for each row."""
    known = [feature.name for feature in signature.features]
    needed = [feature.name for feature in signature.features if feature.kind != "unused"]
    faults = [Place(f"column {name}", "is missing") for name in needed if name not in names]
    for name in dict.fromkeys(names):
        if name not in known:
            faults.append(Place(f"column {name}", f"{NOT_A_FEATURE}, which takes {some(known)}"))
        elif names.count(name) > 1:
            faults.append(Place(f"column {name}", "stands there twice"))
    if faults:
        raise InvalidRows(faults)


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
    if not place.pointer.startswith("/"):
        return place
    row, *names = place.pointer[1:].split("/")
    step = names[0].replace("~1", "/").replace("~0", "~") if names else ""
    # The sentence itself names a value of a list.
    where = f"row {row}, {step}" if step and not step.isdecimal() else f"row {row}"
    return Place(where, place.detail.removesuffix(f"; {IGNORE_HINT}"))


def _public(result: Any) -> Any:
    """A result in public types: a plan's sparse table becomes one of scipy."""
    if isinstance(result, (list, tuple)):
        return type(result)(map(_public, result))
    if not isinstance(result, Sparse):
        return result
    try:
        from scipy.sparse import csr_matrix
    except ModuleNotFoundError:
        return result.toarray()
    return csr_matrix((result.data, (result.rows, result.columns)), shape=result.shape)
