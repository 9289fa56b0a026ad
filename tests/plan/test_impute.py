"""Imputers and what tells where values were missing."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import RandomForestClassifier
from sklearn.impute import KNNImputer, MissingIndicator, SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import FeatureUnion, make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, OrdinalEncoder, StandardScaler

from tests.plan.conftest import Prove
from tests.plan.samples import named

GENERATOR = np.random.default_rng(0)
NUMBERS = GENERATOR.normal(size=(80, 4)).round(1)
HOLES = np.where(GENERATOR.random((80, 4)) < 0.2, np.nan, NUMBERS)
HOLES[:, 0] = NUMBERS[:, 0]
EMPTY = HOLES.copy()
EMPTY[:, 2] = np.nan
MARKED = np.where(np.isnan(HOLES), -1.0, np.abs(NUMBERS))
Y = (NUMBERS[:, 0] > 0).astype(int)
TEXTS = GENERATOR.choice(["a", "b", "c"], size=(80, 2)).astype(object)
TEXTS_NAN, TEXTS_NONE, TEXTS_MARKED = TEXTS.copy(), TEXTS.copy(), TEXTS.copy()
TEXTS_NAN[::7, 0] = np.nan
TEXTS_NONE[::7, 0] = None
TEXTS_MARKED[::7, 0] = "?"


@pytest.mark.parametrize(
    ("estimator", "rows"),
    [
        (SimpleImputer(), HOLES),
        (SimpleImputer(strategy="median"), HOLES),
        (SimpleImputer(strategy="most_frequent", add_indicator=True), HOLES),
        (SimpleImputer(strategy="constant"), HOLES),
        (SimpleImputer(strategy="constant", fill_value=7.5, add_indicator=True), HOLES),
        (SimpleImputer(strategy=np.max), HOLES),
        (SimpleImputer(add_indicator=True), NUMBERS),
        (SimpleImputer(keep_empty_features=True, add_indicator=True), EMPTY),
        (SimpleImputer(strategy="constant", keep_empty_features=True, fill_value=3.0), EMPTY),
        (SimpleImputer(strategy="most_frequent", keep_empty_features=True), EMPTY),
        (SimpleImputer(missing_values=-1), MARKED),
        (SimpleImputer(missing_values=-1, add_indicator=True, strategy="median"), MARKED),
        (SimpleImputer(missing_values=0, strategy="most_frequent"), NUMBERS.astype(int)),
        (MissingIndicator(), HOLES),
        (MissingIndicator(features="all"), HOLES),
        (MissingIndicator(error_on_new=False), HOLES),
        (MissingIndicator(error_on_new=False, missing_values=-1), MARKED),
        (MissingIndicator(features="all", missing_values=-1), MARKED),
    ],
    ids=named,
)
def test_numbers_are_filled(prove: Prove, estimator: Any, rows: np.ndarray) -> None:
    prove(estimator.fit(rows))


@pytest.mark.filterwarnings("ignore:Skipping features")
def test_an_empty_column_is_dropped(prove: Prove) -> None:
    prove(SimpleImputer(add_indicator=True).fit(EMPTY))
    prove(SimpleImputer(strategy="constant").fit(EMPTY))


def test_what_is_filled_goes_on(prove: Prove) -> None:
    prove(
        make_pipeline(
            SimpleImputer(add_indicator=True), StandardScaler(), LogisticRegression()
        ).fit(HOLES, Y)
    )
    union = FeatureUnion([("fill", SimpleImputer()), ("where", MissingIndicator())])
    prove(make_pipeline(union, RandomForestClassifier(5, random_state=0)).fit(HOLES, Y))


@pytest.mark.parametrize(
    ("imputer", "rows"),
    [
        (SimpleImputer(strategy="most_frequent"), TEXTS_NAN),
        (SimpleImputer(strategy="constant"), TEXTS_NAN),
        (SimpleImputer(strategy="most_frequent", missing_values=None), TEXTS_NONE),
        (SimpleImputer(strategy="most_frequent", missing_values="?"), TEXTS_MARKED),
        (SimpleImputer(strategy="constant", fill_value="a", missing_values="?"), TEXTS_MARKED),
        (SimpleImputer(strategy="constant", fill_value="a", missing_values="b"), TEXTS),
    ],
    ids=named,
)
@pytest.mark.parametrize("unknown", ["ignore", "error"])
def test_texts_are_filled(prove: Prove, imputer: Any, rows: np.ndarray, unknown: str) -> None:
    encoder = OneHotEncoder(handle_unknown=unknown)
    pipeline = make_pipeline(imputer, encoder, LogisticRegression()).fit(rows, Y)
    prove(pipeline[:-1])


def test_a_value_that_stands_for_missing_ones_is_known(prove: Prove) -> None:
    model = make_pipeline(
        SimpleImputer(strategy="constant", fill_value="c", missing_values="?"),
        OneHotEncoder(handle_unknown="ignore"),
    ).fit(TEXTS_MARKED)
    engine = plan_engine(prove(model))
    assert (
        engine.run("transform", [("?", "a")]).tolist()
        == model.transform([["?", "a"]]).toarray().tolist()
    )


def test_numbers_that_are_categories_are_filled(prove: Prove) -> None:
    whole = np.where(np.isnan(HOLES), np.nan, np.abs(HOLES.round()))
    encoder = OneHotEncoder(handle_unknown="ignore")
    prove(make_pipeline(SimpleImputer(strategy="most_frequent"), encoder).fit(whole))
    encoder = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
    prove(make_pipeline(SimpleImputer(missing_values=-1, strategy="median"), encoder).fit(MARKED))
    prove(make_pipeline(SimpleImputer(missing_values=-1, add_indicator=True), encoder).fit(MARKED))


def test_a_table_of_numbers_and_texts_is_filled(prove: Prove) -> None:
    frame = pd.DataFrame({"n": HOLES[:, 1], "t": TEXTS_NAN[:, 0]})
    transformer = ColumnTransformer(
        [
            ("n", SimpleImputer(add_indicator=True), ["n"]),
            (
                "t",
                make_pipeline(
                    SimpleImputer(strategy="most_frequent"), OneHotEncoder(handle_unknown="ignore")
                ),
                ["t"],
            ),
            ("where", MissingIndicator(features="all"), ["n", "t"]),
        ]
    )
    prove(make_pipeline(transformer, LogisticRegression()).fit(frame, Y))


def test_a_missing_value_may_be_a_category_of_another_encoder(prove: Prove) -> None:
    imputer = SimpleImputer(strategy="constant", fill_value="a", missing_values="b")
    both = ColumnTransformer(
        [
            ("filled", make_pipeline(imputer, OneHotEncoder(handle_unknown="ignore")), [0, 1]),
            ("given", OneHotEncoder(handle_unknown="ignore"), [0]),
        ]
    )
    prove(both.fit(TEXTS))


def plan_engine(plan: Any) -> Any:
    from models.engines.plan import PlanEngine

    return PlanEngine(plan)


@pytest.mark.parametrize(
    ("estimator", "rows"),
    [
        (make_pipeline(FunctionTransformer(np.log), MissingIndicator()), np.abs(HOLES) + 0.1),
        (KNNImputer(), HOLES),
        (MissingIndicator(missing_values=None), NUMBERS.astype(object)),
        (make_pipeline(FunctionTransformer(), SimpleImputer(strategy="most_frequent")), TEXTS_NAN),
        (MissingIndicator(missing_values=-1), MARKED),
        (SimpleImputer(strategy="most_frequent"), TEXTS_NAN),
        (SimpleImputer(strategy="constant", add_indicator=True), TEXTS_NAN),
    ],
    ids=named,
)
def test_the_rest_is_left_to_scikit_learn(prove: Prove, estimator: Any, rows: np.ndarray) -> None:
    prove(estimator.fit(rows), left={"transform"})
