"""Explain a linear model: a column adds its weight times its distance from the background's mean.

These are the Shapley values of a function that is a sum of functions of one feature each.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from models.engines import Rows
from models.explain import Ask, Clock
from models.explain.columns import Columns

# Contributions in one request.
MAX_CONTRIBUTIONS = 2_000_000


class NotLinear(Exception):
    """The estimator has no weights for its columns."""


class Linear:
    """Explains a linear model by its weights; see `Explainer`.

    `ask` gives the function that calls one method of the model. Raises NotLinear.
    """

    method = "linear"
    exact = True

    def __init__(self, columns: Columns, ask: Callable[[str], Ask], background: Rows) -> None:
        last = columns.last
        weights = np.atleast_2d(getattr(last, "coef_", np.empty(0)))
        if weights.dtype.kind != "f" or weights.shape[1:] != columns.origins.shape:
            raise NotLinear(f"a {type(last).__name__} has no weights for its columns")
        self.output = "decision_function" if hasattr(last, "decision_function") else "predict"
        self._columns = columns
        self._weights = weights
        self._mean = columns.of(background).mean(axis=0)
        self.base = ask(self.output)(background).mean(axis=0)
        if self.base.shape != weights.shape[:1]:
            raise NotLinear(f"a {type(last).__name__} has other outputs than weights")
        self.max_rows = max(1, MAX_CONTRIBUTIONS // max(weights.size, 1))

    def contributions(self, rows: Rows, outputs: np.ndarray, clock: Clock) -> np.ndarray:  # noqa: ARG002
        """See `Explainer`."""
        distances = self._columns.of(rows) - self._mean
        return self._columns.by_feature(distances[:, :, None] * self._weights.T)
