"""A model loads, or the start stops with one sentence that says what to do."""

from __future__ import annotations

import hashlib
import logging
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
from sklearn.manifold import MDS
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import LocalOutlierFactor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.tree import DecisionTreeClassifier

from models import unpickle
from models.errors import ModelError
from models.fitted import load
from models.pickles import LZ4
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


class Plain:
    """Is no estimator."""


BROKEN: list[tuple[str, Any, Any, str]] = [
    (
        "a missing file",
        FITTED,
        Path.unlink,
        "there is no file .* put your model there, set MODEL_PATH, or leave",
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
    ("an object of one's own", Plain(), None, "holds a tests.test_model.Plain, not a fitted"),
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
        "no features, where it does not lie in models",
        Silent(),
        None,
        "make card DATA=train.csv MODEL_PATH=/.*latest.joblib TARGET=column",
    ),
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


class OnlyFits(BaseEstimator):
    """Answers nothing at all."""

    def fit(self, X: Any, y: Any = None) -> OnlyFits:
        self.seen_ = len(X)
        return self


UNANSWERING: list[tuple[Any, str]] = [
    (
        LocalOutlierFactor(n_neighbors=2).fit(X),
        r"fit LocalOutlierFactor\(novelty=True\), and save it",
    ),
    (
        make_pipeline(StandardScaler(), LocalOutlierFactor(n_neighbors=2)).fit(X),
        r"fit LocalOutlierFactor\(novelty=True\)",
    ),
    (
        GridSearchCV(LinearRegression(), {"positive": [True, False]}, refit=False, cv=2).fit(
            X, X[:, 0]
        ),
        r"fit GridSearchCV\(refit=True\), and save it",
    ),
    (DBSCAN().fit(X), r"labels only the rows it was fitted on"),
    (MDS(n_init=1, init="random").fit(X), "places only the rows it was fitted on: .* PCA"),
    (OnlyFits().fit(X), "cannot answer for new rows: it has none of predict"),
]


@pytest.mark.parametrize(
    ("estimator", "sentence"), UNANSWERING, ids=[type(row[0]).__name__ for row in UNANSWERING]
)
def test_what_answers_no_new_row_is_told_what_would_mend_it(
    tmp_path: Path, estimator: Any, sentence: str
) -> None:
    with pytest.raises(ModelError, match=sentence):
        load(save(estimator, tmp_path))


def test_a_patch_version_beside_the_installed_one_is_served_with_one_line(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = save(FITTED, tmp_path)
    path.write_bytes(path.read_bytes().replace(b"1.9.1", b"1.9.0"))
    with caplog.at_level(logging.WARNING, "models"):
        assert load(path).methods
    (line,) = caplog.messages
    assert "was saved with scikit-learn 1.9.0, and 1.9.1 serves it" in line


def test_a_file_that_lz4_compresses_asks_for_its_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = pickle.dumps(FITTED)
    size = (len(content) | 1 << 31).to_bytes(4, "little")
    path = tmp_path / "latest.joblib"
    path.write_bytes(LZ4 + b"\x40\x70\x00" + size + content + bytes(4))
    monkeypatch.setattr(unpickle, "_has", lambda module: module != "lz4")
    with pytest.raises(ModelError, match="is compressed with LZ4: add the line lz4 to models"):
        load(path)


ELSEWHERE: list[tuple[str, str, str]] = [
    (
        "an import that fails",
        "from sklearn.utils import tosequence",
        r"needs steps0, which cannot be imported with scikit-learn 1.9.1 \(ImportError: cannot import name 'tosequence'.*\): another version",
    ),
    ("an end of the process", "raise SystemExit", r"cannot be imported with .* \(SystemExit\)"),
    (
        "a package that is missing",
        "import mord",
        "imports mord, and that is not installed: add the line mord to models/requirements.txt",
    ),
    (
        "a module that is missing",
        "import helpers_of_mine",
        "imports helpers_of_mine, and that is not installed: add the name that you install it by",
    ),
    ("a class that is gone", "", "needs Thing of steps0, which is not there now: bring it back"),
    (
        "a state that is refused",
        "class Thing:\n    def __setstate__(self, state):\n        raise ValueError('old state')",
        r"cannot be loaded with scikit-learn 1.9.1 \(ValueError: old state\): it was saved with other",
    ),
]


@pytest.mark.parametrize(
    ("code", "sentence"), [row[1:] for row in ELSEWHERE], ids=[row[0] for row in ELSEWHERE]
)
def test_somebodys_code_that_fails_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: str, sentence: str
) -> None:
    make = (
        "import joblib, steps0; thing = steps0.Thing(); thing.a = 1; joblib.dump(thing, '{path}')"
    )
    path = made_elsewhere(tmp_path, "steps0", make)
    (tmp_path / "steps0.py").write_text(code)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "steps0", raising=False)
    with pytest.raises(ModelError, match=sentence):
        load(path)
    sys.modules.pop("steps0", None)


@pytest.mark.parametrize(
    ("module", "sentence"),
    [
        ("flask.nowhere.here.", "needs flask.nowhere, which the installed flask does not have"),
        ("sklearn.linear_model", "needs LinearRegressiom of sklearn.linear_model"),
    ],
)
def test_what_an_installed_package_lacks_is_named(
    tmp_path: Path, module: str, sentence: str
) -> None:
    raw = pickle.dumps(LinearRegression().fit(X, X[:, 0]), protocol=2)
    raw = raw.replace(b"sklearn.linear_model._base", module.strip(".").encode())
    path = tmp_path / "latest.joblib"
    path.write_bytes(raw.replace(b"LinearRegression", b"LinearRegressiom"))
    with pytest.raises(ModelError, match=sentence):
        load(path)


@pytest.mark.parametrize("address", ["http://host/m.joblib", "s3://bucket/m.joblib"])
def test_what_fetch_model_does_not_fetch_is_to_be_downloaded(address: str) -> None:
    with pytest.raises(ModelError, match="download it, and set MODEL_PATH to the file"):
        load(Path(address))


@pytest.mark.parametrize("address", ["gs://bucket/model.joblib", "https://host/model.joblib"])
def test_an_address_is_told_how_to_be_fetched(address: str) -> None:
    with pytest.raises(ModelError, match=f"make fetch-model MODEL_URI={address} MODEL_SHA256="):
        load(Path(address))


def test_a_name_that_is_none_is_not_here() -> None:
    assert not unpickle._has("")


def test_a_folder_is_not_read(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"cannot read .* \(Is a directory\)"):
        load(tmp_path)


def test_all_reasons_come_at_once(tmp_path: Path) -> None:
    path = save({"model": FITTED}, tmp_path)
    other_version(path)
    with pytest.raises(
        ModelError, match=r"2 reasons: \(1\) it was saved with .*; \(2\) it holds a"
    ):
        load(path)


def made_elsewhere(folder: Path, module: str, code: str) -> Path:
    """Save an object whose class lives in a module that this process does not have."""
    (folder / f"{module}.py").write_text("class Thing:\n    pass\n")
    path = folder / "latest.joblib"
    # The module may change within a second, which its bytecode would not tell.
    subprocess.run([sys.executable, "-B", "-c", code.format(path=path)], cwd=folder, check=True)
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


def test_labels_that_json_has_no_form_for_are_named(tmp_path: Path) -> None:
    estimator = LogisticRegression().fit(X, ["a", "b"] * (len(X) // 2))
    estimator.classes_ = np.array([b"a", b"b"])
    with pytest.raises(ModelError, match=r"latest\.joblib: .*bytes"):
        load(save(estimator, tmp_path))
