"""The metrics of ranked rows: the areas under the ROC curve and the precision-recall curve."""

from __future__ import annotations

import numpy as np
from scipy.stats import rankdata

from models.evaluation.facts import Answers, Unmeasurable
from models.evaluation.labels import OUTLIER, known_codes, truth_of
from models.evaluation.statistic import Share

# What is added to the rows of each class, so that no variance is 0.
FAULT_ROWS, FAULT = 0.5, 0.6


def roc_auc(answers: Answers) -> Share:
    """The area under the ROC curve; of several classes, the mean over each against the rest."""
    if answers.kind == "outliers":
        return _auc(*_outliers(answers))
    truth, classes = known_codes(answers), answers.classes or ()
    absent = [label for i, label in enumerate(classes) if not (truth == i).any()]
    if absent:
        raise Unmeasurable(f"no row has the label {absent[0]!r}")
    if len(classes) < 2:
        raise Unmeasurable("the model has one class only")
    if len(classes) == 2:
        return _auc(truth == 1, _scores(answers))
    if answers.probabilities is None:
        raise Unmeasurable("the model has no predict_proba")
    each = [_auc(truth == i, answers.probabilities[:, i]) for i in range(len(classes))]
    influence = np.mean([share.influence for share in each], axis=0)
    added = sum(share.variance - (share.influence**2).mean() / len(truth) for share in each)
    return _share(
        float(np.mean([share.value for share in each])),
        influence,
        float(np.mean([share.centre for share in each])),
        float((influence**2).mean() / len(truth) + max(added, 0.0) / len(classes) ** 2),
    )


def _share(value: float, influence: np.ndarray, centre: float, variance: float) -> Share:
    return Share(value, influence, centre, variance, float(np.sqrt(variance * len(influence))))


def _scores(answers: Answers) -> np.ndarray:
    """By how much each row is of the second class."""
    if answers.probabilities is not None:
        return answers.probabilities[:, 1]
    if answers.scores is None:
        raise Unmeasurable("the model has neither predict_proba nor decision_function")
    return answers.scores


def _outliers(answers: Answers) -> tuple[np.ndarray, np.ndarray]:
    """Which rows are outliers, and by how much each is one for the model."""
    is_outlier = truth_of(answers) == OUTLIER
    if is_outlier.all() or not is_outlier.any():
        raise Unmeasurable("all rows are outliers" if is_outlier.any() else "no row is an outlier")
    if answers.scores is None:
        raise Unmeasurable("the model has no decision_function")
    return is_outlier, -answers.scores


def _auc(positive: np.ndarray, scores: np.ndarray) -> Share:
    """The area, with the placement values of DeLong et al. (1988), doi 10.2307/2531595."""
    above, below = scores[positive], scores[~positive]
    ranks = rankdata(np.concatenate([above, below]))
    wins = (ranks[: len(above)] - rankdata(above)) / len(below)
    losses = 1 - (ranks[len(above) :] - rankdata(below)) / len(above)
    value = float(wins.mean())
    influence = np.empty(len(scores))
    influence[positive] = (wins - value) * len(scores) / len(above)
    influence[~positive] = (losses - value) * len(scores) / len(below)
    centres, variances = zip(_with_fault(wins), _with_fault(losses), strict=True)
    return _share(value, influence, float(np.mean(centres)), sum(variances))


def _with_fault(placements: np.ndarray) -> tuple[float, float]:
    """The mean, and its variance, with half a row more, placed at 0.6."""
    count = len(placements) + FAULT_ROWS
    mean = (placements.sum() + FAULT_ROWS * FAULT) / count
    squares = ((placements - mean) ** 2).sum() + FAULT_ROWS * (FAULT - mean) ** 2
    # Half a row: count is above 1 even for a class with one row.
    return float(mean), float(squares / (count - 1) / count)


def average_precision(answers: Answers) -> Share:
    """The area under the steps of the precision-recall curve of the outliers."""
    positive, scores = _outliers(answers)
    order = np.argsort(-scores, kind="stable")
    hits = positive[order].astype(np.float64)
    # Rows with equal scores are found at once.
    _, first, sizes = np.unique(-scores[order], return_index=True, return_counts=True)
    ends = np.repeat(first + sizes - 1, sizes)
    found, taken = np.cumsum(hits)[ends], ends + 1.0
    precision, total = found / taken, hits.sum()
    value = float((hits * precision).sum() / total)
    # A row adds itself to all places from its own on: sums from the end, from the first of equals.
    starts = np.repeat(first, sizes)
    gained = np.cumsum((hits / taken)[::-1])[::-1][starts]
    diluted = np.cumsum((hits * found / taken**2)[::-1])[::-1][starts]
    moved = hits * (precision + gained) - diluted - hits * value
    influence = np.empty(len(scores))
    influence[order] = moved * len(scores) / total
    count = len(scores)
    centre = (value * total + 0.5) / (total + 1)
    variance = float((influence**2).mean() / count * (total + 1) / total + 0.25 / (total + 1) ** 2)
    return _share(value, influence, float(centre), variance)
