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
from collections.abc import Callable, Collection, Sequence
from typing import Any, NamedTuple

import numpy as np

from api.engines.operations.leaves import in_order

Function = Callable[..., Any]
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
    return crossed_out(leaves, turns, numbers)


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
            if threshold < math.inf:
                first = tree * size + start
                right = bool(missing_right[node, 0])
                turns.append(Turn(int(features[node]), threshold, right, first, first + half))
    leaves = Leaves(exits.tolist(), first_exits.ravel().tolist())
    return crossed_out(leaves, turns, checked(thresholds.dtype, refused))


def crossed_out(leaves: Leaves, turns: Sequence[Turn], numbers: Function) -> Function:
    """What finds the leaf of each tree by taking away all others."""
    size = (len(leaves.nodes) + 7) // 8
    all_leaves = (1 << len(leaves.nodes)) - 1
    lowest = sum(1 << first for first in leaves.firsts)
    by_feature: dict[int, list[Turn]] = {}
    for turn in sorted(turns):
        by_feature.setdefault(turn.feature, []).append(turn)
    features = []
    for feature, own in by_feature.items():
        kept, kept_if_missing = [all_leaves], all_leaves
        for turn in own:
            left = ((1 << (turn.stop - turn.start)) - 1) << turn.start
            kept.append(kept[-1] & ~left)
            if turn.missing_right:
                kept_if_missing &= ~left
        features.append((feature, [turn.threshold for turn in own], kept, kept_if_missing))
    node_of = np.array(leaves.nodes).take

    def reach(row: Sequence[float]) -> np.ndarray:
        x, left = numbers(row), all_leaves
        for feature, thresholds, kept, kept_if_missing in features:
            value = x[feature]
            # NaN is not equal to itself.
            left &= kept[bisect_left(thresholds, value)] if value == value else kept_if_missing  # noqa: PLR0124
        # Less one in each tree, its lowest bit goes and those below it come.
        left &= ~(left - lowest)
        eights = np.frombuffer(left.to_bytes(size, "little"), np.uint8)
        bits = np.unpackbits(eights, bitorder="little")
        # What is not zero is found in booleans four times as fast as in numbers.
        reached: np.ndarray = node_of(bits.view(np.bool_).nonzero()[0])
        return reached

    return reach


def checked(precision: np.dtype, refused: Collection[str]) -> Function:
    """What gives the numbers of a row in the precision of the thresholds.

    It raises OverflowError if some are missing or infinite, and that is refused.
    """
    single = precision == np.float32

    def numbers(row: Sequence[float]) -> Sequence[float]:
        x: Sequence[float] = array("f", row) if single else row
        if not math.isfinite(sum(x)):
            missing = any(map(math.isnan, x))
            if "missing" in refused and missing:
                raise OverflowError
            if "infinite" in refused and any(map(math.isinf, x)):
                raise OverflowError
        return x

    return numbers


def of_leaf(*, values: np.ndarray) -> Function:
    """What the leaf of one tree has."""
    table = values.tolist()
    return lambda leaves: table[leaves[0]]


def adder(values: np.ndarray) -> Function:
    """What adds up what leaves have, one after the other."""
    if values.shape[1:] == (2,):
        # A complex number is a pair, and accumulate takes a third of the time of a sum over rows.
        pairs = np.ascontiguousarray(values).view(np.complex128)
        return lambda leaves: np.add.accumulate(pairs.take(leaves))[-1:].view(np.float64)
    return lambda leaves: in_order(values.take(leaves, axis=0))


def sum_of_leaves(*, values: np.ndarray) -> Function:
    """The sum of what the leaves have, added in the trees' order."""
    add = adder(values)
    return lambda leaves: add(leaves).tolist()


def mean_of_leaves(*, values: np.ndarray, count: int) -> Function:
    """The mean of what the leaves have."""
    add = adder(values)
    return lambda leaves: (add(leaves) / count).tolist()


def sums_of_leaves(*, values: np.ndarray, count: int) -> Function:
    """A sum for each of `count` classes, whose trees take turns."""
    return lambda leaves: values.take(leaves).reshape(-1, count).sum(axis=0).tolist()


def by_rows() -> Function:
    """The same: one row is in one order."""
    return lambda x: x


MAKERS: dict[str, Function] = {
    "walk": walk,
    "walk_shallow": walk_shallow,
    "of_leaf": of_leaf,
    "sum_of_leaves": sum_of_leaves,
    "mean_of_leaves": mean_of_leaves,
    "sums_of_leaves": sums_of_leaves,
    "by_rows": by_rows,
}
