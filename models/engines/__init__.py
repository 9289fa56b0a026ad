"""The ways to run a model. An engine takes rows that fit the signature, and answers each."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Protocol

import numpy as np

from models.plan.operations.sparse import Sparse
from models.plan.run import OneRow as Single
from models.plan.run import Rows
from models.signature.types import Signature

__all__ = ["Engine", "Rows", "Single", "part", "whole"]


class Engine(Protocol):
    """What the predictor needs of an engine.

    `signature` is the model's, with what only a try can tell: which missing values it accepts.
    `mergeable` says whether the rows of several requests may go into one call, and those of one
    into several. `immediate` are the methods that may run in many threads at once, and are so
    cheap that it does not pay to wait for others' rows. `singles` has for some of them what is
    faster for one row alone.
    """

    @property
    def signature(self) -> Signature: ...  # noqa: D102
    @property
    def mergeable(self) -> bool: ...  # noqa: D102
    @property
    def immediate(self) -> Collection[str]: ...  # noqa: D102
    @property
    def singles(self) -> Mapping[str, Single]: ...  # noqa: D102

    def run(self, method: str, rows: Rows) -> Any:
        """Call one method of the estimator; n rows give n results, in their order."""

    def refuses(self, method: str, error: Exception) -> bool:
        """Whether an error that `run` raised says that the model refuses the values of a row."""


def part(result: Any, start: int, stop: int) -> Any:
    """The results of rows `start` to `stop`: of an array, a sparse matrix, or several of them.

    Several come from `kneighbors` (distances, indices) and from `predict_proba` of a model with
    several outputs (an array for each).
    """
    if isinstance(result, (tuple, list)):
        return type(result)(part(inner, start, stop) for inner in result)
    return result[start:stop]


def whole(parts: Sequence[Any]) -> Any:
    """The opposite of `part`: the results of consecutive rows as one."""
    first = parts[0]
    if isinstance(first, (tuple, list)):
        return type(first)(whole(inner) for inner in zip(*parts, strict=True))
    if isinstance(first, Sparse):
        return Sparse.stack(parts)
    if hasattr(first, "toarray"):
        from scipy import sparse

        return sparse.vstack(parts, format="csr")
    return np.concatenate(parts)
