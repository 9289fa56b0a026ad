"""Every estimator of scikit-learn that can answer for new rows, served and compared bit for bit."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
from sklearn.base import BaseEstimator, clone
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.utils import all_estimators, get_tags
from sklearn.utils._test_common.instance_generator import _construct_instances
from sklearn.utils.estimator_checks import _enforce_estimator_tags_X, _enforce_estimator_tags_y

from models.model import METHODS
from tests.conftest import Serve

# Their own warnings, as of a logarithm of zero, are not what is tested here.
pytestmark = pytest.mark.filterwarnings("ignore")

NO_NEW_ROWS = "has no method that answers for new rows"
LEFT_OUT = {
    "AgglomerativeClustering": NO_NEW_ROWS,
    "ClassicalMDS": NO_NEW_ROWS,
    "DBSCAN": NO_NEW_ROWS,
    "HDBSCAN": NO_NEW_ROWS,
    "MDS": NO_NEW_ROWS,
    "OPTICS": NO_NEW_ROWS,
    "SpectralBiclustering": NO_NEW_ROWS,
    "SpectralClustering": NO_NEW_ROWS,
    "SpectralCoclustering": NO_NEW_ROWS,
    "SpectralEmbedding": NO_NEW_ROWS,
    "TSNE": NO_NEW_ROWS,
    "MultiLabelBinarizer": "takes a set of labels of any size instead of a row",
    "PatchExtractor": "takes images, and gives another number of rows than it is given",
}
TEXTS = ["a plain text", "another text: with a colon", 'one "quoted" text', "ünïcode"] * 10
WORDS = {"CountVectorizer", "TfidfVectorizer", "HashingVectorizer"}
LABELS = {"LabelEncoder", "LabelBinarizer"}
ESTIMATORS = [(name, cls) for name, cls in all_estimators() if name not in LEFT_OUT]


def fitted(name: str, cls: type[BaseEstimator]) -> tuple[Any, Any, list[Any]]:
    """An estimator fitted on small data, its input for some rows, and these rows as samples."""
    rng = np.random.RandomState(0)
    X = np.abs(rng.normal(size=(40, 4))) + 0.1
    y = (X[:, 0] > X[:, 1]).astype(int)
    if name in WORDS:
        estimator = cls(n_features=16) if name == "HashingVectorizer" else cls()
        return estimator.fit(TEXTS), TEXTS[:5], TEXTS[:5]
    if name in LABELS:
        labels = ["b", "a", "c", "a"]
        return cls().fit(labels), labels, labels
    if name in ("DictVectorizer", "FeatureHasher"):
        records = [{"city": "Oslo", "size": 2.5}, {"city": "Rome"}, {"size": 0.5}]
        estimator = cls(n_features=16) if name == "FeatureHasher" else cls()
        return estimator.fit(records), records, records
    if name == "SparseCoder":
        estimator = cls(dictionary=np.eye(4))
    elif name == "LocalOutlierFactor":
        estimator = cls(novelty=True)
    elif name == "FrozenEstimator":
        estimator = FrozenEstimator(LogisticRegression().fit(X, y))
    else:
        estimator = clone(next(iter(_construct_instances(cls))))
    if "random_state" in estimator.get_params():
        estimator.set_params(random_state=0)
    if name == "MissingIndicator":
        X[::7, 1] = np.nan
    X = _enforce_estimator_tags_X(estimator, X)
    y = _enforce_estimator_tags_y(estimator, y)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        estimator.fit(X, y)
    rows = X[:5]
    samples = [
        [None if np.isnan(v) else v for v in row] for row in rows.reshape(len(rows), -1).tolist()
    ]
    return estimator, rows, samples


def expected(result: Any) -> Any:
    """What JSON must hold for the estimator's own result, written without the service's code."""
    if isinstance(result, tuple):
        return [
            {"distances": d.tolist(), "indices": i.tolist()} for d, i in zip(*result, strict=True)
        ]
    if isinstance(result, list):
        return [[output[i].tolist() for output in result] for i in range(len(result[0]))]
    dense = result.toarray() if hasattr(result, "toarray") else np.asarray(result)
    names = {"inf": "Infinity", "-inf": "-Infinity", "nan": None}
    if dense.ndim == 1:
        return [names.get(str(v), v) for v in dense.tolist()]
    return [[names.get(str(v), v) for v in row] for row in dense.tolist()]


@pytest.mark.parametrize(("name", "cls"), ESTIMATORS, ids=[name for name, _ in ESTIMATORS])
def test_served_answers_are_the_estimators_own(
    name: str, cls: type[BaseEstimator], serve: Serve
) -> None:
    estimator, native, samples = fitted(name, cls)
    client = serve(estimator)
    methods = client.get("/metadata").json["methods"]
    assert methods == [method for method in METHODS if hasattr(estimator, method)]
    for method in methods:
        own = expected(getattr(estimator, method)(native))
        answer = client.post(f"/{method}", json={"instances": samples})
        assert answer.status_code == 200, (method, answer.json)
        assert answer.json["predictions"] == own, method


def test_nearly_all_of_scikit_learns_estimators_are_served() -> None:
    everything = all_estimators()
    print(f"\n{len(ESTIMATORS)} of {len(everything)} estimators are served; left out:")
    for name, reason in LEFT_OUT.items():
        print(f"  {name}: {reason}")
    assert len(ESTIMATORS) + len(LEFT_OUT) == len(everything)


@pytest.mark.parametrize("name", [n for n, reason in LEFT_OUT.items() if reason == NO_NEW_ROWS])
def test_those_left_out_have_no_method_to_serve(name: str) -> None:
    cls = dict(all_estimators())[name]
    assert not [method for method in METHODS if hasattr(cls, method)]
    assert get_tags(cls()) is not None
