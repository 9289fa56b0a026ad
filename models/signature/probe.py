"""Find out what a fitted estimator takes by trying made-up rows.

Nothing tells what a step of somebody's own makes of a column, and rules for missing values differ
by estimator, by its parameters and by what it was fitted on.
"""

from __future__ import annotations

import datetime as dt
import itertools
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import msgspec
import numpy as np

from models.engines import inputs, part
from models.signature import composition
from models.signature.types import Feature, Signature, is_nan, plain_rows

# Up to this many features it is tried for each one whether it may be missing, or what it takes.
MAX_FEATURES = 256
# The most rows that are tried where no kind suits all columns.
MAX_TRIALS = 1000
# The most values of each kind that are tried while columns are given different kinds.
MAX_MIXED = 3
# The most calls of the model that are made to find what each column takes.
MAX_CALLS = 3000
# The most values of each kind that are tried.
MAX_VALUES = 12
# Batching is tried on so many rows: each of them costs a call at the start.
MAX_ROWS = 3

NUMBERS = frozenset({"number", "integer"})
DATES = frozenset({"datetime", "datetime in UTC"})
TEXTS = frozenset({"string", "text of a date"})
# In the order in which they are tried. A date is tried as text, too.
KINDS = ("number", "integer", "string", "datetime", "datetime in UTC", "boolean", "text of a date")
VALUES: dict[str, tuple[Any, ...]] = {
    "number": (1.5, 0.5, 2.25, 0.0, -1.0),
    "integer": (1, 3, 10, 0, -1),
    "string": ("a", "b c"),
    "datetime": ("2024-03-05", "2023-11-17T08:30:00"),
    "datetime in UTC": ("2024-03-05T00:00:00Z", "2023-11-17T08:30:00Z"),
    "boolean": (True, False),
    "text of a date": ("2024-03-05", "2023-11-17T08:30:00"),
}
# The facts of a column for which a kind is tried; for kinds not named here, they are AS_SENT.
ASSIGNED: dict[str, dict[str, Any]] = {
    "datetime": {"kind": "datetime", "dtype": ""},
    "datetime in UTC": {"kind": "datetime", "dtype": "datetime64[ns, UTC]"},
}
AS_SENT = {"kind": "any", "dtype": ""}
OTHER_ZONE = "datetime64[ns, Asia/Kolkata]"
INTEGER = re.compile(r"\d{1,20}", re.ASCII)
# For these it is tried whether the model tells the integer from the equal float.
INTEGERS = (3, 0, 1, -1, 10115, 2**53 + 1)
# A date as pandas makes a text of it.
DATE_TEXT = re.compile(r"\d{4}-\d\d-\d\d( \d\d:\d\d:\d\d.*)?|NaT", re.ASCII)

# Calls the method that says the most on rows of this signature, and gives its result.
Answers = Callable[[Signature, list[Any]], Any]


def tell(
    estimator: Any, signature: Signature, answers: Answers, example: Sequence[Any] | None
) -> Signature:
    """The signature with what only trying rows can tell, in the container that it names.

    The `example` of the result is a row that the model takes, None if none was found. The kind of
    a column is tried if the column is `sent` and has no dtype; `may_be_missing` tries missing
    values. `example` is a training row, if there is one. `answers` raises what the estimator
    raises.
    """
    tried = _Tried(signature, answers)
    rows = [*_rows(signature, example), *_dated(estimator, signature)]
    start = next((row for row in rows if tried.accepts(signature, row)), None)
    unknown = [j for j, f in enumerate(signature.features) if f.sent and not f.dtype]
    opened = [j for j in unknown if signature.features[j].kind == "any"]
    if signature.form != "table" or not unknown or len(signature.features) > MAX_FEATURES:
        return msgspec.structs.replace(signature, example=start)
    base = _base(estimator, signature, opened, tried, start, example)
    if base is None:
        return msgspec.structs.replace(signature, example=None)
    features = list(signature.features)
    signature, row = base
    words = _words(estimator)
    integers = list(dict.fromkeys((*words["integer"], *INTEGERS)))
    tellable = _tellable(estimator, words)
    for j in opened:
        kinds = {kind for kind in tellable if _takes(tried, signature, row, j, kind, words)}
        # After MAX_CALLS the kinds of the remaining columns stay unknown.
        if tried.calls < MAX_CALLS:
            features[j] = _concluded(features[j], kinds)
            if features[j].kind == "any" and kinds & DATES and _are_dates(words["string"]):
                features[j] = msgspec.structs.replace(features[j], kind="datetime")
                row = (*row[:j], VALUES["datetime"][0], *row[j + 1 :])
            zoned = "datetime in UTC" in kinds and not kinds & {"datetime", "string"}
            if zoned and _is_one_zone(tried, signature, row, j):
                features[j] = msgspec.structs.replace(features[j], **ASSIGNED["datetime in UTC"])
    own = list(composition.own_code(estimator, range(len(features))))

    def same(columns: Sequence[int]) -> bool:
        trial = _assigned(signature, dict.fromkeys(columns, "number"))
        return _is_same(tried, trial, row, columns, integers) and all(
            _makes_same(chain, seen, trial, row, columns, integers) for chain, seen in own
        )

    numbers = [j for j in unknown if features[j].kind == "number"]
    apart = _told_apart(tried, numbers, same)
    for j in numbers:
        features[j] = msgspec.structs.replace(features[j], sent=j in apart)
    found = msgspec.structs.replace(signature, features=tuple(features))
    row = _likely(tried, found, row, words)
    return msgspec.structs.replace(found, example=row if tried.accepts(found, row) else None)


