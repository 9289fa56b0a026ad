"""The engine gives the estimator's own answers, whatever container the rows must come in."""

from __future__ import annotations

import importlib
import os
import signal
import sys
import threading
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator
from sklearn.cluster import KMeans
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.feature_extraction import DictVectorizer
from sklearn.feature_extraction.text import HashingVectorizer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.neighbors import NearestNeighbors
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, OrdinalEncoder, StandardScaler

from models.engines import part
from models.engines.scikit_learn import NoPandas, ScikitLearnEngine
from models.errors import ModelError
from models.fitted import load
from tests.test_signature import FRAME, Y, columns

X = np.arange(20.0).reshape(10, 2)
LABELS = [0, 1] * 5


class Fussy(BaseEstimator):
    """Takes no row that a stranger would think of."""

    n_features_in_ = 1
    fitted_ = True

    def predict(self, X: Any) -> Any:
        if (np.asarray(X) < 1000).any():
            raise ValueError("too small\nby far")
        return np.asarray(X)[:, 0]


class Fickle(BaseEstimator):
    """Takes two plain rows alone, and none together."""

    n_features_in_ = 1
    fitted_ = True

    def predict(self, X: Any) -> Any:
        if len(X) > 1:
            raise ValueError("one at a time")
        return np.asarray(X)[:, 0]


@pytest.fixture
def engine_of(tmp_path: Path) -> Any:
    def build(estimator: Any) -> ScikitLearnEngine:
        path = tmp_path / "latest.joblib"
        joblib.dump(estimator, path)
        return ScikitLearnEngine(load(path))

    return build


def missing(engine: ScikitLearnEngine) -> list[bool]:
    return [feature.missing for feature in engine.signature.features]


def test_a_data_frame_is_made_for_a_model_that_looks_columns_up(engine_of: Any) -> None:
    model = make_pipeline(columns(handle_unknown="ignore"), LogisticRegression()).fit(FRAME, Y)
    rows = list(FRAME.itertuples(index=False, name=None))
    assert np.array_equal(engine_of(model).run("predict_proba", rows), model.predict_proba(FRAME))


def test_a_data_frame_is_made_of_numbers_too(engine_of: Any) -> None:
    model = make_pipeline(FunctionTransformer(lambda_free), LinearRegression()).fit(
        FRAME[["size", "floor"]], Y
    )
    rows = [(1.0, 2), (3.0, 1)]
    frame = pd.DataFrame(rows, columns=["size", "floor"])
    assert np.array_equal(engine_of(model).run("predict", rows), model.predict(frame))


def lambda_free(frame: pd.DataFrame) -> Any:
    return frame[["size"]] + 1


def test_an_array_of_numbers_becomes_a_frame_where_names_are_needed(engine_of: Any) -> None:
    from sklearn.compose import make_column_transformer

    model = make_column_transformer((StandardScaler(), ["size"])).fit(FRAME[["size", "floor"]])
    rows = np.array([[1.0, 2.0], [3.0, 1.0]])
    assert np.array_equal(
        engine_of(model).run("transform", rows),
        model.transform(pd.DataFrame(rows, columns=["size", "floor"])),
    )


