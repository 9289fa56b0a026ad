"""Projections to fewer columns."""

from __future__ import annotations

from typing import Any

import pytest
from sklearn.datasets import load_iris
from sklearn.decomposition import NMF, PCA, IncrementalPCA, TruncatedSVD
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from tests.plan.conftest import Prove

X, Y = load_iris(return_X_y=True)


@pytest.mark.parametrize(
    "estimator",
    [
        PCA(),
        PCA(2),
        PCA(2, whiten=True),
        PCA(0.9, svd_solver="full"),
        PCA(3, svd_solver="randomized", random_state=0),
        IncrementalPCA(2),
        IncrementalPCA(2, whiten=True),
        TruncatedSVD(2),
        TruncatedSVD(3, algorithm="arpack"),
    ],
    ids=str,
)
def test_a_projection_is_compiled(prove: Prove, estimator: Any) -> None:
    prove(estimator.fit(X))


def test_it_goes_on_into_a_model(prove: Prove) -> None:
    prove(make_pipeline(StandardScaler(), PCA(2), LogisticRegression()).fit(X, Y))
    prove(make_pipeline(StandardScaler(), PCA(2)).fit(X))


@pytest.mark.filterwarnings("ignore")
def test_the_rest_is_left_to_scikit_learn(prove: Prove) -> None:
    prove(NMF(2).fit(X), left={"transform"})


def test_words_are_projected(prove: Prove) -> None:
    texts = ["one two", "two three", "three four five", "one five"]
    prove(make_pipeline(TfidfVectorizer(), TruncatedSVD(2)).fit(texts))
