"""The metrics of predicted numbers. The formulas are those of scikit-learn."""

from __future__ import annotations

import numpy as np

from models.evaluation.facts import Answers, Unmeasurable
from models.evaluation.labels import truth_of
from models.evaluation.statistic import Smooth, mean_of, r_squared_of, root_mean_of


def r2(answers: Answers) -> Smooth:
    """The share of the truth's variance that the predictions explain."""
    truth, predictions = _both(answers)
    if len(truth) < 2:
        raise Unmeasurable("it needs at least two rows")
    if (truth == truth[0]).all():
        raise Unmeasurable(f"all known answers are {truth[0]:g}")
    return r_squared_of(truth, predictions)


def mean_absolute_error(answers: Answers) -> Smooth:
    """The mean distance of the predictions from the truth."""
    truth, predictions = _both(answers)
    return mean_of(np.abs(truth - predictions), "log")


def root_mean_squared_error(answers: Answers) -> Smooth:
    """The root of the mean squared distance of the predictions from the truth."""
    truth, predictions = _both(answers)
    return root_mean_of((truth - predictions) ** 2)


def _both(answers: Answers) -> tuple[np.ndarray, np.ndarray]:
    truth = truth_of(answers).astype(np.float64)
    predictions = answers.predictions.astype(np.float64)
    if wrong := int((~np.isfinite(predictions)).sum()):
        raise Unmeasurable(f"{wrong:,} predictions are NaN or infinite")
    return truth, predictions