def test_a_model_that_needs_a_data_frame_says_so_where_there_is_no_pandas(
    engine_of: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = make_pipeline(columns(), LogisticRegression()).fit(FRAME, Y)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(
        ModelError, match="pandas is not installed: add it to models/requirements.txt"
    ):
        engine_of(model)


def test_where_there_is_no_pandas_it_is_not_looked_for_in_every_call(
    engine_of: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    monkeypatch.setattr(sys, "meta_path", sys.meta_path[:])
    for _ in range(2):
        engine_of(LinearRegression().fit(X, LABELS))
    assert sys.meta_path.count(NoPandas) == 1
    monkeypatch.delitem(sys.modules, "pandas")
    with pytest.raises(ModuleNotFoundError, match="pandas is not installed"):
        importlib.import_module("pandas")
    assert importlib.import_module("colorsys")


def test_mixed_rows_become_an_array_of_objects(engine_of: Any) -> None:
    mixed = np.array([["a", 1], ["b", 2], ["a", 3]], dtype=object)
    model = OrdinalEncoder().fit(mixed)
    assert engine_of(model).run("transform", [("b", 3)]).tolist() == [[1.0, 2.0]]


def test_numbers_and_booleans_become_an_array_of_numbers(engine_of: Any) -> None:
    model = OneHotEncoder(sparse_output=False).fit(np.array([[1], [2]]))
    assert engine_of(model).run("transform", [(2,), (1.0,)]).tolist() == [[0.0, 1.0], [1.0, 0.0]]


def test_a_missing_category_is_passed_on_as_the_encoder_knows_it(engine_of: Any) -> None:
    for null in (None, np.nan):
        model = OneHotEncoder(sparse_output=False).fit(np.array([["a"], [null]], dtype=object))
        engine = engine_of(model)
        assert missing(engine) == [True]
        assert engine.run("transform", [(None,), ("a",)]).tolist() == [[0.0, 1.0], [1.0, 0.0]]
    model = OneHotEncoder(sparse_output=False).fit(np.array([[1.0], [np.nan]]))
    assert engine_of(model).run("transform", [(None,), (1,)]).tolist() == [[0.0, 1.0], [1.0, 0.0]]


def test_pandas_output_becomes_an_array(engine_of: Any) -> None:
    model = StandardScaler().set_output(transform="pandas").fit(FRAME[["size"]])
    result = engine_of(model).run("transform", np.array([[3.5]]))
    assert (type(result), result.tolist()) == (np.ndarray, [[0.0]])


def test_missing_values_are_accepted_where_the_model_bears_them(engine_of: Any) -> None:
    assert missing(engine_of(LinearRegression().fit(X, LABELS))) == [False, False]
    assert missing(engine_of(HistGradientBoostingClassifier(max_iter=2).fit(X, LABELS))) == [
        True,
        True,
    ]
    model = make_pipeline(columns(), LogisticRegression()).fit(FRAME, Y)
    # The scaler hands a missing size on to a regression, the imputer fills a city, and the encoder
    # of `new` has not seen a missing value, but lets it pass as unknown; text cannot be missing.
    assert missing(engine_of(model)) == [False, True, True, True, False]


def test_of_very_many_features_all_or_none_may_be_missing(engine_of: Any) -> None:
    wide = np.random.default_rng(0).normal(size=(5, 300))
    assert not any(missing(engine_of(LinearRegression().fit(wide, range(5)))))
    assert all(missing(engine_of(StandardScaler().fit(wide))))


def test_a_model_that_takes_no_plain_row_takes_no_missing_value(engine_of: Any) -> None:
    engine = engine_of(Fussy())
    assert (missing(engine), engine.mergeable) == ([False], False)


class Deadly(BaseEstimator):
    """Crashes where it is given a row."""

    n_features_in_ = 2
    fitted_ = True

    def predict(self, X: Any) -> Any:
        os.kill(os.getpid(), signal.SIGKILL)


class Endless(BaseEstimator):
    """Never answers."""

    n_features_in_ = 2
    fitted_ = True

    def predict(self, X: Any) -> Any:
        threading.Event().wait()


@pytest.mark.parametrize(
    ("model", "seconds", "reason"),
    [(Deadly(), 60, "it died of SIGKILL"), (Endless(), 0.2, "it took longer than 0.2 seconds")],
)
def test_a_model_that_crashes_or_hangs_on_rows_that_were_made_up_is_served_all_the_same(
    engine_of: Any,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    model: Any,
    seconds: float,
    reason: str,
) -> None:
    monkeypatch.setattr("models.engines.scikit_learn.TRIAL_SECONDS", seconds)
    engine = engine_of(model)
    assert (missing(engine), engine.mergeable) == ([False, False], False)
    assert f"could not be tried on rows that were made up ({reason})" in caplog.text


def test_what_another_engine_found_out_is_not_tried_again(engine_of: Any, tmp_path: Path) -> None:
    known = engine_of(HistGradientBoostingClassifier(max_iter=2).fit(X, LABELS))
    joblib.dump(Deadly(), tmp_path / "latest.joblib")
    engine = ScikitLearnEngine(load(tmp_path / "latest.joblib"), known)
    assert (engine.signature, engine.mergeable) == (known.signature, True)


@pytest.mark.parametrize(
    "model",
    [
        RandomForestClassifier(n_estimators=5).fit(X, LABELS),
        make_pipeline(FunctionTransformer(np.nan_to_num), LinearRegression()).fit(X, LABELS),
        KMeans(2).fit(X),
        NearestNeighbors(n_neighbors=2).fit(X),
        make_pipeline(columns(), LogisticRegression()).fit(FRAME, Y),
        HashingVectorizer(n_features=8),
        DictVectorizer().fit([{"a": 1}]),
    ],
)
def test_rows_that_get_the_same_alone_may_be_merged(engine_of: Any, model: Any) -> None:
    assert engine_of(model).mergeable


@pytest.mark.parametrize(
    "model",
    [
        DummyClassifier(strategy="stratified", random_state=1).fit(X, LABELS),
        Fickle(),
    ],
)
def test_rows_that_get_another_answer_in_company_are_not_merged(engine_of: Any, model: Any) -> None:
    assert not engine_of(model).mergeable


def test_a_model_fitted_for_many_threads_runs_in_one(
    engine_of: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = RandomForestClassifier(n_estimators=5, n_jobs=-1, random_state=0).fit(X, LABELS)
    engine = engine_of(model)
    own = model.predict(X)

    def refuse(*args: Any, **kwargs: Any) -> None:
        raise AssertionError("a pool of threads was started")

    monkeypatch.setattr("joblib._parallel_backends.ThreadPool", refuse, raising=True)
    assert np.array_equal(engine.run("predict", X), own)


def test_a_missing_category_is_the_same_in_any_company(engine_of: Any) -> None:
    frame = pd.DataFrame({"c": pd.Series(["x", "y", None, "z"] * 9, dtype=object)})
    model = make_pipeline(OneHotEncoder(handle_unknown="ignore"), LogisticRegression())
    model.fit(frame, [0, 1, 1, 0] * 9)
    engine = engine_of(model)
    own = model.predict_proba(frame[:4])
    assert np.array_equal(engine.run("predict_proba", [("x",), ("y",), (None,), ("z",)]), own)
    assert np.array_equal(engine.run("predict_proba", [(None,)]), own[2:3])
    assert engine.mergeable


class ByName(BaseEstimator):
    """Looks columns up by their names, as a DataFrame lets it."""

    def fit(self, X: Any, y: Any = None) -> ByName:
        self.feature_names_in_ = np.array(X.columns, dtype=object)
        self.n_features_in_ = len(X.columns)
        return self

    def predict(self, X: Any) -> Any:
        return X["size"].to_numpy() * 2


def test_somebodys_own_estimator_that_looks_columns_up_is_given_a_data_frame(
    engine_of: Any,
) -> None:
    engine = engine_of(ByName().fit(FRAME[["floor", "size"]]))
    assert engine.run("predict", np.array([[1.0, 2.5]])).tolist() == [5.0]


def test_a_model_that_takes_single_precision_only_is_given_it(engine_of: Any) -> None:
    rows = X.astype(np.float32)
    model = KMeans(2, random_state=0, n_init=1).fit(rows)
    assert np.array_equal(engine_of(model).run("predict", X), model.predict(rows))


def test_the_example_is_a_row_that_the_model_takes(engine_of: Any) -> None:
    engine = engine_of(
        make_pipeline(FunctionTransformer(only_small), LinearRegression()).fit(X / 20, LABELS)
    )
    assert engine.signature.example == (0.0, -1.0)
    assert engine_of(HashingVectorizer(n_features=8)).signature.example == ("a",)


def only_small(X: Any) -> Any:
    if (np.asarray(X) > 0).any() and np.asarray(X).shape == (1, 2):
        raise ValueError("too large")
    return X


def test_whole_numbers_are_the_same_as_others_where_anything_is_taken(engine_of: Any) -> None:
    model = make_pipeline(FunctionTransformer(np.reciprocal), LinearRegression()).fit(X + 1, LABELS)
    engine = engine_of(model)
    assert np.array_equal(engine.run("predict", [(2, 4)]), model.predict([[2.0, 4.0]]))


def test_a_part_of_a_result_is_the_results_of_some_rows() -> None:
    array = np.arange(6).reshape(3, 2)
    assert part(array, 1, 3).tolist() == [[2, 3], [4, 5]]
    assert [p.tolist() for p in part((array, array[:, 0]), 0, 1)] == [[[0, 1]], [0]]
    assert isinstance(part([array], 0, 1), list)
