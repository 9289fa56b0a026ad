"""Tables of mostly zeros, such as the words of texts."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..operation import operation


class Sparse:
    """Numbers `data` at the places `rows` and `columns` of a table; all others are zero.

    The numbers of a row stand in the order in which scipy adds them. Numbers at one place add up.
    """

    __slots__ = ("columns", "data", "rows", "shape")

    def __init__(
        self, rows: np.ndarray, columns: np.ndarray, data: np.ndarray, shape: tuple[int, int]
    ) -> None:
        self.rows, self.columns, self.data, self.shape = rows, columns, data, shape

    def __len__(self) -> int:
        """The number of rows."""
        return self.shape[0]

    def __getitem__(self, part: slice) -> Sparse:
        """Some rows next to each other."""
        start, stop, _ = part.indices(len(self))
        own = (self.rows >= start) & (self.rows < stop)
        shape = (max(stop - start, 0), self.shape[1])
        return Sparse(self.rows[own] - start, self.columns[own], self.data[own], shape)

    def dot(self, weights: np.ndarray) -> np.ndarray:
        """The product with an array, shape (n, n_outputs) or (n,), added up one by one."""
        n = len(self)
        gathered = weights[self.columns]
        if weights.ndim == 1:
            return np.bincount(self.rows, gathered * self.data, n)
        outputs = weights.shape[1]
        if outputs == 1:
            return np.bincount(self.rows, gathered[:, 0] * self.data, n)[:, None]
        places = (self.rows * outputs)[:, None] + np.arange(outputs)
        products = gathered * self.data[:, None]
        return np.bincount(places.ravel(), products.ravel(), n * outputs).reshape(n, outputs)

    @classmethod
    def stack(cls, parts: Sequence[Sparse]) -> Sparse:
        """The rows of several tables, one after the other."""
        starts = np.cumsum([0, *map(len, parts)])
        return cls(
            np.concatenate([x.rows + start for x, start in zip(parts, starts, strict=False)]),
            np.concatenate([x.columns for x in parts]),
            np.concatenate([x.data for x in parts]),
            (int(starts[-1]), parts[0].shape[1]),
        )

    def toarray(self) -> np.ndarray:
        """All numbers, shape (n, width)."""
        n, width = self.shape
        places = self.rows * width + self.columns
        return np.bincount(places, self.data, n * width).reshape(n, width)


@operation()
def dense(x: Sparse) -> np.ndarray:
    """All numbers, shape (n, width)."""
    return x.toarray()


@operation()
def nonzeros(x: np.ndarray) -> Sparse:
    """The numbers that are not zero."""
    rows, columns = x.nonzero()
    return Sparse(rows, columns, x[rows, columns], x.shape)


@operation()
def hstack_sparse(*parts: Sparse) -> Sparse:
    """Sparse tables side by side."""
    starts = np.cumsum([0, *(part.shape[1] for part in parts)]).tolist()
    return Sparse(
        np.concatenate([part.rows for part in parts]),
        np.concatenate([part.columns + start for part, start in zip(parts, starts, strict=False)]),
        np.concatenate([part.data for part in parts]),
        (len(parts[0]), starts[-1]),
    )


@operation(counts="as its input")
def pick(x: Sparse, *, places: np.ndarray, width: int) -> Sparse:
    """Some columns; `places` has the new place of each column, or -1."""
    columns = places.take(x.columns)
    own = columns >= 0
    return Sparse(x.rows[own], columns[own], x.data[own], (len(x), width))


@operation()
def require_finite_entries(x: Sparse) -> Sparse:
    """The input. Raises ValueError as scikit-learn does if a number is infinite or missing."""
    if not np.isfinite(x.data).all():
        raise ValueError("Input X contains NaN, infinity or a value too large for float64.")
    return x


@operation()
def scaled(x: np.ndarray | Sparse, *, weight: float) -> np.ndarray | Sparse:
    """All numbers times `weight`."""
    if isinstance(x, Sparse):
        return Sparse(x.rows, x.columns, x.data * weight, x.shape)
    return x * weight


@operation(counts="as its input")
def tf_idf(
    x: Sparse, *, sublinear: bool, idf: np.ndarray | None = None, norm: str | None = None
) -> Sparse:
    """Counts of terms, weighted by how rare the terms are, divided by the norm of their row."""
    data = x.data
    if sublinear:
        data = np.log(data) + 1.0
    if idf is not None:
        data = data * idf.take(x.columns)
    if norm is not None and len(data):
        data = data / _lengths(x, data, norm).take(x.rows)
    return Sparse(x.rows, x.columns, data, x.shape)


def _lengths(x: Sparse, data: np.ndarray, norm: str) -> np.ndarray:
    """The norm of each row; 1 for a row of zeros."""
    if norm == "l2":
        lengths = np.sqrt(np.bincount(x.rows, data * data, len(x)))
    else:
        lengths = np.bincount(x.rows, np.abs(data), len(x))
    lengths[lengths == 0] = 1.0
    return lengths