def _tellable(estimator: Any, words: dict[str, list[Any]]) -> list[str]:
    """The kinds that a model's acceptance tells something of.

    To encoders that know no text, every text is an unknown category.
    """
    encodes = any(hasattr(each, "categories_") for each in composition.parts(estimator))
    knows_text = words["string"][0] not in VALUES["string"]
    if knows_text or not encodes or composition.holds_own_code(estimator):
        return list(KINDS)
    return [kind for kind in KINDS if kind not in TEXTS]


def may_be_missing(signature: Signature, answers: Answers) -> Signature:
    """The signature, with `missing` true for each feature whose absence the model accepts.

    It has an example. Where code that is not scikit-learn's tells apart what may stand for a
    missing value, a value may not be missing.
    """
    row, tried = signature.example, _Tried(signature, answers)

    def search(columns: Sequence[int]) -> list[int]:
        trial = tuple(None if i in columns else value for i, value in enumerate(row))
        if tried.accepts(signature, trial):
            return list(columns)
        half = len(columns) // 2
        if half == 0 or len(signature.features) > MAX_FEATURES:
            return []
        return search(columns[:half]) + search(columns[half:])

    missing = set(search(range(len(signature.features))))
    features = tuple(
        msgspec.structs.replace(
            feature, missing=i in missing and (not feature.sent or tried.is_one_null(i))
        )
        for i, feature in enumerate(signature.features)
    )
    return msgspec.structs.replace(signature, features=features)


def batchable(signature: Signature, answers: Answers) -> bool:
    """Whether rows get the same results in one call as each alone, tried on a few."""
    if any(feature.sent and not feature.dtype for feature in signature.features):
        return False
    rows = plain_rows(signature)[:MAX_ROWS]
    if signature.example and any(f.missing for f in signature.features):
        values = zip(signature.features, signature.example, strict=True)
        rows.append(tuple(None if f.missing else value for f, value in values))
    try:
        together = answers(signature, rows)
        return all(
            alike(part(together, i, i + 1), answers(signature, [row])) for i, row in enumerate(rows)
        )
    except Exception:
        return False


def alike(one: Any, other: Any) -> bool:
    """Whether two results are equal, numbers to the last few bits."""
    if isinstance(one, (tuple, list)):
        return all(map(alike, one, other))
    if hasattr(one, "toarray"):
        one, other = one.toarray(), other.toarray()
    if one.dtype.kind == "f":
        return bool(np.allclose(one, other, rtol=1e-9, atol=0, equal_nan=True))
    return bool(np.array_equal(one, other))


class _Tried:
    """Asks the model about made-up rows of a signature, and counts the calls."""

    def __init__(self, signature: Signature, answers: Answers) -> None:
        self._signature = signature
        self._answers = answers
        self.calls = 0

    def answer(self, signature: Signature, row: Any) -> Any:
        """The result for one row; None if the model refuses it."""
        self.calls += 1
        try:
            return self._answers(signature, [row])
        except Exception:
            return None

    def accepts(self, signature: Signature, row: Any) -> bool:
        return self.answer(signature, row) is not None

    def is_one_null(self, column: int) -> bool:
        """Whether the model answers alike whatever stands for a missing value in a column."""
        signature = self._signature
        if signature.features[column].dtype or not signature.frame:
            return True
        # A missing value that stands among floats may make floats of integers beside it.
        whole = tuple(
            int(value) if feature.sent and type(value) is float and value.is_integer() else value
            for feature, value in zip(signature.features, signature.example, strict=True)
        )
        return all(self._is_one_null(column, row) for row in (signature.example, whole))

    def _is_one_null(self, column: int, example: Sequence[Any]) -> bool:
        row = tuple(None if j == column else value for j, value in enumerate(example))
        given = [
            self.answer(_with(self._signature, column, **null), row)
            for null in (
                {},
                {"dtype": "object", "null": None},
                {"dtype": "object"},
                {"dtype": "Int64"},
            )
        ]
        known = [answer for answer in given if answer is not None]
        return all(alike(known[0], other) for other in known[1:])


