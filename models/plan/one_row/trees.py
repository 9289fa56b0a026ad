"""Trees for one row; see `operations.trees` and `operations.leaves`.

A few trees are walked one by one. Many are not walked at all: all leaves are bits of one long
number, and each node takes away those on the side where the row does not go. For one feature that
is told by how many of its thresholds are under the row's value, which is found by halving, and what
its nodes take away together is worked out beforehand. The bit left of each tree is the leaf that
the row reaches.

Source: Lucchese et al., "QuickScorer: a fast algorithm to rank documents with additive ensembles of
regression trees" (SIGIR 2015), with all trees in one number, and both sides taken away.
"""

from __future__ import annotations

import math
from array import array
from bisect import bisect_left
from collections.abc import Collection, Sequence
from itertools import accumulate, starmap
from operator import or_
from typing import NamedTuple

import numpy as np

from ..operations.leaves import in_order
from ..operations.trees import lines_of
from .arrays import Function, on_each

# Up to this many levels in all it is sooner to walk; each feature counts as so many more.
WALKED_LEVELS = 50
LEVELS_OF_A_FEATURE = 3
# The long numbers of one forest have no more bytes than this.
ROOM = 16_000_000


class TooLarge(Exception):
    """The long numbers would take too much memory."""


class Turn(NamedTuple):
    """A node: the row goes right if its feature is over the threshold, or missing if so told.

    The leaves on its left are those from `start` to before `middle`, on its right to before `stop`.
    """

    feature: int
    threshold: float
    missing_right: bool
    start: int
    middle: int
    stop: int


class Line(NamedTuple):
    """All nodes that ask for one feature: their thresholds, in order, and what they keep.

    `kept` has one bit for each leaf that is left, by how many thresholds are under the row's value;
    the last is for a missing one.
    """

    feature: int
    thresholds: list[float]
    kept: list[int]


