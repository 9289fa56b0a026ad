"""Plain English for an evaluation: names of metrics, sentences on scores, and numbers."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from models.evaluation.classes import BINS
from models.evaluation.facts import Score

if TYPE_CHECKING:
    from models.evaluation.bootstrap import Difference
    from models.evaluation.measure import Evaluation
    from models.evaluation.served import Served

TITLES = {
    "accuracy": "Accuracy",
    "balanced_accuracy": "Balanced accuracy",
    "f1_macro": "F1, mean over classes",
    "log_loss": "Log loss",
    "roc_auc": "ROC AUC",
    "brier": "Brier score",
    "r2": "R²",
    "mean_absolute_error": "Mean absolute error",
    "root_mean_squared_error": "Root mean squared error",
    "silhouette": "Silhouette",
    "calinski_harabasz": "Calinski-Harabasz",
    "davies_bouldin": "Davies-Bouldin",
    "adjusted_rand": "Adjusted Rand index",
    "normalized_mutual_info": "Normalized mutual information",
    "average_precision": "Average precision",
    "f1": "F1 of outliers",
    "outlier_share": "Share of outliers",
}
MEANINGS = {
    "balanced_accuracy": "The mean share of each class that was found; rare classes count as much.",
    "f1_macro": "Precision and recall in one number, averaged over classes; 1 is perfect.",
    "roc_auc": "How well the classes are ranked: 1 is perfect, 0.5 is chance.",
    "brier": "The mean squared error of the probabilities; 0 is perfect.",
    "root_mean_squared_error": "Like the mean absolute error, but large errors count more.",
    "silhouette": "How much closer rows are to their own cluster: from -1 to 1, more is better.",
    "calinski_harabasz": "Spread between clusters against spread within; more is better.",
    "davies_bouldin": "Spread within clusters against their distances; less is better.",
    "adjusted_rand": "Agreement with the known groups: 1 is perfect, 0 is chance.",
    "normalized_mutual_info": "What clusters tell of the known groups: from 0 to 1.",
    "average_precision": "The mean precision over all thresholds; 1 is perfect.",
    "f1": "Precision and recall of outliers in one number; 1 is perfect.",
    "outlier_share": "The share of the rows that the model says are outliers.",
}


def title(name: str) -> str:
    """The name of a metric for people."""
    return TITLES.get(name, name)


def number(value: float) -> str:
    """A number in four to six digits; 1 stands only for 1."""
    size = abs(value)
    if not math.isfinite(value) or size >= 1e12:
        return f"{value:.4g}"
    if size >= 1_000:
        return f"{value:,.0f}"
    if size >= 10:
        return f"{value:.2f}"
    if size < 0.001:
        return f"{value:.3g}"
    # The share of all rows but a few must not read as that of all.
    return "0.9999" if 0.99995 <= value < 1 - 1e-9 else f"{value:.4f}"


def percent(value: float) -> str:
    """A share in percent; neither 0 nor 100 unless it is exactly that."""
    text = f"{100 * value:.1f} %"
    if text == "100.0 %":
        return "100 %" if value == 1 else "over 99.9 %"
    if text == "0.0 %":
        return "0 %" if value == 0 else "under 0.1 %"
    return text


def interval(score: Score | Difference) -> str:
    """The ends of an interval, "" if it is unknown."""
    if score.low is None or score.high is None:
        return ""
    return f"{number(score.low)} to {number(score.high)}"


def rows(count: int) -> str:
    """A number of rows."""
    return f"{count:,} row" if count == 1 else f"{count:,} rows"


def meaning(evaluation: Evaluation, name: str) -> str:
    """What the score of this name says about these rows, in a sentence."""
    value = evaluation.scores[name].value
    if name == "accuracy":
        right = round(value * evaluation.rows)
        if right == evaluation.rows:
            return f"All {rows(right)} were right."
        return f"Of {rows(evaluation.rows)}, {right:,} were right."
    if name == "log_loss" and evaluation.confusion:
        guess = math.log(max(2, len(evaluation.classes)))
        return (
            "How far the probabilities are from the truth: 0 is perfect, and guessing all "
            f"{len(evaluation.classes)} classes alike gives {number(guess)}."
        )
    if name == "r2":
        if value < 0:
            return f"The mean of {evaluation.target} for each row has smaller squared errors."
        return f"The model explains {percent(value)} of the variance of {evaluation.target}."
    if name == "mean_absolute_error":
        return f"Predictions of {evaluation.target} are off by {number(value)} on average."
    return MEANINGS.get(name, "")


def calibration(evaluation: Evaluation) -> str:
    """What the calibration says, in a sentence or two."""
    found = evaluation.calibration
    if found is None:
        return ""
    biggest = max(found.bins, key=lambda each: each.rows)
    # Bins are closed at their upper ends.
    low = max(math.ceil(biggest.predicted * BINS) - 1, 0) * 100 // BINS
    of = f"were {found.label}" if found.label else "were right"
    whose = found.label or "its answer"
    return (
        f"Of the {rows(biggest.rows)} to which the model gave a probability of {low} to "
        f"{low + 100 // BINS} % for {whose}, {percent(biggest.predicted)} on average, "
        f"{percent(biggest.observed.value)} {of}. Over all rows, the mean distance between the "
        f"probability and the share that came true is {100 * found.expected_error:.1f} percentage "
        "points."
    )


def no_better(evaluation: Evaluation) -> str:
    """A sentence on a model that is no better than one answer for all rows; "" on others."""
    scores = evaluation.scores
    if "accuracy" in scores:
        most = max(evaluation.classes, key=lambda each: each.rows)
        if round(scores["accuracy"].value * evaluation.rows) <= most.rows:
            return f" The answer {most.label} for each row is right on {most.rows:,}."
    if "r2" in scores and scores["r2"].value <= 0:
        return f" The mean of {evaluation.target} for each row is no worse: R² is not above 0."
    return ""


def headline(evaluation: Evaluation) -> str:
    """The first sentences of a report."""
    scores = evaluation.scores
    for name in ("accuracy", "mean_absolute_error"):
        if name in scores:
            score = scores[name]
            said = meaning(evaluation, name) + no_better(evaluation)
            if evaluation.fitted or score.low is None or score.high is None:
                return said
            if name == "accuracy":
                known = f"{percent(score.low)} to {percent(score.high)} are right"
                return f"{said} Of all rows like these, {known} (95 % interval)."
            known = f"they are off by {interval(score)}"
            return f"{said} On all rows like these, {known} (95 % interval)."
    if evaluation.kind == "outliers":
        count = sum(group.rows for group in evaluation.groups if group.label == "outliers")
        return f"Of {rows(evaluation.rows)}, the model says {count:,} are outliers."
    return f"The model puts {rows(evaluation.rows)} into {len(evaluation.groups):,} clusters."


def served(found: Served, version: str) -> str:
    """How a service's answers compare with those of the file, which has this SHA-256."""
    if found.is_same_version:
        which = f"{found.url} serves this model, version {found.version[:12]}"
    else:
        which = (
            f"{found.url} serves ANOTHER version, {found.version[:12]}; that of the file is "
            f"{version[:12]}"
        )
    if not found.different:
        return f"{which}. Its answers to all {rows(found.rows)} are those of the file."
    return f"{which}. Its answers to {found.different:,} of {rows(found.rows)} are not the file's."
