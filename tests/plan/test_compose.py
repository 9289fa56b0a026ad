"""Pipelines, column transformers, unions, searches and what only hands on."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.stats import uniform
from sklearn.compose import ColumnTransformer, make_column_selector
from sklearn.datasets import load_diabetes, load_iris
from sklearn.ensemble import RandomForestRegressor
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.frozen import FrozenEstimator
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
from sklearn.model_selection import (
    GridSearchCV,
    HalvingGridSearchCV,
    HalvingRandomSearchCV,
    RandomizedSearchCV,
)
from sklearn.neighbors import RadiusNeighborsClassifier
from sklearn.pipeline import FeatureUnion, Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.semi_supervised import SelfTrainingClassifier
from sklearn.svm import SVC

from models.plan.operations import OPERATIONS
from tests.plan.conftest import Prove

X, Y = load_iris(return_X_y=True)
A, B = load_diabetes(return_X_y=True)


def frame() -> pd.DataFrame:
    table = pd.DataFrame(X, columns=["a", "b", "c", "d"])
    table["color"] = np.where(X[:, 0] > 5.8, "red", "blue")
    table.loc[X[:, 1] > 3.5, "color"] = None
    table["size"] = np.where(X[:, 2] > 4, "big", "small")
    return table


def test_no_two_operations_have_one_name() -> None:
    modules = {function.__module__ for function in OPERATIONS.values()}
    listed = [f for name in modules for f in __import__(name, fromlist=["_"]).OPERATIONS]
    assert len(listed) == len(OPERATIONS)


@pytest.mark.parametrize(
    "steps",
    [
        [StandardScaler(), LogisticRegression()],
        [StandardScaler(), "passthrough", None, LogisticRegression()],
        ["passthrough", make_pipeline(StandardScaler(), LogisticRegression())],
        [LogisticRegression(max_iter=1000)],
    ],
    ids=str,
)
def test_a_pipeline_is_compiled(prove: Prove, steps: list[Any]) -> None:
    pipeline = Pipeline([(str(i), step) for i, step in enumerate(steps)], memory=None)
    prove(pipeline.fit(X, Y))


@pytest.mark.parametrize("last", [StandardScaler(with_std=False), "passthrough", None], ids=str)
def test_a_pipeline_of_transformers_is_compiled(prove: Prove, last: Any) -> None:
    prove(Pipeline([("first", StandardScaler()), ("last", last)]).fit(X, Y))


@pytest.mark.parametrize("remainder", ["drop", "passthrough", StandardScaler()], ids=str)
@pytest.mark.parametrize(
    "transformers",
    [
        [("one", StandardScaler(), [0, 2])],
        [("one", StandardScaler(), slice(1, 3)), ("two", "passthrough", [0])],
        [("one", StandardScaler(), [True, False, False, True]), ("two", "drop", [1])],
        [("one", StandardScaler(), make_column_selector(pattern="x")), ("two", "drop", [1])],
        [("one", StandardScaler(), lambda table: [table.shape[1] - 1]), ("none", "drop", [])],
        [("one", StandardScaler(), [1, 1]), ("two", StandardScaler(with_mean=False), [-1, 0])],
    ],
    ids=range(6),
)
def test_columns_are_found_by_their_places(
    prove: Prove, transformers: list[Any], remainder: Any
) -> None:
    given: Any = X
    if isinstance(transformers[0][2], make_column_selector):
        given = pd.DataFrame(X, columns=["ax", "b", "cx", "d"])
    if callable(transformers[0][2]) and given is X:
        # A function of the caller's own cannot be saved: it is gone from the fitted parts.
        fitted = ColumnTransformer(transformers, remainder=remainder).fit(given)
        fitted.transformers = [(name, part, [0]) for name, part, _ in transformers]
        fitted._columns = [[3], []]
        prove(fitted)
        return
    prove(ColumnTransformer(transformers, remainder=remainder).fit(given))


@pytest.mark.parametrize(
    ("output", "sparse_threshold", "weights"),
    [
        ("default", 0.0, None),
        ("default", 1.0, {"category": 3.0, "number": 0.1}),
        ("pandas", 0.0, {"number": 2}),
    ],
)
def test_columns_are_found_by_their_names(
    prove: Prove, output: str, sparse_threshold: float, weights: dict[str, float] | None
) -> None:
    columns = ColumnTransformer(
        [
            (
                "category",
                make_pipeline(
                    SimpleImputer(strategy="most_frequent"),
                    OneHotEncoder(handle_unknown="ignore", sparse_output=output == "default"),
                ),
                ["color", "size"],
            ),
            ("number", make_pipeline(SimpleImputer(), StandardScaler()), ["c", "a"]),
            ("kept", "passthrough", ["b"]),
        ],
        transformer_weights=weights,
        sparse_threshold=sparse_threshold,
        verbose_feature_names_out=output == "pandas",
    ).set_output(transform=output)
    prove(columns.fit(frame()))
    prove(make_pipeline(columns, LinearRegression()).fit(frame(), Y))


def test_a_sparse_table_is_whole_again_for_a_forest(prove: Prove) -> None:
    columns = ColumnTransformer(
        [("category", OneHotEncoder(), ["size"]), ("number", "passthrough", ["a"])],
        sparse_threshold=1.0,
    )
    forest = RandomForestRegressor(3, random_state=0)
    plan = prove(make_pipeline(columns, forest).fit(frame(), Y))
    assert not plan.fallback


def test_a_column_transformer_of_nothing_is_left(prove: Prove) -> None:
    prove(ColumnTransformer([("none", StandardScaler(), [])]).fit(X), left=["transform"])


def test_texts_that_are_only_filled_in_are_left(prove: Prove) -> None:
    filled = SimpleImputer(strategy="most_frequent")
    columns = ColumnTransformer([("filled", filled, ["color"])])
    prove(columns.fit(frame()), left=["transform"])


@pytest.mark.parametrize("weights", [None, {"scaled": 0.5, "same": 2}])
def test_a_union_is_compiled(prove: Prove, weights: dict[str, float] | None) -> None:
    union = FeatureUnion(
        [("scaled", StandardScaler()), ("same", "passthrough"), ("none", "drop")],
        transformer_weights=weights,
    )
    prove(union.fit(X))
    prove(make_pipeline(union, LinearRegression()).fit(A, B))


@pytest.mark.parametrize(
    "search",
    [
        GridSearchCV(LogisticRegression(max_iter=1000), {"C": [0.1, 1]}, cv=2),
        RandomizedSearchCV(
            LogisticRegression(max_iter=1000), {"C": uniform(0.1, 1)}, n_iter=2, cv=2
        ),
        HalvingGridSearchCV(LogisticRegression(max_iter=1000), {"C": [0.1, 1]}, cv=2),
        HalvingRandomSearchCV(
            LogisticRegression(max_iter=1000), {"C": uniform(0.1, 1)}, n_candidates=2, cv=2
        ),
        FrozenEstimator(LogisticRegression(max_iter=1000).fit(X, Y)),
    ],
    ids=lambda search: type(search).__name__,
)
def test_what_hands_on_to_one_estimator_is_compiled(prove: Prove, search: Any) -> None:
    prove(search.fit(X, Y))


def test_a_self_trained_classifier_is_compiled(prove: Prove) -> None:
    known = np.where(np.arange(len(Y)) % 5 == 0, -1, Y)
    prove(SelfTrainingClassifier(LogisticRegression(max_iter=1000)).fit(X, known))


def test_a_transformer_within_a_search_is_compiled(prove: Prove) -> None:
    def score(estimator: Any, table: np.ndarray, target: Any = None) -> float:
        return float(estimator.transform(table).mean())

    search = GridSearchCV(StandardScaler(), {"with_mean": [True, False]}, scoring=score, cv=2)
    search.fit(X).scoring = search.scorer_ = None
    prove(search)
    prove(make_pipeline(FrozenEstimator(StandardScaler().fit(X)), Ridge()).fit(X, Y))


def test_a_text_beside_its_own_encoding_is_left(prove: Prove) -> None:
    model = ColumnTransformer(
        [("known", OneHotEncoder(), ["size"]), ("text", "passthrough", ["size"])]
    )
    prove(model.fit(frame()), left=["transform"])


class Renamed(LogisticRegression):
    """Does nothing of its own once it is fitted."""

    def __init__(self, C: float = 1.0) -> None:
        super().__init__(C=C, max_iter=1000)

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Any:
        return super().fit(X, y, sample_weight)

    def explained(self) -> str:
        return "a method that nobody else calls"


class Careful(LogisticRegression):
    """Says something else."""

    def predict(self, X: Any) -> Any:
        return super().predict(X)[::-1]


class MoreCareful(Careful):
    """Says something else since its parent does."""


def test_a_subclass_that_changes_nothing_has_its_parents_rule(prove: Prove) -> None:
    prove(Renamed().fit(X, Y))


@pytest.mark.parametrize("kind", [Careful, MoreCareful])
def test_a_subclass_that_changes_something_has_no_rule(prove: Prove, kind: Any) -> None:
    plan = prove(kind(max_iter=1000).fit(X, Y), left=None)
    reason = f"there is no rule for {kind.__name__}, which has its own predict"
    assert set(plan.fallback.values()) == {reason}


def test_a_reason_names_the_step(prove: Prove) -> None:
    pipeline = make_pipeline(StandardScaler(), RadiusNeighborsClassifier(radius=99)).fit(X, Y)
    left = prove(pipeline, left=None).fallback
    assert left["predict_proba"] == "there is no rule for RadiusNeighborsClassifier"


@pytest.mark.filterwarnings("ignore:The `probability` parameter")
def test_a_reason_names_the_step_that_lacks_a_method(prove: Prove) -> None:
    vectors = make_pipeline(StandardScaler(), SVC(probability=True)).fit(X, Y)
    for model in (vectors, FrozenEstimator(vectors), GridSearchCV(vectors, {}, cv=2).fit(X, Y)):
        left = prove(model, left=None).fallback
        assert left["predict_proba"] == "there is no rule for predict_proba of SVC"