def _rows(signature: Signature, example: Sequence[Any] | None) -> Iterator[Any]:
    if example is not None:
        yield example
    yield from plain_rows(signature)


def _dated(estimator: Any, signature: Signature) -> Iterator[Any]:
    """Rows with the dates that encoders inside the estimator know."""
    if not any(feature.kind == "datetime" for feature in signature.features):
        return
    for each in composition.parts(estimator):
        for categories in getattr(each, "categories_", ()):
            for date in [str(v) for v in np.asarray(categories)[:MAX_VALUES] if is_date(v)]:
                yield tuple(
                    date if feature.kind == "datetime" else value
                    for feature, value in zip(
                        signature.features, plain_rows(signature)[0], strict=True
                    )
                )


def is_date(value: Any) -> bool:
    """Whether a category is a date, with a time or without."""
    return isinstance(value, (dt.date, np.datetime64)) and not is_nan(value)


def _are_dates(words: Sequence[str]) -> bool:
    """Whether all words that encoders know are dates which pandas made a text of."""
    known = [word for word in words if word not in VALUES["string"]]
    return bool(known) and all(map(DATE_TEXT.fullmatch, known))


def _with(signature: Signature, column: int, **facts: Any) -> Signature:
    """The signature with other facts of one column."""
    features = list(signature.features)
    features[column] = msgspec.structs.replace(features[column], **facts)
    return msgspec.structs.replace(signature, features=tuple(features))


def _assigned(signature: Signature, kinds: dict[int, str]) -> Signature:
    """The signature with columns that hold these kinds of values, as they are sent."""
    for column, kind in kinds.items():
        signature = _with(signature, column, **ASSIGNED.get(kind, AS_SENT))
    return signature


def _words(estimator: Any) -> dict[str, list[Any]]:
    """Values of each kind to try: also those that encoders inside the estimator know."""
    words = {kind: list(values) for kind, values in VALUES.items()}
    for each in composition.parts(estimator):
        for categories in getattr(each, "categories_", ()):
            for value in np.asarray(categories).tolist()[:MAX_VALUES]:
                _add(words, value)
    return {kind: values[:MAX_VALUES] for kind, values in words.items()}


def _add(words: dict[str, list[Any]], value: Any) -> None:
    """Put a category ahead of the made-up values: as it is, and the integers that it spells."""
    if isinstance(value, str):
        words["string"].insert(0, value)
        words["integer"][:0] = [int(digits) for digits in INTEGER.findall(value)]
    elif isinstance(value, bool):
        words["boolean"].insert(0, value)
    elif isinstance(value, int):
        words["integer"].insert(0, value)
    elif isinstance(value, float) and np.isfinite(value):
        words["number"].insert(0, value)


def _base(
    estimator: Any,
    signature: Signature,
    unknown: Sequence[int],
    tried: _Tried,
    start: Any,
    example: Sequence[Any] | None,
) -> tuple[Signature, Any] | None:
    """A row that the model takes, and the signature that says of which kinds it is."""
    if not unknown:
        return None if start is None else (signature, start)
    if start is not None and start is not example:
        return _assigned(signature, dict.fromkeys(unknown, "number")), start
    words = _words(estimator)
    rows = [example] if example is not None else []
    plain = [*rows, *plain_rows(signature)]
    for kinds in _assignments(estimator, signature, unknown):
        if tried.calls > MAX_TRIALS:
            break
        trial = _assigned(signature, kinds)
        turns = max(len(words[kind]) for kind in kinds.values())
        for turn in range(min(turns, MAX_MIXED) if len(set(kinds.values())) > 1 else turns):
            row = list(plain[turn % len(plain)])
            if turn or example is None:
                for j, kind in kinds.items():
                    row[j] = words[kind][turn % len(words[kind])]
            if tried.accepts(trial, tuple(row)):
                return trial, tuple(row)
    return None


def _assignments(
    estimator: Any, signature: Signature, unknown: Sequence[int]
) -> Iterable[dict[int, str]]:
    """Kinds for the unknown columns: one for all, one for each step, one for each column."""
    known = set(unknown)
    groups = [
        [j for j in columns if j in known]
        for _, columns in composition.own_code(estimator, range(len(signature.features)))
    ]
    groups = [list(group) for group in dict.fromkeys(map(tuple, groups)) if group]
    kinds = KINDS[:-1]
    for kind in kinds:
        yield dict.fromkeys(unknown, kind)
    for chosen in itertools.product(kinds, repeat=len(groups)):
        yield dict.fromkeys(unknown, "number") | {
            j: kind for group, kind in zip(groups, chosen, strict=True) for j in group
        }
    # Numbers beside texts first: among flags and dates, a table may be taken for another reason.
    for among in (("number", "string"), kinds):
        for chosen in itertools.product(among, repeat=len(unknown)):
            yield dict(zip(unknown, chosen, strict=True))


