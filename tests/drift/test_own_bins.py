"""A value that many training rows have is a bin of its own: what moves away from it is found."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models import card
from models.drift import Layout, report
from models.drift.psi import DRIFTED
from models.signature.types import Feature
from tests.drift.models_of import model_of

RNG = np.random.default_rng(0)


def drift(trained: Any, live: list[Any], feature: Feature, **facts: Any) -> report.Drift:
    """What live values of one feature are against the values it was fitted on."""
    features = {feature.name: card.describe(pd.Series(trained))}
    layout = Layout.of(model_of((feature,), {"features": features}, **facts))
    counts = layout.count("predict", [(value,) for value in live], [0.0] * len(live))
    (found,) = report.features(layout, counts)
    return found


def mostly(value: float, share: float, rows: int = 600) -> np.ndarray:
    """Normal numbers, a share of which is replaced by one value."""
    numbers = RNG.normal(size=rows)
    numbers[: round(share * rows)] = value
    return numbers


X = Feature(name="x")
SHORT = Feature(name="x", dtype="float32")
DAYS = pd.to_datetime(["2024-01-01"] * 400 + ["2024-01-02"] * 100 + ["2024-02-01"] * 100)


@pytest.mark.parametrize(
    ("feature", "trained", "live", "labels"),
    [
        (X, mostly(0, 0.9), [-0.5] * 900, ["0"]),
        (X, mostly(9.99, 0.8), [9.0] * 900, ["9.99"]),
        (X, mostly(9.99, 0.8), [9.98] * 900, ["9.99"]),
        (X, mostly(-50, 0.8), [-40.0] * 900, ["-50"]),
        (X, [5.0] * 600, [5.5] * 900, ["5"]),
        (X, [*range(6)] * 100, [2] * 900, ["0", "1", "2", "3", "4", "5"]),
        (X, [*range(6)] * 100, [2.5] * 900, ["0", "1", "2", "3", "4", "5"]),
        (SHORT, mostly(9.99, 0.8), [9.98] * 900, ["9.99"]),
        (SHORT, mostly(0, 0.8).astype(np.float32), [-1e-30] * 900, ["0"]),
        (
            Feature(name="x", kind="datetime"),
            DAYS,
            ["2024-01-01T12:00:00"] * 900,
            ["2024-01-01", "2024-01-02", "2024-02-01"],
        ),
    ],
)
def test_a_frequent_value_has_a_bin_of_its_own(
    feature: Feature, trained: Any, live: list[Any], labels: list[str]
) -> None:
    found = drift(trained, live, feature)
    assert found.verdict == "drifted much"
    assert [each.label for each in found.bins if " " not in each.label] == labels


@pytest.mark.parametrize("feature", [X, SHORT])
@pytest.mark.parametrize("value", [0, 9.99, -3, 0.1])
def test_rows_as_in_training_fill_the_bins_as_the_card_counted_them(
    feature: Feature, value: float
) -> None:
    trained = mostly(value, 0.5)
    found = drift(trained, trained.tolist(), feature)
    assert [each.count / 600 for each in found.bins] == [
        pytest.approx(each.trained) for each in found.bins
    ]
    assert found.psi == pytest.approx(0)


@given(
    share=st.floats(0.1, 1),
    value=st.sampled_from([0.0, 9.99, -0.5, 0.3, 4.0]),
    upwards=st.booleans(),
    short=st.booleans(),
)
def test_a_tenth_of_the_rows_that_moves_to_the_next_number_is_found(
    *, share: float, value: float, upwards: bool, short: bool
) -> None:
    trained = mostly(value, share + 0.002)
    if short:
        trained = trained.astype(np.float32)
    next_to = np.nextafter(trained.dtype.type(value), trained.dtype.type(np.inf * (upwards - 0.5)))
    live = np.where(trained == trained[0], next_to, trained)
    found = drift(trained, live.tolist(), SHORT if short else X)
    assert found.verdict in DRIFTED


def test_edges_that_are_one_number_in_float32_make_one_bin() -> None:
    trained = 1.7e9 + np.arange(600.0)
    found = drift(trained, trained.tolist(), SHORT)
    assert found.verdict not in DRIFTED
