"""Find the columns in which a model tells an integer from the float that is equal to it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import msgspec
import numpy as np

from models.engines import inputs
from models.signature import composition
from models.signature.trials import Trials, alike, assigned, put
from models.signature.types import Signature, is_nan

# The integers that are tried, besides those that encoders know.
INTEGERS = (3, 0, 1, -1, 10115, 2**53 + 1)

IsSame = Callable[[Sequence[int]], bool]


def told_apart(
    trials: Trials,
    signature: Signature,
    row: Any,
    columns: Sequence[int],
    words: Sequence[int],
    max_calls: int,
) -> list[int]:
    """Those of `columns` where an integer has another answer than the float equal to it.

    `row` is one that the model takes, `words` are integers that its encoders know. After
    `max_calls` the remaining columns count as told apart.
    """
    integers = list(dict.fromkeys((*words, *INTEGERS)))
    own = list(composition.own_code(trials.estimator, range(len(signature.features))))

    def same(columns: Sequence[int]) -> bool:
        trial = assigned(signature, dict.fromkeys(columns, "number"))
        return _answers_alike(trials, trial, row, columns, integers) and all(
            _makes_alike(chain, seen, trial, row, columns, integers) for chain, seen in own
        )

    return _halved(columns, same, lambda: trials.calls < max_calls)


def _halved(columns: Sequence[int], same: IsSame, room: Callable[[], bool]) -> list[int]:
    """The columns that are not the same, found by halves as long as there is room for calls."""
    if not columns:
        return []
    may_call = room()
    if may_call and same(columns):
        return []
    half = len(columns) // 2
    if half == 0 or not may_call:
        return list(columns)
    return _halved(columns[:half], same, room) + _halved(columns[half:], same, room)


def _answers_alike(
    trials: Trials, signature: Signature, row: Any, columns: Sequence[int], integers: Sequence[int]
) -> bool:
    """Whether the model answers integers in these columns, and as the floats equal to them."""
    answered = False
    for value in integers:
        one, other = (
            trials.answer(signature, put(row, columns, each)) for each in (value, float(value))
        )
        if (one is None) != (other is None) or (one is not None and not alike(one, other)):
            return False
        answered |= one is not None
    return answered


def _makes_alike(
    chain: Sequence[Any],
    seen: Sequence[int],
    signature: Signature,
    row: Any,
    columns: Sequence[int],
    integers: Sequence[int],
) -> bool:
    """Whether own steps make the same of integers as of the floats equal to them.

    Later steps may hide a difference: an encoder that knows neither text ignores both.
    """
    features = tuple(signature.features[j] for j in seen)
    part = msgspec.structs.replace(signature, features=features)

    def made(value: float) -> list[Any] | None:
        filled = put(row, columns, value)
        try:
            table = inputs.to_input(part, [tuple(filled[j] for j in seen)])
            for step in chain:
                table = step.transform(table)
        except Exception:
            return None
        return _cells(table)

    return all(made(value) == made(float(value)) for value in integers)


def _cells(table: Any) -> list[Any]:
    """The cells that own code has made, so that they compare: 3 is 3.0, and "3" is not "3.0"."""
    plain = table.toarray() if hasattr(table, "toarray") else np.asarray(table)
    return [None if is_nan(value) else value for value in plain.ravel().tolist()]