def _takes(
    tried: _Tried, signature: Signature, row: Any, j: int, kind: str, words: dict[str, list[Any]]
) -> bool:
    """Whether the model takes a value of this kind in column j, the others being as they are."""
    if kind == {int: "integer", float: "number"}.get(type(row[j])):
        return True
    if kind in DATES and not signature.frame:
        return False
    trial = _assigned(signature, {j: kind})
    return any(tried.accepts(trial, (*row[:j], value, *row[j + 1 :])) for value in words[kind])


def _concluded(feature: Feature, kinds: set[str]) -> Feature:
    """A column for which the model takes these kinds of values."""
    if "string" in kinds:
        alone = kinds <= {"string", "text of a date"}
        return msgspec.structs.replace(feature, kind="string" if alone else "any")
    if kinds & DATES and ("text of a date" in kinds or not kinds & NUMBERS):
        return msgspec.structs.replace(feature, kind="datetime")
    if kinds & NUMBERS and not kinds & DATES:
        return msgspec.structs.replace(feature, kind="number", sent=False)
    if kinds == {"boolean"}:
        return msgspec.structs.replace(feature, kind="boolean")
    return msgspec.structs.replace(feature, kind="any")


def _likely(
    tried: _Tried, signature: Signature, row: Any, words: dict[str, list[Any]]
) -> tuple[Any, ...]:
    """The row, with values that encoders know in the columns whose kind is not known."""
    known = [words[kind][0] for kind in ("integer", "string") if words[kind][0] not in VALUES[kind]]
    for j, feature in enumerate(signature.features):
        if feature.sent and feature.kind == "any":
            rows = ((*row[:j], value, *row[j + 1 :]) for value in known)
            row = next((each for each in rows if tried.accepts(signature, each)), row)
    return tuple(row)


def _is_one_zone(tried: _Tried, signature: Signature, row: Any, j: int) -> bool:
    """Whether the model answers an instant in column j alike whatever its time zone is."""
    facts = ASSIGNED["datetime in UTC"]
    for value in VALUES["datetime in UTC"]:
        here, there = (
            tried.answer(_with(signature, j, **facts), (*row[:j], value, *row[j + 1 :]))
            for facts in (facts, {**facts, "dtype": OTHER_ZONE})
        )
        if here is None or there is None or not alike(here, there):
            return False
    return True


def _told_apart(
    tried: _Tried, columns: Sequence[int], same: Callable[[Sequence[int]], bool]
) -> list[int]:
    """The columns in which the model tells an integer from the float that is equal to it."""
    room = tried.calls < MAX_CALLS
    if not columns or (room and same(columns)):
        return []
    half = len(columns) // 2
    if half == 0 or not room:
        return list(columns)
    parts = (columns[:half], columns[half:])
    return [column for part in parts for column in _told_apart(tried, part, same)]


def _filled(row: Any, columns: Sequence[int], value: Any) -> tuple[Any, ...]:
    """The row with a value in all of these columns."""
    return tuple(value if j in columns else each for j, each in enumerate(row))


def _is_same(
    tried: _Tried,
    signature: Signature,
    row: Any,
    columns: Sequence[int],
    integers: Sequence[int],
) -> bool:
    """Whether the model answers integers in these columns as the floats that are equal to them."""
    answered = False
    for value in integers:
        one = tried.answer(signature, _filled(row, columns, value))
        other = tried.answer(signature, _filled(row, columns, float(value)))
        if (one is None) != (other is None) or (one is not None and not alike(one, other)):
            return False
        answered |= one is not None
    return answered


def _makes_same(
    chain: Sequence[Any],
    seen: Sequence[int],
    signature: Signature,
    row: Any,
    columns: Sequence[int],
    integers: Sequence[int],
) -> bool:
    """Whether own steps make the same of integers as of the floats that are equal to them.

    Later steps may hide a difference: an encoder that knows neither text ignores both.
    """
    features = tuple(signature.features[j] for j in seen)
    part = msgspec.structs.replace(signature, features=features)
    for value in integers:
        made = []
        for each in (value, float(value)):
            filled = _filled(row, columns, each)
            try:
                table = inputs.to_input(part, [tuple(filled[j] for j in seen)])
                for step in chain:
                    table = step.transform(table)
            except Exception:
                table = None
            made.append(None if table is None else _cells(table))
        if made[0] != made[1]:
            return False
    return True


def _cells(table: Any) -> list[Any]:
    """The cells that own code has made, so that they compare: 3 is 3.0, and "3" is not "3.0"."""
    plain = table.toarray() if hasattr(table, "toarray") else np.asarray(table)
    return [None if is_nan(value) else value for value in plain.ravel().tolist()]
