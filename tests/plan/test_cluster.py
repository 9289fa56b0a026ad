"""Clusters around centers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.cluster import BisectingKMeans, KMeans, MiniBatchKMeans

from models.plan.operations.distances import nearest_center
from tests.plan.conftest import Prove
from tests.plan.samples import CANCER, IRIS


@pytest.mark.parametrize("x", [IRIS, CANCER], ids=["iris", "cancer"])
@pytest.mark.parametrize("kind", [KMeans, MiniBatchKMeans, BisectingKMeans])
def test_clusters_are_compiled(prove: Prove, kind: Any, x: Any) -> None:
    prove(kind(6, random_state=0).fit(x))


def test_one_cluster_of_a_tree_is_left(prove: Prove) -> None:
    prove(BisectingKMeans(1, random_state=0).fit(IRIS), left=["predict"])


@pytest.mark.parametrize("kind", [KMeans, BisectingKMeans])
def test_clusters_in_single_precision_are_left(prove: Prove, kind: Any) -> None:
    model = kind(3, random_state=0).fit(IRIS.astype(np.float32))
    prove(model, left=["predict", "transform"])


def test_a_distance_that_is_no_number_is_not_the_least() -> None:
    centers = np.array([[1.0, -1.0], [-1.0, 0.0], [1.0, 0.0]])
    norms = np.array([2.0, 1.0, 1.0])
    rows = np.array([[np.inf, np.inf], [1.7e308, 1.7e308], [2.0, 0.0]])
    with np.errstate(all="ignore"):
        assert nearest_center(rows, centers=centers, norms=norms).tolist() == [0, 2, 2]
        assert nearest_center(rows, centers=centers[::-1], norms=norms).tolist()[0] == 0
