"""Made-up rows, and how a model answers them."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec
import numpy as np

from models.engines.call import call, typed
from models.signature import composition
from models.signature.types import Signature, is_nan, plain_rows

# Values of each kind that are tried, and categories of each encoder that are looked at.
MAX_VALUES = 12

NUMBERS = frozenset({"number", "integer"})
DATES = frozenset({"datetime", "datetime in UTC"})
TEXTS = frozenset({"string", "text of a date"})
# The kinds in the order of their trial, each with values. A date is tried as a text, too.
VALUES: Mapping[str, tuple[Any, ...]] = {
    "number": (1.5, 0.5, 2.25, 0.0, -1.0),
    "integer": (1, 3, 10, 0, -1),
    "string": ("a", "b c"),
    "datetime": ("2024-03-05", "2023-11-17T08:30:00"),
    "datetime in UTC": ("2024-03-05T00:00:00Z", "2023-11-17T08:30:00Z"),
    "boolean": (True, False),
    "text of a date": ("2024-03-05", "2023-11-17T08:30:00"),
}
KINDS = tuple(VALUES)
# The facts of a column for which a kind is tried; for other kinds they are AS_SENT.
ASSIGNED: Mapping[str, Mapping[str, Any]] = {
    "datetime": {"kind": "datetime", "dtype": ""},
    "datetime in UTC": {"kind": "datetime", "dtype": "datetime64[ns, UTC]"},
}
AS_SENT = {"kind": "any", "dtype": ""}
INTEGER = re.compile(r"\d{1,20}", re.ASCII)


class Trials:
    """Calls one method of an estimator on made-up rows, and counts the calls for single rows."""

    def __init__(self, estimator: Any, method: str) -> None:
        self.estimator = estimator
        self._method = method
        self.calls = 0

    def answers(self, signature: Signature, rows: list[Any]) -> Any:
        """The results for these rows; raises whatever the estimator raises."""
        return call(self.estimator, signature, self._method, typed(signature, rows))

    def answer(self, signature: Signature, row: Any) -> Any:
        """The result for one row; None if the model rejects it."""
        self.calls += 1
        try:
            return self.answers(signature, [row])
        except Exception:
            return None

    def accepts(self, signature: Signature, row: Any) -> bool:
        """Whether the model answers a row."""
        return self.answer(signature, row) is not None


def alike(one: Any, other: Any) -> bool:
    """Whether two results are equal, numbers to the last few bits."""
    if isinstance(one, (tuple, list)):
        return all(map(alike, one, other))
    if hasattr(one, "toarray"):
        one, other = one.toarray(), other.toarray()
    if one.dtype.kind == "f":
        return bool(np.allclose(one, other, rtol=1e-9, atol=0, equal_nan=True))
    return bool(np.array_equal(one, other))


def made_up(estimator: Any, signature: Signature, example: Sequence[Any] | None) -> Iterator[Any]:
    """Rows that a model is likely to accept: its example, plain values, dates its encoders know."""
    if example is not None:
        yield example
    plain = plain_rows(signature)
    yield from plain
    if not any(feature.kind == "datetime" for feature in signature.features):
        return
    for categories in _categories(estimator):
        for date in [str(value) for value in categories[:MAX_VALUES] if is_date(value)]:
            yield tuple(
                date if feature.kind == "datetime" else value
                for feature, value in zip(signature.features, plain[0], strict=True)
            )


def is_date(value: Any) -> bool:
    """Whether a category is a date, with a time or without."""
    return isinstance(value, (dt.date, np.datetime64)) and not is_nan(value)


def put(row: Sequence[Any], columns: Sequence[int], value: Any) -> tuple[Any, ...]:
    """The row with a value in these columns."""
    return tuple(value if j in columns else each for j, each in enumerate(row))


def with_facts(signature: Signature, column: int, **facts: Any) -> Signature:
    """The signature with other facts of one column."""
    features = list(signature.features)
    features[column] = msgspec.structs.replace(features[column], **facts)
    return msgspec.structs.replace(signature, features=tuple(features))


def assigned(signature: Signature, kinds: Mapping[int, str]) -> Signature:
    """The signature with columns that hold these kinds of values, as they are sent."""
    for column, kind in kinds.items():
        signature = with_facts(signature, column, **ASSIGNED.get(kind, AS_SENT))
    return signature


def words_of(estimator: Any) -> dict[str, list[Any]]:
    """Values of each kind to try: those that encoders inside the estimator know come first."""
    words = {kind: list(values) for kind, values in VALUES.items()}
    for categories in _categories(estimator):
        for value in categories.tolist()[:MAX_VALUES]:
            if isinstance(value, str):
                words["string"].insert(0, value)
                words["integer"][:0] = [int(digits) for digits in INTEGER.findall(value)]
            elif isinstance(value, bool):
                words["boolean"].insert(0, value)
            elif isinstance(value, int):
                words["integer"].insert(0, value)
            elif isinstance(value, float) and np.isfinite(value):
                words["number"].insert(0, value)
    return {kind: values[:MAX_VALUES] for kind, values in words.items()}


def _categories(estimator: Any) -> Iterator[np.ndarray]:
    """The categories of each column of each encoder inside an estimator."""
    for each in composition.parts(estimator):
        yield from map(np.asarray, getattr(each, "categories_", ()))
