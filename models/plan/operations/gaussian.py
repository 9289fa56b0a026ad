"""Densities of Gaussian distributions, and probabilities from logarithms of densities."""

from __future__ import annotations

import math

import numpy as np

from ..operation import operation


@operation()
def quadratic_density(x: np.ndarray, *, precision: np.ndarray, constant: float) -> np.ndarray:
    """The logarithm of a normal density, shape (n,)."""
    return -0.5 * (x * (x @ precision)).sum(axis=1) - constant


@operation()
def square_distances(
    x: np.ndarray, *, means: np.ndarray, weights: np.ndarray, transposed: bool
) -> np.ndarray:
    """Sums of squares of (x - mean) @ weights, one for each mean, shape (n_means, n).

    `weights` has a matrix for each mean, stored as its transpose if `transposed`.
    """
    found = (x - means[:, None, :]) @ (weights.swapaxes(1, 2) if transposed else weights)
    return (found * found).sum(axis=2)


@operation()
def square_gaps(x: np.ndarray, *, weights: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Sums of squares of x @ weights - place, one for each place, shape (n, n_places).

    `weights` is one matrix, or one for each place.
    """
    gaps = x @ weights - places[:, None, :]
    return np.ascontiguousarray((gaps * gaps).sum(axis=2).T)


@operation()
def diagonal_gaps(
    x: np.ndarray, *, constant: np.ndarray, linear: np.ndarray, square: np.ndarray
) -> np.ndarray:
    """Constant - 2 x @ linear.T + x² @ square.T, shape (n, n_places)."""
    return constant - 2.0 * (x @ linear.T) + (x**2 @ square.T)


@operation()
def spherical_gaps(
    x: np.ndarray, *, constant: np.ndarray, means: np.ndarray, precisions: np.ndarray
) -> np.ndarray:
    """Squared distances to means, times the precision of each, shape (n, n_means)."""
    norms = np.einsum("ij,ij->i", x, x)
    return constant - 2 * (x @ means.T * precisions) + np.multiply.outer(norms, precisions)


@operation()
def naive_density(
    x: np.ndarray,
    *,
    means: np.ndarray,
    variances: np.ndarray,
    constants: np.ndarray,
    priors: np.ndarray,
) -> np.ndarray:
    """Logarithms of densities of independent features, shape (n, n_means)."""
    gaps = x - means[:, None, :]
    squares = gaps * gaps
    squares /= variances[:, None, :]
    return (priors[:, None] + (constants[:, None] - 0.5 * squares.sum(axis=2))).T


@operation()
def half_negative(
    x: np.ndarray, *, added: np.ndarray, constants: np.ndarray, transposed: bool
) -> np.ndarray:
    """-0.5 * (x + added), then each row of `constants` added in its order."""
    found = -0.5 * ((x.T if transposed else x) + added)
    for constant in constants:
        found += constant
    return found


@operation()
def log_sum_exp(x: np.ndarray) -> np.ndarray:
    """The logarithm of the sum of exponentials in each row, shape (n, 1)."""
    top = x.max(axis=1, keepdims=True)
    highest = x == top
    base = top if math.isfinite(top.sum()) else np.where(np.isfinite(top), top, 0)
    powers = np.exp(x - base)
    np.putmask(powers, highest, 0)
    count = highest.sum(axis=1, keepdims=True)
    return np.log1p(powers.sum(axis=1, keepdims=True) / count) + np.log(count) + top


@operation()
def log_softmax(x: np.ndarray) -> np.ndarray:
    """Logarithms of probabilities from the logarithm of a density for each class."""
    gaps = x - x.max(axis=1, keepdims=True)
    return gaps - np.log(np.exp(gaps).sum(axis=1, keepdims=True))
