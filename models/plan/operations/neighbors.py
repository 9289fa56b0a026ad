"""The nearest of the points that a model was fitted on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ..operation import operation

# The most numbers of a temporary array.
MAX_BLOCK = 1 << 17

# Distances and numbers of the nearest points, each of shape (n, count).
Found = tuple[np.ndarray, np.ndarray]


@operation()
def nearest(x: np.ndarray, *, points: np.ndarray, metric: str, count: int, **tree: Any) -> Found:
    """The nearest points, in the order in which scikit-learn's tree finds them.

    `points` have the shape (n_features, n_points). Euclidean distances are squared, as in the tree.
    """
    size = max(1, MAX_BLOCK // points.size)
    parts = [_nearest(x[i : i + size], points, metric, count, tree) for i in range(0, len(x), size)]
    if len(parts) == 1:
        return parts[0]
    return np.concatenate([a for a, _ in parts]), np.concatenate([b for _, b in parts])


def _nearest(
    x: np.ndarray, points: np.ndarray, metric: str, count: int, tree: Mapping[str, Any]
) -> Found:
    distances = measure(x.T[:, :, None], points[:, None, :], metric)
    width = distances.shape[1]
    if width > count + 1:
        order = distances.argpartition(count, axis=1)[:, : count + 1]
    else:
        order = np.broadcast_to(np.arange(width), distances.shape)
    own = np.take_along_axis(distances, order, axis=1)
    rank = own.argsort(axis=1)
    order = np.take_along_axis(order, rank, axis=1)
    own = np.take_along_axis(own, rank, axis=1)
    # The order of equal distances depends on the way through the tree.
    equal = (own[:, 1:] == own[:, :-1]).any(axis=1) | np.isinf(own[:, count - 1])
    own, order = own[:, :count], order[:, :count]
    if equal.any():
        for i in np.flatnonzero(equal):
            own[i], order[i] = search(x[i], distances[i], metric, count, tree)
    return own, order


def measure(x: np.ndarray, y: np.ndarray, metric: str) -> np.ndarray:
    """Distances, added from the first to the last feature, which are the first axis."""
    gaps = x - y
    if metric == "euclidean":
        gaps *= gaps
        return gaps.sum(axis=0)
    np.abs(gaps, out=gaps)
    return gaps.max(axis=0) if metric == "chebyshev" else gaps.sum(axis=0)


def bounds_of(x: np.ndarray, metric: str, tree: Mapping[str, Any]) -> np.ndarray:
    """The least distance from one row to a point of each node.

    A node lies between `low` and `high`, or within one of `radii` around `low` if there are any.
    """
    low, high, radii = tree["low"], tree["high"], tree["radii"]
    if not radii.size:
        outside = np.maximum(np.maximum(low - x[:, None], x[:, None] - high), 0)
        return measure(outside, np.zeros((len(x), 1)), metric)
    away = measure(x[:, None], low, metric)
    if metric != "euclidean":
        return np.maximum(0, away - radii)
    bounds = np.maximum(0, np.sqrt(away) - radii)
    return bounds * bounds


def search(
    x: np.ndarray, distances: np.ndarray, metric: str, count: int, tree: Mapping[str, Any]
) -> tuple[list[float], list[int]]:
    """The nearest points to one row, by the same way through the tree as scikit-learn.

    Node i has the points from `starts` to `ends` of `order`; if these are equal, its children are
    2i + 1 and 2i + 2.
    """
    starts, ends, order = tree["starts"], tree["ends"], tree["order"]
    bounds, all_values, stack = bounds_of(x, metric, tree).tolist(), distances.tolist(), [0]
    values, places = [np.inf] * count, [0] * count
    while stack:
        node = stack.pop()
        if bounds[node] > values[0]:
            continue
        if starts[node] < ends[node]:
            for place in order[starts[node] : ends[node]].tolist():
                if not all_values[place] >= values[0]:
                    push(values, places, all_values[place], place)
            continue
        one, two = 2 * node + 1, 2 * node + 2
        stack += [two, one] if bounds[one] <= bounds[two] else [one, two]
    rank = sorted(range(count), key=values.__getitem__)
    return [values[i] for i in rank], [places[i] for i in rank]


def push(values: list[float], places: list[int], value: float, place: int) -> None:
    """Replace the highest value of a heap, as scikit-learn does it."""
    current, size = 0, len(values)
    while (child := 2 * current + 1) < size:
        if child + 1 < size and not values[child] >= values[child + 1]:
            child += 1
        if not value < values[child]:
            break
        values[current], places[current] = values[child], places[child]
        current = child
    values[current], places[current] = value, place


@operation()
def nearest_by_angle(x: np.ndarray, *, points: np.ndarray, count: int) -> Found:
    """The nearest points by the cosine of the angle; `points` have the length 1."""
    lengths = np.sqrt(np.einsum("ij,ij->i", x, x))
    lengths[lengths < 10 * np.finfo(np.float64).eps] = 1.0
    distances = (x / lengths[:, None]) @ points.T
    distances *= -1
    distances += 1
    np.clip(distances, 0, 2, out=distances)
    order = np.argpartition(distances, count - 1, axis=1)[:, :count]
    own = np.take_along_axis(distances, order, axis=1)
    rank = np.argsort(own)
    return np.take_along_axis(own, rank, axis=1), np.take_along_axis(order, rank, axis=1)
