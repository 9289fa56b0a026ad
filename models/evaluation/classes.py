"""How a classifier tells its classes apart: confusion, scores by class, calibration, ROC curves."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import binomtest
from sklearn.calibration import calibration_curve
from sklearn.metrics import auc, confusion_matrix, precision_recall_fscore_support, roc_curve

from models import card as cards
from models.evaluation.facts import Answers, Score
from models.evaluation.parts import Bin, Calibration, Confusion, Curve, OfClass

BINS = 10
# Curves are drawn of so many classes, those that are told apart worst, with so many points each.
MAX_CURVES = 5
MAX_POINTS = 80
LEVEL = 0.95


def share(count: int, rows: int) -> Score:
    """A share of rows with its 95 % score interval (Wilson, 1927)."""
    ends = binomtest(count, rows).proportion_ci(LEVEL, method="wilson")
    return Score(value=count / rows, low=float(ends.low), high=float(ends.high))


def labels_of(answers: Answers) -> list[Any]:
    """The classes of the model, and the labels among the known answers that are none."""
    classes = list(answers.classes or ())
    known = set(classes)
    others = {label for label in _plain(answers.truth) if label not in known}
    return [*classes, *sorted(others, key=str)]


def codes_of(values: Any, labels: list[Any]) -> np.ndarray:
    """The place of each value among the labels, shape (n,)."""
    places = {label: i for i, label in enumerate(labels)}
    return np.array([places[value] for value in _plain(values)], dtype=np.int64)


def _plain(values: Any) -> list[Any]:
    return [value.item() if isinstance(value, np.generic) else value for value in values]


def confusion(answers: Answers) -> Confusion:
    """The confusion matrix."""
    labels = labels_of(answers)
    truth, predicted = codes_of(answers.truth, labels), codes_of(answers.predictions, labels)
    counts = confusion_matrix(truth, predicted, labels=np.arange(len(labels)))
    return Confusion(labels=list(map(cards.text, labels)), counts=counts.tolist())


def by_class(found: Confusion, answers: Answers) -> list[OfClass]:
    """Precision, recall and F1 of each class."""
    labels = labels_of(answers)
    truth, predicted = codes_of(answers.truth, labels), codes_of(answers.predictions, labels)
    f1 = precision_recall_fscore_support(
        truth, predicted, labels=np.arange(len(labels)), zero_division=0.0
    )[2]
    counts = np.array(found.counts)
    rows, said, right = counts.sum(axis=1), counts.sum(axis=0), counts.diagonal()
    return [
        OfClass(
            label=label,
            rows=int(rows[i]),
            predicted=int(said[i]),
            precision=share(int(right[i]), int(said[i])) if said[i] else None,
            recall=share(int(right[i]), int(rows[i])) if rows[i] else None,
            f1=float(f1[i]),
        )
        for i, label in enumerate(found.labels)
    ]


def calibration(answers: Answers) -> Calibration | None:
    """Predicted probabilities against observed shares; None without probabilities.

    For two classes, they are those of the second; for more, those of the predicted class, as Guo et
    al. (2017, arXiv 1706.04599) have them, as well as the expected calibration error.
    """
    if answers.probabilities is None or answers.classes is None or answers.truth is None:
        return None
    labels = labels_of(answers)
    truth = codes_of(answers.truth, labels)
    if len(answers.classes) == 2:
        label, chance = cards.text(answers.classes[1]), answers.probabilities[:, 1]
        true = truth == 1
    else:
        label, chance = "", answers.probabilities.max(axis=1)
        true = truth == answers.probabilities.argmax(axis=1)
    chance = np.clip(chance, 0, 1)
    _, predicted = calibration_curve(true, chance, n_bins=BINS)
    # The bins of calibration_curve, which counts no rows.
    place = np.searchsorted(np.linspace(0, 1, BINS + 1)[1:-1], chance)
    rows = np.bincount(place, minlength=BINS)
    hits = np.bincount(place, weights=true, minlength=BINS)
    used = [
        Bin(predicted=float(mean), observed=share(int(hits[i]), int(rows[i])), rows=int(rows[i]))
        for mean, i in zip(predicted, np.flatnonzero(rows), strict=True)
    ]
    far = sum(each.rows * abs(each.predicted - each.observed.value) for each in used)
    return Calibration(label=label, bins=used, expected_error=far / len(chance))


def curves(answers: Answers) -> list[Curve]:
    """ROC curves of each class against all others, the smallest area first.

    Of two classes, there is that of the second. A class of which there are no rows, or only rows,
    has none.
    """
    given = answers.probabilities if answers.probabilities is not None else answers.scores
    if given is None or answers.classes is None or answers.truth is None:
        return []
    given = given.reshape(len(given), -1)
    truth = codes_of(answers.truth, labels_of(answers))
    classes = answers.classes
    binary = len(classes) == 2
    if not binary and given.shape[1] != len(classes):
        # As SVC(decision_function_shape="ovo") scores pairs of classes.
        return []
    found = []
    for i in [1] if binary else range(len(classes)):
        true = truth == i
        if 0 < true.sum() < len(true):
            # A binary decision function has one column.
            other, own, _ = roc_curve(true, given[:, -1 if binary else i])
            kept = np.unique(np.linspace(0, len(other) - 1, MAX_POINTS).round().astype(int))
            points = list(zip(other[kept].tolist(), own[kept].tolist(), strict=True))
            found.append(
                Curve(label=cards.text(classes[i]), area=float(auc(other, own)), points=points)
            )
    return sorted(found, key=lambda curve: curve.area)[:MAX_CURVES]


def worst_pairs(found: Confusion, count: int) -> pd.DataFrame:
    """The most frequent mistakes: columns `truth`, `predicted` and `rows`."""
    counts = np.array(found.counts)
    np.fill_diagonal(counts, 0)
    order = np.argsort(-counts, axis=None, kind="stable")[:count]
    truth, predicted = np.unravel_index(order[counts.ravel()[order] > 0], counts.shape)
    return pd.DataFrame(
        {
            "truth": [found.labels[i] for i in truth],
            "predicted": [found.labels[i] for i in predicted],
            "rows": counts[truth, predicted],
        }
    )
