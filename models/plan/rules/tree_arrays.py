"""Trees as arrays of nodes, for all estimators that are made of trees."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, chain
from typing import Any

import numpy as np

from ..builder import Builder, Table, Value
from ..operation import NoOneRowForm
from ..operations.bitsets import Crossing, classes_of, words_of
from ..operations.tree_rows import walk_one_row
from ..sklearn_versions import goes_left, input_tags

# Up to this depth all nodes of a tree are compared at once.
MAX_SHALLOW_DEPTH = 3
# Costs in units of one AND of 64-bit words: a search in the thresholds of a feature, the set-up and
# each word of the count of a class, a level of one walked tree.
SEARCH_COST, COUNT_COST, WORD_COST, LEVEL_COST = 64, 45, 3, 9


@dataclass(frozen=True)
class Nodes:
    """The nodes of one tree; `left` is negative for a leaf."""

    feature: np.ndarray
    threshold: np.ndarray
    left: np.ndarray
    right: np.ndarray
    missing_left: np.ndarray


@dataclass(frozen=True)
class Leaves:
    """The leaves of rows: `reached` has the leaf in each tree, shape (n_trees, n).

    Nodes are numbered anew, by depth over all trees. `order` has the old place of each among the
    nodes of all trees, `numbers` its number in its own tree. `walked` are the settings of the walk
    through the columns `x`, none for shallow trees.
    """

    reached: Value
    order: np.ndarray
    numbers: np.ndarray
    x: Value
    walked: Mapping[str, Any]


def leaves(
    builder: Builder,
    trees: Sequence[Any],
    table: Table,
    features: Sequence[Any] | None = None,
    **allowed: bool,
) -> Leaves:
    """The leaves of fitted trees; each sees all columns, or its own `features` of them."""
    nodes = []
    for i, tree in enumerate(trees):
        own = tree.tree_
        feature = own.feature if features is None else np.asarray(features[i])[own.feature]
        # A leaf's feature is -2, an arbitrary place that is never used.
        nodes.append(
            Nodes(
                feature=feature,
                threshold=round_down(own.threshold),
                left=own.children_left,
                right=own.children_right,
                missing_left=goes_left(own),
            )
        )
    return walk(builder, nodes, table, **allowed)


def leaves_of(builder: Builder, trees: Sequence[Any], table: Table) -> Leaves:
    """The leaves of fitted trees that each see all columns."""
    return leaves(builder, trees, table, missing=accepts_missing(trees[0]))


def walk(
    builder: Builder,
    trees: Sequence[Nodes],
    table: Table,
    *,
    missing: bool,
    infinite: bool = False,
) -> Leaves:
    """Number the nodes by depth, children of one node side by side, and walk all trees at once."""
    leaf = np.concatenate([tree.left < 0 for tree in trees])
    order, children, depth = by_depth(trees, leaf)

    def ordered(name: str, of_leaf: Any) -> np.ndarray:
        inner = np.concatenate([getattr(t, name) for t in trees])
        return np.asarray(np.where(leaf, of_leaf, inner)[order])

    nodes = {
        "features": ordered("feature", 0).astype(np.intp),
        "thresholds": ordered("threshold", trees[0].threshold.dtype.type(np.inf)),
        "missing_right": ordered("missing_left", 1) == 0,
    }
    taken = {"missing": missing, "infinite": infinite}
    refused = [name for name, is_taken in taken.items() if not is_taken]
    x = builder.numbers(table)
    walked: dict[str, Any] = {}
    if depth <= MAX_SHALLOW_DEPTH:
        reached = builder.do(
            "walk_shallow", x, **shallow(nodes, children, len(trees), depth), refused=refused
        )
    else:
        walked = {"count": len(trees), "depth": depth, "children": children}
        walked |= {**nodes, "refused": refused}
        reached = builder.do("walk", x, **walked)
    numbers = np.concatenate([np.arange(len(tree.left)) for tree in trees])[order]
    return Leaves(reached, order, numbers, x, walked)


def by_depth(trees: Sequence[Nodes], leaf: np.ndarray) -> tuple[np.ndarray, np.ndarray, int]:
    """The old places of all nodes by depth, their left children there, and the depth."""
    starts = np.cumsum([0, *(len(tree.left) for tree in trees)])
    left = np.concatenate([tree.left + s for tree, s in zip(trees, starts, strict=False)])
    right = np.concatenate([tree.right + s for tree, s in zip(trees, starts, strict=False)])
    levels = [starts[:-1]]
    while len(inner := levels[-1][~leaf[levels[-1]]]):
        levels.append(np.stack([left[inner], right[inner]], axis=1).ravel())
    order = np.concatenate(levels)
    place = np.empty(len(leaf), dtype=np.intp)
    place[order] = np.arange(len(order))
    children = place[np.where(leaf, np.arange(len(leaf)), left)][order]
    return order, children, len(levels) - 1


def mean(builder: Builder, found: Leaves, values: np.ndarray, count: int) -> Value:
    """The mean of the values of the leaves, shape (n_nodes, n_classes), in `count` trees."""
    if counted := shares(found, values):
        return builder.do("bitset_votes", found.x, count=count, **counted)
    return builder.do("mean_of_leaves", found.reached, values=values, count=count)


def shares(found: Leaves, values: np.ndarray) -> dict[str, Any]:
    """The settings of `bitset_votes` if leaves are of one class each and counting is faster."""
    if not found.walked:
        return {}
    try:
        crossing = walk_one_row(**found.walked)
    except NoOneRowForm:
        return {}
    if not isinstance(crossing, Crossing):
        return {}
    leaves = len(crossing.nodes)
    classes = classes_of(values[crossing.nodes])
    levels = found.walked["count"] * np.log2(leaves / found.walked["count"])
    size = leaves // 64 + 1
    crossed = len(crossing.lines) * (SEARCH_COST + size) + len(classes) * (
        COUNT_COST + WORD_COST * size
    )
    if not classes or crossed > LEVEL_COST * levels:
        return {}
    return {
        "features": [line.feature for line in crossing.lines],
        "bounds": [0, *accumulate(len(line.thresholds) for line in crossing.lines)],
        "thresholds": np.concatenate([line.thresholds for line in crossing.lines]).astype(
            found.walked["thresholds"].dtype
        ),
        "kept": words(chain.from_iterable(line.kept for line in crossing.lines), leaves),
        "classes": words(classes, leaves),
        "refused": found.walked["refused"],
    }


def words(numbers: Iterable[int], leaves: int) -> np.ndarray:
    """The bits of each number, shape (n, n_words)."""
    return np.stack([words_of(number, leaves) for number in numbers])


def shallow(
    nodes: Mapping[str, np.ndarray], children: np.ndarray, count: int, depth: int
) -> dict[str, np.ndarray]:
    """Trees with all leaves at one depth: a higher leaf is its own child on both sides."""
    level = np.arange(count)[:, None]
    levels = []
    for _ in range(depth):
        levels.append(level)
        child = children[level]
        level = np.stack([child, child + (child != level)], axis=2).reshape(count, -1)
    size = 1 << depth
    # Pad each tree to 2**depth nodes with a leaf that is never split on.
    inner = np.concatenate([*levels, level[:, :1]], axis=1).T.ravel()
    bits = np.arange(1 << size)
    path = np.zeros(len(bits), dtype=np.intp)
    for i in range(depth):
        path = 2 * path + (bits >> ((1 << i) - 1 + path) & 1)
    return {
        "features": nodes["features"][inner],
        "thresholds": nodes["thresholds"][inner, None],
        "missing_right": nodes["missing_right"][inner, None],
        "paths": path,
        "exits": level.ravel(),
        "first_exits": np.arange(0, size * count, size)[:, None],
    }


def round_down(thresholds: np.ndarray) -> np.ndarray:
    """The largest float32 numbers that are not above the thresholds.

    A float32 number is above the threshold exactly if it is above the rounded one.
    """
    single = thresholds.astype(np.float32)
    return np.where(single > thresholds, np.nextafter(single, np.float32(-np.inf)), single)


def accepts_missing(tree: Any) -> bool:
    """Whether a tree, or a forest of such, takes missing values."""
    return input_tags(tree).allow_nan


def values(trees: Sequence[Any], found: Leaves) -> np.ndarray:
    """The values of nodes, shape (n_nodes, n_outputs, n_classes)."""
    return np.asarray(np.concatenate([tree.tree_.value for tree in trees])[found.order])


def shares_of(trees: Sequence[Any], found: Leaves) -> np.ndarray:
    """The shares of the classes in the nodes of classifiers, shape (n_nodes, n_outputs, n_classes).

    Before scikit-learn 1.4 nodes have the numbers of samples instead.
    """
    own = values(trees, found)
    total = own.sum(axis=2, keepdims=True)
    return own if np.allclose(total, 1.0) else own / np.where(total == 0, 1.0, total)


def outputs_of(trees: Sequence[Any], found: Leaves) -> np.ndarray:
    """The values of nodes of regressors, shape (n_nodes,), or (n_nodes, n_outputs)."""
    value = values(trees, found)[:, :, 0]
    return value[:, 0] if value.shape[1] == 1 else value
