"""One-row forms of walks through trees; a few levels are walked, many are not, see `bitsets`."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from itertools import starmap

import numpy as np

from ..operation import Function
from .bitsets import (
    Crossing,
    Line,
    Turn,
    between,
    check_size,
    checked_row,
    lines,
    lines_of,
    number_of,
)

# Up to this number of levels of all trees walking is faster; each feature counts as some more.
MAX_WALKED_LEVELS = 50
LEVELS_OF_A_FEATURE = 3


def walk_one_row(
    *,
    count: int,
    depth: int,
    features: np.ndarray,
    thresholds: np.ndarray,
    children: np.ndarray,
    missing_right: np.ndarray,
    refused: Collection[str],
) -> Function:
    """See `trees.walk`; gives the leaves as a list, or as bits if it is a Crossing."""
    numbers = checked_row(thresholds.dtype, refused)
    feature_of, threshold_of, child_of, right_of = (
        each.tolist() for each in (features, thresholds, children, missing_right)
    )
    if count * depth > MAX_WALKED_LEVELS + LEVELS_OF_A_FEATURE * len(set(feature_of)):
        leaves, turns = _turns(count, feature_of, threshold_of, child_of, right_of)
        return Crossing(leaves, lines(turns, between(0, len(leaves))), numbers)

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


def _turns(
    count: int,
    feature_of: list[int],
    threshold_of: list[float],
    child_of: list[int],
    right_of: list[bool],
) -> tuple[list[int], list[Turn]]:
    """The leaves of all trees from left to right, and the inner nodes."""
    # A tree has twice as many nodes as leaves, less one.
    check_size(len(child_of) // 2, len(child_of) // 2 + count)
    leaves: list[int] = []
    turns: list[Turn] = []
    for root in range(count):
        # An inner node is pushed three times: before, between and after its children.
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
    return leaves, turns


def walk_shallow_one_row(
    *,
    features: np.ndarray,
    thresholds: np.ndarray,
    missing_right: np.ndarray,
    paths: np.ndarray,  # noqa: ARG001  (a table for numpy only)
    exits: np.ndarray,
    first_exits: np.ndarray,
    refused: Collection[str],
) -> Function:
    """See `trees.walk_shallow`."""
    count = len(first_exits)
    size = len(exits) // count
    check_size(len(features), len(exits))
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
                # A node that pads the tree: no row goes right.
                leaves &= ~between(middle, stop)
    return Crossing(exits.tolist(), lines(turns, leaves), checked_row(thresholds.dtype, refused))


def bitset_votes_one_row(
    *,
    count: int,
    features: list[int],
    bounds: list[int],
    thresholds: np.ndarray,
    kept: np.ndarray,
    classes: np.ndarray,
    refused: Collection[str],
) -> Function:
    """See `trees.bitset_votes`."""
    parts = lines_of(features, bounds, thresholds.tolist(), list(map(number_of, kept)))
    own = list(starmap(Line, parts))
    reach = Crossing(range(64 * kept.shape[1]), own, checked_row(thresholds.dtype, refused))
    masks = list(map(number_of, classes))

    def shares(row: Sequence[float]) -> list[float]:
        reached = reach(row)
        return [(reached & mask).bit_count() / count for mask in masks]

    return shares
