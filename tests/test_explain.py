"""Explanations are Shapley values, add up to the answer, and say how they were made."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import joblib
import msgspec
import numpy as np
import pandas as pd
import pytest
from flask.testing import FlaskClient
from sklearn.base import BaseEstimator, RegressorMixin, is_clusterer
from sklearn.cluster import KMeans
from sklearn.compose import make_column_transformer
from sklearn.cross_decomposition import PLSRegression
from sklearn.decomposition import PCA
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.ensemble import (
    AdaBoostClassifier,
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    IsolationForest,
    RandomForestClassifier,
    RandomForestRegressor,
    VotingClassifier,
)
from sklearn.feature_extraction import DictVectorizer
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.feature_selection import SelectKBest, f_regression
from sklearn.impute import SimpleImputer
from sklearn.linear_model import (
    LinearRegression,
    LogisticRegression,
    PoissonRegressor,
    Ridge,
    RidgeClassifier,
    SGDClassifier,
)
from sklearn.mixture import GaussianMixture
from sklearn.model_selection import GridSearchCV
from sklearn.multioutput import MultiOutputClassifier
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KernelDensity, KNeighborsClassifier, KNeighborsRegressor
from sklearn.neural_network import MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    KBinsDiscretizer,
    LabelEncoder,
    OneHotEncoder,
    OrdinalEncoder,
    PolynomialFeatures,
    SplineTransformer,
    StandardScaler,
)
from sklearn.svm import SVC, LinearSVC, OneClassSVM
from sklearn.tree import (
    DecisionTreeClassifier,
    DecisionTreeRegressor,
    ExtraTreeClassifier,
    ExtraTreeRegressor,
)

from api import create_app, explanations
from api.errors import Busy
from api.settings import Settings
from models import load, pipeline
from models.errors import RowRejected
from models.explain.choose import TRIED_ROWS, Answers, choose
from tests.conftest import Serve
from tests.shapley import brute_force
from tests.test_all_estimators import ESTIMATORS, fitted
from tests.test_rejections import GOOD
from tests.trials import bake

RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(80, 4))
NUMBER = X[:, 0] * 2 - X[:, 1] * X[:, 2] + 0.1 * X[:, 3]
TWO = np.where(NUMBER > 0, "high", "low")
THREE = np.digitize(NUMBER, [-1, 1])
FOUR = np.digitize(NUMBER, [-1, 0, 1])
SEVERAL = np.column_stack([NUMBER, X[:, 1] ** 2])
BACKGROUND = X[:12]
ROWS = X[40:43]
CARD = msgspec.json.encode({"background": BACKGROUND.tolist()})


# The library for trees adds up in single precision.
TOLERANCE = {"linear": 1e-9, "permutation": 1e-9, "tree": 1e-6}


def explained(client: FlaskClient, rows: Any) -> Any:
    answer = client.post("/explain", json=rows)
    assert answer.status_code == 200, answer.text
    found = answer.json
    for each in found["explanations"]:
        total = np.sum([found["base"], *each["contributions"].values()], axis=0)
        size = max(1, np.abs(each["output"]).max())
        assert np.abs(total - each["output"]).max() <= found["largest_error"] + 1e-12 * size
        assert found["largest_error"] <= TOLERANCE[found["method"]] * size
    return found


def contributions(found: dict[str, Any]) -> np.ndarray:
    return np.array([list(each["contributions"].values()) for each in found["explanations"]])


def check_exact(found: dict[str, Any], ask: Callable[[Any], Any]) -> None:
    """The explanations of ROWS are the Shapley values of `ask`."""
    assert found["exact"]
    tolerance = TOLERANCE[found["method"]]
    for row, values in zip(ROWS.tolist(), contributions(found), strict=True):
        base, expected = brute_force(ask, row, BACKGROUND.tolist())
        assert np.allclose(found["base"], base, atol=tolerance)
        assert np.allclose(values, expected, atol=tolerance)


LINEAR = {
    "least squares": LinearRegression().fit(X, NUMBER),
    "ridge of several": Ridge().fit(X, SEVERAL),
    "partial least squares": PLSRegression().fit(X, SEVERAL),
    "logistic of two": LogisticRegression().fit(X, TWO),
    "logistic of three": LogisticRegression().fit(X, THREE),
    "ridge classifier": RidgeClassifier().fit(X, THREE),
    "linear support vectors": LinearSVC().fit(X, TWO),
    "kernel of a line": SVC(kernel="linear").fit(X, TWO),
    "descent": SGDClassifier(random_state=0).fit(X, THREE),
    "discriminant": LinearDiscriminantAnalysis().fit(X, TWO),
    "scaled": make_pipeline(StandardScaler(), LogisticRegression()).fit(X, TWO),
    "sparse": make_pipeline(KBinsDiscretizer(3), Ridge()).fit(X, NUMBER),
    "passed, selected, in a pipeline": make_pipeline(
        "passthrough", SelectKBest(f_regression, k=2), make_pipeline(StandardScaler(), Ridge())
    ).fit(X, NUMBER),
    "splines": make_pipeline(SplineTransformer(), Ridge()).fit(X, NUMBER),
    "searched": GridSearchCV(
        make_pipeline(StandardScaler(), LogisticRegression()),
        {"logisticregression__C": [0.1, 1]},
        cv=2,
    ).fit(X, TWO),
}


@pytest.mark.parametrize("name", LINEAR)
def test_linear_models_are_exact(serve: Serve, name: str) -> None:
    model = LINEAR[name]
    found = explained(serve(model, CARD), ROWS.tolist())
    output = "decision_function" if hasattr(model, "decision_function") else "predict"
    assert (found["method"], found["output"]) == ("linear", output)
    check_exact(found, getattr(model, output))
    assert found.get("classes") == (model.classes_.tolist() if output != "predict" else None)


def small(kind: Any, **settings: Any) -> Any:
    many = {"n_estimators": 7} if "Trees" in kind.__name__ or "Forest" in kind.__name__ else {}
    many = {"n_estimators": 7} if kind.__name__.startswith("Gradient") else many
    many = {"max_iter": 7, "min_samples_leaf": 5} if kind.__name__.startswith("Hist") else many
    return kind(random_state=0, **many, **settings)


TREES = {
    "tree of two": small(DecisionTreeClassifier).fit(X, TWO),
    "tree of three": small(DecisionTreeClassifier).fit(X, THREE),
    "tree of numbers": small(DecisionTreeRegressor).fit(X, NUMBER),
    "tree of several": small(DecisionTreeRegressor).fit(X, SEVERAL),
    "extra tree": small(ExtraTreeClassifier).fit(X, TWO),
    "extra tree of numbers": small(ExtraTreeRegressor).fit(X, NUMBER),
    "forest of two": small(RandomForestClassifier).fit(X, TWO),
    "forest of three": small(RandomForestClassifier).fit(X, THREE),
    "forest of numbers": small(RandomForestRegressor).fit(X, NUMBER),
    "extra trees": small(ExtraTreesClassifier).fit(X, THREE),
    "extra trees of numbers": small(ExtraTreesRegressor).fit(X, SEVERAL),
    "boosted of two": small(GradientBoostingClassifier).fit(X, TWO),
    "boosted of numbers": small(GradientBoostingRegressor).fit(X, NUMBER),
    "histograms of two": small(HistGradientBoostingClassifier).fit(X, TWO),
    "histograms of three": small(HistGradientBoostingClassifier).fit(X, THREE),
    "histograms of numbers": small(HistGradientBoostingRegressor).fit(X, NUMBER),
    "scaled": make_pipeline(StandardScaler(), small(RandomForestClassifier)).fit(X, TWO),
}


@pytest.mark.parametrize("name", TREES)
def test_trees_are_exact(serve: Serve, name: str) -> None:
    model = TREES[name]
    found = explained(serve(model, CARD), ROWS.tolist())
    assert found["method"] == "tree"
    check_exact(found, getattr(model, found["output"]))


SAMPLED = {
    "boosted of three": (small(GradientBoostingClassifier).fit(X, THREE), "predict_proba"),
    "boosted counts": (
        small(HistGradientBoostingRegressor, loss="poisson").fit(X, NUMBER**2),
        "predict",
    ),
    "neighbors": (KNeighborsClassifier().fit(X, TWO), "predict_proba"),
    "neighbors of several": (KNeighborsRegressor().fit(X, SEVERAL), "predict"),
    "kernel": (SVC().fit(X, THREE), "decision_function"),
    "kernel of lines": (SVC(kernel="linear").fit(X, FOUR), "decision_function"),
    "network": (MLPRegressor(hidden_layer_sizes=(4,), max_iter=5, random_state=0), "predict"),
    "bayes": (GaussianNB().fit(X, THREE), "predict_proba"),
    "adaptive": (AdaBoostClassifier(n_estimators=3).fit(X, TWO), "predict_proba"),
    "counts": (PoissonRegressor().fit(X, NUMBER**2), "predict"),
    "isolation": (IsolationForest(n_estimators=5, random_state=0).fit(X), "decision_function"),
    "one class": (OneClassSVM().fit(X), "decision_function"),
    "mixture": (GaussianMixture(2, random_state=0).fit(X), "predict_proba"),
    "density": (KernelDensity().fit(X), "score_samples"),
    "components": (PCA(2).fit(X), "score_samples"),
    "polynomial": (make_pipeline(PolynomialFeatures(2), Ridge()).fit(X, NUMBER), "predict"),
}


@pytest.mark.parametrize("name", SAMPLED)
@pytest.mark.filterwarnings("ignore:Stochastic Optimizer")
def test_all_others_are_asked_and_exact_where_features_are_few(serve: Serve, name: str) -> None:
    model, output = SAMPLED[name]
    model = model if name != "network" else model.fit(X, NUMBER)
    found = explained(serve(model, CARD), ROWS.tolist())
    assert (found["method"], found["output"]) == ("permutation", output)
    check_exact(found, getattr(model, output))


# Those with several outputs of classes, and those that throw dice.
UNEXPLAINED = {"ClassifierChain", "MultiOutputClassifier", "BernoulliRBM", "DummyClassifier"}


@pytest.mark.parametrize(("name", "cls"), ESTIMATORS, ids=[name for name, _ in ESTIMATORS])
@pytest.mark.filterwarnings("ignore")
def test_every_estimator_is_explained_or_refused_with_a_sentence(
    name: str, cls: type[BaseEstimator], serve: Serve
) -> None:
    estimator, _, samples = fitted(name, cls)
    client = serve(estimator, msgspec.json.encode({"background": samples}))
    answer = client.post("/explain", json={"instances": samples[:2]})
    if answer.status_code == 501:
        predicts = {"predict", "predict_proba", "decision_function", "score_samples"}
        kept = set(client.get("/metadata").json["methods"]) & predicts
        assert not kept or is_clusterer(estimator) or name in UNEXPLAINED, answer.json
        assert answer.json["detail"].endswith(".")
        return
    found = explained(client, {"instances": samples[:2]})
    assert found["exact"]
    ask = getattr(estimator, found["output"])
    if found["output"] == "predict" and "classes" in found:
        return
    for row, values in zip(samples, contributions(found), strict=False):
        base, expected = brute_force(lambda rows: ask(np.array(rows)), row, samples)
        size = max(1, np.abs(expected).max())
        assert np.allclose(found["base"], base, atol=1e-6 * size)
        assert np.allclose(values, expected, atol=1e-6 * size)


def test_a_vote_is_explained_by_its_label(serve: Serve) -> None:
    model = VotingClassifier([("a", GaussianNB()), ("b", LogisticRegression())]).fit(X, TWO)
    found = explained(serve(model, CARD), ROWS.tolist())
    assert (found["output"], found["classes"]) == ("predict", ["high", "low"])
    check_exact(found, lambda rows: model.predict(rows)[:, None] == model.classes_)
    assert [sum(each["output"]) for each in found["explanations"]] == [1, 1, 1]


def test_the_example_is_linear_and_its_encoded_columns_are_added_up(
    penguins: FlaskClient, penguins_path: Path
) -> None:
    found = explained(penguins, [GOOD, GOOD | {"island": None, "body_mass_g": None}])
    assert (found["method"], found["exact"], found["output"]) == (
        "linear",
        True,
        "decision_function",
    )
    assert found["classes"] == ["Adelie", "Chinstrap", "Gentoo"]
    assert list(found["explanations"][0]["contributions"]) == pipeline.FEATURES
    model = joblib.load(penguins_path)
    background = json.loads(penguins_path.with_suffix(".json").read_text())["background"]
    assert len(background) == 50

    def ask(rows: Any) -> Any:
        frame = pd.DataFrame(rows, columns=pipeline.FEATURES)
        return model.decision_function(frame.astype(dict.fromkeys(pipeline.NUMBERS, float)))

    row = [GOOD[name] for name in pipeline.FEATURES]
    base, values = brute_force(ask, row, background[:])
    assert np.allclose(found["base"], base)
    assert np.allclose(contributions(found)[0], values)


COLORS = ["red", "green", "blue"]


def mixed(width: int) -> tuple[pd.DataFrame, np.ndarray, bytes]:
    """Rows of a category and numbers, what they lead to, and a card."""
    frame = pd.DataFrame(RANDOM.normal(size=(60, width)), columns=[f"n{i}" for i in range(width)])
    frame.insert(0, "color", RANDOM.choice(COLORS, 60))
    target = np.where(frame["color"] == "red", frame["n0"], frame["n1"] * 2)
    background = frame[:12].astype(object).to_numpy().tolist()
    return frame, target, msgspec.json.encode({"background": background})


def forest(encoder: Any, frame: pd.DataFrame, target: np.ndarray) -> Any:
    columns = make_column_transformer((encoder, ["color"]), remainder="passthrough")
    return make_pipeline(columns, small(RandomForestRegressor)).fit(frame, target)


@pytest.mark.parametrize(
    ("encoder", "method"), [(OrdinalEncoder(), "tree"), (OneHotEncoder(), "permutation")]
)
def test_trees_behind_encoders_are_exact_where_features_are_few(
    serve: Serve, encoder: Any, method: str
) -> None:
    frame, target, card = mixed(3)
    model = forest(encoder, frame, target)
    rows = frame[20:22].to_numpy().tolist()
    found = explained(serve(model, card), rows)
    assert (found["method"], found["exact"]) == (method, True)

    def ask(rows: Any) -> Any:
        return model.predict(pd.DataFrame(rows, columns=frame.columns))

    for row, values in zip(rows, contributions(found), strict=True):
        _, expected = brute_force(ask, row, json.loads(card)["background"])
        assert np.allclose(values, expected, atol=1e-6)


def test_a_feature_that_trees_see_as_several_columns_gets_their_sum(serve: Serve) -> None:
    frame, target, card = mixed(12)
    model = forest(OneHotEncoder(), frame, target)
    client = serve(model, card)
    found = explained(client, frame[20:24].to_numpy().tolist())
    assert (found["method"], found["exact"]) == ("tree", False)
    assert len(found["explanations"][0]["contributions"]) == 13


def test_many_features_are_sampled_and_close(serve: Serve) -> None:
    wide = RANDOM.normal(size=(60, 12))
    model = make_pipeline(PolynomialFeatures(1), Ridge()).fit(wide, wide[:, 0] * 3 - wide[:, 5])
    card = msgspec.json.encode({"background": wide[:20].tolist()})
    found = explained(serve(model, card), wide[40:42].tolist())
    assert (found["method"], found["exact"]) == ("permutation", False)
    # The model is linear after all, so that each order gives the same.
    weights = model[-1].coef_[1:]
    expected = weights * (wide[40:42] - wide[:20].mean(axis=0))
    assert np.allclose(contributions(found)[:, :, 0], expected)


def test_the_same_row_gets_the_same_explanation_alone_and_in_company(serve: Serve) -> None:
    wide = RANDOM.normal(size=(60, 12))
    model = KNeighborsRegressor().fit(wide, wide[:, 0] * wide[:, 1])
    client = serve(model, msgspec.json.encode({"background": wide[:20].tolist()}))
    alone = [explained(client, wide[i : i + 1].tolist())["explanations"][0] for i in range(3)]
    assert explained(client, wide[:3].tolist())["explanations"] == alone


def test_trees_that_are_too_large_are_asked(
    serve: Serve, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("models.explain.tree.MAX_NODES", 2)
    with caplog.at_level("INFO", "models"):
        found = explained(serve(TREES["forest of two"], CARD), ROWS.tolist())
    assert found["method"] == "permutation"
    assert "a tree of the RandomForestClassifier has more than 2 nodes" in caplog.text


def test_a_feature_that_the_model_does_not_look_at_adds_nothing(serve: Serve) -> None:
    frame, target, _ = mixed(3)
    columns = make_column_transformer(("passthrough", ["n0", "n1"]))
    model = make_pipeline(columns, KNeighborsRegressor()).fit(frame, target)
    card = msgspec.json.encode({"background": frame[:12].to_numpy().tolist()})
    found = explained(serve(model, card), frame[20:21].to_numpy().tolist())
    values = found["explanations"][0]["contributions"]
    assert values["color"] == values["n2"] == [0]
    assert values["n0"] != [0]


def test_missing_values_are_explained(serve: Serve) -> None:
    gaps = X.copy()
    gaps[::3, 1] = np.nan
    card = msgspec.json.encode({"background": gaps[:12].tolist()})
    rows = [[0.5, None, 1, 2]]
    model = make_pipeline(SimpleImputer(add_indicator=True), Ridge()).fit(gaps, NUMBER)
    found = explained(serve(model, card), rows)
    assert (found["method"], found["exact"]) == ("linear", True)
    _, expected = brute_force(model.predict, [0.5, np.nan, 1, 2], gaps[:12].tolist())
    assert np.allclose(contributions(found)[0], expected)


@pytest.mark.parametrize(
    "kind", [HistGradientBoostingRegressor, RandomForestRegressor, DecisionTreeRegressor]
)
def test_trees_send_missing_values_their_own_way(serve: Serve, kind: Any) -> None:
    gaps = X.copy()
    gaps[::3, 1] = np.nan
    model = small(kind).fit(gaps, np.where(np.isnan(gaps[:, 1]), 5, NUMBER))
    card = msgspec.json.encode({"background": gaps[:12].tolist()})
    rows: list[list[float | None]] = [[0.5, None, 1, 2], [0.5, 1, 1, 2]]
    found = explained(serve(model, card), rows)
    assert found["exact"]
    for row, values in zip(rows, contributions(found), strict=True):
        numbers = [np.nan if value is None else value for value in row]
        _, expected = brute_force(model.predict, numbers, gaps[:12].tolist())
        assert np.allclose(values, expected, atol=1e-6)


def test_without_rows_the_statistics_of_the_card_do(serve: Serve, penguins_path: Path) -> None:
    card = json.loads(penguins_path.with_suffix(".json").read_text())
    del card["background"], card["sha256"]
    client = serve(joblib.load(penguins_path), msgspec.json.encode(card))
    found = explained(client, GOOD)
    assert (found["method"], found["exact"]) == ("linear", True)


def test_every_format_is_explained(serve: Serve) -> None:
    client = serve(LINEAR["scaled"], CARD)
    expected = explained(client, ROWS.tolist())
    lines = "\n".join(",".join(map(str, row)) for row in [["x0", "x1", "x2", "x3"], *ROWS.tolist()])
    answer = client.post("/explain", data=lines, headers={"content-type": "text/csv"})
    assert answer.json == expected
    answer = client.post("/v1/models/model:explain", json={"instances": ROWS.tolist()})
    assert answer.json == expected
    metrics = client.get("/metrics").text
    assert 'prediction_rows_total{route="/explain"}' in metrics


REFUSED = {
    "text": (make_pipeline(TfidfVectorizer(), LogisticRegression()).fit(["a b c d", "bb cc"], [0, 1]), "takes texts", "a text"),
    "labels": (LabelEncoder().fit(["a", "b"]), "takes labels", "a"),
    "mappings": (make_pipeline(DictVectorizer(), Ridge()).fit([{"a": 1}, {"b": 2}], [1, 2]), "objects with names of their own", {"a": 1}),
    "several outputs of classes": (
        MultiOutputClassifier(GaussianNB()).fit(X, np.column_stack([TWO, TWO])),
        "several outputs of classes are not explained",
        ROWS.tolist(),
    ),
    "clusters": (KMeans(2, n_init=1, random_state=0).fit(X), "labels, not quantities", ROWS.tolist()),
    "a transformer": (StandardScaler().fit(X), "predicts nothing that could be explained", ROWS.tolist()),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_explained_is_501_with_a_sentence(serve: Serve, name: str) -> None:
    model, sentence, body = REFUSED[name]
    answer = serve(model, CARD).post("/explain", json=body)
    assert (answer.status_code, answer.content_type) == (501, "application/problem+json")
    assert sentence in answer.json["detail"]


def test_a_card_without_rows_is_501_and_says_how_to_get_them(serve: Serve) -> None:
    client = serve(LINEAR["scaled"])
    answer = client.post("/explain", json=ROWS.tolist())
    assert answer.status_code == 501
    assert "make card DATA=train.csv puts some of the training data" in answer.json["detail"]
    answer = client.post("/v1/models/model:explain", json={"instances": ROWS.tolist()})
    assert answer.status_code == 501
    assert answer.json["error"].startswith("To explain an answer takes rows to compare with")


def test_a_card_whose_rows_do_not_fit_says_where(serve: Serve) -> None:
    client = serve(LINEAR["scaled"], b'{"background": [[1, 2, 3, 4], [1, 2, "x", 4]]}')
    answer = client.post("/explain", json=ROWS.tolist())
    assert answer.status_code == 501
    assert "/background/1/2: x2: expected a number, got a string" in answer.json["detail"]


def test_wrong_rows_are_the_errors_of_predict(serve: Serve) -> None:
    client = serve(LINEAR["scaled"], CARD)
    answer = client.post("/explain", json=[[1, 2, "x", 4]])
    assert answer.status_code == 422
    assert answer.json["errors"][0]["pointer"] == "/0/2"
    answer = client.post("/v1/models/model:explain", json={"instances": [[1, 2, "x", 4]]})
    assert (answer.status_code, set(answer.get_json())) == (422, {"error"})
    assert "/instances/0/2: x2: expected a number" in answer.json["error"]
    assert client.post("/explain", data="{", content_type="application/json").status_code == 400
    assert client.get("/explain").status_code == 405
    assert client.post("/explain", data="a", content_type="text/plain").status_code == 415


@pytest.mark.parametrize("accept", ["text/csv", "application/x-npy", "text/html"])
def test_an_explanation_is_json(serve: Serve, accept: str) -> None:
    client = serve(LINEAR["scaled"], CARD)
    answer = client.post("/explain", json=ROWS.tolist(), headers={"accept": accept})
    assert (answer.status_code, answer.json["detail"]) == (
        406,
        "An explanation is application/json.",
    )
    accept += ", application/json;q=0.1"
    assert (
        client.post("/explain", json=ROWS.tolist(), headers={"accept": accept}).status_code == 200
    )


@pytest.mark.parametrize(("kind", "most"), [("linear", 500_000), ("tree", 2_500), ("asked", 5_208)])
def test_too_many_rows_are_413_with_a_sentence(serve: Serve, kind: str, most: int) -> None:
    model = {
        "linear": LINEAR["scaled"],
        "tree": TREES["forest of two"],
        "asked": SAMPLED["bayes"][0],
    }[kind]
    client = serve(model, CARD, max_rows=1_000_000)
    answer = client.post("/explain", json=np.zeros((most + 1, 4)).tolist())
    assert answer.status_code == 413
    assert answer.json["detail"] == (
        f"{most + 1} rows of 4 features are over the limit of {most} in one request for an explanation."
    )


@pytest.mark.parametrize("name", ["forest of two", "bayes"])
def test_it_does_not_take_longer_than_the_timeout(
    serve: Serve, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = serve(TREES.get(name) or SAMPLED[name][0], CARD)
    explained(client, ROWS.tolist())
    times = iter([0.0])
    clock = SimpleNamespace(monotonic=lambda: next(times, 61.0))
    monkeypatch.setattr(explanations, "time", clock)
    answer = client.post("/explain", json=ROWS.tolist())
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1")
    assert answer.json["detail"] == "Explaining took over 60 seconds: send fewer rows."


class Picky(RegressorMixin, BaseEstimator):
    """Adds up, but not what is positive twice, and not what is large."""

    def fit(self, X: Any, y: Any) -> Picky:
        self.n_features_in_ = X.shape[1]
        return self

    def predict(self, X: Any) -> Any:
        if ((X[:, 0] > 0) & (X[:, 1] > 0)).any():
            raise ValueError("both are positive")
        with np.errstate(over="ignore"):
            return np.exp(X[:, 0]) + X[:, 1]


def test_a_mixture_that_the_model_refuses_is_501(serve: Serve) -> None:
    client = serve(Picky().fit(X, NUMBER), b'{"background": [[1, -1, 0, 0]]}')
    assert explained(client, [[2, -2, 1, 1]])["method"] == "permutation"
    answer = client.post("/explain", json=[[-1, 2, 0, 0]])
    assert answer.status_code == 501
    assert "a mixture of one with a row of the request: both are positive" in answer.json["detail"]
    answer = client.post("/explain", json=[[1, 2, 0, 0]])
    assert (answer.status_code, answer.json["errors"][0]["pointer"]) == (422, "/0")


def test_an_answer_that_is_not_finite_is_501(serve: Serve) -> None:
    client = serve(Picky().fit(X, NUMBER), b'{"background": [[1, -1, 0, 0]]}')
    answer = client.post("/explain", json=[[1e9, -1, 0, 0]])
    assert (answer.status_code, "finite" in answer.json["detail"]) == (501, True)


def test_a_wrong_sum_is_logged_and_the_model_asked_instead(
    serve: Serve, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    client = serve(LINEAR["scaled"], CARD)
    assert explained(client, ROWS.tolist())["method"] == "linear"
    from models.explain.linear import Linear

    right = Linear.contributions
    monkeypatch.setattr(Linear, "contributions", lambda *given: 1.01 * right(*given))
    found = explained(client, ROWS.tolist())
    assert (found["method"], found["output"]) == ("permutation", "predict_proba")
    assert "the linear explanation is wrong; sampled instead" in caplog.text


@pytest.fixture(scope="module")
def baked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A forest with its plan and a card with background."""
    path = tmp_path_factory.mktemp("explained") / "latest.joblib"
    joblib.dump(TREES["forest of two"], path)
    path.with_suffix(".json").write_bytes(CARD)
    bake(path)
    return path


