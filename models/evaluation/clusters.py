"""The metrics of clusters, by scikit-learn."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from sklearn import metrics

from models.evaluation.facts import Answers, Unmeasurable
from models.evaluation.labels import truth_of
from models.evaluation.statistic import Resampled, Smooth, mean_of

# The most rows that silhouettes, and resamples, are computed of; drawn with a fixed seed.
MAX_ROWS = 5_000
MAX_ROWS_RESAMPLED = 2_000

Measure = Callable[[np.ndarray, np.ndarray], float]


def silhouette(answers: Answers) -> Smooth:
    """The mean silhouette of at most 5,000 rows."""
    inputs, found = _clustered(answers)
    places = _sample(len(found), MAX_ROWS)
    if not 1 < len(np.unique(found[places])) < len(places):
        raise Unmeasurable("it needs a cluster with two rows, and another cluster")
    return mean_of(metrics.silhouette_samples(inputs[places], found[places]))


def calinski_harabasz(answers: Answers) -> Resampled:
    """The dispersion between the clusters over that within them."""
    return _resampled(*_clustered(answers), metrics.calinski_harabasz_score)


def davies_bouldin(answers: Answers) -> Resampled:
    """The mean similarity of each cluster with the one that is most similar to it."""
    return _resampled(*_clustered(answers), metrics.davies_bouldin_score)


def adjusted_rand(answers: Answers) -> Resampled:
    """How well the clusters agree with the truth: 0 by chance, 1 if they are the same."""
    return _resampled(truth_codes(answers), answers.predictions, metrics.adjusted_rand_score)


def normalized_mutual_info(answers: Answers) -> Resampled:
    """The information that clusters and truth share, from 0 to 1."""
    return _resampled(
        truth_codes(answers), answers.predictions, metrics.normalized_mutual_info_score
    )


def truth_codes(answers: Answers) -> np.ndarray:
    """The true clusters as numbers from 0 on."""
    return np.unique(truth_of(answers).astype(str), return_inverse=True)[1]


def _resampled(given: np.ndarray, found: np.ndarray, measure: Measure) -> Resampled:
    places = _sample(len(found), MAX_ROWS_RESAMPLED)

    def at(drawn: np.ndarray) -> float:
        rows = places[drawn]
        try:
            return float(measure(given[rows], found[rows]))
        except ValueError:
            # As where all rows drawn are of one cluster.
            return np.nan

    return Resampled(float(measure(given, found)), len(places), len(found), at)


def _clustered(answers: Answers) -> tuple[np.ndarray, np.ndarray]:
    if answers.inputs is None:
        raise Unmeasurable("the rows are not known as the clusterer sees them")
    if not 1 < len(np.unique(answers.predictions)) < len(answers.predictions):
        raise Unmeasurable("it needs a cluster with two rows, and another cluster")
    return answers.inputs, answers.predictions


def _sample(count: int, most: int) -> np.ndarray:
    if count <= most:
        return np.arange(count)
    return np.sort(np.random.default_rng(0).permutation(count)[:most])
