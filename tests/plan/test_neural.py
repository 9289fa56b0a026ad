"""Neural networks."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline

from tests.plan.conftest import Prove
from tests.plan.samples import (
    BENIGN,
    CANCER,
    IRIS,
    LABELS,
    NAMES,
    SEVERAL,
    X,
    Y,
    quietly_fitted,
)

SETTINGS = {"hidden_layer_sizes": (12, 6), "max_iter": 20, "random_state": 0}


@pytest.mark.parametrize("activation", ["identity", "logistic", "tanh", "relu"])
def test_a_network_is_compiled(prove: Prove, activation: str) -> None:
    for x, y in ((IRIS, NAMES), (CANCER, BENIGN > 0), (IRIS, LABELS)):
        prove(quietly_fitted(MLPClassifier(activation=activation, **SETTINGS), x, y))
    for y in (Y, SEVERAL):
        prove(quietly_fitted(MLPRegressor(activation=activation, **SETTINGS), X, y))


def test_a_network_of_counts_is_compiled(prove: Prove) -> None:
    prove(quietly_fitted(MLPRegressor(loss="poisson", **SETTINGS), X, Y))


def test_a_network_of_one_class_is_left(prove: Prove) -> None:
    model = quietly_fitted(MLPClassifier(**SETTINGS), IRIS, np.ones(len(IRIS)))
    prove(model, left=["predict", "predict_proba", "predict_log_proba"])


def test_a_network_of_texts_is_compiled(prove: Prove) -> None:
    texts = ["the cat sat", "a dog ran", "the home of a cat", "run dog run"] * 5
    model = make_pipeline(TfidfVectorizer(), MLPClassifier(**SETTINGS))
    prove(quietly_fitted(model, texts, ["cat", "dog"] * 10))
