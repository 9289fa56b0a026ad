"""The ways to say how much each feature of a row adds to the model's answer.

All of them give Shapley values against a background of rows: the answer for a coalition of features
is the mean over the background of the answers for rows that have these features from the row to be
explained and all others from the background (Lundberg and Lee, "A Unified Approach to Interpreting
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
    """One way to explain a model.

    `method` is its name, `output` the method of the model whose answers it explains, `exact`
    whether it works the Shapley values out instead of estimating them. `base` is the mean answer
    of the background, shape (n_outputs,). A request may have `most` rows.
    """

    method: str
    output: str
    exact: bool
    base: np.ndarray
    most: int

    def contributions(self, rows: Rows, outputs: np.ndarray, clock: Clock) -> np.ndarray:
        """What each feature adds, shape (n_samples, n_features, n_outputs).

        `outputs` are the model's answers for `rows`, shape (n_samples, n_outputs).
        """
