"""Support vector machines: sums over kernels, in the order in which libsvm adds them."""

from __future__ import annotations

import numpy as np

from ..operation import operation

# The most numbers of a temporary array.
MAX_BLOCK = 1 << 16


def matmul_of_vectors(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """np.vecdot before NumPy 2, with its order of sums."""
    return np.asarray(np.matmul(x[..., None, :], y[..., :, None])[..., 0, 0])


vecdot = getattr(np, "vecdot", matmul_of_vectors)


@operation()
def kernel(
    x: np.ndarray, *, vectors: np.ndarray, kind: str, degree: int, gamma: float, coef0: float
) -> np.ndarray:
    """The kernel of each row and each support vector, shape (n_vectors, n)."""
    size = max(1, MAX_BLOCK // max(1, vectors.size))
    if len(x) > size:
        blocks = range(0, len(x), size)
        settings = {"kind": kind, "degree": degree, "gamma": gamma, "coef0": coef0}
        parts = [kernel(x[i : i + size], vectors=vectors, **settings) for i in blocks]  # type: ignore[arg-type]
        return np.concatenate(parts, axis=1)
    if kind == "rbf":
        gaps = x - vectors[:, None, :]
        # The C library's exp, see `linear.expit`.
        return np.exp((-gamma * vecdot(gaps, gaps)).astype(np.complex128)).real
    products = vecdot(x, vectors[:, None, :])
    if kind == "linear":
        return products
    products = gamma * products + coef0
    return np.tanh(products) if kind == "sigmoid" else power(products, degree)


def power(x: np.ndarray, times: int) -> np.ndarray:
    """An integer power, by squaring."""
    found = np.ones_like(x)
    while times > 0:
        if times % 2:
            found = found * x
        x = x * x
        times //= 2
    return found


@operation()
def weigh(kernels: np.ndarray, *, weights: np.ndarray, intercept: float) -> np.ndarray:
    """The weighted sum over all support vectors, shape (n,)."""
    products = weights[:, None] * kernels
    # numpy adds rows one by one, but sums a single column pairwise.
    if kernels.shape[1] > 1:
        return products.sum(axis=0) + intercept
    return np.add.accumulate(products, axis=0)[-1] + intercept


@operation()
def weigh_pairs(
    kernels: np.ndarray, *, places: np.ndarray, weights: np.ndarray, intercepts: np.ndarray
) -> np.ndarray:
    """A weighted sum for each pair of classes, shape (n, n_pairs).

    Column i of `places` and `weights` has the support vectors of pair i, in their order.
    """
    rows = kernels.shape[1]
    padded = np.zeros((rows, len(kernels) + 1))
    padded[:, :-1] = kernels.T
    found = np.empty((rows, len(intercepts)))
    size = max(1, MAX_BLOCK // weights.size)
    for i in range(0, rows, size):
        products = padded[i : i + size].take(places, axis=1)
        products *= weights
        products.sum(axis=1, out=found[i : i + size])
    return found + intercepts


@operation()
def pair_votes(scores: np.ndarray, *, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """The number of pairs that each class wins.

    `first` and `second` are 1 for the first and the second class of each pair.
    """
    ahead = scores > 0
    return ahead @ first + ~ahead @ second


@operation()
def confidences(scores: np.ndarray, *, pairs: list[list[int]], count: int) -> np.ndarray:
    """The number of pairs that each class wins, and up to 1/3 more or less for the scores."""
    won = np.zeros((count, len(scores)))
    clearly = np.zeros((count, len(scores)))
    for k, (i, j) in enumerate(pairs):
        score = scores[:, k]
        behind = score < 0
        clearly[i] += score
        clearly[j] -= score
        won[i] += ~behind
        won[j] += behind
    return (won + clearly / (3 * (np.abs(clearly) + 1))).T