SERVE = """
import json, sys
for name in {hidden!r}:
    sys.modules[name] = None
from api import create_app
from api.settings import Settings
client = create_app(Settings(model_path={path!r}, engine={engine!r})).test_client()
before = "sklearn" in sys.modules
answer = client.post("/explain", json={rows!r})
print(json.dumps([before, answer.status_code, answer.json]))
"""


def served(path: Path, hidden: list[str], engine: str = "auto") -> tuple[Any, str]:
    program = SERVE.format(hidden=hidden, path=str(path), engine=engine, rows=ROWS.tolist())
    done = subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True, timeout=120
    )
    return json.loads(done.stdout), done.stderr


def test_where_a_plan_serves_scikit_learn_is_loaded_for_the_first_explanation(baked: Path) -> None:
    # Without the module that tries a model in a child: a server with threads must not fork.
    (before, status, found), _ = served(baked, ["models.fitted"])
    assert (before, status, found["method"]) == (False, 200, "tree")
    (_, _, own), _ = served(baked, [], "sklearn")
    assert np.allclose(contributions(found), contributions(own))


def test_where_scikit_learn_is_not_installed_the_plan_is_asked(baked: Path) -> None:
    (_, status, found), _ = served(baked, ["sklearn", "joblib", "scipy", "pandas", "shap"], "plan")
    assert (status, found["method"], found["exact"]) == (200, "permutation", True)
    check_exact(found, TREES["forest of two"].predict_proba)


