"""Discriminant analysis."""

from __future__ import annotations

from typing import Any

import pytest
from sklearn.discriminant_analysis import (
    LinearDiscriminantAnalysis,
    QuadraticDiscriminantAnalysis,
)

from tests.plan.conftest import Prove
from tests.plan.samples import BENIGN, CANCER, IRIS, NAMES

CLASSES = pytest.mark.parametrize(
    ("x", "y"), [(IRIS, NAMES), (CANCER, BENIGN > 0)], ids=["three classes", "two classes"]
)


@CLASSES
@pytest.mark.parametrize("solver", ["svd", "eigen"])
def test_linear_discriminants_are_compiled(prove: Prove, solver: str, x: Any, y: Any) -> None:
    prove(LinearDiscriminantAnalysis(solver=solver, n_components=1).fit(x, y))


def test_there_is_no_transform_of_least_squares(prove: Prove) -> None:
    prove(LinearDiscriminantAnalysis(solver="lsqr").fit(IRIS, NAMES), left=["transform"])


@CLASSES
@pytest.mark.parametrize("settings", [{"reg_param": 0.1}, {"solver": "eigen", "shrinkage": 0.1}])
def test_quadratic_discriminants_are_compiled(
    prove: Prove, settings: dict[str, Any], x: Any, y: Any
) -> None:
    prove(QuadraticDiscriminantAnalysis(**settings).fit(x, y))
