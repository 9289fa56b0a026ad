"""Distances to fitted points, and the nearest of them."""

from __future__ import annotations

import math

import numpy as np

from ..operation import operation


@operation()
def nearest_center(x: np.ndarray, *, centers: np.ndarray, norms: np.ndarray) -> np.ndarray:
    """The number of the nearest center, the first of equals, shape (n,)."""
    gaps = norms - 2 * (x @ centers.T)
    if math.isnan(gaps.sum()):
        # inf - inf is NaN and compares false: take the center that scikit-learn's loop then takes.
        unknown = np.isnan(gaps)
        gaps[unknown] = np.inf
        gaps[unknown[:, 0], 0] = -np.inf
    return gaps.argmin(axis=1).astype(np.int32)


@operation()
def euclidean(x: np.ndarray, *, points: np.ndarray, norms: np.ndarray) -> np.ndarray:
    """Distances to points, shape (n, n_points); `norms` are the squared lengths of the points."""
    squares = -2 * (x @ points.T)
    squares += np.einsum("ij,ij->i", x, x)[:, None]
    squares += norms
    np.maximum(squares, 0, out=squares)
    return np.sqrt(squares, out=squares)


@operation()
def nearest_leaf(
    x: np.ndarray, *, centers: np.ndarray, norms: np.ndarray, children: np.ndarray, depth: int
) -> np.ndarray:
    """The leaf of a tree that a row reaches by going to the nearer of two centers, shape (n,).

    The centers of node i's two children are 2i and 2i + 1, and their numbers are in `children`;
    a leaf has the number -1 - label.
    """
    gaps = norms - 2 * (x @ centers.T)
    right = gaps[:, 1::2] < gaps[:, 0::2]
    rows = np.arange(len(x))
    node = np.zeros(len(x), dtype=np.intp)
    for _ in range(depth):
        inner = np.maximum(node, 0)
        node = np.where(node < 0, node, children[2 * inner + right[rows, inner]])
    return (-1 - node).astype(np.int32)


@operation()
def nearest_point(x: np.ndarray, *, points: np.ndarray, norms: np.ndarray) -> np.ndarray:
    """The number of the nearest point, the first of equals, shape (n,)."""
    squares = np.einsum("ij,ij->i", x, x)[:, None] - 2 * (x @ points.T) + norms
    # As scikit-learn: NaN counts as 0, and numbers beyond the largest float64 are equal.
    squares = np.where(squares > 0, squares, 0)
    return np.minimum(squares, np.finfo(np.float64).max).argmin(axis=1)


@operation()
def centroid_scores(
    x: np.ndarray, *, points: np.ndarray, norms: np.ndarray, priors: np.ndarray
) -> np.ndarray:
    """`priors` minus the squared distance to each point, shape (n, n_points)."""
    # One point at a time: BLAS adds in another order for several.
    squares = -2 * np.ascontiguousarray((x @ points[:, :, None])[:, :, 0].T)
    squares += np.einsum("ij,ij->i", x, x)[:, None]
    squares += norms
    distances = np.sqrt(np.maximum(squares, 0, out=squares), out=squares)
    return -(distances**2) + priors
