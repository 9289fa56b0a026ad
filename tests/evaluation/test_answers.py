"""A model's answers to known rows: what it refuses is left out, and truth has the model's types."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import joblib
import msgspec
import numpy as np
import pandas as pd
import pytest
from sklearn.cluster import KMeans
from sklearn.ensemble import IsolationForest
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.mixture import GaussianMixture
from sklearn.multioutput import MultiOutputClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

import models
from models import fitted
from models.baking import bake
from models.evaluation import answers
from models.evaluation.answers import answered, in_common, of_estimator
from models.evaluation.facts import Unmeasurable
from models.evaluation.truth import as_truth
from models.model import Model

RNG = np.random.default_rng(0)
ROWS = pd.DataFrame(RNG.normal(size=(60, 2)), columns=["a", "b"])
TRUTH = (ROWS["a"] > 0).astype(int).to_numpy()
CLASSIFIER = LogisticRegression().fit(ROWS, TRUTH)
CLUSTERER = make_pipeline(StandardScaler(), KMeans(2, random_state=0)).fit(ROWS)


def model_of(estimator: Any, folder: Path) -> Model:
    path = folder / "model.joblib"
    joblib.dump(estimator, path)
    return fitted.load(path)


def test_a_regressor_that_was_fitted_on_a_column_is_measured(tmp_path: Path) -> None:
    line = LinearRegression().fit(ROWS, TRUTH[:, None])
    found = answered(model_of(line, tmp_path), ROWS, TRUTH)
    assert found.predictions.tolist() == pytest.approx(line.predict(ROWS)[:, 0])


@pytest.fixture(scope="module")
def classifier(tmp_path_factory: pytest.TempPathFactory) -> Model:
    return model_of(CLASSIFIER, tmp_path_factory.mktemp("classifier"))


def test_a_model_answers_as_its_estimator_does(classifier: Model) -> None:
    a, b = answered(classifier, ROWS, TRUTH), of_estimator(CLASSIFIER, ROWS, TRUTH)
    for one in (a, b):
        assert (one.kind, one.classes, one.refused, one.without_truth) == (
            "classifier",
            (0, 1),
            0,
            0,
        )
    for field in ("truth", "predictions", "probabilities", "scores", "places"):
        np.testing.assert_allclose(getattr(a, field), getattr(b, field), rtol=1e-12)


def test_rows_that_are_refused_or_without_truth_are_left_out(
    classifier: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(answers, "ROWS_AT_ONCE", 25)
    rows, truth = ROWS.copy(), TRUTH.astype(float)
    rows.loc[[3, 40], "a"] = np.nan
    truth[[7, 8, 9]] = np.nan
    a = answered(classifier, rows, truth)
    assert (a.refused, a.without_truth) == (2, 3)
    assert a.places.tolist() == [i for i in range(60) if i not in (3, 40, 7, 8, 9)]
    np.testing.assert_array_equal(a.predictions, CLASSIFIER.predict(rows.iloc[a.places]))
    np.testing.assert_array_equal(a.truth, TRUTH[a.places])
    assert a.rows.index.tolist() == a.places.tolist()


def test_rows_may_be_a_list(tmp_path: Path) -> None:
    texts = ["good film", "bad film", "good", "bad"]
    estimator = make_pipeline(TfidfVectorizer(), LogisticRegression()).fit(texts, [1, 0, 1, 0])
    a = answered(model_of(estimator, tmp_path), texts, [1, 0, None, 0])
    assert a.rows == ["good film", "bad film", "bad"]
    assert a.predictions.tolist() == [1, 0, 0]


# The classes, the truth, and the truth in the classes' types.
TYPES = [
    ((0, 1), ["0", "1", "1.0"], [0, 1, 1]),
    (("0", "1"), [0, 1.0, np.int8(1)], ["0", "1", "1"]),
    ((0, 1), [True, np.False_, 1], [1, 0, 1]),
    ((False, True), [0, "true", "False"], [False, True, False]),
    (("01", "1"), ["01", "1", 1], ["01", "1", "1"]),
    (("no", "yes"), ["yes ", "no", "maybe"], ["yes", "no", "maybe"]),
    ((1, "a"), ["a", "1"], ["a", 1]),
    ((0.5, 1.5), ["0.50", 1.5, "x"], [0.5, 1.5, "x"]),
]


@pytest.mark.parametrize(("classes", "truth", "expected"), TYPES, ids=[str(t[1]) for t in TYPES])
def test_truth_gets_the_types_of_the_classes(
    classes: tuple[Any, ...], truth: list[Any], expected: list[Any]
) -> None:
    found = as_truth("classifier", classes, np.array(truth, dtype=object)).tolist()
    assert found == expected
    assert list(map(type, found)) == list(map(type, expected))


OUTLIERS = [([1, -1, 1], [1, -1, 1]), ([0, 1, 0], [1, -1, 1]), ([True, False], [-1, 1])]


@pytest.mark.parametrize(("truth", "expected"), OUTLIERS)
def test_outliers_are_minus_1_as_scikit_learn_has_them(truth: Any, expected: list[int]) -> None:
    assert as_truth("outliers", None, np.array(truth, dtype=object)).tolist() == expected


def test_each_kind_of_model_is_known() -> None:
    number = LinearRegression().fit(ROWS, ROWS["a"] + ROWS["b"])
    assert of_estimator(number, ROWS, ROWS["a"]).kind == "regressor"
    read = of_estimator(number, ROWS, ROWS["a"].astype(str)).truth
    assert read is not None
    assert read.dtype == np.float64
    odd = of_estimator(IsolationForest(random_state=0).fit(ROWS), ROWS)
    assert (odd.kind, np.asarray(odd.scores).shape, odd.truth, odd.classes) == (
        "outliers",
        (60,),
        None,
        None,
    )
    close = of_estimator(CLUSTERER, ROWS, TRUTH)
    assert (close.kind, np.asarray(close.inputs).shape) == ("clusterer", (60, 2))
    assert np.mean(np.asarray(close.inputs)) == pytest.approx(0)


@pytest.mark.parametrize(
    ("kind", "predictions"), [("clusterer", np.arange(3)), ("regressor", np.ones(3))]
)
def test_the_kind_of_a_plan_is_told_by_its_answers(kind: str, predictions: np.ndarray) -> None:
    assert answers.kind_of(None, None, ("predict",), predictions) == kind
    assert answers.kind_of(None, None, ("predict", *answers.SCORES), predictions) == "outliers"
    assert answers.kind_of(None, [1], ("predict",), predictions) == "classifier"


def test_an_estimator_without_tags_is_known_by_its_answers() -> None:
    assert of_estimator(GaussianMixture(2, random_state=0).fit(ROWS), ROWS).kind == "clusterer"


def test_a_baked_clusterer_still_knows_its_rows(tmp_path: Path) -> None:
    path = tmp_path / "model.joblib"
    joblib.dump(CLUSTERER, path)
    bake(path)
    model = models.load(path)
    assert model.estimator is None
    a = answered(model, ROWS)
    assert a.kind == "clusterer"
    np.testing.assert_array_equal(a.inputs, of_estimator(CLUSTERER, ROWS).inputs)
    alone = models.load(path.with_suffix(".plan.npz"))
    assert answered(alone, ROWS).inputs is None


def test_rows_that_are_no_numbers_are_no_inputs() -> None:
    texts = ROWS.assign(c="x")[["c"]]
    sparse = make_pipeline(OneHotEncoder(), KMeans(1, random_state=0)).fit(texts)
    np.testing.assert_array_equal(of_estimator(sparse, texts).inputs, [[1.0]] * 60)
    assert answers._inputs(KMeans(1), texts) is None


NAME_IT = "name the column of the target"
# The rows, the truth, and the sentence.
WRONG = [
    (ROWS[:0], [], "there are no rows to measure"),
    (ROWS, TRUTH[:9], "there are 60 rows, and 9 known answers to them"),
    (ROWS, np.eye(60), "the truth has several values a row: only one can be measured"),
    (ROWS, np.full(60, np.nan), "the known answer is missing in all 60 rows"),
    (
        ROWS,
        None,
        "a classifier is measured on rows whose answers are known: name their column, TARGET=column",
    ),
    (
        ROWS,
        ["x", "y"] * 30,
        f"no known answer is a class of the model: they are x, y, and its classes 0, 1: {NAME_IT}",
    ),
]


@pytest.mark.parametrize(("rows", "truth", "sentence"), WRONG, ids=[case[2] for case in WRONG])
def test_what_cannot_be_measured_is_told(
    classifier: Model, rows: pd.DataFrame, truth: Any, sentence: str
) -> None:
    for ask in (
        lambda: answered(classifier, rows, truth),
        lambda: of_estimator(CLASSIFIER, rows, truth),
    ):
        with pytest.raises(Unmeasurable) as error:
            ask()
        assert str(error.value) == sentence


def test_a_model_that_refuses_all_rows_says_why(classifier: Model) -> None:
    with pytest.raises(Unmeasurable) as error:
        answered(classifier, ROWS.assign(a=np.nan), np.where(np.arange(60) < 2, np.nan, TRUTH))
    assert str(error.value) == (
        "the model refuses all 58 rows; the first: The rows do not fit the model: row 3, a: "
        "expected a number; this model takes no missing value here."
    )


def test_a_missing_column_is_told_once(classifier: Model) -> None:
    with pytest.raises(Unmeasurable) as error:
        answered(classifier, ROWS[["b"]], TRUTH)
    assert str(error.value) == (
        "the model refuses these rows: The rows do not fit the model: column a: is missing."
    )


def test_only_rows_that_both_models_answer_are_in_common(classifier: Model) -> None:
    one, other = ROWS.copy(), ROWS.copy()
    one.loc[3, "a"] = other.loc[[5, 6], "a"] = np.nan
    a, b = in_common(answered(classifier, one, TRUTH), answered(classifier, other, TRUTH))
    assert a.places.tolist() == b.places.tolist() == [i for i in range(60) if i not in (3, 5, 6)]
    for each in (a, b):
        np.testing.assert_array_equal(each.truth, TRUTH[each.places])
        np.testing.assert_array_equal(each.predictions, CLASSIFIER.predict(each.rows))
    few = answered(classifier, one.iloc[:4], TRUTH[:4])
    with pytest.raises(Unmeasurable, match="there is no row that both models answer"):
        in_common(few, msgspec.structs.replace(few, places=few.places + 4))


def test_an_estimator_that_refuses_rows_says_why() -> None:
    with pytest.raises(Unmeasurable, match="the model does not answer these rows: ValueError"):
        of_estimator(CLASSIFIER, ROWS[["b"]], TRUTH)


def test_several_answers_a_row_are_told() -> None:
    both = np.stack([TRUTH, TRUTH], axis=1)
    model = MultiOutputClassifier(LogisticRegression()).fit(ROWS, both)
    with pytest.raises(Unmeasurable, match="the model answers with several values a row"):
        of_estimator(model, ROWS, TRUTH)


def test_a_number_that_is_none_is_told() -> None:
    model = LinearRegression().fit(ROWS, ROWS["a"])
    with pytest.raises(Unmeasurable) as error:
        of_estimator(model, ROWS, ["many"] * 60)
    assert str(error.value) == (
        "the model answers with numbers, and 60 known answers are none, as 'many': name the column "
        "of the target"
    )


def test_a_truth_of_outliers_that_is_none_is_told() -> None:
    with pytest.raises(Unmeasurable) as error:
        as_truth("outliers", None, np.array(["odd", "even"], dtype=object))
    assert str(error.value) == (
        "the known answers are even, odd: expected -1 for outliers and 1 for others, or true and "
        "false"
    )
