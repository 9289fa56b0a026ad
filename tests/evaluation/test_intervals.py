"""Intervals hold the true value in 95 % of all samples; those of differences tell which is better."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom, norm

from models.evaluation import intervals, labels, numbers, ranks
from models.evaluation.bootstrap import differences, scores
from models.evaluation.facts import Answers, Unmeasurable
from models.evaluation.intervals import interval_of_difference
from models.evaluation.statistic import Resampled, Statistic, mean_of
from tests.evaluation.test_metrics import answers_of, classified

RNG = np.random.Generator


def interval(statistic: Statistic, resamples: int, seed: int) -> tuple[float, float]:
    found = intervals.interval(statistic, resamples, seed)
    assert found is not None
    return found


@pytest.mark.parametrize("count", [100, 300])
@pytest.mark.parametrize("accuracy", [0.8, 0.95])
def test_the_interval_of_a_share_covers_as_it_says(accuracy: float, count: int) -> None:
    # No simulation: each number of right rows, with its probability.
    right = np.arange(count + 1)
    ends = [interval(labels.share_of(np.arange(count) < n), 0, 0) for n in right]
    held = np.array([low <= accuracy <= high for low, high in ends])
    assert binom.pmf(right, count, accuracy) @ held == pytest.approx(0.95, abs=0.02)


def labelled(rng: RNG) -> Answers:
    truth = rng.choice(3, 150, p=[0.5, 0.3, 0.2])
    wrong = (truth + rng.integers(1, 3, 150)) % 3
    return answers_of(
        "classifier", truth, np.where(rng.random(150) < 0.9, truth, wrong), classes=(0, 1, 2)
    )


def ranked(rng: RNG) -> Answers:
    truth = np.repeat([0, 1], 75)
    scores = rng.normal(size=150) + truth * np.sqrt(2) * norm.ppf(0.85)
    return answers_of("classifier", truth, truth, scores=scores, classes=(0, 1))


def likely(rng: RNG) -> Answers:
    probability = 1 / (1 + np.exp(-3 * rng.normal(size=150)))
    truth = (rng.random(150) < probability).astype(int)
    both = np.stack([1 - probability, probability], axis=1)
    return answers_of("classifier", truth, truth, probabilities=both, classes=(0, 1))


def skewed(rng: RNG) -> Answers:
    truth = 2 * rng.normal(size=150)
    return answers_of("regressor", truth, truth + 1 - rng.exponential(size=150))


# How answers are drawn, the statistic, and its true value: by formula, or of a million rows.
DRAWN: list[tuple[Callable[[RNG], Answers], Callable[[Answers], Statistic], float]] = [
    (labelled, labels.balanced_accuracy, 0.9),
    (ranked, ranks.roc_auc, 0.85),
    (likely, labels.log_loss, 0.3600),
    (skewed, numbers.root_mean_squared_error, 1.0),
    (skewed, numbers.mean_absolute_error, 2 / np.e),
    (skewed, numbers.r2, 0.75),
]


@pytest.mark.parametrize(("draw", "statistic", "true"), DRAWN, ids=[d[1].__name__ for d in DRAWN])
def test_an_interval_holds_the_true_value_in_95_of_100_samples(
    draw: Callable[[RNG], Answers], statistic: Callable[[Answers], Statistic], true: float
) -> None:
    rng = np.random.default_rng(0)
    ends = [interval(statistic(draw(rng)), 400, seed) for seed in range(400)]
    held = [low <= true <= high for low, high in ends]
    assert np.mean(held) == pytest.approx(0.95, abs=0.02)


def flawless(count: int) -> Answers:
    truth = np.arange(count) % 2
    return answers_of("classifier", truth, truth, probabilities=np.eye(2)[truth], classes=(0, 1))


@pytest.mark.parametrize("name", ["accuracy", "balanced_accuracy", "f1_macro", "roc_auc"])
def test_a_flawless_model_may_still_err(name: str) -> None:
    score = scores(flawless(69))[name]
    assert score.value == 1
    assert score.high == pytest.approx(1)
    assert 0.88 < score.low < 0.96


@pytest.mark.parametrize("name", ["accuracy", "balanced_accuracy", "f1_macro", "roc_auc"])
def test_a_model_that_is_always_wrong_may_be_right(name: str) -> None:
    right = flawless(69)
    wrong = msgspec.structs.replace(
        right, predictions=1 - right.predictions, probabilities=1 - np.asarray(right.probabilities)
    )
    score = scores(wrong)[name]
    assert score.low == pytest.approx(0)
    assert 0.03 < score.high < 0.12


def test_outliers_that_are_never_found_may_be() -> None:
    a = answers_of("outliers", np.repeat([-1, 1], 30), np.repeat([1, -1], 30))
    score = scores(a, ["f1"])["f1"]
    assert score.value == 0
    assert score.low == pytest.approx(0)
    assert 0 < score.high < 0.2


def test_losses_that_are_all_equal_have_no_interval() -> None:
    found = scores(flawless(69), ["log_loss", "brier"])
    assert {(score.low, score.high) for score in found.values()} == {(None, None)}


def test_a_loss_that_one_row_makes_has_an_end() -> None:
    losses = np.where(np.arange(69) == 0, 1.0, 0.01)
    low, high = interval(mean_of(losses, "log", most=1), 400, 0)
    # That of one event among 69 rows, nearly.
    assert 0 <= low < losses.mean() < high < 0.1


def test_one_row_tells_no_interval_of_a_loss() -> None:
    a = answers_of("regressor", [1.0], [2.0])
    assert scores(a)["mean_absolute_error"].low is None


def test_one_label_has_the_interval_of_the_accuracy() -> None:
    a = answers_of("classifier", ["a"] * 9, ["a"] * 9, classes=("a", "b"))
    found = scores(a, ["accuracy", "f1_macro"])
    assert found["f1_macro"] == found["accuracy"]


def test_many_rows_have_nearly_the_interval_of_the_normal_distribution() -> None:
    losses = np.random.default_rng(0).exponential(size=20_001)
    low, high = interval(mean_of(losses), 1_000, 0)
    reach = 1.96 * losses.std() / np.sqrt(len(losses))
    assert (high - low) / 2 == pytest.approx(reach, rel=0.1)


def test_clusters_have_intervals_around_their_scores() -> None:
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 2, 60)
    rows = rng.normal(size=(60, 2)) + 3 * truth[:, None]
    found = scores(answers_of("clusterer", truth, truth ^ (rng.random(60) < 0.1), inputs=rows))
    assert all(score.low < score.value < score.high for score in found.values())


def test_resamples_that_cannot_be_measured_are_passed_over() -> None:
    rare = Resampled(1.0, 2, 2, lambda drawn: np.nan if drawn[0] == drawn[1] else 1.0)
    assert intervals.interval(rare, 0, 0) in (None, (1.0, 1.0))
    assert intervals.interval(rare._replace(at=lambda drawn: np.nan), 0, 0) is None
    assert intervals.interval(rare._replace(size=1), 0, 0) is None


def test_a_resample_of_one_cluster_is_passed_over() -> None:
    rows = np.array([[0.0], [0.1], [5.0]])
    found = scores(answers_of("clusterer", None, [0, 0, 1], inputs=rows))
    assert found["davies_bouldin"].value == pytest.approx(0.05 / 4.95)


def test_two_resamples_that_vary_no_more_than_rounding_have_no_interval() -> None:
    assert intervals.interval(mean_of(np.array([0.1, 0.1, 0.1]), "log"), 100, 0) is None


def noisy(a: Answers, share: float) -> Answers:
    """The answers of a model that is wrong on a share of the rows more."""
    rng = np.random.default_rng(1)
    truth, given = np.asarray(a.truth), np.asarray(a.probabilities)
    probabilities = np.where((rng.random(len(truth)) < share)[:, None], 1 / 3, given)
    labels_ = np.array(a.classes, dtype=object)
    predictions = np.where(probabilities.max(axis=1) < 0.34, labels_[0], a.predictions)
    return answers_of(
        "classifier", truth, predictions, probabilities=probabilities, classes=a.classes
    )


def test_the_better_model_is_found_by_each_metric() -> None:
    good = classified(0, 300, 3)
    poor = noisy(good, 0.5)
    found = differences(poor, good)
    assert {each.verdict for each in found.values()} == {"better"}
    assert {each.verdict for each in differences(good, poor).values()} == {"worse"}
    assert found["accuracy"].difference == found["accuracy"].b - found["accuracy"].a > 0


@pytest.mark.parametrize("kind", ["classifier", "regressor", "outliers", "clusterer"])
def test_a_model_is_no_better_than_itself(kind: str) -> None:
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 2, 60)
    a = {
        "classifier": lambda: classified(0, 60, 3),
        "regressor": lambda: answers_of("regressor", rng.normal(size=60), rng.normal(size=60)),
        "outliers": lambda: answers_of(
            "outliers", 1 - 2 * truth, 1 - 2 * truth, scores=rng.normal(size=60)
        ),
        "clusterer": lambda: answers_of(
            "clusterer", truth, truth, inputs=rng.normal(size=(60, 2)) + truth[:, None]
        ),
    }[kind]()
    found = differences(a, a)
    assert {(each.difference, each.verdict) for each in found.values()} == {(0, "")}


def test_a_share_that_only_describes_is_neither_better_nor_worse() -> None:
    few, many = (answers_of("outliers", None, np.repeat([-1, 1], [n, 90 - n])) for n in (1, 80))
    found = differences(few, many, ["outlier_share"])["outlier_share"]
    assert found.low > 0.5
    assert found.verdict == ""


def test_two_statistics_of_different_kinds_have_no_interval() -> None:
    rare = Resampled(1.0, 2, 2, float)
    assert interval_of_difference(rare, mean_of(np.ones(2)), 10, 0) is None


def test_models_are_compared_on_equal_rows_and_of_one_kind() -> None:
    a, b = classified(0, 60, 3), classified(0, 50, 3)
    with pytest.raises(Unmeasurable, match="the two models have answered different rows"):
        differences(a, b)
    other = answers_of("regressor", np.ones(60), np.ones(60))
    with pytest.raises(Unmeasurable, match="A is a classifier and B a regressor"):
        differences(a, other)


def test_the_same_seed_gives_the_same_intervals() -> None:
    a = skewed(np.random.default_rng(0))
    assert scores(a) == scores(a)
    assert scores(a) != scores(a, seed=1)


@given(st.integers(0, 10**6), st.integers(1, 40), st.sampled_from([0.02, 1, 1e6]))
@settings(max_examples=60)
def test_an_interval_holds_the_value_on_any_rows(seed: int, count: int, size: float) -> None:
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, 3, count)
    both = rng.dirichlet(np.full(3, min(size, 3)), count)
    numbers_ = size * rng.standard_t(1.5, size=count)
    signs = np.where(rng.random((2, count)) < 0.3, -1, 1)
    answers = [
        answers_of("classifier", truth, both.argmax(axis=1), probabilities=both, classes=(0, 1, 2)),
        answers_of("regressor", numbers_, rng.normal(size=count)),
        answers_of("outliers", *signs, scores=np.round(rng.normal(size=count), 1)),
    ]
    for name, score in [each for a in answers for each in scores(a, resamples=50).items()]:
        if score.low is not None:
            assert score.low <= score.value <= score.high, name
            assert score.high < np.inf, name
