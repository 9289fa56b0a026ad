"""The ways to run a model. An engine takes rows that fit the signature, and answers each."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Protocol

import numpy as np

from models.plan.operations.sparse import Sparse
from models.plan.run import OneRow, Rows

__all__ = ["Engine", "OneRow", "Rows", "concat_results", "slice_results"]


class Engine(Protocol):
    """Runs the methods of a model.

    `batchable` says whether the rows of several requests may go into one call, and those of one
    into several. `concurrent` are the methods that may run in many threads at once, and are so
    cheap that batching does not pay. `one_row` has for some of them a faster function for one row.
    """

    @property
    def batchable(self) -> bool: ...  # noqa: D102
    @property
    def concurrent(self) -> Collection[str]: ...  # noqa: D102
    @property
    def one_row(self) -> Mapping[str, OneRow]: ...  # noqa: D102

    def run(self, method: str, rows: Rows) -> Any:
        """Call one method of the estimator; n rows give n results, in their order."""

    def refuses(self, method: str, error: Exception) -> bool:
        """Whether an error that `run` raised says that the model rejects the values of a row."""


def slice_results(result: Any, start: int, stop: int) -> Any:
    """The results of rows `start` to `stop`: of an array, a sparse matrix, or several of them.

    Several come from `kneighbors` (distances, indices) and from `predict_proba` of a model with
    several outputs (an array for each).
    """
    if isinstance(result, (tuple, list)):
        return type(result)(slice_results(inner, start, stop) for inner in result)
    return result[start:stop]


def concat_results(parts: Sequence[Any]) -> Any:
    """The results of consecutive rows as one: the inverse of `slice_results`."""
    first = parts[0]
    if isinstance(first, (tuple, list)):
        return type(first)(concat_results(inner) for inner in zip(*parts, strict=True))
    if isinstance(first, Sparse):
        return Sparse.stack(parts)
    if hasattr(first, "toarray"):
        from scipy import sparse

        return sparse.vstack(parts, format="csr")
    return np.concatenate(parts)
