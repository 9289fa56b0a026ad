"""Which slices a column has, their scores, and which are marked as worse."""

from __future__ import annotations

import msgspec
import numpy as np
import pandas as pd
import pytest

from models.evaluation.facts import Unmeasurable
from models.evaluation.slices import MISSING, OTHERS, parts, slices
from models.evaluation.spread import groups, histogram, residuals
from tests.evaluation.samples import answers_of, numbers_of

NUMBERS = numbers_of(400)


@pytest.mark.parametrize(
    ("column", "names", "sizes"),
    [
        (pd.Series(["b", "a", "b", None]), ["a", "b", MISSING], [1, 2, 1]),
        (pd.Series([10, 2, 2, 10]), ["2", "10"], [2, 2]),
        (pd.Series([True, False, None], dtype="boolean"), ["False", "True", MISSING], [1, 1, 1]),
        (pd.Series(["a", "b"], dtype="category"), ["a", "b"], [1, 1]),
        (
            pd.Series([*map(float, range(12)), None]),
            ["0 to 2", "3 to 5", "6 to 8", "9 to 11", MISSING],
            [3, 3, 3, 3, 1],
        ),
        # Half of the numbers are one, and two quartiles are one slice.
        (pd.Series([0.0] * 20 + [*range(1, 21)]), ["0", "1 to 10", "11 to 20"], [20, 10, 10]),
        (
            pd.Series([*["often"] * 3, *(f"once {i:02}" for i in range(25))]),
            ["often", *(f"once {i:02}" for i in range(19)), OTHERS],
            [3, *[1] * 19, 6],
        ),
        (pd.Series([None, None]), [MISSING], [2]),
        (
            pd.Series([*map(float, range(12)), float("inf")]),
            ["0 to 2", "3 to 5", "6 to 8", "9 to 11", MISSING],
            [3, 3, 3, 3, 1],
        ),
    ],
)
def test_a_column_is_cut(column: pd.Series, names: list[str], sizes: list[int]) -> None:
    found = parts(column)
    assert [name for name, _ in found] == names
    assert [int(where.sum()) for _, where in found] == sizes


def test_a_slice_is_scored_on_its_rows() -> None:
    truth = NUMBERS.truth
    assert truth is not None
    frame = pd.DataFrame({"half": np.where(truth > 50, "high", "low")})
    high, low = slices(NUMBERS, frame, ["half", "half"])
    error = np.abs(truth - NUMBERS.predictions)[truth > 50].mean()
    assert high.scores["mean_absolute_error"].value == pytest.approx(error)
    assert (high.column, high.value, high.rows + low.rows) == ("half", "high", 400)


def test_the_worse_slice_is_marked_and_equal_ones_are_not() -> None:
    truth = NUMBERS.truth
    assert truth is not None
    half = np.where(truth > 50, "high", "low")
    frame = pd.DataFrame({"half": half, "chance": np.arange(400) % 2, "all": "x"})
    worse = {each.value: each.worse for each in slices(NUMBERS, frame, ["half", "chance", "all"])}
    both = ["mean_absolute_error", "root_mean_squared_error"]
    assert worse == {"high": both, "low": [], "0": [], "1": [], "x": []}


def test_a_worse_class_is_marked_by_its_accuracy() -> None:
    answers = answers_of(300, ("a", "b"))
    assert answers.truth is not None
    wrong = np.arange(300) < 60
    flipped = np.where(answers.truth == "a", "b", "a")
    answers = msgspec.structs.replace(
        answers, predictions=np.where(wrong, flipped, answers.truth), probabilities=None
    )
    bad, good = slices(answers, pd.DataFrame({"s": np.where(wrong, "bad", "good")}), ["s"])
    assert (bad.worse, good.worse) == (["accuracy"], [])


def test_no_share_of_outliers_is_worse_than_another() -> None:
    answers = msgspec.structs.replace(
        NUMBERS, kind="outliers", truth=None, predictions=np.repeat([1, -1], 200)
    )
    frame = pd.DataFrame({"s": np.repeat(["in", "out"], 200)})
    found = slices(answers, frame, ["s"])
    assert [each.scores["outlier_share"].value for each in found] == [0, 1]
    assert [each.worse for each in found] == [[], []]


def test_a_bootstrap_of_few_rows_is_not_shown() -> None:
    answers = answers_of(100, ("a", "b"))
    frame = pd.DataFrame({"s": ["few"] * 10 + ["many"] * 90})
    few, many = slices(answers, frame, ["s"])
    assert few.scores["log_loss"].low is None
    assert few.scores["accuracy"].low is not None
    assert many.scores["log_loss"].low is not None


def test_no_such_column_gets_a_sentence() -> None:
    with pytest.raises(Unmeasurable, match="SLICES=b: the data has no such column; it has a"):
        slices(NUMBERS, pd.DataFrame({"a": range(400)}), ["a", "b"])


def test_residuals_are_actual_minus_predicted() -> None:
    truth = NUMBERS.truth
    assert truth is not None
    found = residuals(NUMBERS)
    assert found is not None
    assert found.errors.mean == pytest.approx((truth - NUMBERS.predictions).mean())
    assert sum(found.errors.counts) == 400
    assert len(found.points) == 300
    assert set(found.points) <= set(zip(truth, NUMBERS.predictions, strict=True))


def test_numbers_that_are_not_finite_have_no_histogram() -> None:
    assert histogram(np.array([np.nan, np.inf])) is None
    answers = msgspec.structs.replace(NUMBERS, predictions=np.full(400, np.nan))
    assert residuals(answers) is None


def test_groups_are_listed_the_largest_first() -> None:
    answers = msgspec.structs.replace(
        NUMBERS, kind="outliers", predictions=np.array([1, -1, 1]), truth=None
    )
    assert [(each.label, each.rows) for each in groups(answers)] == [
        ("inliers", 2),
        ("outliers", 1),
    ]
    answers = msgspec.structs.replace(answers, kind="clusterer", predictions=np.array([3, 7, 7]))
    assert [(each.label, each.rows) for each in groups(answers)] == [("7", 2), ("3", 1)]
