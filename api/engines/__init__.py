"""The ways to run a model. An engine takes rows that fit the signature, and answers each."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np

from api.signature import Signature

Rows = np.ndarray | list[Any]


class Engine(Protocol):
    """What the predictor needs of an engine.

    `signature` is the model's, with what only a try can tell: which missing values it accepts.
    `mergeable` says whether the rows of several requests may go into one call.
    """

    signature: Signature
    mergeable: bool

    def run(self, method: str, rows: Rows) -> Any:
        """Call one method of the estimator; n rows give n results, in their order."""


def part(result: Any, start: int, stop: int) -> Any:
    """The results of rows `start` to `stop`: of an array, a sparse matrix, or several of them.

    Several come from `kneighbors` (distances, indices) and from `predict_proba` of a model with
    several outputs (an array for each).
    """
    if isinstance(result, (tuple, list)):
        return type(result)(part(inner, start, stop) for inner in result)
    return result[start:stop]
