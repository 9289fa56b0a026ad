"""Decision trees, all walked at once for all rows."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

import numpy as np

from .arrays import surely_finite

# So many pairs of a row and a tree are walked together: arrays of this length stay near.
LANES = 1 << 16
# From so many on it pays to go on with those only that have not arrived, looked for at every
# second level; else it is only looked at every 16th whether all have.
MANY_LANES = 2000
# It pays if no more than this share of them is left.
SHARE = 0.8
# So many words of bits are crossed out together.
WORDS = 1 << 15


def bits(words: np.ndarray) -> np.ndarray:
    """The number of bits in each word, shape (n, n_words), as numpy has it from 2.0 on."""
    each = np.unpackbits(np.ascontiguousarray(words).view(np.uint8), axis=1)
    return each.reshape(*words.shape, -1).sum(axis=2)


bits_of = getattr(np, "bitwise_count", bits)


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

    Nodes of all trees stand in one list, the roots first. A row goes to `children[node] + 1` if its
    feature is over the threshold, or missing and `missing_right[node]`, else to `children[node]`; a
    leaf is its own child, and no number is over its threshold. Numbers are compared in the
    thresholds' precision, as scikit-learn does. ValueError for what is `refused`.
    """
    x, gaps = checked(x, thresholds.dtype, refused)
    feature_of, threshold_of, child_of = features.take, thresholds.take, children.take

    def descend(x: np.ndarray) -> np.ndarray:
        n, width = x.shape
        value_of = x.ravel().take
        node = np.arange(count).repeat(n)
        start = np.tile(np.arange(0, n * width, width), count) if n > 1 else None
        lanes = None
        for level in range(depth):
            feature = feature_of(node)
            value = value_of(feature if start is None else feature + start)
            right = value > threshold_of(node)
            if gaps:
                right |= np.isnan(value) & missing_right.take(node)
            before, node = node, child_of(node) + right
            if level % (2 if len(node) > MANY_LANES else 16) == 1 and level > 1:
                going = np.flatnonzero(node != before)
                if not len(going):
                    break
                if len(going) < SHARE * len(node) and start is not None:
                    if lanes is None:
                        arrived, lanes = node, going
                    else:
                        arrived[lanes], lanes = node, lanes.take(going)
                    node, start = node.take(going), start.take(going)
        if lanes is None:
            return node.reshape(count, n)
        arrived[lanes] = node
        return arrived.reshape(count, n)

    return in_parts(descend, x, LANES // count)


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
    """The same for trees of up to three levels, where all nodes are compared at once.

    The arrays of shape (2 ** depth * n_trees, 1) have node i of each tree, then node i + 1, where
    the children of node i are 2 * i + 1 and 2 * i + 2. Which of its nodes send a row to the right
    are the bits of a number; `paths` has the way through the tree for each such number, `exits`
    the leaf at the end of each way from the tree's `first_exits`, shape (n_trees, 1).
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

    return in_parts(compare, x, LANES // count)


def shares_of_trees(
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
    """The share of trees whose leaf is of each class, of trees whose leaves are of one class each.

    Nothing is walked: all leaves are bits, and each feature crosses out those that a row cannot
    reach, as in `singles.trees`. Those of `features[i]` are `thresholds[bounds[i]:bounds[i + 1]]`,
    and as many rows of `kept`, shape (n, n_words), one more, and one for a missing value. What is
    left is counted class by class, with `classes`, shape (n_classes, n_words).
    """
    x, gaps = checked(x, thresholds.dtype, refused)
    lines = lines_of(features, bounds, thresholds, kept)

    def cross(x: np.ndarray) -> np.ndarray:
        left = None
        for feature, own, table in lines:
            value = x[:, feature]
            place = own.searchsorted(value)
            if gaps:
                # It stands behind all numbers, and has a row of its own.
                place += np.isnan(value)
            found = table.take(place, axis=0)
            left = found if left is None else np.bitwise_and(left, found, out=left)
        return np.stack([bits_of(left & own).sum(axis=1, dtype=float) for own in classes])

    return np.divide(in_parts(cross, x, WORDS // kept.shape[1]).T, count, order="C")


def lines_of(
    features: list[int], bounds: list[int], thresholds: Any, kept: Any
) -> list[tuple[int, Any, Any]]:
    """Each feature with its part of the thresholds, and of what is kept; see `shares_of_trees`."""
    return [
        (feature, thresholds[start:stop], kept[start + 2 * i : stop + 2 * i + 2])
        for i, (feature, start, stop) in enumerate(zip(features, bounds, bounds[1:], strict=False))
    ]


def in_parts(function: Callable[..., np.ndarray], x: np.ndarray, size: int) -> np.ndarray:
    """A function of rows that gives columns, done on at most `size` rows at a time."""
    if len(x) <= size:
        return function(x)
    size = max(1, size)
    return np.concatenate([function(x[i : i + size]) for i in range(0, len(x), size)], axis=1)


def checked(
    x: np.ndarray, precision: np.dtype, refused: Collection[str]
) -> tuple[np.ndarray, bool]:
    """Numbers in this precision, and whether some are missing.

    Raises ValueError if some are missing or infinite, and that is refused.
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


OPERATIONS = (walk, walk_shallow, shares_of_trees)
