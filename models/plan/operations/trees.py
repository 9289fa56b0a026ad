"""Decision trees, all walked at once for all rows."""

from __future__ import annotations

from collections.abc import Callable, Collection
from functools import partial
from typing import Any

import numpy as np

from ..operation import operation
from .arrays import surely_finite
from .bitsets import lines_of
from .tree_rows import bitset_votes_one_row, walk_one_row, walk_shallow_one_row

# Pairs of a row and a tree that are walked together: arrays of this length stay in the cache.
MAX_LANES = 1 << 16
# Above this number of pairs the finished ones are dropped every 2nd level; below it, every 16th
# level is only tested for whether all are finished.
MIN_LANES_TO_DROP = 2000
# Finished pairs are dropped if at most this share is left.
MAX_SHARE_LEFT = 0.8
# 64-bit words that are ANDed together.
MAX_WORDS = 1 << 15


def bits(words: np.ndarray) -> np.ndarray:
    """The number of bits in each word, shape (n, n_words), before NumPy 2."""
    each = np.unpackbits(np.ascontiguousarray(words).view(np.uint8), axis=1)
    return each.reshape(*words.shape, -1).sum(axis=2)


bits_of = getattr(np, "bitwise_count", bits)


@operation(one_row=walk_one_row)
def walk(
    x: np.ndarray,
    *,
    count: int,
    depth: int,
    features: np.ndarray,
    thresholds: np.ndarray,
    children: np.ndarray,
    missing_right: np.ndarray,
    refused: Collection[str],
) -> np.ndarray:
    """The leaf that each row reaches in each tree, shape (count, n).

    The nodes of all trees are in one list, the roots first. A row goes to `children[node] + 1` if
    its feature is above the threshold, or missing and `missing_right[node]`, else to
    `children[node]`. A leaf is its own child, with the threshold infinity. Numbers are compared in
    the thresholds' precision. Raises ValueError for numbers that are `refused`: "missing",
    "infinite".
    """
    x, gaps = checked(x, thresholds.dtype, refused)
    right = missing_right.take if gaps else None
    nodes = features.take, thresholds.take, children.take, right
    return in_parts(partial(_descend, count, depth, *nodes), x, MAX_LANES // count)


def _descend(
    count: int,
    depth: int,
    feature_of: Callable[..., Any],
    threshold_of: Callable[..., Any],
    child_of: Callable[..., Any],
    missing_right: Callable[..., Any] | None,
    x: np.ndarray,
) -> np.ndarray:
    """The leaves of a part of the rows; see `walk`."""
    n, width = x.shape
    value_of = x.ravel().take
    node = np.arange(count).repeat(n)
    start = np.tile(np.arange(0, n * width, width), count) if n > 1 else None
    lanes = None
    for level in range(depth):
        feature = feature_of(node)
        value = value_of(feature if start is None else feature + start)
        right = value > threshold_of(node)
        if missing_right:
            right |= np.isnan(value) & missing_right(node)
        before, node = node, child_of(node) + right
        if level % (2 if len(node) > MIN_LANES_TO_DROP else 16) == 1 and level > 1:
            going = np.flatnonzero(node != before)
            if not len(going):
                break
            if len(going) < MAX_SHARE_LEFT * len(node) and start is not None:
                if lanes is None:
                    arrived, lanes = node, going
                else:
                    arrived[lanes], lanes = node, lanes.take(going)
                node, start = node.take(going), start.take(going)
    if lanes is None:
        return node.reshape(count, n)
    arrived[lanes] = node
    return arrived.reshape(count, n)


@operation(one_row=walk_shallow_one_row)
def walk_shallow(
    x: np.ndarray,
    *,
    features: np.ndarray,
    thresholds: np.ndarray,
    missing_right: np.ndarray,
    paths: np.ndarray,
    exits: np.ndarray,
    first_exits: np.ndarray,
    refused: Collection[str],
) -> np.ndarray:
    """The leaf that each row reaches in trees of up to three levels, see `walk`.

    All nodes are compared at once. The arrays of shape (2 ** depth * n_trees, 1) have node i of
    each tree, then node i + 1; the children of node i are 2 * i + 1 and 2 * i + 2. The nodes that
    send a row to the right are the bits of a number: `paths` has the way through the tree for each
    such number, `exits` the leaf at the end of each way, from `first_exits` of the tree on.
    """
    x, gaps = checked(x, thresholds.dtype, refused)
    count = len(first_exits)
    size = len(exits) // count
    powers = (1 << np.arange(size, dtype=np.uint8))[:, None, None]

    def compare(x: np.ndarray) -> np.ndarray:
        value = np.ascontiguousarray(x.T).take(features, axis=0)
        right = value > thresholds
        if gaps:
            right |= np.isnan(value) & missing_right
        bits = right.view(np.uint8).reshape(size, count, len(x)) * powers
        way = paths.take(np.bitwise_or.reduce(bits, axis=0))
        return exits.take(way + first_exits)

    return in_parts(compare, x, MAX_LANES // count)


@operation(one_row=bitset_votes_one_row, gathers=True, zeros=True)
def bitset_votes(
    x: np.ndarray,
    *,
    count: int,
    features: list[int],
    bounds: list[int],
    thresholds: np.ndarray,
    kept: np.ndarray,
    classes: np.ndarray,
    refused: Collection[str],
) -> np.ndarray:
    """The share of trees whose leaf is of each class, if each leaf is of one class.

    Nothing is walked: leaves are bits, and each feature clears those that a row cannot reach, see
    `bitsets`. Feature `features[i]` has the `thresholds[bounds[i]:bounds[i + 1]]`, and as many rows
    of `kept`, shape (n, n_words), one more, and one for a missing value. The bits left are counted
    for each class by `classes`, shape (n_classes, n_words).
    """
    x, gaps = checked(x, thresholds.dtype, refused)
    lines = lines_of(features, bounds, thresholds, kept)

    def cross(x: np.ndarray) -> np.ndarray:
        left = None
        for feature, own, table in lines:
            value = x[:, feature]
            place = own.searchsorted(value)
            if gaps:
                # NaN is sorted behind all numbers; its row is the next one.
                place += np.isnan(value)
            found = table.take(place, axis=0)
            left = found if left is None else np.bitwise_and(left, found, out=left)
        return np.stack([bits_of(left & own).sum(axis=1, dtype=float) for own in classes])

    return np.divide(in_parts(cross, x, MAX_WORDS // kept.shape[1]).T, count, order="C")


def in_parts(function: Callable[..., np.ndarray], x: np.ndarray, size: int) -> np.ndarray:
    """The columns that a function gives for rows, called with at most `size` rows."""
    if len(x) <= size:
        return function(x)
    size = max(1, size)
    return np.concatenate([function(x[i : i + size]) for i in range(0, len(x), size)], axis=1)


def checked(
    x: np.ndarray, precision: np.dtype, refused: Collection[str]
) -> tuple[np.ndarray, bool]:
    """The numbers in this precision, and whether some are missing.

    Raises ValueError for a missing or infinite number that is refused.
    """
    x = x.astype(precision, copy=False)
    if surely_finite(x):
        return x, False
    if "infinite" in refused and np.isinf(x).any():
        raise ValueError(f"Input X contains infinity or a value too large for {precision!r}.")
    gaps = bool(np.isnan(x).any())
    if gaps and "missing" in refused:
        raise ValueError("Input X contains NaN.")
    return x, gaps
