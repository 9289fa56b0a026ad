"""A model loads, or the start stops with one sentence that says what to do."""

from __future__ import annotations

import hashlib
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator
from sklearn.cluster import DBSCAN
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.tree import DecisionTreeClassifier

from api.fitted import load
from api.model import ModelError
from tests.conftest import Serve
from tests.test_signature import Silent

X = np.array([[0.0, 1.0], [1.0, 0.0], [2.0, 3.0], [3.0, 1.0]])
FITTED = make_pipeline(StandardScaler(), LogisticRegression()).fit(X, ["a", "a", "b", "b"])


def save(value: Any, folder: Path, **options: Any) -> Path:
    path = folder / "latest.joblib"
    joblib.dump(value, path, **options)
    return path


def test_a_bare_file_is_enough(tmp_path: Path) -> None:
    path = save(FITTED, tmp_path)
    model = load(path)
    assert model.version == hashlib.sha256(path.read_bytes()).hexdigest()
    assert model.kind == "Pipeline → LogisticRegression"
    assert model.methods == ("predict", "predict_proba", "predict_log_proba", "decision_function")
    assert (model.classes, model.card) == (["a", "b"], {})


def test_a_compressed_file_loads(tmp_path: Path) -> None:
    assert load(save(FITTED, tmp_path, compress=3)).classes == ["a", "b"]


def test_a_plain_pickle_loads(tmp_path: Path) -> None:
    path = tmp_path / "model.pkl"
    path.write_bytes(pickle.dumps(FITTED))
    assert load(path).classes == ["a", "b"]


def test_several_outputs_have_classes_each(tmp_path: Path) -> None:
    tree = DecisionTreeClassifier().fit(X, np.array([[0, 5], [0, 6], [1, 7], [1, 7]]))
    assert load(save(tree, tmp_path)).classes == [[0, 1], [5, 6, 7]]


class Foreign:
    """An estimator of another library, which keeps to scikit-learn's methods and no more."""

    n_features_in_ = 2

    def get_params(self) -> dict[str, Any]:
        return {}

    def predict(self, X: Any) -> Any:
        return np.asarray(X)[:, 0]


def test_an_estimator_that_does_not_derive_from_scikit_learns_is_served(serve: Serve) -> None:
    client = serve(Foreign())
    assert client.post("/predict", json=[[1, 2], [3, None]]).json == {"predictions": [1.0, 3.0]}


def test_a_file_pinned_by_its_hash_loads_and_no_other(tmp_path: Path) -> None:
    path = save(FITTED, tmp_path)
    version = load(path).version
    assert load(path, version).version == version
    with pytest.raises(ModelError, match="MODEL_SHA256 says 0000"):
        load(path, "0" * 64)


def test_a_card_is_read(tmp_path: Path) -> None:
    path = save(FITTED, tmp_path)
    path.with_suffix(".json").write_text('{"features": ["a", "b"], "target": "c"}')
    model = load(path)
    assert model.card["target"] == "c"
    assert [f.name for f in model.signature.features] == ["a", "b"]


def test_a_card_of_a_model_that_was_here_before_is_passed_over(tmp_path: Path) -> None:
    path = save(FITTED, tmp_path)
    path.with_suffix(".json").write_text('{"sha256": "abc", "target": "old"}')
    assert load(path).card == {}


class Untold(BaseEstimator):
    """Ends in a part that scikit-learn cannot ask whether it is fitted."""

    n_features_in_ = 1

    def __sklearn_is_fitted__(self) -> bool:
        raise AttributeError("no tags")

    def fit(self, X: Any, y: Any = None) -> Untold:
        return self

    def predict(self, X: Any) -> Any:
        return X[:, 0].tolist()


def test_an_estimator_that_cannot_tell_whether_it_is_fitted_is_tried(serve: Serve) -> None:
    assert serve(Untold()).post("/predict", json=[2.0]).json == {"predictions": [2.0]}


def test_labels_of_numpy_are_plain_in_the_answer(serve: Serve) -> None:
    labels = np.array([np.str_("a"), np.str_("a"), np.str_("b"), np.str_("b")], dtype=object)
    client = serve(LogisticRegression().fit(X, labels))
    assert client.post("/predict_proba", json=X.tolist()).json["classes"] == ["a", "b"]
    assert client.post("/predict", json=X[:1].tolist()).json["predictions"] == ["a"]


def other_version(path: Path) -> None:
    path.write_bytes(path.read_bytes().replace(b"1.9.1", b"1.5.2"))


def other_layout(path: Path) -> None:
    """Stands for the nodes of a tree as another scikit-learn lays them out."""
    other_version(path)
    path.write_bytes(path.read_bytes().replace(b"left_child", b"left_chile"))


