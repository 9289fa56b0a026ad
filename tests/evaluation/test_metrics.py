"""Each metric is that of scikit-learn, or says why it is not to be had."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as sklearn_metrics
from sklearn.datasets import load_iris

from models.evaluation import bootstrap, clusters
from models.evaluation.facts import Answers, Kind, Unmeasurable
from models.evaluation.metrics import METRICS, metric_of, statistics

LABELS = ("ant", "bee", "cat", "dog")


def answers_of(kind: Kind, truth: Any, predictions: Any, **more: Any) -> Answers:
    truth = None if truth is None else np.asarray(truth)
    places = np.arange(len(predictions))
    return Answers(
        kind=kind, truth=truth, predictions=np.asarray(predictions), places=places, **more
    )


def classified(seed: int, count: int, classes: int) -> Answers:
    """Random labels, of which each class has a row."""
    rng = np.random.default_rng(seed)
    truth = np.concatenate([np.arange(classes), rng.integers(0, classes, count - classes)])
    # Two decimals: many probabilities are equal.
    scores = np.round(rng.random((count, classes)) + 0.6 * np.eye(classes)[truth], 2) + 0.01
    probabilities = scores / scores.sum(axis=1, keepdims=True)
    labels = np.array(LABELS[:classes], dtype=object)
    return answers_of(
        "classifier",
        labels[truth],
        labels[probabilities.argmax(axis=1)],
        probabilities=probabilities,
        classes=LABELS[:classes],
    )


Expected = dict[str, float]


def of_classifier(a: Answers) -> Expected:
    truth, given = a.truth, a.probabilities
    labels = list(a.classes or ())
    scores = given[:, 1] if len(labels) == 2 else given
    return {
        "accuracy": sklearn_metrics.accuracy_score(truth, a.predictions),
        "balanced_accuracy": sklearn_metrics.balanced_accuracy_score(truth, a.predictions),
        "f1_macro": sklearn_metrics.f1_score(truth, a.predictions, average="macro"),
        "log_loss": sklearn_metrics.log_loss(truth, given, labels=labels),
        "roc_auc": sklearn_metrics.roc_auc_score(truth, scores, multi_class="ovr", labels=labels),
        "brier": sklearn_metrics.brier_score_loss(truth, given, labels=labels),
    }


def of_regressor(a: Answers) -> Expected:
    return {
        "r2": sklearn_metrics.r2_score(a.truth, a.predictions),
        "mean_absolute_error": sklearn_metrics.mean_absolute_error(a.truth, a.predictions),
        "root_mean_squared_error": sklearn_metrics.root_mean_squared_error(a.truth, a.predictions),
    }


def of_outliers(a: Answers) -> Expected:
    truth, found = a.truth == -1, a.predictions == -1
    return {
        "outlier_share": found.mean(),
        "roc_auc": sklearn_metrics.roc_auc_score(truth, -a.scores),
        "average_precision": sklearn_metrics.average_precision_score(truth, -a.scores),
        "f1": sklearn_metrics.f1_score(truth, found),
    }


def of_clusterer(a: Answers) -> Expected:
    return {
        "silhouette": sklearn_metrics.silhouette_score(a.inputs, a.predictions),
        "calinski_harabasz": sklearn_metrics.calinski_harabasz_score(a.inputs, a.predictions),
        "davies_bouldin": sklearn_metrics.davies_bouldin_score(a.inputs, a.predictions),
        "adjusted_rand": sklearn_metrics.adjusted_rand_score(a.truth, a.predictions),
        "normalized_mutual_info": sklearn_metrics.normalized_mutual_info_score(
            a.truth, a.predictions
        ),
    }


EXPECTED: dict[Kind, Callable[[Answers], Expected]] = {
    "classifier": of_classifier,
    "regressor": of_regressor,
    "outliers": of_outliers,
    "clusterer": of_clusterer,
}


def check(a: Answers) -> None:
    found, reasons = statistics(a)
    assert not reasons
    values = {name: each.value for name, each in found.items()}
    assert values == pytest.approx(EXPECTED[a.kind](a), rel=1e-9, abs=1e-12)
    assert values.keys() == {metric.name for metric in METRICS[a.kind]}


@given(st.integers(0, 10**6), st.integers(8, 60), st.integers(2, 4))
def test_the_metrics_of_a_classifier_are_those_of_scikit_learn(
    seed: int, count: int, classes: int
) -> None:
    check(classified(seed, count, classes))


@given(st.integers(0, 10**6), st.integers(2, 60))
def test_the_metrics_of_a_regressor_are_those_of_scikit_learn(seed: int, count: int) -> None:
    rng = np.random.default_rng(seed)
    truth = 1e6 + rng.normal(size=count)
    check(answers_of("regressor", truth, truth + rng.normal(size=count)))


@given(st.integers(0, 10**6), st.integers(4, 60))
def test_the_metrics_of_outliers_are_those_of_scikit_learn(seed: int, count: int) -> None:
    rng = np.random.default_rng(seed)
    scores = np.round(rng.normal(size=count), 1)
    truth = np.where(np.arange(count) < max(1, count // 5), -1, 1)
    check(answers_of("outliers", truth, np.where(scores < 0, -1, 1), scores=scores))


def test_the_metrics_of_clusters_are_those_of_scikit_learn() -> None:
    rows, truth = load_iris(return_X_y=True)
    check(answers_of("clusterer", truth, (rows[:, 2] > 2) + (rows[:, 2] > 5), inputs=rows))


def test_float32_probabilities_are_cut_where_scikit_learn_cuts_them() -> None:
    sure = np.array([[1, 0], [0, 1], [1, 0]], dtype=np.float32)
    a = answers_of("classifier", [0, 1, 1], [0, 1, 0], probabilities=sure, classes=(0, 1))
    expected = sklearn_metrics.log_loss([0, 1, 1], sure)
    assert bootstrap.scores(a, ["log_loss"])["log_loss"].value == pytest.approx(expected, rel=1e-5)


def test_the_area_under_the_curve_is_had_of_decision_scores() -> None:
    scores = np.array([-2.0, 0.5, 1.0, -1.0])
    a = answers_of("classifier", [0, 1, 0, 1], [0, 1, 1, 0], scores=scores, classes=(0, 1))
    found, reasons = statistics(a)
    assert found["roc_auc"].value == sklearn_metrics.roc_auc_score([0, 1, 0, 1], scores)
    assert reasons == dict.fromkeys(["log_loss", "brier"], "the model has no predict_proba")


def test_an_unknown_label_is_a_wrong_one() -> None:
    a = classified(0, 40, 3)
    odd = np.where(np.arange(40) < 4, "eel", np.asarray(a.truth))
    found, reasons = statistics(answers_of("classifier", odd, a.predictions, classes=a.classes))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = {
            "accuracy": sklearn_metrics.accuracy_score(odd, a.predictions),
            "balanced_accuracy": sklearn_metrics.balanced_accuracy_score(odd, a.predictions),
            "f1_macro": sklearn_metrics.f1_score(odd, a.predictions, average="macro"),
        }
    assert {name: each.value for name, each in found.items()} == pytest.approx(expected)
    assert reasons["roc_auc"] == "4 rows have labels outside the model's classes, eel"


BINARY = {"classes": (0, 1), "probabilities": np.full((3, 2), 0.5)}
BLOBS = {"inputs": np.arange(6.0).reshape(3, 2)}
# The answers, the metric, and why there is none.
NONE = [
    (answers_of("classifier", [1, 1, 1], [1, 1, 0], **BINARY), "roc_auc", "no row has the label 0"),
    (
        answers_of("classifier", [0, 1, 1], [1, 1, 0], classes=(0, 1)),
        "roc_auc",
        "the model has neither predict_proba nor decision_function",
    ),
    (
        answers_of("classifier", [0, 1, 2], [1, 1, 0], classes=(0, 1, 2)),
        "roc_auc",
        "the model has no predict_proba",
    ),
    (
        answers_of("classifier", [0, 0, 0], [0, 0, 0], classes=(0,)),
        "roc_auc",
        "the model has one class only",
    ),
    (answers_of("regressor", [2.0], [1.0]), "r2", "it needs at least two rows"),
    (answers_of("regressor", [2.0, 2.0], [1.0, 2.0]), "r2", "all known answers are 2"),
    (
        answers_of("regressor", [2.0, 3.0], [np.nan, 2.0]),
        "mean_absolute_error",
        "1 predictions are NaN or infinite",
    ),
    (
        answers_of("clusterer", None, [0, 0, 1], **BLOBS),
        "adjusted_rand",
        "it needs known answers: name the target's column",
    ),
    (
        answers_of("clusterer", None, [0, 0, 1]),
        "silhouette",
        "the rows are not known as the clusterer sees them",
    ),
    (
        answers_of("clusterer", None, [0, 0, 0], **BLOBS),
        "davies_bouldin",
        "it needs a cluster with two rows, and another cluster",
    ),
    (
        answers_of("outliers", [1, 1], [1, 1], scores=np.zeros(2)),
        "f1",
        "no row is an outlier, by the truth or by the model",
    ),
    (
        answers_of("outliers", [1, 1], [1, 1], scores=np.zeros(2)),
        "roc_auc",
        "no row is an outlier",
    ),
    (
        answers_of("outliers", [-1, -1], [1, 1], scores=np.zeros(2)),
        "average_precision",
        "all rows are outliers",
    ),
    (answers_of("outliers", [-1, 1], [1, 1]), "roc_auc", "the model has no decision_function"),
]


@pytest.mark.parametrize(("a", "name", "reason"), NONE, ids=[case[2] for case in NONE])
def test_a_metric_that_is_not_to_be_had_says_why(a: Answers, name: str, reason: str) -> None:
    assert bootstrap.left_out(a, [name]) == {name: reason}


def test_an_unknown_metric_names_those_there_are() -> None:
    expected = "there is no metric recall of a regressor: expected r2, mean_absolute_error, root_mean_squared_error"
    with pytest.raises(Unmeasurable, match=expected):
        metric_of("regressor", "recall")


def test_silhouettes_of_many_rows_are_those_of_a_sample(monkeypatch: pytest.MonkeyPatch) -> None:
    rows, truth = load_iris(return_X_y=True)
    a = answers_of("clusterer", None, truth, inputs=rows)
    whole = bootstrap.scores(a, ["silhouette"])["silhouette"]
    monkeypatch.setattr(clusters, "MAX_ROWS", 100)
    part = bootstrap.scores(a, ["silhouette"])["silhouette"]
    assert whole.low < part.value < whole.high
    monkeypatch.setattr(clusters, "MAX_ROWS", 2)
    assert bootstrap.left_out(a, ["silhouette"])
