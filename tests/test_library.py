"""A Python program uses a model as the service does, and without a server."""

from __future__ import annotations

import datetime as dt
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator
from sklearn.feature_extraction import DictVectorizer
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.multioutput import MultiOutputClassifier
from sklearn.neighbors import NearestNeighbors
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

import models
from models import pipeline
from models.engines.plan import PlanEngine
from models.model import Model
from models.plan.operations.sparse import Sparse
from models.tables import _public
from tests.checkout import ROOT
from tests.trials import bake

PENGUINS = pd.read_csv(pipeline.DATA)[pipeline.FEATURES]
X = np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 7.0], [6.0, 8.0]])
WORDS = ["a red apple", "a green pear", "red", "pear"]


@pytest.fixture
def loaded(tmp_path: Path) -> Callable[..., Model]:
    def load(estimator: Any, *, plan: bool = False) -> Model:
        path = tmp_path / "latest.joblib"
        joblib.dump(estimator, path)
        if plan:
            bake(path)
        return models.load(path)

    return load


@pytest.fixture(scope="module")
def penguins(penguins_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = Path(shutil.copy2(penguins_path, tmp_path_factory.mktemp("library")))
    bake(path)
    return path


@pytest.mark.parametrize("engine", ["plan", "sklearn"])
@pytest.mark.parametrize(
    "rows",
    [
        PENGUINS,
        PENGUINS[PENGUINS.columns[::-1]],
        PENGUINS.to_dict("records"),
        PENGUINS.to_numpy().tolist(),
        PENGUINS.to_numpy(),
        list(PENGUINS.itertuples(index=False, name=None)),
    ],
    ids=["a DataFrame", "columns in another order", "dicts", "lists", "an array", "tuples"],
)
def test_rows_of_any_form_get_the_estimators_own_answers(
    penguins: Path, rows: Any, engine: Any
) -> None:
    own, model = joblib.load(penguins), models.load(penguins, engine=engine)
    assert list(model.predict(rows)) == list(own.predict(PENGUINS))
    np.testing.assert_allclose(model.predict_proba(rows), own.predict_proba(PENGUINS), rtol=1e-9)


def test_a_plan_runs_where_there_is_one(penguins: Path) -> None:
    assert isinstance(models.load(str(penguins)).engine, PlanEngine)


@pytest.mark.parametrize(
    "rows", [X, X.astype(int), X.tolist(), pd.DataFrame(X, columns=["b", "a"])]
)
def test_a_model_without_names_takes_columns_in_their_order(loaded: Any, rows: Any) -> None:
    own = LinearRegression().fit(X, X[:, 0] * 2)
    assert loaded(own).predict(rows) == pytest.approx(own.predict(X))


@pytest.mark.parametrize("rows", [WORDS, pd.Series(WORDS), pd.DataFrame({"text": WORDS})])
def test_a_model_of_texts_takes_texts(loaded: Any, rows: Any) -> None:
    own = make_pipeline(CountVectorizer(), LogisticRegression()).fit(WORDS, [1, 0, 1, 0])
    assert list(loaded(own).predict(rows)) == [1, 0, 1, 0]


@pytest.mark.parametrize("plan", [False, True])
def test_a_sparse_result_is_scipys(loaded: Any, *, plan: bool) -> None:
    own = CountVectorizer().fit(WORDS)
    result = loaded(own, plan=plan).transform(WORDS)
    assert (result != own.transform(WORDS)).nnz == 0


def test_where_scipy_is_missing_a_sparse_result_is_an_array(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "scipy.sparse", None)
    table = Sparse(np.array([0]), np.array([1]), np.array([2.0]), (1, 2))
    assert _public(table).tolist() == [[0.0, 2.0]]


def test_several_results_stay_several(loaded: Any) -> None:
    own = NearestNeighbors(n_neighbors=1).fit(X)
    distances, indices = loaded(own).kneighbors(X)
    assert (distances.ravel().tolist(), indices.ravel().tolist()) == ([0.0] * 4, [0, 1, 2, 3])
    labels = np.array([[0, 1], [1, 0], [0, 0], [1, 1]])
    own = MultiOutputClassifier(LogisticRegression()).fit(X, labels)
    assert [each.shape for each in loaded(own).predict_proba(X)] == [(4, 2), (4, 2)]


def test_dates_are_taken_as_python_has_them(loaded: Any) -> None:
    days = pd.DataFrame({"day": pd.to_datetime(["2024-03-05", "2024-07-01"])})
    model = loaded(OneHotEncoder(sparse_output=False).fit(days))
    expected = [[1.0, 0.0], [0.0, 1.0]]
    assert model.transform(days).tolist() == expected
    assert (
        model.transform([[dt.date(2024, 3, 5)], [np.datetime64("2024-07-01")]]).tolist() == expected
    )


def test_none_nan_and_na_are_missing_values(loaded: Any) -> None:
    model = loaded(SimpleImputer().fit([[1.0], [3.0]]))
    rows: list[list[Any]] = [[None], [np.nan], [pd.NA], [np.float32(5)]]
    assert model.transform(rows).tolist() == [[2.0], [2.0], [2.0], [5.0]]
    assert model.transform(np.array([[np.nan]])).tolist() == [[2.0]]


def test_a_mapping_takes_dicts_with_names_of_their_own(loaded: Any) -> None:
    own = DictVectorizer(sparse=False).fit([{"a": 1, "b": 2}])
    assert loaded(own).transform([{"b": 3}]).tolist() == [[0.0, 3.0]]
    assert loaded(own).transform(pd.DataFrame({"b": [3]})).tolist() == [[0.0, 3.0]]


SEX = 'expected one of "female", "male"'


@pytest.mark.parametrize(
    ("rows", "sentence"),
    [
        (PENGUINS.head(1).assign(sex="?").to_dict("records"), f"row 0, sex: {SEX}."),
        (PENGUINS.head(2).to_numpy()[:, :3], "row 0: expected 6 values in the order of the model"),
        ([[1, 2, 3, 4, 5, "male"]], 'row 0: island: expected one of "Biscoe"'),
        ([{**PENGUINS.iloc[0].to_dict(), "a/b": 1}], "row 0, a/b: is not a feature of the model"),
        (PENGUINS.drop(columns="sex"), "column sex: is missing."),
        (PENGUINS.assign(age=1), "column age: is not a feature of the model, which takes island,"),
        (pd.concat([PENGUINS, PENGUINS[["sex"]]], axis=1), "column sex: stands there twice."),
        ([], "rows: expected at least one."),
        ({"sex": "male"}, "rows: expected a DataFrame, an array or a list of rows, got one dict."),
        (7, "got one int."),
    ],
)  # fmt: skip
def test_wrong_rows_are_told_in_words(penguins: Path, rows: Any, sentence: str) -> None:
    with pytest.raises(models.InvalidRows) as error:
        models.load(penguins).predict(rows)
    assert sentence in str(error.value)
    assert "?extra" not in str(error.value)


def test_an_infinite_number_is_told_with_its_row(loaded: Any) -> None:
    model = loaded(LinearRegression().fit(X, X[:, 0]))
    with pytest.raises(models.InvalidRows, match="row 1: x0: expected a finite number"):
        model.predict(np.array([[1.0, 2.0], [np.inf, 2.0]]))


class Picky(BaseEstimator):
    """Takes no negative number, and breaks on 13."""

    def fit(self, X: Any, y: Any = None) -> Picky:
        self.n_features_in_ = 1
        return self

    def predict(self, X: Any) -> Any:
        if (np.asarray(X) < 0).any():
            raise ValueError("no negative number")
        if (np.asarray(X) == 13).any():
            raise MemoryError
        return np.asarray(X)[:, 0]


def test_a_row_that_the_model_rejects_is_named(loaded: Any) -> None:
    model = loaded(Picky().fit(X))
    with pytest.raises(models.InvalidRows, match="row 1: the model rejects this row: no negative"):
        model.predict([[1.0], [-1.0]])
    with pytest.raises(MemoryError):
        model.predict([[13.0]])


def test_a_model_has_the_methods_of_its_estimator(penguins: Path) -> None:
    model = models.load(penguins)
    assert set(model.methods) <= set(dir(model))
    assert repr(model).startswith(f"Model(Pipeline → LogisticRegression, path='{penguins}'")
    assert not hasattr(model, "transform")
    with pytest.raises(AttributeError, match="LogisticRegression has no transform; it has predict"):
        model.transform(PENGUINS)
    with pytest.raises(AttributeError, match="no attribute 'fit'"):
        model.fit(PENGUINS)


def test_the_package_has_no_other_names() -> None:
    with pytest.raises(ImportError, match="cannot import name 'serve'"):
        exec("from models import serve")


def test_the_example_of_the_docs_runs_without_a_server(penguins: Path) -> None:
    (example,) = re.findall(
        r"```python\n(.*?)```", (ROOT / "docs/library.md").read_text(), re.DOTALL
    )
    code = (
        example.replace("models/latest.joblib", str(penguins))
        + "import sys; print({'api', 'flask', 'pyuwsgi', 'sklearn'} & {*sys.modules})\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith("Pipeline → LogisticRegression ['Adelie', 'Chinstrap', 'Gentoo']")
    assert done.stdout.endswith("set()\n")


def test_one_category_column_may_be_a_list_of_values(loaded: Any) -> None:
    own = OneHotEncoder(sparse_output=False).fit([["a"], ["b"]])
    assert loaded(own).transform(["b", "a"]).tolist() == [[0.0, 1.0], [1.0, 0.0]]


def test_an_engine_that_does_not_exist_is_refused() -> None:
    with pytest.raises(ValueError, match="engine='numpy': expected one of auto, plan, sklearn"):
        models.load("models/latest.joblib", engine="numpy")  # type: ignore[arg-type]
