"""Live accuracy against the card: nothing is called worse that chance explains."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from models.drift.accuracy import Measured, compare, mean_absolute, of_card, share_correct
from models.evaluation.intervals import wilson


def test_the_interval_of_wilson_holds_the_truth_in_95_percent_of_samples() -> None:
    rng = np.random.default_rng(0)
    shares = rng.uniform(0.02, 0.98, 4000)
    correct = rng.binomial(200, shares)
    held = [
        low <= share <= high
        for share, (low, high) in zip(
            shares, (wilson(n / 200, 200) for n in correct.tolist()), strict=True
        )
    ]
    assert np.mean(held) == pytest.approx(0.95, abs=0.01)


@pytest.mark.parametrize(("rows", "share"), [(30, 0.95), (300, 0.95)])
def test_the_interval_of_a_mean_error_holds_the_truth(rows: int, share: float) -> None:
    errors = np.abs(np.random.default_rng(0).normal(size=(4000, rows)))
    ends = [mean_absolute(float(e.sum()), float((e**2).sum()), rows) for e in errors]
    truth = np.sqrt(2 / np.pi)
    held = np.mean([(m.low or 0) <= truth <= (m.high or 0) for m in ends])
    assert held == pytest.approx(share, abs=0.02)


def test_few_selections_tell_a_mean_error_without_its_interval() -> None:
    assert mean_absolute(29.0, 29.0, 29) == Measured(29, 1.0)


def test_no_selections_tell_nothing() -> None:
    assert (share_correct(0, 0), mean_absolute(0, 0, 0)) == (Measured(0, None), Measured(0, None))


CARD = {"metrics": {"accuracy": 0.9, "rows_held_out": 100}, "intervals": {"accuracy": [0.8, 0.95]}}


@pytest.mark.parametrize(
    ("card", "expected"),
    [
        (CARD, Measured(100, 0.9, 0.8, 0.95)),
        ({"metrics": CARD["metrics"]}, Measured(100, 0.9, *wilson(0.9, 100))),
        ({"metrics": {"accuracy": 0.9}}, Measured(None, 0.9)),
        ({"metrics": CARD["metrics"], "intervals": {"accuracy": ["a", "b"]}}, Measured(100, 0.9, *wilson(0.9, 100))),
        ({"metrics": {"accuracy": "high"}}, Measured(None, None)),
        ({"metrics": []}, Measured(None, None)),
        ({}, Measured(None, None)),
    ],
)  # fmt: skip
def test_a_card_tells_what_it_can(card: dict[str, Any], expected: Measured) -> None:
    assert of_card(card, "accuracy") == expected


@pytest.mark.parametrize(
    ("correct", "card", "verdict"),
    [
        (50, Measured(100, 0.9, 0.8, 0.95), "worse"),
        (85, Measured(100, 0.9, 0.8, 0.95), "no difference seen"),
        (100, Measured(100, 0.9, 0.8, 0.95), "better"),
        (50, Measured(None, 0.9), "unknown"),
    ],
)
def test_only_intervals_that_are_apart_tell_a_difference(
    correct: int, card: Measured, verdict: str
) -> None:
    assert compare(share_correct(correct, 100), card, higher_is_better=True) == verdict


def test_a_larger_error_is_worse() -> None:
    card = Measured(100, 1.0, 0.9, 1.1)
    found = [
        compare(Measured(100, value, value - 0.1, value + 0.1), card, higher_is_better=False)
        for value in (0.5, 2.0)
    ]
    assert found == ["better", "worse"]


def test_fewer_than_30_selections_are_too_few() -> None:
    card = Measured(100, 0.9, 0.8, 0.95)
    assert compare(share_correct(2, 29), card, higher_is_better=True) == "too few"
