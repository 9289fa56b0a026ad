"""What a classifier's classes are measured by, held against scikit-learn and by hand."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest
from sklearn.calibration import calibration_curve
from sklearn.metrics import precision_recall_fscore_support, roc_auc_score

from models.evaluation import classes
from models.evaluation.facts import Answers
from tests.evaluation.samples import answers_of

THREE = answers_of(300, ("a", "b", "c"))
TWO = answers_of(300, (False, True))


def test_a_share_has_the_interval_ofwilson() -> None:
    found = classes.share(8, 10)
    assert found.value == 0.8
    # The textbook example, to four digits.
    assert (found.low, found.high) == pytest.approx((0.4902, 0.9433), abs=1e-4)


@pytest.mark.parametrize("answers", [TWO, THREE], ids=["two", "three"])
def test_each_class_is_measured_as_scikit_learn_does(answers: Answers) -> None:
    found = classes.by_class(classes.confusion(answers), answers)
    precision, recall, f1, rows = precision_recall_fscore_support(
        answers.truth, answers.predictions, labels=list(answers.classes or ())
    )
    assert [each.label for each in found] == [str(label) for label in answers.classes or ()]
    assert [each.precision.value for each in found if each.precision] == pytest.approx(precision)
    assert [each.recall.value for each in found if each.recall] == pytest.approx(recall)
    assert [each.f1 for each in found] == pytest.approx(f1)
    assert [each.rows for each in found] == rows.tolist()


def test_a_label_that_is_no_class_is_never_predicted() -> None:
    truth = np.array([*"abc", "d"], dtype=object)
    predictions = np.array([*"aba", "a"], dtype=object)
    given = {"truth": truth, "predictions": predictions, "probabilities": None}
    answers = msgspec.structs.replace(THREE, **given)
    found = classes.confusion(answers)
    assert found.labels == ["a", "b", "c", "d"]
    assert found.counts == [[1, 0, 0, 0], [0, 1, 0, 0], [1, 0, 0, 0], [1, 0, 0, 0]]
    last = classes.by_class(found, answers)[-1]
    assert (last.rows, last.predicted, last.precision, last.f1) == (1, 0, None, 0.0)
    pairs = classes.worst_pairs(found, 5)
    assert pairs.to_numpy().tolist() == [["c", "a", 1], ["d", "a", 1]]


def test_a_class_without_rows_has_no_recall_and_no_curve() -> None:
    where = THREE.truth != "c"
    assert THREE.truth is not None
    assert THREE.probabilities is not None
    answers = msgspec.structs.replace(
        THREE,
        truth=THREE.truth[where],
        predictions=THREE.predictions[where],
        probabilities=THREE.probabilities[where],
    )
    assert classes.by_class(classes.confusion(answers), answers)[2].recall is None
    assert {curve.label for curve in classes.curves(answers)} == {"a", "b"}


def test_two_classes_are_calibrated_by_the_second() -> None:
    found = classes.calibration(TWO)
    assert found is not None
    assert TWO.probabilities is not None
    observed, predicted = calibration_curve(TWO.truth, TWO.probabilities[:, 1], n_bins=10)
    assert found.label == "True"
    assert [each.observed.value for each in found.bins] == pytest.approx(observed)
    assert [each.predicted for each in found.bins] == pytest.approx(predicted)
    assert sum(each.rows for each in found.bins) == 300


def test_more_classes_are_calibrated_by_the_predicted_one() -> None:
    found = classes.calibration(THREE)
    assert found is not None
    assert THREE.probabilities is not None
    best = THREE.probabilities.max(axis=1)
    right = np.array(list("abc"))[THREE.probabilities.argmax(axis=1)] == THREE.truth
    # The definition of Guo et al. (2017), bin by bin.
    error = 0.0
    for i in range(10):
        where = (best > i / 10) & (best <= (i + 1) / 10)
        if where.any():
            error += where.mean() * abs(best[where].mean() - right[where].mean())
    assert found.label == ""
    assert found.expected_error == pytest.approx(error)


def test_curves_have_the_areas_of_scikit_learn_the_smallest_first() -> None:
    found = classes.curves(THREE)
    assert THREE.probabilities is not None
    areas = {
        label: roc_auc_score(THREE.truth == label, THREE.probabilities[:, i])
        for i, label in enumerate("abc")
    }
    assert {each.label: each.area for each in found} == pytest.approx(areas)
    assert [each.area for each in found] == sorted(areas.values())
    assert all(len(each.points) <= classes.MAX_POINTS for each in found)
    assert found[0].points[0] == (0.0, 0.0)
    assert found[0].points[-1] == (1.0, 1.0)


@pytest.mark.parametrize("width", [1, 2])
def test_two_classes_have_one_curve_from_probabilities_or_scores(width: int) -> None:
    assert TWO.probabilities is not None
    answers = TWO
    if width == 1:
        scores = TWO.probabilities[:, 1]
        answers = msgspec.structs.replace(TWO, probabilities=None, scores=scores)
    (curve,) = classes.curves(answers)
    assert curve.label == "True"
    assert curve.area == pytest.approx(roc_auc_score(TWO.truth, TWO.probabilities[:, 1]))


def test_without_probabilities_and_scores_nothing_is_drawn() -> None:
    answers = msgspec.structs.replace(THREE, probabilities=None)
    assert classes.calibration(answers) is None
    assert classes.curves(answers) == []
    # Scores of pairs of classes, as SVC has them.
    four = answers_of(20, ("a", "b", "c", "d"))
    pairs = msgspec.structs.replace(four, probabilities=None, scores=np.zeros((20, 6)))
    assert classes.curves(pairs) == []