BROKEN: list[tuple[str, Any, Any, str]] = [
    (
        "a missing file",
        FITTED,
        Path.unlink,
        "there is no file .* put your model there, set MODEL_PATH, or make the example",
    ),
    ("text", FITTED, lambda path: path.write_text("hello"), "is a text file, not a joblib file"),
    (
        "nothing",
        FITTED,
        lambda path: path.write_bytes(b""),
        "is empty: write it with joblib.dump",
    ),
    (
        "half a file",
        FITTED,
        lambda path: path.write_bytes(path.read_bytes()[:-40]),
        "is damaged or cut short",
    ),
    (
        "another scikit-learn",
        FITTED,
        other_version,
        r"saved with scikit-learn 1.5.2, and 1.9.1 is installed.* scikit-learn==1.5.2 to models/requirements.txt",
    ),
    (
        "a tree of another scikit-learn",
        DecisionTreeClassifier().fit(X, [0, 0, 1, 1]),
        other_layout,
        "saved with scikit-learn 1.5.2",
    ),
    ("a list", [1, 2], None, "holds a builtins.list, not a fitted scikit-learn estimator"),
    ("a class", LinearRegression, None, "holds the class LinearRegression, not a fitted"),
    (
        "not fitted",
        LinearRegression(),
        None,
        "LinearRegression that is not fitted: call fit before joblib.dump",
    ),
    (
        "nothing to answer with",
        DBSCAN().fit(X),
        None,
        r"DBSCAN labels only the rows it was fitted on: .* KNeighborsClassifier\(n_neighbors=1\)",
    ),
    ("no features", Silent(), None, "Silent does not say which features it takes"),
    (
        "a card that is no JSON",
        FITTED,
        lambda path: path.with_suffix(".json").write_text("{"),
        "the card .* cannot be read",
    ),
    (
        "a card that is not UTF-8",
        FITTED,
        lambda path: path.with_suffix(".json").write_bytes(b'{"a": "\xff"}'),
        "the card .* cannot be read .*: mend or delete it",
    ),
    (
        "a card that is nested too deep",
        FITTED,
        lambda path: path.with_suffix(".json").write_text('{"a": ' + "[" * 100_000),
        "the card .* cannot be read .*: mend or delete it",
    ),
    (
        "a card whose features are no names",
        FITTED,
        lambda path: path.with_suffix(".json").write_text('{"features": 5}'),
        "must have its features as a list of names",
    ),
    (
        "categories that JSON has no form for",
        OneHotEncoder().fit(np.array([[pd.Interval(0, 1)], [pd.Interval(1, 2)]], dtype=object)),
        None,
        "a category or label of the type Interval",
    ),
]


@pytest.mark.parametrize(
    ("value", "spoil", "sentence"), [row[1:] for row in BROKEN], ids=[row[0] for row in BROKEN]
)
def test_what_cannot_be_served_stops_with_a_sentence(
    tmp_path: Path, value: Any, spoil: Any, sentence: str
) -> None:
    path = save(value, tmp_path)
    if spoil:
        spoil(path)
    with pytest.raises(ModelError, match=sentence) as error:
        load(path)
    assert "\n" not in str(error.value)


def made_elsewhere(folder: Path, module: str, code: str) -> Path:
    """Save an object whose class lives in a module that this process does not have."""
    (folder / f"{module}.py").write_text("class Thing:\n    pass\n")
    path = folder / "latest.joblib"
    subprocess.run([sys.executable, "-c", code.format(path=path)], cwd=folder, check=True)
    return path


def test_a_module_of_ones_own_is_told_where_to_be(tmp_path: Path) -> None:
    path = made_elsewhere(
        tmp_path, "boosters", "import joblib, boosters; joblib.dump(boosters.Thing(), '{path}')"
    )
    with pytest.raises(
        ModelError,
        match="needs Thing of the module boosters, which is not here: if it is your own code, write it into models/steps.py",
    ):
        load(path)


def test_a_module_that_this_scikit_learn_lacks_is_named(tmp_path: Path) -> None:
    path = save(FITTED, tmp_path)
    path.write_bytes(path.read_bytes().replace(b"sklearn.pipeline", b"sklearn.pipelane"))
    with pytest.raises(
        ModelError, match="needs sklearn.pipelane, which scikit-learn 1.9.1 does not have"
    ):
        load(path)


def test_a_class_of_a_notebook_is_told_to_move(tmp_path: Path) -> None:
    code = "import joblib\nclass Mine: pass\njoblib.dump(Mine(), '{path}')"
    path = made_elsewhere(tmp_path, "unused", code)
    with pytest.raises(
        ModelError, match="Mine, defined in a notebook or script.* `from models.steps import Mine`"
    ):
        load(path)
