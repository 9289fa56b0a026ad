"""The metrics of labels and their probabilities. The formulas are those of scikit-learn."""

from __future__ import annotations

import numpy as np

from models.evaluation.facts import Answers, Unmeasurable
from models.evaluation.statistic import Share, Smooth, mean_of
from models.evaluation.truth import codes_of
from models.rows.words import some

OUTLIER = -1


def truth_of(answers: Answers) -> np.ndarray:
    """The known answers. Raises Unmeasurable if there are none."""
    if answers.truth is None:
        raise Unmeasurable("it needs known answers: name the target's column")
    return answers.truth


def coded(answers: Answers) -> tuple[np.ndarray, np.ndarray, int]:
    """The numbers of the true and of the predicted labels, and how many labels there are.

    The classes come first, and then the labels that only the truth has.
    """
    classes = list(answers.classes or ())
    truth = truth_of(answers)
    unknown = list(dict.fromkeys(truth[codes_of(classes, truth) < 0]))
    known = [*classes, *unknown]
    return codes_of(known, truth), codes_of(known, answers.predictions), len(known)


def share_of(events: np.ndarray) -> Share:
    """The share of rows with an event."""
    share = float(events.mean())
    centre = (float(events.sum()) + 1) / (len(events) + 2)
    return Share(share, events - share, centre, centre * (1 - centre) / len(events), 1.0)


def accuracy(answers: Answers) -> Share:
    """The share of right labels."""
    truth, predicted, _ = coded(answers)
    return share_of(truth == predicted)


def balanced_accuracy(answers: Answers) -> Share:
    """The mean over the true labels of the share of their rows that are right."""
    truth, predicted, count = coded(answers)
    rows = np.bincount(truth, minlength=count)
    present = np.flatnonzero(rows)
    right = np.bincount(truth[truth == predicted], minlength=count)
    recall = right[present] / rows[present]
    weights = np.zeros(count)
    weights[present] = len(truth) / (len(present) * rows[present])
    recalls = np.zeros(count)
    recalls[present] = recall
    # Each recall is drawn a little to that of all rows.
    overall = (right.sum() + 1) / (len(truth) + 2)
    smooth = (right[present] + 2 * overall) / (rows[present] + 2)
    return Share(
        float(recall.mean()),
        ((truth == predicted) - recalls[truth]) * weights[truth],
        float(smooth.mean()),
        float((smooth * (1 - smooth) / np.maximum(rows[present] - 1, 1)).sum() / len(present) ** 2),
        _unit(truth, count),
    )


def f1_macro(answers: Answers) -> Share:
    """The mean over the labels, true or predicted, of the F1 score."""
    truth, predicted, count = coded(answers)
    table = np.bincount(truth * count + predicted, minlength=count**2).reshape(count, count)
    present = np.flatnonzero(table.sum(axis=0) + table.sum(axis=1))
    table = table[np.ix_(present, present)].astype(np.float64)
    if len(present) == 1:
        return share_of(truth == predicted)
    place = np.zeros(count, dtype=np.int64)
    place[present] = np.arange(len(present))
    value, influence = _f1_of(table)
    # One row more is wrong, as likely of each pair of labels as these are frequent; half one right.
    sizes = table.sum(axis=0) + table.sum(axis=1)
    wrong = np.outer(sizes, sizes)
    np.fill_diagonal(wrong, 0)
    smooth = table + wrong / wrong.sum() + 0.5 * np.diag(sizes / sizes.sum())
    centre, moved = _f1_of(smooth)
    return Share(
        value,
        influence[place[truth], place[predicted]],
        centre,
        float((smooth * moved**2).sum() / smooth.sum() / max(len(truth) - len(present), 1)),
        _unit(truth, count),
    )


def _f1_of(table: np.ndarray) -> tuple[float, np.ndarray]:
    """The mean F1 score of a confusion matrix, and the influence of a row in each of its cells."""
    sizes = table.sum(axis=0) + table.sum(axis=1)
    scores = 2 * np.diagonal(table) / sizes
    lost = scores / sizes
    influence = np.diag(2 / sizes) - lost[:, None] - lost
    return float(scores.mean()), influence * table.sum() / len(table)


def _unit(truth: np.ndarray, count: int) -> float:
    """The root of the mean square by which a row moves a mean over labels, times n."""
    rows = np.bincount(truth, minlength=count)
    rows = rows[rows > 0]
    return float(np.sqrt((len(truth) / rows).sum()) / len(rows))


def log_loss(answers: Answers) -> Smooth:
    """The mean of minus the logarithm of the true label's probability."""
    truth, probabilities = _probabilities(answers)
    least = np.finfo(probabilities.dtype).eps
    of_truth = probabilities[np.arange(len(truth)), truth]
    losses = -np.log(np.clip(of_truth, least, 1 - least).astype(np.float64))
    return mean_of(losses, "log", most=-float(np.log(least)))


def brier(answers: Answers) -> Smooth:
    """The mean squared distance of the probabilities from 1 and 0; half of it for two classes."""
    truth, probabilities = _probabilities(answers)
    apart = probabilities.astype(np.float64)
    apart[np.arange(len(truth)), truth] -= 1
    halved = 0.5 if apart.shape[1] < 3 else 1.0
    return mean_of(halved * (apart**2).sum(axis=1), "log", most=2 * halved)


def _probabilities(answers: Answers) -> tuple[np.ndarray, np.ndarray]:
    if answers.probabilities is None:
        raise Unmeasurable("the model has no predict_proba")
    return known_codes(answers), answers.probabilities


def known_codes(answers: Answers) -> np.ndarray:
    """The numbers of the true labels' classes. Raises Unmeasurable if one is no class."""
    truth = truth_of(answers)
    codes = codes_of(answers.classes or (), truth)
    if (codes < 0).any():
        unknown = list(dict.fromkeys(map(str, truth[codes < 0])))
        raise Unmeasurable(
            f"{(codes < 0).sum():,} rows have labels outside the model's classes, {some(unknown)}"
        )
    return codes


def outlier_share(answers: Answers) -> Share:
    """The share of rows that the model calls outliers."""
    return share_of(answers.predictions == OUTLIER)


def f1_of_outliers(answers: Answers) -> Share:
    """The F1 score of the outliers."""
    truth, found = truth_of(answers) == OUTLIER, answers.predictions == OUTLIER
    both, size, count = (truth & found).sum(), truth.sum() + found.sum(), len(truth)
    if not size:
        raise Unmeasurable("no row is an outlier, by the truth or by the model")
    value = 2 * both / size
    influence = (2.0 * (truth & found) - value * (truth.astype(float) + found)) * count / size
    # One row more is wrong, and half one right.
    cells = np.array([both + 0.5, size - 2 * both + 1])
    size_more = 2 * cells[0] + cells[1]
    centre = 2 * cells[0] / size_more
    moved = np.array([2 - 2 * centre, -centre]) / size_more
    return Share(
        float(value), influence, float(centre), float((cells * moved**2).sum()), count / size
    )
