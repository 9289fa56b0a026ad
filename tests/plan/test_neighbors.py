"""Nearest neighbors."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.sparse import csr_array
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor, NearestNeighbors

from models.plan.rules import neighbors
from tests.plan.conftest import Prove
from tests.plan.samples import BENIGN, CANCER, IRIS, LABELS, NAMES, SEVERAL, SPECIES, X, Y

WAYS = pytest.mark.parametrize(
    "way",
    [
        {"algorithm": "kd_tree"},
        {"algorithm": "kd_tree", "leaf_size": 5, "p": 1},
        {"algorithm": "kd_tree", "metric": "chebyshev", "leaf_size": 3},
        {"algorithm": "ball_tree", "leaf_size": 5},
        {"algorithm": "ball_tree", "leaf_size": 5, "p": 1},
        {"algorithm": "brute", "metric": "cosine"},
    ],
    ids=lambda way: "-".join(map(str, way.values())),
)


WEIGHTS = pytest.mark.parametrize("weights", ["uniform", "distance"])


@WEIGHTS
@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
def test_the_label_of_neighbors_is_compiled(prove: Prove, weights: str, metric: str) -> None:
    prove(KNeighborsClassifier(weights=weights, metric=metric).fit(IRIS, NAMES))


@WEIGHTS
@pytest.mark.parametrize("y", [Y, SEVERAL], ids=["one", "several"])
def test_the_mean_of_neighbors_is_compiled(prove: Prove, weights: str, y: Any) -> None:
    prove(KNeighborsRegressor(n_neighbors=9, weights=weights).fit(X[:100], y[:100]))


@WAYS
def test_equal_distances_are_broken_as_scikit_learn_breaks_them(prove: Prove, way: Any) -> None:
    grid = np.array([[i, j] for i in range(8) for j in range(8)], dtype=np.float64) / 2 - 2
    prove(NearestNeighbors(n_neighbors=6, **way).fit(grid), left=["radius_neighbors"])


def test_all_points_may_be_neighbors(prove: Prove) -> None:
    prove(KNeighborsClassifier(5, algorithm="kd_tree").fit(CANCER[:5], BENIGN[:5] + np.arange(5)))


@pytest.mark.parametrize(
    ("settings", "x", "y"),
    [
        ({"algorithm": "brute"}, IRIS, SPECIES),
        ({"metric": "canberra"}, IRIS, SPECIES),
        ({"n_neighbors": 16}, IRIS, SPECIES),
        ({"weights": np.ones_like}, IRIS, SPECIES),
        ({}, csr_array(IRIS), SPECIES),
        ({}, IRIS, LABELS),
    ],
    ids=["brute force", "metric", "many", "function", "sparse", "labels"],
)
def test_what_cannot_be_told_for_sure_is_left(prove: Prove, settings: Any, x: Any, y: Any) -> None:
    left = ["predict", "predict_proba", "kneighbors"]
    prove(KNeighborsClassifier(**settings).fit(x, y), left=left)


def test_the_nearest_of_very_many_points_are_left(
    prove: Prove, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(neighbors, "MAX_NUMBERS", 3)
    model = KNeighborsClassifier(algorithm="kd_tree").fit(IRIS, SPECIES)
    plan = prove(model, left=None)
    assert "where scikit-learn is faster" in plan.fallback["predict"]
