"""Find out what a fitted estimator takes by trying made-up rows.

Nothing tells what a step of somebody's own makes of a column, and rules for missing values differ
by estimator, by its parameters and by what it was fitted on.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from models.engines import slice_results
from models.engines.scikit_learn import has_pandas
from models.signature import kinds
from models.signature.trials import Trials, alike, made_up, put, with_facts
from models.signature.types import Signature, plain_rows

# Up to this many features each is tried alone, for a missing value and for the kinds it takes.
MAX_FEATURES = 256
# Batching is tried on so many rows: each of them costs a call at the start.
MAX_BATCHED_ROWS = 3


def probe(
    estimator: Any, signature: Signature, method: str, example: Sequence[Any] | None
) -> tuple[Signature, bool]:
    """The signature with what only a trial can tell, and whether requests may share a call.

    `signature` is what was read; `method` the one whose answers show the most; `example` a
    training row, or None. The `example` of the result is a row that the model takes, or None if it
    takes no row that was made up: then the rest is what was read.
    """
    trials = Trials(estimator, method)
    for form in _containers(signature):
        found = _tell(trials, form, example)
        if found.example is not None:
            if found.form == "table":
                found = _may_be_missing(trials, found)
            return found, _is_batchable(trials, found)
    return signature, False


def _containers(signature: Signature) -> Iterator[Signature]:
    """The signature as it was read, then with float32, then with a DataFrame.

    A model fitted in single precision, or somebody's own step that looks columns up by name, only
    tells by rejecting everything else.
    """
    yield signature
    if signature.frame:
        return
    yield msgspec.structs.replace(signature, float32=True)
    if (signature.named or signature.form == "text") and has_pandas():
        yield msgspec.structs.replace(signature, frame=True)


def _tell(trials: Trials, signature: Signature, example: Sequence[Any] | None) -> Signature:
    """The signature with an example that the model takes, and the kinds of its columns."""
    trials.calls = 0
    rows = list(made_up(trials.estimator, signature, example))
    start = next((row for row in rows if trials.accepts(signature, row)), None)
    unknown = [j for j, f in enumerate(signature.features) if f.sent and not f.dtype]
    if signature.form != "table" or not unknown or len(signature.features) > MAX_FEATURES:
        return msgspec.structs.replace(signature, example=start)
    return kinds.tell(trials, signature, unknown, start, example)


def _may_be_missing(trials: Trials, signature: Signature) -> Signature:
    """The signature, with `missing` true for each feature whose absence the model accepts.

    Where code that is not scikit-learn's tells apart what may stand for a missing value, a value
    may not be missing.
    """

    def search(columns: Sequence[int]) -> list[int]:
        if trials.accepts(signature, put(signature.example, columns, None)):
            return list(columns)
        half = len(columns) // 2
        if half == 0 or len(signature.features) > MAX_FEATURES:
            return []
        return search(columns[:half]) + search(columns[half:])

    missing = set(search(range(len(signature.features))))
    features = tuple(
        msgspec.structs.replace(
            feature,
            missing=i in missing and (not feature.sent or _is_one_null(trials, signature, i)),
        )
        for i, feature in enumerate(signature.features)
    )
    return msgspec.structs.replace(signature, features=features)


def _is_one_null(trials: Trials, signature: Signature, column: int) -> bool:
    """Whether the model answers alike whatever stands for a missing value in a column."""
    if signature.features[column].dtype or not signature.frame:
        return True
    # A missing value that stands among floats may make floats of integers beside it.
    integers = tuple(
        int(value) if feature.sent and type(value) is float and value.is_integer() else value
        for feature, value in zip(signature.features, signature.example, strict=True)
    )
    nulls: tuple[dict[str, Any], ...] = (
        {},
        {"dtype": "object", "null": None},
        {"dtype": "object"},
        {"dtype": "Int64"},
    )
    for row in (signature.example, integers):
        given = (
            trials.answer(with_facts(signature, column, **null), put(row, [column], None))
            for null in nulls
        )
        known = [answer for answer in given if answer is not None]
        if not all(alike(known[0], other) for other in known[1:]):
            return False
    return True


def _is_batchable(trials: Trials, signature: Signature) -> bool:
    """Whether rows get the same results in one call as each alone, tried on a few."""
    if any(feature.sent and not feature.dtype for feature in signature.features):
        return False
    rows = plain_rows(signature)[:MAX_BATCHED_ROWS]
    if signature.example and any(f.missing for f in signature.features):
        values = zip(signature.features, signature.example, strict=True)
        rows.append(tuple(None if f.missing else value for f, value in values))
    try:
        together = trials.answers(signature, rows)
        return all(
            alike(slice_results(together, i, i + 1), trials.answers(signature, [row]))
            for i, row in enumerate(rows)
        )
    except Exception:
        return False