def walk(
    *,
    count: int,
    depth: int,
    features: np.ndarray,
    thresholds: np.ndarray,
    children: np.ndarray,
    missing_right: np.ndarray,
    refused: Collection[str],
) -> Function:
    """The leaf that the row reaches in each tree."""
    numbers = checked(thresholds.dtype, refused)
    feature_of, threshold_of, child_of, right_of = (
        each.tolist() for each in (features, thresholds, children, missing_right)
    )
    if count * depth <= WALKED_LEVELS + LEVELS_OF_A_FEATURE * len(set(feature_of)):

        def descend(row: Sequence[float]) -> list[int]:
            x, reached = numbers(row), []
            for root in range(count):
                node = root
                while (child := child_of[node]) != node:
                    value = x[feature_of[node]]
                    right = value > threshold_of[node] or (right_of[node] and math.isnan(value))
                    node = child + right
                reached.append(node)
            return reached

        return descend

    # All trees have twice as many nodes as leaves, less one each.
    check_room(len(child_of) // 2, len(child_of) // 2 + count)
    leaves: list[int] = []
    turns: list[Turn] = []
    for root in range(count):
        # A node comes up again with where its leaves begin, and with where those on its right do.
        waiting: list[tuple[int, int, int]] = [(root, -1, -1)]
        while waiting:
            node, start, middle = waiting.pop()
            child, here = child_of[node], len(leaves)
            if child == node:
                leaves.append(node)
            elif start < 0:
                waiting += [(node, here, -1), (child, -1, -1)]
            elif middle < 0:
                waiting += [(node, start, here), (child + 1, -1, -1)]
            else:
                where = feature_of[node], threshold_of[node], right_of[node]
                turns.append(Turn(*where, start, middle, here))
    return Crossing(leaves, lines(turns, between(0, len(leaves))), numbers)


def check_room(turns: int, leaves: int) -> None:
    """Raise TooLarge if one bit a leaf for each turn is too much."""
    if turns * leaves // 8 > ROOM:
        raise TooLarge


def walk_shallow(
    *,
    features: np.ndarray,
    thresholds: np.ndarray,
    missing_right: np.ndarray,
    paths: np.ndarray,  # noqa: ARG001  (the same way for all trees)
    exits: np.ndarray,
    first_exits: np.ndarray,
    refused: Collection[str],
) -> Function:
    """The same for trees of up to three levels."""
    count = len(first_exits)
    size = len(exits) // count
    check_room(len(features), len(exits))
    turns, leaves = [], between(0, len(exits))
    for inner in range(size - 1):
        level = (inner + 1).bit_length() - 1
        width = size >> level
        start = width * (inner + 1 - (1 << level))
        for tree in range(count):
            node = inner * count + tree
            first = tree * size + start
            middle, stop = first + width // 2, first + width
            threshold = float(thresholds[node, 0])
            right = bool(missing_right[node, 0])
            if threshold < math.inf or right:
                turns.append(Turn(int(features[node]), threshold, right, first, middle, stop))
            else:
                # It is there to fill the tree up, and no row goes right.
                leaves &= ~between(middle, stop)
    return Crossing(exits.tolist(), lines(turns, leaves), checked(thresholds.dtype, refused))


def lines(turns: Sequence[Turn], leaves: int) -> list[Line]:
    """What all nodes keep, feature by feature, of the bits of these leaves."""
    by_feature: dict[int, list[Turn]] = {}
    for turn in sorted(turns):
        by_feature.setdefault(turn.feature, []).append(turn)
    made = []
    for feature, own in by_feature.items():
        # What those lose together that send the row to the left: all, all but the first, and so on.
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
    """Finds the leaf of each tree by crossing all others out; the leaves are from left to right."""

    def __init__(self, leaves: Sequence[int], lines: Sequence[Line], numbers: Function) -> None:
        self.nodes = np.array(leaves)
        self.lines = lines
        self._numbers = numbers
        self._all = between(0, len(leaves))
        self._size = (len(leaves) + 7) // 8

    def __call__(self, row: Sequence[float]) -> int:
        """One bit for the leaf of each tree."""
        x, left = self._numbers(row), self._all
        for feature, thresholds, kept in self.lines:
            value = x[feature]
            # NaN is not equal to itself.
            left &= kept[bisect_left(thresholds, value) if value == value else -1]  # noqa: PLR0124
        return left

    def places(self, reached: int) -> np.ndarray:
        """The place of each bit, in the trees' order."""
        eights = np.frombuffer(reached.to_bytes(self._size, "little"), np.uint8)
        bits = np.unpackbits(eights, bitorder="little")
        # What is not zero is found in booleans four times as fast as in numbers.
        return bits.view(np.bool_).nonzero()[0]


def checked(precision: np.dtype, refused: Collection[str]) -> Function:
    """What gives the numbers of a row in the precision of the thresholds.

    It raises OverflowError if some are missing or infinite, and that is refused.
    """
    single = precision == np.float32
    missing, infinite = "missing" in refused, "infinite" in refused

    def is_refused(value: float) -> bool:
        return (missing and math.isnan(value)) or (infinite and math.isinf(value))

    def numbers(row: Sequence[float]) -> Sequence[float]:
        x: Sequence[float] = array("f", row) if single else row
        if not math.isfinite(sum(x)) and any(map(is_refused, x)):
            raise OverflowError
        return x

    return numbers


def shares_of_trees(
    *,
    count: int,
    features: list[int],
    bounds: list[int],
    thresholds: np.ndarray,
    kept: np.ndarray,
    classes: np.ndarray,
    refused: Collection[str],
) -> Function:
    """The share of trees whose leaf is of each class."""
    parts = lines_of(features, bounds, thresholds.tolist(), list(map(number_of, kept)))
    own = list(starmap(Line, parts))
    reach = Crossing(range(64 * kept.shape[1]), own, checked(thresholds.dtype, refused))
    masks = list(map(number_of, classes))

    def shares(row: Sequence[float]) -> list[float]:
        reached = reach(row)
        return [(reached & mask).bit_count() / count for mask in masks]

    return shares


def words_of(number: int, leaves: int) -> np.ndarray:
    """The bits of so many leaves, the lowest first, shape (n_words,)."""
    return np.frombuffer(number.to_bytes((leaves + 63) // 64 * 8, "little"), np.dtype("<u8"))


def number_of(words: np.ndarray) -> int:
    """The number whose bits these are."""
    return int.from_bytes(words.astype("<u8", copy=False).tobytes(), "little")


def of_leaf(found: Function, *, values: np.ndarray) -> Function:
    """What the leaf of one tree has."""
    if isinstance(found, Crossing):
        own = values[found.nodes].tolist()
        return lambda reached: own[reached.bit_length() - 1]
    table = values.tolist()
    return lambda reached: table[reached[0]]


def sum_of_leaves(found: Function, *, values: np.ndarray) -> Function:
    """The sum of what the leaves have, added in the trees' order."""
    if not isinstance(found, Crossing):
        return lambda reached: in_order(values.take(reached, axis=0)).tolist()
    own = values[found.nodes]
    if counted := counts(own):
        return counted
    if own.shape[1:] == (2,):
        # A complex number is a pair, and accumulate takes a third of the time of a sum over rows.
        pairs = np.ascontiguousarray(own).view(np.complex128)
        return lambda reached: (
            np.add.accumulate(pairs.take(found.places(reached)))[-1:].view(np.float64).tolist()
        )
    return lambda reached: in_order(own.take(found.places(reached), axis=0)).tolist()


def counts(own: np.ndarray) -> Function | None:
    """A sum for each class, if all leaves are of one class."""
    masks = classes_of(own)
    if not masks:
        return None
    return lambda reached: [float((reached & mask).bit_count()) for mask in masks]


def classes_of(own: np.ndarray) -> list[int]:
    """The bits of each class's leaves where all are of one class, as in a forest grown to the end.

    What they have is 0 or 1, whose sums are exact in any order, and so are the numbers of bits.
    """
    if own.ndim == 1 or not ((own == 0) | (own == 1)).all():
        return []
    return [sum(1 << int(place) for place in np.flatnonzero(column)) for column in own.T]


def mean_of_leaves(found: Function, *, values: np.ndarray, count: int) -> Function:
    """The mean of what the leaves have."""
    add = sum_of_leaves(found, values=values)
    share = on_each(lambda total: total / count)
    return lambda reached: share(add(reached))


def sums_of_leaves(found: Function, *, values: np.ndarray, count: int) -> Function:
    """A sum for each of `count` classes, whose trees take turns."""
    if isinstance(found, Crossing):
        own = values[found.nodes]
        return lambda reached: sums(own.take(found.places(reached)), count)
    return lambda reached: sums(values.take(reached), count)


def sums(each: np.ndarray, count: int) -> list[float]:
    """One sum for each of `count` that take turns."""
    added: list[float] = each.reshape(-1, count).sum(axis=0).tolist()
    return added


def by_rows() -> Function:
    """The same: one row is in one order."""
    return lambda x: x


MAKERS: dict[str, Function] = {
    "walk": walk,
    "walk_shallow": walk_shallow,
    "shares_of_trees": shares_of_trees,
    "by_rows": by_rows,
}
# Those that are told by which function the leaves are found.
OF_LEAVES: dict[str, Function] = {
    "of_leaf": of_leaf,
    "sum_of_leaves": sum_of_leaves,
    "mean_of_leaves": mean_of_leaves,
    "sums_of_leaves": sums_of_leaves,
}
