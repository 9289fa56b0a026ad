"""Drift is found where there is some, and hardly ever where there is none."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import chi2

from models.drift.psi import ALPHA, DRIFTED, chi_squared, difference

TRAINED = np.array([27, 28] * 5)
DETECTED = ("slight", *DRIFTED)


@pytest.mark.parametrize("tail", [0.05, ALPHA / 6, ALPHA / 60, 1e-9])
def test_the_critical_value_is_that_of_scipy(tail: float) -> None:
    for degrees in range(1, 60):
        assert chi_squared(degrees, tail) == pytest.approx(chi2.isf(tail, degrees), rel=1e-10)


@pytest.mark.parametrize(
    ("live", "trained", "verdict"),
    [
        ([50, 50], None, "unknown"),
        ([49, 50], [100, 100], "too few"),
        ([50, 50], [20, 20], "too few"),
        ([100, 100], [100, 100], "none"),
        ([116, 84], [100, 100], "within noise"),
        ([5200, 4800], [50_000, 50_000], "slight"),
        ([1400, 600], [1000, 1000], "drifted"),
        ([1600, 400], [1000, 1000], "drifted much"),
        ([200, 0], [0, 200], "drifted much"),
        ([200], [200], "none"),
    ],
)
def test_a_verdict_is_told_by_size_and_by_noise(
    live: list[int], trained: list[int] | None, verdict: str
) -> None:
    found = difference(np.array(live), None if trained is None else np.array(trained), 1)
    assert found.verdict == verdict


def test_neighbours_with_few_rows_are_taken_together() -> None:
    trained, live = np.array([25] * 40), np.array([5] * 40)
    apart = difference(live, trained, 1, ordered=40)
    assert apart.noise == pytest.approx((40 // 6 - 1) * (1 / 200 + 1 / 1000), rel=0.2)


def test_values_that_all_go_missing_are_drift_beside_few_training_rows() -> None:
    live, trained = np.array([0] * 10 + [1000]), np.array([6] * 10 + [0])
    assert difference(live, trained, 1, ordered=10).verdict == "drifted much"


def test_categories_that_are_all_rare_tell_nothing() -> None:
    assert difference(np.array([5] * 20), np.array([5] * 20), 1).noise == 0


def test_a_value_that_training_did_not_have_is_drift() -> None:
    found = difference(np.array([150, 130, 20]), np.array([150, 150, 0]), 1)
    assert found.verdict in DRIFTED


def alarms(live_rows: int, features: int, families: int) -> float:
    """The share of families of features without drift in which one is taken for drifted."""
    rng = np.random.default_rng(live_rows + features)
    # The shares that are true of bins which have equal parts of 275 training rows.
    shares = rng.dirichlet(TRAINED, families * features)
    live = rng.multinomial(live_rows, shares)
    found = [difference(each, TRAINED, features, ordered=10).verdict for each in live]
    hits = np.array([verdict in DETECTED for verdict in found]).reshape(families, features)
    return float(hits.any(axis=1).mean())


@pytest.mark.parametrize("live_rows", [50, 100, 300, 1000, 10_000])
@pytest.mark.parametrize(("features", "families"), [(6, 2000), (60, 100)])
def test_false_alarms_are_at_most_5_percent_over_all_features(
    live_rows: int, features: int, families: int
) -> None:
    assert alarms(live_rows, features, families) <= 0.05


@pytest.mark.parametrize("live_rows", [100, 1000])
def test_false_alarms_of_rare_categories_are_at_most_5_percent(live_rows: int) -> None:
    rng = np.random.default_rng(live_rows)
    shares = 1 / np.arange(1, 51)
    live, trained = (rng.multinomial(n, shares / shares.sum(), 6000) for n in (live_rows, 275))
    found = [difference(*each, 6).verdict in DETECTED for each in zip(live, trained, strict=True)]
    assert np.array(found).reshape(1000, 6).any(axis=1).mean() <= 0.05


@pytest.mark.parametrize("live_rows", [100, 300, 1000])
def test_false_alarms_of_bins_of_one_value_are_at_most_5_percent(live_rows: int) -> None:
    rng = np.random.default_rng(live_rows)
    alone = {1, 3, 5}
    shares = [0.05, 0.1, 0.02, 0.5, 0.03, 0.2, 0.1]
    live, trained = (rng.multinomial(n, shares, 6000) for n in (live_rows, 275))
    found = [
        difference(*each, 6, ordered=7, alone=alone).verdict in DETECTED
        for each in zip(live, trained, strict=True)
    ]
    assert np.array(found).reshape(1000, 6).any(axis=1).mean() <= 0.05


def test_a_mean_moved_by_half_a_standard_deviation_is_found() -> None:
    rng = np.random.default_rng(0)
    found = 0
    for _ in range(300):
        trained = rng.normal(size=275)
        edges = np.quantile(trained, np.linspace(0.1, 0.9, 9))
        live = rng.normal(0.5, 1, size=300)
        before, now = (
            np.bincount(np.searchsorted(edges, each), minlength=10) for each in (trained, live)
        )
        found += difference(now, before, 6, ordered=10).verdict in DRIFTED
    assert found / 300 >= 0.95
