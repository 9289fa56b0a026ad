"""Naive Bayes classifiers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.naive_bayes import (
    BernoulliNB,
    CategoricalNB,
    ComplementNB,
    GaussianNB,
    MultinomialNB,
)

from models.plan.operations.categories import sum_of_categories
from models.plan.operations.gaussian import log_sum_exp
from tests.plan.conftest import Prove
from tests.plan.samples import BENIGN, CANCER, IRIS, NAMES

DIGITS, DIGIT = load_digits(return_X_y=True)


@pytest.mark.parametrize(
    "estimator",
    [
        GaussianNB(),
        MultinomialNB(),
        MultinomialNB(fit_prior=False),
        ComplementNB(norm=True),
        BernoulliNB(binarize=2),
        BernoulliNB(binarize=None),
        CategoricalNB(min_categories=40),
    ],
)
@pytest.mark.parametrize(
    ("x", "y"),
    [(IRIS, NAMES), (abs(CANCER), BENIGN > 0), (DIGITS[:, 20:24], DIGIT)],
    ids=["three classes", "two classes", "ten classes"],
)
def test_a_naive_bayes_classifier_is_compiled(prove: Prove, estimator: Any, x: Any, y: Any) -> None:
    if isinstance(estimator, CategoricalNB) or getattr(estimator, "binarize", 0) is None:
        x = x.astype(int) % 2 if isinstance(estimator, BernoulliNB) else x.astype(int)
    prove(estimator.fit(x, y))


def test_a_complement_of_one_class_is_compiled(prove: Prove) -> None:
    prove(ComplementNB().fit(IRIS, np.ones(len(IRIS))))


def test_a_category_that_was_not_seen_is_refused() -> None:
    settings = {
        "table": np.array([[0.0, 1.0], [2.0, 3.0]]),
        "starts": np.array([0]),
        "sizes": np.array([2]),
        "prior": np.array([0.5, 0.5]),
    }
    assert sum_of_categories(np.array([[1.0], [-0.5]]), **settings).tolist() == [
        [2.5, 3.5],
        [0.5, 1.5],
    ]
    for wrong in (-1.0, 2.0):
        with pytest.raises(ValueError, match="A category is not among those"):
            sum_of_categories(np.array([[0.0], [wrong]]), **settings)


def test_a_sum_of_impossible_things_is_impossible() -> None:
    with np.errstate(all="ignore"):
        found = log_sum_exp(np.array([[-np.inf, -np.inf], [0.0, 0.0]]))
    assert found.tolist() == [[-np.inf], [np.log(2)]]
