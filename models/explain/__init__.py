"""Explainers: how much each feature of a row adds to the model's answer.

All of them give Shapley values against a background of rows: the answer for a coalition of features
is the mean answer for the rows of the background in which these features have the values of the row
to be explained (Lundberg and Lee, "A Unified Approach to Interpreting
Model Predictions", 2017; Janzing and others, "Feature relevance quantification in explainable AI",
2020). They add up to the difference between the answer and the mean answer of the background.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np

from models.engines import Rows

# Answers of one method of the model as numbers, shape (n_samples, n_outputs).
Ask = Callable[[Rows], np.ndarray]
# Raises Busy when the time is up.
Clock = Callable[[], None]


class Explainer(Protocol):
    """Explains the answers of one method of a model.

    `method` is the explainer's name, `output` the method of the model, `exact` says whether the
    Shapley values are computed or estimated. `base` is the mean answer of the background, shape
    (n_outputs,). A request may have `max_rows` rows.
    """

    method: str
    output: str
    exact: bool
    base: np.ndarray
    max_rows: int

    def contributions(self, rows: Rows, outputs: np.ndarray, clock: Clock) -> np.ndarray:
        """The Shapley value of each feature, shape (n_samples, n_features, n_outputs).

        `outputs` are the model's answers for `rows`, shape (n_samples, n_outputs).
        """
