"""Distances to points that were fitted, and the nearest of them."""

from __future__ import annotations

import math

import numpy as np


def nearest_center(x: np.ndarray, *, centers: np.ndarray, norms: np.ndarray) -> np.ndarray:
    """The number of the nearest center, the first of equals, shape (n,)."""
    gaps = norms - 2 * (x @ centers.T)
    if math.isnan(gaps.sum()):
        # Of infinities less infinities; no number is less than one of those, nor is one less.
        unknown = np.isnan(gaps)
        gaps[unknown] = np.inf
        gaps[unknown[:, 0], 0] = -np.inf
    return gaps.argmin(axis=1).astype(np.int32)


def euclidean(x: np.ndarray, *, points: np.ndarray, norms: np.ndarray) -> np.ndarray:
    """Distances to points, shape (n, n_points); `norms` are the squares of their lengths."""
    squares = -2 * (x @ points.T)
    squares += np.einsum("ij,ij->i", x, x)[:, None]
    squares += norms
    np.maximum(squares, 0, out=squares)
    return np.sqrt(squares, out=squares)


def descend(
    x: np.ndarray, *, centers: np.ndarray, norms: np.ndarray, children: np.ndarray, depth: int
) -> np.ndarray:
    """The leaf of a tree that a row reaches when it goes to the nearer of two centers, shape (n,).

    The centers of node i's two children are 2i and 2i + 1, and their numbers are in `children`;
    those of leaves are -1 less their label.
    """
    gaps = norms - 2 * (x @ centers.T)
    right = gaps[:, 1::2] < gaps[:, 0::2]
    rows = np.arange(len(x))
    node = np.zeros(len(x), dtype=np.intp)
    for _ in range(depth):
        inner = np.maximum(node, 0)
        node = np.where(node < 0, node, children[2 * inner + right[rows, inner]])
    return (-1 - node).astype(np.int32)


def nearest_point(x: np.ndarray, *, points: np.ndarray, norms: np.ndarray) -> np.ndarray:
    """The number of the nearest point, the first of equals, shape (n,)."""
    squares = np.einsum("ij,ij->i", x, x)[:, None] - 2 * (x @ points.T) + norms
    # What is no number counts as none, and what is too large for one as equal.
    squares = np.where(squares > 0, squares, 0)
    return np.minimum(squares, np.finfo(np.float64).max).argmin(axis=1)


def label_of(places: np.ndarray, *, labels: np.ndarray) -> np.ndarray:
    """The label with a number, shape (n,)."""
    return labels.take(places)


def centroid_scores(
    x: np.ndarray, *, points: np.ndarray, norms: np.ndarray, priors: np.ndarray
) -> np.ndarray:
    """`priors` less the square of the distance to each point, shape (n, n_points)."""
    # One point at a time: BLAS does not add in the same order for one and for several.
    squares = -2 * np.ascontiguousarray((x @ points[:, :, None])[:, :, 0].T)
    squares += np.einsum("ij,ij->i", x, x)[:, None]
    squares += norms
    distances = np.sqrt(np.maximum(squares, 0, out=squares), out=squares)
    return -(distances**2) + priors


OPERATIONS = (nearest_center, euclidean, descend, nearest_point, label_of, centroid_scores)
