"""Call an estimator on rows that fit a signature."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import joblib
import numpy as np

from models.engines import Rows, concat_results, inputs
from models.signature.types import Signature


def call(estimator: Any, signature: Signature, method: str, rows: Rows) -> Any:
    """The results of one method for n rows: an array, a sparse matrix, or several of them.

    Raises whatever the estimator raises.
    """
    groups = inputs.groups(signature, rows)
    if groups is None:
        return _call(estimator, signature, method, rows)
    found = [_call(estimator, signature, method, [rows[i] for i in group]) for group in groups]
    return _in_order(groups, found)


def typed(signature: Signature, rows: list[Any]) -> Rows:
    """Rows as an engine takes them: an array of float64 where all features are numbers."""
    return np.array(rows, dtype=np.float64) if signature.numeric else rows


def as_arrays(result: Any) -> Any:
    """The answer of an estimator as an array, a sparse matrix, or a list of arrays."""
    if hasattr(result, "to_numpy"):
        return result.to_numpy()
    # Several outputs are a list of arrays; any other list is of somebody's own estimator.
    if isinstance(result, list) and not getattr(next(iter(result), None), "shape", ()):
        return np.asarray(result)
    return result


def _call(estimator: Any, signature: Signature, method: str, rows: Rows) -> Any:
    # A forest fitted with n_jobs=-1 takes five times as long to start threads for one row as to
    # walk its trees, and every process of the server would start them.
    with joblib.parallel_config(backend="sequential"):
        result = getattr(estimator, method)(inputs.to_input(signature, rows))
    return as_arrays(result)


def _in_order(groups: Sequence[Sequence[int]], results: Sequence[Any]) -> Any:
    """The results of groups of rows as those of all rows, in the order of the rows."""
    order = np.argsort(np.concatenate(groups))

    def ordered(result: Any) -> Any:
        if isinstance(result, (tuple, list)):
            return type(result)(map(ordered, result))
        return result[order]

    return ordered(concat_results(results))
