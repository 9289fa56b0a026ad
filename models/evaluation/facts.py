"""What an evaluation is made of: a model's answers to known rows, and scores with intervals."""

from __future__ import annotations

from typing import Any, Literal

import msgspec
import numpy as np

Kind = Literal["classifier", "regressor", "clusterer", "outliers"]


class Unmeasurable(Exception):
    """The rows or the model cannot be measured; the message is one sentence with what to do."""


class Score(msgspec.Struct, frozen=True, kw_only=True):
    """One metric on n rows, and the interval that holds its true value in 95 % of all samples.

    `low` and `high` are None where no interval can be computed, as for one row.
    """

    value: float
    low: float | None = None
    high: float | None = None


class Answers(msgspec.Struct, frozen=True, kw_only=True):
    """The answers of a model to n rows, and the true ones.

    `truth` and `predictions` have the shape (n,), `truth` is None if it is not known (clusterer,
    outliers). `probabilities` has the shape (n, n_classes) and its columns are in the order of
    `classes`; `scores` are those of `decision_function` or `score_samples`, shape (n,) or
    (n, n_classes). `places` are the rows' places among the rows that were asked, shape (n,): of the
    others, the model refuses `refused`, and the truth of `without_truth` is missing. `rows` are the
    n rows, a DataFrame or an array; `inputs` are these as a clusterer itself sees them, behind the
    other steps of its pipeline, shape (n, n_inputs).
    """

    kind: Kind
    truth: np.ndarray | None
    predictions: np.ndarray
    probabilities: np.ndarray | None = None
    scores: np.ndarray | None = None
    classes: tuple[Any, ...] | None = None
    places: np.ndarray
    refused: int = 0
    without_truth: int = 0
    rows: Any = None
    inputs: np.ndarray | None = None