def test_where_shap_is_not_installed_trees_are_asked(
    serve: Serve, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setitem(sys.modules, "shap", None)
    found = explained(serve(TREES["forest of two"], CARD), ROWS.tolist())
    assert found["method"] == "permutation"
    check_exact(found, TREES["forest of two"].predict_proba)
    assert "shap is not installed, which explains trees exactly" in caplog.text


@pytest.mark.parametrize("gone", [True, False], ids=["gone", "replaced"])
def test_a_model_whose_file_is_another_by_now_is_not_explained_in_another_way(
    baked: Path, tmp_path: Path, *, gone: bool
) -> None:
    for name in ("latest.joblib", "latest.json", "latest.plan.npz"):
        (tmp_path / name).write_bytes((baked.parent / name).read_bytes())
    path = tmp_path / "latest.joblib"
    client = create_app(Settings(model_path=str(path))).test_client()
    path.unlink() if gone else joblib.dump(LINEAR["scaled"], path)
    answer = client.post("/explain", json=ROWS.tolist())
    assert answer.status_code == 503
    assert "was replaced or taken away while it is served" in answer.json["detail"]


def test_many_first_requests_choose_once(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    client = serve(TREES["forest of two"], CARD)
    chosen = []

    def count(*given: Any) -> Any:
        chosen.append(given)
        return choose(*given)

    monkeypatch.setattr(explanations, "choose", count)
    answers: list[int] = []

    def ask() -> None:
        answers.append(
            client.application.test_client().post("/explain", json=ROWS.tolist()).status_code
        )

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert (answers, len(chosen)) == ([200] * 4, 1)


def test_who_waits_too_long_for_the_choice_is_503(monkeypatch: pytest.MonkeyPatch) -> None:
    service: Any = SimpleNamespace(model=None, batcher=SimpleNamespace(run=None))
    own = explanations.Explanations(service, timeout=0.01)
    with own._lock, pytest.raises(Busy, match="Another request still finds out"):
        own.explain(SimpleNamespace(rows=ROWS))  # type: ignore[arg-type]


def test_a_choice_that_ran_out_of_time_is_made_anew(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = serve(TREES["forest of two"], CARD)
    with monkeypatch.context() as patch:
        times = iter([0.0, 0.0])
        clock = SimpleNamespace(monotonic=lambda: next(times, 61.0))
        patch.setattr(explanations, "time", clock)
        assert client.post("/explain", json=ROWS.tolist()).status_code == 503
    assert explained(client, ROWS.tolist())["method"] == "tree"


def test_the_metadata_leave_the_background_out(serve: Serve) -> None:
    card = serve(LINEAR["scaled"], b'{"background": [[1, 2, 3, 4]], "target": "t"}')
    assert card.get("/metadata").json["card"] == {"target": "t"}


def test_an_explainer_whose_rows_the_model_rejects_is_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "latest.joblib"
    joblib.dump(LINEAR["scaled"], path)
    path.with_suffix(".json").write_bytes(CARD)
    model = load(path)

    def run(method: str, rows: Any) -> Any:
        if len(rows) == TRIED_ROWS:
            raise RowRejected(0, "not these")
        return model.engine.run(method, rows)

    best, sampled = choose(Answers(model, run), lambda: None)
    assert best is sampled
