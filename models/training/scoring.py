"""Scores of a fitted estimator by the scoring names of scikit-learn, with all of its classes."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import is_classifier
from sklearn.metrics import get_scorer

from models.evaluation.answers import of_estimator
from models.evaluation.facts import Unmeasurable
from models.evaluation.metrics import metric_of
from models.evaluation.truth import codes_of
from models.rows.words import some

# scikit-learn takes the labels of the rows for all classes: where a class has no row here, its
# scorers have no score, and where a label is no class, they give a wrong one.
OF_PROBABILITIES = {"neg_log_loss": "log_loss", "neg_brier_score": "brier"}


def score(scoring: str, estimator: Any, rows: Any, answers: Any) -> float:
    """The score of this name on n rows with their known answers, shape (n,); more is better.

    Raises Unmeasurable where an answer is no class of the estimator and the score needs its
    probability, or an exception of scikit-learn.
    """
    if is_classifier(estimator) and np.ndim(answers) == 1:
        if name := OF_PROBABILITIES.get(scoring):
            answered = of_estimator(estimator, rows, answers)
            return -metric_of(answered.kind, name).statistic(answered).value
        if not _by_labels(scoring):
            _check_labels(estimator, answers)
    return float(get_scorer(scoring)(estimator, rows, answers))


def _by_labels(scoring: str) -> bool:
    return getattr(get_scorer(scoring), "_response_method", "") == "predict"


def _check_labels(estimator: Any, answers: Any) -> None:
    labels = np.asarray(answers, dtype=object)
    codes = codes_of(np.asarray(estimator.classes_).tolist(), labels)
    if unknown := list(dict.fromkeys(map(str, labels[codes < 0]))):
        raise Unmeasurable(f"rows have labels outside the model's classes, {some(unknown)}")
