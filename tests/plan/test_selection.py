"""Those that keep some of the columns."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.datasets import load_iris
from sklearn.ensemble import RandomForestClassifier
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.feature_selection import (
    RFE,
    RFECV,
    GenericUnivariateSelect,
    SelectFdr,
    SelectFpr,
    SelectFromModel,
    SelectFwe,
    SelectKBest,
    SelectPercentile,
    SequentialFeatureSelector,
    VarianceThreshold,
    f_classif,
)
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, PolynomialFeatures, StandardScaler

from tests.plan.conftest import Prove

X, Y = load_iris(return_X_y=True)
HOLES = X.copy()
HOLES[::9, 1] = np.nan


@pytest.mark.parametrize(
    "estimator",
    [
        VarianceThreshold(0.5),
        SelectKBest(f_classif, k=2),
        SelectPercentile(percentile=50),
        SelectFpr(alpha=1e-20),
        SelectFdr(alpha=1e-20),
        SelectFwe(alpha=1e-20),
        GenericUnivariateSelect(mode="k_best", param=3),
        SelectFromModel(LogisticRegression(max_iter=500)),
        SelectFromModel(RandomForestClassifier(5, random_state=0), max_features=2),
        SelectFromModel(Ridge().fit(X, Y), prefit=True),
        SequentialFeatureSelector(Ridge(), n_features_to_select=2),
        RFE(LogisticRegression(max_iter=500), n_features_to_select=2),
        RFECV(LogisticRegression(max_iter=500), min_features_to_select=2),
        RFE(Ridge(), n_features_to_select=3),
    ],
    ids=lambda estimator: type(estimator).__name__,
)
def test_a_selector_is_compiled(prove: Prove, estimator: Any) -> None:
    prove(estimator.fit(X, Y))


def test_it_bears_missing_values_if_its_estimator_does(prove: Prove) -> None:
    prove(VarianceThreshold(0.1).fit(HOLES))
    forest = RandomForestClassifier(5, random_state=0)
    prove(make_pipeline(SelectFromModel(forest), forest).fit(HOLES, Y))


def test_what_was_not_chosen_is_checked_too(prove: Prove) -> None:
    chosen = SelectKBest(k=5)
    prove(
        make_pipeline(
            StandardScaler(), PolynomialFeatures(3, include_bias=False), chosen, Ridge()
        ).fit(X, Y)
    )


def test_it_chooses_among_categories(prove: Prove) -> None:
    frame = pd.DataFrame({"a": X[:, 0], "b": np.where(X[:, 1] > 3, "x", "y")})
    columns = ColumnTransformer([("b", OneHotEncoder(), ["b"])], remainder="passthrough")
    prove(make_pipeline(columns, SelectKBest(k=2), LogisticRegression()).fit(frame, Y))


def test_it_chooses_among_words(prove: Prove) -> None:
    texts = ["one two", "two three", "three four five", "one five"]
    prove(make_pipeline(CountVectorizer(), VarianceThreshold(0.2)).fit(texts))


@pytest.mark.filterwarnings("ignore:No features were selected")
def test_it_must_keep_a_column(prove: Prove) -> None:
    prove(SelectKBest(k=0).fit(X, Y), left={"transform"})
