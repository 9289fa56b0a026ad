"""The engine gives the estimator's own answers, whatever container the rows must come in."""

from __future__ import annotations

import importlib
import os
import signal
import subprocess
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
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.neighbors import NearestNeighbors
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, OrdinalEncoder, StandardScaler

from models.engines import slice_results
from models.engines.scikit_learn import NoPandas, has_pandas
from models.errors import ModelError
from models.fitted import load
from models.model import Model
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
def loaded(tmp_path: Path) -> Any:
    def build(estimator: Any) -> Model:
        path = tmp_path / "latest.joblib"
        joblib.dump(estimator, path)
        return load(path)

    return build


def missing(model: Model) -> list[bool]:
    return [feature.missing for feature in model.signature.features]


def test_a_data_frame_is_made_for_a_model_that_looks_columns_up(loaded: Any) -> None:
    model = make_pipeline(columns(handle_unknown="ignore"), LogisticRegression()).fit(FRAME, Y)
    rows = list(FRAME.itertuples(index=False, name=None))
    assert np.array_equal(
        loaded(model).engine.run("predict_proba", rows), model.predict_proba(FRAME)
    )


def test_a_data_frame_is_made_of_numbers_too(loaded: Any) -> None:
    model = make_pipeline(FunctionTransformer(lambda_free), LinearRegression()).fit(
        FRAME[["size", "floor"]], Y
    )
    rows = [(1.0, 2), (3.0, 1)]
    frame = pd.DataFrame(rows, columns=["size", "floor"])
    assert np.array_equal(loaded(model).engine.run("predict", rows), model.predict(frame))


def lambda_free(frame: pd.DataFrame) -> Any:
    return frame[["size"]] + 1


def test_an_array_of_numbers_becomes_a_frame_where_names_are_needed(loaded: Any) -> None:
    from sklearn.compose import make_column_transformer

    model = make_column_transformer((StandardScaler(), ["size"])).fit(FRAME[["size", "floor"]])
    rows = np.array([[1.0, 2.0], [3.0, 1.0]])
    assert np.array_equal(
        loaded(model).engine.run("transform", rows),
        model.transform(pd.DataFrame(rows, columns=["size", "floor"])),
    )


