"""The nearest of the classes' centroids."""

from __future__ import annotations

from typing import Any

import pytest
from sklearn.neighbors import NearestCentroid

from tests.plan.conftest import Prove
from tests.plan.samples import BENIGN, CANCER, IRIS, NAMES


@pytest.mark.parametrize(
    ("x", "y"), [(IRIS, NAMES), (CANCER, BENIGN > 0)], ids=["three classes", "two classes"]
)
@pytest.mark.parametrize(
    "settings", [{}, {"priors": "empirical"}, {"shrink_threshold": 0.1}], ids=str
)
def test_the_nearest_centroid_is_compiled(prove: Prove, settings: Any, x: Any, y: Any) -> None:
    prove(NearestCentroid(**settings).fit(x, y))


def test_a_feature_that_is_the_same_within_each_class_is_not_scaled(prove: Prove) -> None:
    x = IRIS.copy()
    x[:, 0] = NAMES == "setosa"
    with pytest.warns(UserWarning, match="at least 1 zero standard deviation"):
        model = NearestCentroid().fit(x, NAMES)
    prove(model)


def test_a_centroid_by_another_metric_is_left(prove: Prove) -> None:
    prove(NearestCentroid(metric="manhattan").fit(IRIS, NAMES), left=["predict"])
