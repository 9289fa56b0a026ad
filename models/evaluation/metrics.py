"""The metrics of each kind of model: their names, values, and whether higher is better."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Literal, NamedTuple

from models.evaluation import clusters, labels, numbers, ranks
from models.evaluation.facts import Answers, Kind, Unmeasurable
from models.evaluation.statistic import Statistic
from models.rows.words import some


class Metric(NamedTuple):
    """One metric of a kind of models.

    `statistic` gives its value and what its interval is computed from; it raises Unmeasurable with
    the reason why these answers have no such metric. `better` says which values are better: neither
    is ("") of a metric that only describes.
    """

    name: str
    better: Literal["higher", "lower", ""]
    statistic: Callable[[Answers], Statistic]


METRICS: dict[Kind, tuple[Metric, ...]] = {
    "classifier": (
        Metric("accuracy", "higher", labels.accuracy),
        Metric("balanced_accuracy", "higher", labels.balanced_accuracy),
        Metric("f1_macro", "higher", labels.f1_macro),
        Metric("log_loss", "lower", labels.log_loss),
        Metric("roc_auc", "higher", ranks.roc_auc),
        Metric("brier", "lower", labels.brier),
    ),
    "regressor": (
        Metric("r2", "higher", numbers.r2),
        Metric("mean_absolute_error", "lower", numbers.mean_absolute_error),
        Metric("root_mean_squared_error", "lower", numbers.root_mean_squared_error),
    ),
    "clusterer": (
        Metric("silhouette", "higher", clusters.silhouette),
        Metric("calinski_harabasz", "higher", clusters.calinski_harabasz),
        Metric("davies_bouldin", "lower", clusters.davies_bouldin),
        Metric("adjusted_rand", "higher", clusters.adjusted_rand),
        Metric("normalized_mutual_info", "higher", clusters.normalized_mutual_info),
    ),
    "outliers": (
        Metric("outlier_share", "", labels.outlier_share),
        Metric("roc_auc", "higher", ranks.roc_auc),
        Metric("average_precision", "higher", ranks.average_precision),
        Metric("f1", "higher", labels.f1_of_outliers),
    ),
}


NOUNS: dict[Kind, str] = {
    "classifier": "classifier",
    "regressor": "regressor",
    "clusterer": "clusterer",
    "outliers": "outlier detector",
}


def metric_of(kind: Kind, name: str) -> Metric:
    """The metric of this name. Raises Unmeasurable, which names those there are."""
    found = [metric for metric in METRICS[kind] if metric.name == name]
    if not found:
        have = some([metric.name for metric in METRICS[kind]])
        raise Unmeasurable(f"there is no metric {name} of a {NOUNS[kind]}: expected {have}")
    return found[0]


def statistics(
    answers: Answers, names: Iterable[str] | None = None
) -> tuple[dict[str, Statistic], dict[str, str]]:
    """The metrics that these answers have, and why they do not have the others, by name.

    `names` are those that are asked for: all, unless given. Raises Unmeasurable for an unknown one.
    """
    asked = METRICS[answers.kind]
    if names is not None:
        asked = tuple(metric_of(answers.kind, name) for name in names)
    found, reasons = {}, {}
    for metric in asked:
        try:
            found[metric.name] = metric.statistic(answers)
        except Unmeasurable as reason:
            reasons[metric.name] = str(reason)
    return found, reasons
