"""Leaves of trees as the bits of one long number.

Nothing is walked: each node clears the leaves on the side where the row does not go. For one
feature these nodes are told by the number of its thresholds below the row's value, found by
bisection, and the leaves that they keep together are worked out beforehand. The bit left of each
tree is the leaf that the row reaches.

Source: Lucchese et al., "QuickScorer: a fast algorithm to rank documents with additive ensembles of
regression trees" (SIGIR 2015), with all trees in one number, and both sides cleared.
"""

from __future__ import annotations

import math
from array import array
from bisect import bisect_left
from collections.abc import Collection, Sequence
from itertools import accumulate
from operator import or_
from typing import Any, NamedTuple

import numpy as np

from ..operation import Function, NoOneRowForm

# The most memory for the long numbers of one forest.
MAX_BITSET_BYTES = 16_000_000


class Turn(NamedTuple):
    """An inner node: a row goes right if its feature is above the threshold, or as `missing_right`.

    The leaves on its left are from `start` to before `middle`, on its right to before `stop`.
    """

    feature: int
    threshold: float
    missing_right: bool
    start: int
    middle: int
    stop: int


class Line(NamedTuple):
    """All nodes of one feature: their sorted thresholds, and the leaves that they keep.

    `kept` has the bits of the leaves that are kept, by the number of thresholds below the row's
    value; the last is for a missing value.
    """

    feature: int
    thresholds: list[float]
    kept: list[int]


def check_size(turns: int, leaves: int) -> None:
    """Raise NoOneRowForm if one bit of each leaf for each turn takes too much memory."""
    if turns * leaves // 8 > MAX_BITSET_BYTES:
        raise NoOneRowForm


def lines(turns: Sequence[Turn], leaves: int) -> list[Line]:
    """The leaves that the nodes of each feature keep, of the bits `leaves`."""
    by_feature: dict[int, list[Turn]] = {}
    for turn in sorted(turns):
        by_feature.setdefault(turn.feature, []).append(turn)
    made = []
    for feature, own in by_feature.items():
        # Suffix ORs: the leaves cleared by the nodes from i on if these send the row left.
        rights = (between(turn.middle, turn.stop) for turn in reversed(own))
        lost_right = list(accumulate(rights, or_, initial=0))
        kept, lost, lost_if_missing = [], 0, 0
        for turn in own:
            kept.append(leaves & ~(lost | lost_right.pop()))
            left, right = between(turn.start, turn.middle), between(turn.middle, turn.stop)
            lost |= left
            lost_if_missing |= left if turn.missing_right else right
        kept += [leaves & ~lost, leaves & ~lost_if_missing]
        made.append(Line(feature, [turn.threshold for turn in own], kept))
    return made


def between(start: int, stop: int) -> int:
    """The bits from one place to before another."""
    return (1 << stop) - (1 << start)


class Crossing:
    """Finds the leaf of each tree by clearing all others; the leaves are from left to right."""

    def __init__(self, leaves: Sequence[int], lines: Sequence[Line], numbers: Function) -> None:
        self.nodes = np.array(leaves)
        self.lines = lines
        self._numbers = numbers
        self._all = between(0, len(leaves))
        self._size = (len(leaves) + 7) // 8

    def __call__(self, row: Sequence[float]) -> int:
        """The bits of the leaves that a row reaches, one for each tree."""
        x, left = self._numbers(row), self._all
        for feature, thresholds, kept in self.lines:
            value = x[feature]
            # NaN is not equal to itself.
            left &= kept[bisect_left(thresholds, value) if value == value else -1]  # noqa: PLR0124
        return left

    def places(self, reached: int) -> np.ndarray:
        """The places of these bits, in the order of the trees."""
        eights = np.frombuffer(reached.to_bytes(self._size, "little"), np.uint8)
        bits = np.unpackbits(eights, bitorder="little")
        # nonzero() is 4 times as fast for bool as for uint8.
        return bits.view(np.bool_).nonzero()[0]


def checked_row(precision: np.dtype, refused: Collection[str]) -> Function:
    """Gives the numbers of a row in the precision of the thresholds.

    It raises OverflowError for a missing or infinite number that is refused.
    """
    is_float32 = precision == np.float32
    missing, infinite = "missing" in refused, "infinite" in refused

    def is_refused(value: float) -> bool:
        return (missing and math.isnan(value)) or (infinite and math.isinf(value))

    def numbers(row: Sequence[float]) -> Sequence[float]:
        x: Sequence[float] = array("f", row) if is_float32 else row
        if not math.isfinite(sum(x)) and any(map(is_refused, x)):
            raise OverflowError
        return x

    return numbers


def lines_of(
    features: list[int], bounds: list[int], thresholds: Any, kept: Any
) -> list[tuple[int, Any, Any]]:
    """Each feature with its part of the thresholds and of `kept`; see `trees.bitset_votes`."""
    return [
        (feature, thresholds[start:stop], kept[start + 2 * i : stop + 2 * i + 2])
        for i, (feature, start, stop) in enumerate(zip(features, bounds, bounds[1:], strict=False))
    ]


def words_of(number: int, leaves: int) -> np.ndarray:
    """The bits of so many leaves as 64-bit words, the lowest first, shape (n_words,)."""
    return np.frombuffer(number.to_bytes((leaves + 63) // 64 * 8, "little"), np.dtype("<u8"))


def number_of(words: np.ndarray) -> int:
    """The number with the bits of these words."""
    return int.from_bytes(words.astype("<u8", copy=False).tobytes(), "little")


def classes_of(own: np.ndarray) -> list[int]:
    """The bits of each class's leaves if all leaves are of one class, as in a fully grown forest.

    Their values are 0 or 1: sums of these are exact in any order, and equal to counts of bits.
    """
    if own.ndim == 1 or not ((own == 0) | (own == 1)).all():
        return []
    return [sum(1 << int(place) for place in np.flatnonzero(column)) for column in own.T]
