"""Trees for one row; see `operations.trees` and `operations.leaves`.

A few trees are walked one by one. Many are not walked at all: all leaves are bits of one long
number, and each node that sends the row to the right takes away those on its left. The nodes that
do so for one feature are those whose thresholds are under its value, which is found by halving, and
what they take away together is worked out beforehand. The lowest bit left of each tree is the leaf
that the row reaches.

Source: Lucchese et al., "QuickScorer: a fast algorithm to rank documents with additive ensembles of
regression trees" (SIGIR 2015), with all trees in one number.
"""

from __future__ import annotations

import math
from array import array
from bisect import bisect_left
from collections.abc import Collection, Sequence
from typing import NamedTuple

import numpy as np

from api.engines.operations.leaves import in_order
from api.engines.singles.arrays import Function, on_each

# Up to this many levels in all it is sooner to walk; each feature counts as so many more.
WALKED_LEVELS = 50
LEVELS_OF_A_FEATURE = 3
# The long numbers of one forest have no more bytes than this.
ROOM = 16_000_000


class TooLarge(Exception):
    """The long numbers would take too much memory."""


class Turn(NamedTuple):
    """A node: the row goes right if its feature is over the threshold, or missing if so told.

    `start` and `stop` bound the leaves on its left.
    """

    feature: int
    threshold: float
    missing_right: bool
    start: int
    stop: int


class Leaves(NamedTuple):
    """The leaves of all trees from left to right: their nodes, and where each tree begins."""

    nodes: list[int]
    firsts: list[int]


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
    leaves, turns = Leaves([], []), []
    for root in range(count):
        leaves.firsts.append(len(leaves.nodes))
        # A node comes up again, with where its leaves begin, after all those on its left.
        waiting = [(root, -1)]
        while waiting:
            node, start = waiting.pop()
            child, stop = child_of[node], len(leaves.nodes)
            if child == node:
                leaves.nodes.append(node)
            elif start < 0:
                waiting += [(child + 1, -1), (node, stop), (child, -1)]
            else:
                where = feature_of[node], threshold_of[node], right_of[node]
                turns.append(Turn(*where, start, stop))
    return Crossing(leaves, turns, numbers)


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
    turns = []
    for inner in range(size - 1):
        level = (inner + 1).bit_length() - 1
        half = size >> (level + 1)
        start = 2 * half * (inner + 1 - (1 << level))
        for tree in range(count):
            node = inner * count + tree
            threshold = float(thresholds[node, 0])
            right = bool(missing_right[node, 0])
            # Else it is there to fill the tree up.
            if threshold < math.inf or right:
                first = tree * size + start
                turns.append(Turn(int(features[node]), threshold, right, first, first + half))
    leaves = Leaves(exits.tolist(), first_exits.ravel().tolist())
    return Crossing(leaves, turns, checked(thresholds.dtype, refused))


class Crossing:
    """Finds the leaf of each tree by crossing all others out; `leaves` are from left to right."""

    def __init__(self, leaves: Leaves, turns: Sequence[Turn], numbers: Function) -> None:
        self.nodes = np.array(leaves.nodes)
        self._numbers = numbers
        self._all = (1 << len(leaves.nodes)) - 1
        self._lowest = sum(1 << first for first in leaves.firsts)
        self._size = (len(leaves.nodes) + 7) // 8
        by_feature: dict[int, list[Turn]] = {}
        for turn in sorted(turns):
            by_feature.setdefault(turn.feature, []).append(turn)
        self._features = []
        for feature, own in by_feature.items():
            kept, kept_if_missing = [self._all], self._all
            for turn in own:
                left = ((1 << (turn.stop - turn.start)) - 1) << turn.start
                kept.append(kept[-1] & ~left)
                if turn.missing_right:
                    kept_if_missing &= ~left
            thresholds = [turn.threshold for turn in own]
            self._features.append((feature, thresholds, kept, kept_if_missing))

    def __call__(self, row: Sequence[float]) -> int:
        """One bit for the leaf of each tree."""
        x, left = self._numbers(row), self._all
        for feature, thresholds, kept, kept_if_missing in self._features:
            value = x[feature]
            # NaN is not equal to itself.
            left &= kept[bisect_left(thresholds, value)] if value == value else kept_if_missing  # noqa: PLR0124
        # Less one in each tree, its lowest bit goes and those below it come.
        return left & ~(left - self._lowest)

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
    """A sum for each class where all leaves are of one class, as in a forest grown to the end.

    What they have is 0 or 1, whose sums are exact in any order, and so are the numbers of bits.
    """
    if own.ndim == 1 or not ((own == 0) | (own == 1)).all():
        return None
    masks = [sum(1 << int(place) for place in np.flatnonzero(column)) for column in own.T]
    return lambda reached: [float((reached & mask).bit_count()) for mask in masks]


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
    "by_rows": by_rows,
}
# Those that are told by which function the leaves are found.
OF_LEAVES: dict[str, Function] = {
    "of_leaf": of_leaf,
    "sum_of_leaves": sum_of_leaves,
    "mean_of_leaves": mean_of_leaves,
    "sums_of_leaves": sums_of_leaves,
}