def test_a_model_that_needs_a_data_frame_says_so_where_there_is_no_pandas(
    loaded: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = make_pipeline(columns(), LogisticRegression()).fit(FRAME, Y)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(
        ModelError, match="pandas is not installed: add it to models/requirements.txt"
    ):
        loaded(model)


def test_where_there_is_no_pandas_it_is_not_looked_for_in_every_call(
    loaded: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    monkeypatch.setattr(sys, "meta_path", sys.meta_path[:])
    for _ in range(2):
        loaded(LinearRegression().fit(X, LABELS))
    assert sys.meta_path.count(NoPandas) == 1
    monkeypatch.undo()
    monkeypatch.setattr(sys, "meta_path", [NoPandas, *sys.meta_path])
    monkeypatch.delitem(sys.modules, "pandas")
    assert not has_pandas()
    with pytest.raises(ModuleNotFoundError, match="pandas is not installed"):
        importlib.import_module("pandas")
    assert importlib.import_module("colorsys")


def test_scikit_learn_answers_where_there_is_no_pandas(loaded: Any, tmp_path: Path) -> None:
    own = make_pipeline(SimpleImputer(), RandomForestClassifier(5, random_state=0)).fit(X, LABELS)
    loaded(own)
    code = (
        "import sys; from models.engines.scikit_learn import NoPandas\n"
        "sys.meta_path.insert(0, NoPandas); import models\n"
        f"print(list(models.load({str(tmp_path / 'latest.joblib')!r}).predict({X.tolist()})))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == f"{list(own.predict(X))}\n"


def test_mixed_rows_become_an_array_of_objects(loaded: Any) -> None:
    mixed = np.array([["a", 1], ["b", 2], ["a", 3]], dtype=object)
    model = OrdinalEncoder().fit(mixed)
    assert loaded(model).engine.run("transform", [("b", 3)]).tolist() == [[1.0, 2.0]]


def test_numbers_and_booleans_become_an_array_of_numbers(loaded: Any) -> None:
    model = OneHotEncoder(sparse_output=False).fit(np.array([[1], [2]]))
    assert loaded(model).engine.run("transform", [(2,), (1.0,)]).tolist() == [
        [0.0, 1.0],
        [1.0, 0.0],
    ]


def test_a_missing_category_is_passed_on_as_the_encoder_knows_it(loaded: Any) -> None:
    for null in (None, np.nan):
        model = OneHotEncoder(sparse_output=False).fit(np.array([["a"], [null]], dtype=object))
        served = loaded(model)
        assert missing(served) == [True]
        assert served.engine.run("transform", [(None,), ("a",)]).tolist() == [
            [0.0, 1.0],
            [1.0, 0.0],
        ]
    model = OneHotEncoder(sparse_output=False).fit(np.array([[1.0], [np.nan]]))
    assert loaded(model).engine.run("transform", [(None,), (1,)]).tolist() == [
        [0.0, 1.0],
        [1.0, 0.0],
    ]


def test_pandas_output_becomes_an_array(loaded: Any) -> None:
    model = StandardScaler().set_output(transform="pandas").fit(FRAME[["size"]])
    result = loaded(model).engine.run("transform", np.array([[3.5]]))
    assert (type(result), result.tolist()) == (np.ndarray, [[0.0]])


def test_missing_values_are_accepted_where_the_model_bears_them(loaded: Any) -> None:
    assert missing(loaded(LinearRegression().fit(X, LABELS))) == [False, False]
    assert missing(loaded(HistGradientBoostingClassifier(max_iter=2).fit(X, LABELS))) == [
        True,
        True,
    ]
    model = make_pipeline(columns(), LogisticRegression()).fit(FRAME, Y)
    # The scaler hands a missing size on to a regression, the imputer fills a city, and the encoder
    # of `new` has not seen a missing value, but lets it pass as unknown; text cannot be missing.
    assert missing(loaded(model)) == [False, True, True, True, False]


def test_of_very_many_features_all_or_none_may_be_missing(loaded: Any) -> None:
    wide = np.random.default_rng(0).normal(size=(5, 300))
    assert not any(missing(loaded(LinearRegression().fit(wide, range(5)))))
    assert all(missing(loaded(StandardScaler().fit(wide))))


def test_a_model_that_takes_no_plain_row_takes_no_missing_value(loaded: Any) -> None:
    served = loaded(Fussy())
    assert (missing(served), served.engine.batchable) == ([False], False)


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
    loaded: Any,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    model: Any,
    seconds: float,
    reason: str,
) -> None:
    monkeypatch.setattr("models.fitted.TRIAL_SECONDS", seconds)
    served = loaded(model)
    assert (missing(served), served.engine.batchable) == ([False, False], False)
    assert f"could not be tried on rows that were made up ({reason})" in caplog.text


def test_what_another_engine_found_out_is_not_tried_again(loaded: Any, tmp_path: Path) -> None:
    known = loaded(HistGradientBoostingClassifier(max_iter=2).fit(X, LABELS)).signature
    joblib.dump(Deadly(), tmp_path / "latest.joblib")
    model = load(tmp_path / "latest.joblib", known=(known, True))
    assert (model.signature, model.engine.batchable) == (known, True)


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
def test_rows_that_get_the_same_alone_may_be_merged(loaded: Any, model: Any) -> None:
    assert loaded(model).engine.batchable


@pytest.mark.parametrize(
    "model",
    [
        DummyClassifier(strategy="stratified", random_state=1).fit(X, LABELS),
        Fickle(),
    ],
)
def test_rows_that_get_another_answer_in_company_are_not_merged(loaded: Any, model: Any) -> None:
    assert not loaded(model).engine.batchable


def test_a_model_fitted_for_many_threads_runs_in_one(
    loaded: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = RandomForestClassifier(n_estimators=5, n_jobs=-1, random_state=0).fit(X, LABELS)
    served = loaded(model)
    own = model.predict(X)

    def refuse(*args: Any, **kwargs: Any) -> None:
        raise AssertionError("a pool of threads was started")

    monkeypatch.setattr("joblib._parallel_backends.ThreadPool", refuse, raising=True)
    assert np.array_equal(served.engine.run("predict", X), own)


def test_a_missing_category_is_the_same_in_any_company(loaded: Any) -> None:
    frame = pd.DataFrame({"c": pd.Series(["x", "y", None, "z"] * 9, dtype=object)})
    model = make_pipeline(OneHotEncoder(handle_unknown="ignore"), LogisticRegression())
    model.fit(frame, [0, 1, 1, 0] * 9)
    served = loaded(model)
    own = model.predict_proba(frame[:4])
    assert np.array_equal(
        served.engine.run("predict_proba", [("x",), ("y",), (None,), ("z",)]), own
    )
    assert np.array_equal(served.engine.run("predict_proba", [(None,)]), own[2:3])
    assert served.engine.batchable


class ByName(BaseEstimator):
    """Looks columns up by their names, as a DataFrame lets it."""

    def fit(self, X: Any, y: Any = None) -> ByName:
        self.feature_names_in_ = np.array(X.columns, dtype=object)
        self.n_features_in_ = len(X.columns)
        return self

    def predict(self, X: Any) -> Any:
        return X["size"].to_numpy() * 2


def test_somebodys_own_estimator_that_looks_columns_up_is_given_a_data_frame(
    loaded: Any,
) -> None:
    served = loaded(ByName().fit(FRAME[["floor", "size"]]))
    assert served.engine.run("predict", np.array([[1.0, 2.5]])).tolist() == [5.0]


def test_a_model_that_takes_single_precision_only_is_given_it(loaded: Any) -> None:
    rows = X.astype(np.float32)
    model = KMeans(2, random_state=0, n_init=1).fit(rows)
    assert np.array_equal(loaded(model).engine.run("predict", X), model.predict(rows))


def test_the_example_is_a_row_that_the_model_takes(loaded: Any) -> None:
    served = loaded(
        make_pipeline(FunctionTransformer(only_small), LinearRegression()).fit(X / 20, LABELS)
    )
    assert served.signature.example == (0.0, -1.0)
    assert loaded(HashingVectorizer(n_features=8)).signature.example == ("a",)


def only_small(X: Any) -> Any:
    if (np.asarray(X) > 0).any() and np.asarray(X).shape == (1, 2):
        raise ValueError("too large")
    return X


def test_whole_numbers_are_the_same_as_others_where_anything_is_taken(loaded: Any) -> None:
    model = make_pipeline(FunctionTransformer(np.reciprocal), LinearRegression()).fit(X + 1, LABELS)
    served = loaded(model)
    assert np.array_equal(served.engine.run("predict", [(2, 4)]), model.predict([[2.0, 4.0]]))


def test_a_part_of_a_result_is_the_results_of_some_rows() -> None:
    array = np.arange(6).reshape(3, 2)
    assert slice_results(array, 1, 3).tolist() == [[2, 3], [4, 5]]
    assert [p.tolist() for p in slice_results((array, array[:, 0]), 0, 1)] == [[[0, 1]], [0]]
    assert isinstance(slice_results([array], 0, 1), list)
