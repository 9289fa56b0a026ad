"""Models that look at no feature, or at one only."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.isotonic import IsotonicRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from tests.plan.conftest import Prove
from tests.plan.samples import IRIS, LABELS, NAMES, SEVERAL, X, Y

PROBABILITIES = ["predict_proba", "predict_log_proba"]


@pytest.mark.parametrize("strategy", ["most_frequent", "prior", "constant"])
def test_a_constant_answer_is_compiled(prove: Prove, strategy: str) -> None:
    prove(DummyClassifier(strategy=strategy, constant="virginica").fit(IRIS, NAMES))


@pytest.mark.parametrize(("strategy", "left"), [("uniform", []), ("stratified", PROBABILITIES)])
def test_what_is_drawn_by_lot_is_left(prove: Prove, strategy: str, left: list[str]) -> None:
    prove(DummyClassifier(strategy=strategy).fit(IRIS, NAMES), left=["predict", *left])


def test_a_constant_answer_of_several_outputs_is_left(prove: Prove) -> None:
    prove(DummyClassifier().fit(IRIS, LABELS), left=["predict", *PROBABILITIES])


def test_a_constant_number_is_compiled(prove: Prove) -> None:
    prove(DummyRegressor().fit(X, Y))
    prove(DummyRegressor(strategy="median").fit(X, SEVERAL))


@pytest.mark.parametrize("ends", ["clip", "nan", "raise"])
def test_a_line_through_points_is_compiled(prove: Prove, ends: str) -> None:
    model = make_pipeline(StandardScaler(), IsotonicRegression(out_of_bounds=ends))
    prove(model.fit(X[:, :1], Y), left=["transform"])


def test_a_line_through_one_point_is_level(prove: Prove) -> None:
    prove(IsotonicRegression(out_of_bounds="raise").fit(X[:1, :1], Y[:1]), left=["transform"])


def test_a_line_in_single_precision_is_left(prove: Prove) -> None:
    model = IsotonicRegression().fit(X[:, :1].astype(np.float32), Y)
    prove(model, left=["predict", "transform"])
