"""Trees as arrays of nodes, and the rules that all that is made of trees share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.utils import get_tags

from models.compiler.builder import Builder, Table, Value

# Up to this depth all nodes of a tree are compared at once.
SHALLOW = 3


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
    """Where rows arrive: `reached` has the leaf of each row in each tree, shape (n_trees, n).

    Nodes are numbered anew, by depth over all trees. `order` has the old place of each among the
    nodes of all trees, `numbers` its number in its own tree.
    """

    reached: Value
    order: np.ndarray
    numbers: np.ndarray


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
        # What a leaf has for a feature is no place in the list, but not looked at either.
        nodes.append(
            Nodes(
                feature=feature,
                threshold=round_down(own.threshold),
                left=own.children_left,
                right=own.children_right,
                missing_left=own.missing_go_to_left,
            )
        )
    return walk(builder, nodes, table, **allowed)


def walk(
    builder: Builder,
    trees: Sequence[Nodes],
    table: Table,
    *,
    missing: bool,
    infinite: bool = False,
) -> Leaves:
    """Number the nodes by depth, children of one node side by side, and walk all trees at once."""
    starts = np.cumsum([0, *(len(tree.left) for tree in trees)])
    leaf = np.concatenate([tree.left < 0 for tree in trees])
    left = np.concatenate([tree.left + s for tree, s in zip(trees, starts, strict=False)])
    right = np.concatenate([tree.right + s for tree, s in zip(trees, starts, strict=False)])
    levels = [starts[:-1]]
    while len(inner := levels[-1][~leaf[levels[-1]]]):
        levels.append(np.stack([left[inner], right[inner]], axis=1).ravel())
    order = np.concatenate(levels)
    place = np.empty(len(leaf), dtype=np.intp)
    place[order] = np.arange(len(order))

    def ordered(name: str, of_leaf: Any) -> np.ndarray:
        inner = np.concatenate([getattr(t, name) for t in trees])
        return np.asarray(np.where(leaf, of_leaf, inner)[order])

    nodes = {
        "features": ordered("feature", 0).astype(np.intp),
        "thresholds": ordered("threshold", trees[0].threshold.dtype.type(np.inf)),
        "missing_right": ordered("missing_left", 1) == 0,
    }
    children = place[np.where(leaf, np.arange(len(leaf)), left)][order]
    depth = len(levels) - 1
    taken = {"missing": missing, "infinite": infinite}
    refused = [name for name, is_taken in taken.items() if not is_taken]
    x = builder.numbers(table)
    if depth <= SHALLOW:
        reached = builder.do(
            "walk_shallow", x, **shallow(nodes, children, len(trees), depth), refused=refused
        )
    else:
        reached = builder.do(
            "walk", x, count=len(trees), depth=depth, children=children, **nodes, refused=refused
        )
    numbers = np.concatenate([np.arange(len(tree.left)) for tree in trees])[order]
    return Leaves(reached, order, numbers)


def shallow(
    nodes: Mapping[str, np.ndarray], children: np.ndarray, count: int, depth: int
) -> dict[str, np.ndarray]:
    """Trees as if all their leaves were at one depth; a leaf above has itself for both children."""
    level = np.arange(count)[:, None]
    levels = []
    for _ in range(depth):
        levels.append(level)
        child = children[level]
        level = np.stack([child, child + (child != level)], axis=2).reshape(count, -1)
    size = 1 << depth
    # One more, that the nodes of a tree may be a power of two: a leaf, which is never turned at.
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
    """The largest numbers of single precision that are not over the thresholds.

    A number of single precision is over the one exactly if it is over the other.
    """
    single = thresholds.astype(np.float32)
    return np.where(single > thresholds, np.nextafter(single, np.float32(-np.inf)), single)


def bears_missing(tree: Any) -> bool:
    """Whether a tree, or a forest of such, takes missing values."""
    return bool(get_tags(tree).input_tags.allow_nan)


def values(trees: Sequence[Any], found: Leaves) -> np.ndarray:
    """What nodes stand for, shape (n_nodes, n_outputs, n_classes)."""
    return np.asarray(np.concatenate([tree.tree_.value for tree in trees])[found.order])


def outputs_of(trees: Sequence[Any], found: Leaves) -> np.ndarray:
    """What nodes of regressors stand for, shape (n_nodes,), or (n_nodes, n_outputs)."""
    value = values(trees, found)[:, :, 0]
    return value[:, 0] if value.shape[1] == 1 else value
