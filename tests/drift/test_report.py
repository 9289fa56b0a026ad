"""The way back from counts: what they say of each feature and of the answers."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from models.drift import Layout, report
from models.drift.columns import Column
from models.signature.types import Feature
from tests.drift.models_of import facts_of, model_of

RNG = np.random.default_rng(0)
VALUES = RNG.normal(size=400)
CARD = {
    "features": {
        "x": facts_of(VALUES) | {"missing": 40},
        "w": {"count": 300, "missing": 0, "distinct": 2, "counts": {"a": 200, "b": 100}},
    },
    "class_shares": {"no": 0.5, "yes": 0.5},
    "metrics": {"rows_fitted": 400},
}
LAYOUT = Layout.of(
    model_of((Feature(name="x"), Feature(name="w", kind="string")), CARD, ["no", "yes"])
)


def told(
    values: list[float | None], words: list[str], labels: list[str]
) -> dict[str, report.Drift]:
    rows = list(zip(values, words, strict=True))
    counts = LAYOUT.count("predict", rows, labels)
    found = {each.name: each for each in report.features(LAYOUT, counts)}
    answers = report.answers(LAYOUT, counts)
    assert answers is not None
    return {**found, "": answers}


def live(rows: int) -> tuple[list[float | None], list[str], list[str]]:
    values: list[float | None] = RNG.normal(size=rows).tolist()
    values[::11] = [None] * len(values[::11])
    return values, RNG.choice(["a", "a", "b"], rows).tolist(), ["no", "yes"] * (rows // 2)


def test_rows_as_in_training_have_not_drifted() -> None:
    assert {each.verdict for each in told(*live(300)).values()} <= {"none", "within noise"}


def test_values_that_are_all_missing_have_drifted() -> None:
    _, words, labels = live(300)
    found = told([None] * 300, words, labels)["x"]
    assert (found.verdict, found.missing) == ("drifted much", 300)


def test_a_share_has_its_interval_and_that_of_the_training() -> None:
    _, words, labels = live(300)
    missing = told([None] * 30 + [0.0] * 270, words, labels)["x"].missing_share
    assert missing is not None
    assert missing.low < missing.share == 0.1 < missing.high
    assert missing.trained == 40 / 440


def test_values_out_of_the_range_and_unknown_ones_are_told() -> None:
    values, words, labels = live(300)
    found = told([*[99.0] * 30, *values[30:]], ["c"] * 15 + words[15:], labels)
    outside, unknown = found["x"].outside_share, found["w"].unknown_share
    assert outside is not None
    assert unknown is not None
    assert (outside.count, unknown.count, unknown.trained) == (30, 15, 0)


def many(rows: int, seed: int) -> list[str]:
    """Categories without an end: each sample has some that no other one has."""
    return [f"c{number}" for number in np.random.default_rng(seed).zipf(1.5, rows)]


def drift_of(live: list[str], trained: list[str], *, encoded: bool) -> report.Drift:
    """The drift of one feature whose categories the model's encoder knows, or nobody does."""
    counts = Counter(trained)
    card = {
        "count": len(trained),
        "distinct": len(counts),
        # As in a card: no category of one row alone.
        "counts": {name: count for name, count in counts.most_common() if count > 1},
    }
    feature = Feature(name="w", kind="string", categories=tuple(counts) if encoded else None)
    layout = Layout.of(model_of((feature,), {"features": {"w": card}}))
    rows = [(name,) for name in live]
    return report.features(layout, layout.count("predict", rows, [0.0] * len(rows)))[0]


@pytest.mark.parametrize("encoded", ["by an encoder", ""])
@pytest.mark.parametrize(("rows", "trained"), [(300, 1200), (1000, 1200), (10_000, 1200)])
def test_where_each_sample_has_new_categories_these_are_no_drift(
    encoded: str, rows: int, trained: int
) -> None:
    found = [
        drift_of(many(rows, seed), many(trained, seed + 1000), encoded=bool(encoded))
        for seed in range(20)
    ]
    assert sum(each.psi > each.critical for each in found) <= 2


def test_new_categories_are_drift_where_training_had_few_or_they_are_many() -> None:
    of_four = drift_of(["a", "b", "c", "d", "new"] * 100, list("abcd") * 100, encoded=True)
    of_many = drift_of([*many(500, 1), *["new"] * 300], many(1200, 2), encoded=True)
    assert (of_four.verdict, of_many.verdict) == ("drifted much", "drifted much")
    assert of_many.unknown_share is not None
    assert of_many.unknown_share.low > 0.3


def test_a_feature_that_the_model_never_looks_at_is_not_counted() -> None:
    unused = Feature(name="u", kind="unused", missing=True)
    card = {"features": {"x": facts_of(VALUES), "u": facts_of(VALUES)}}
    layout = Layout.of(model_of((Feature(name="x"), unused), card))
    found = report.features(layout, layout.count("predict", [(0.0, None)] * 200, [1.0] * 200))
    assert [(each.verdict, each.missing) for each in found[1:]] == [("not counted", 0)]


def test_labels_that_change_have_drifted() -> None:
    values, words, _ = live(300)
    assert told(values, words, ["yes"] * 290 + ["no"] * 10)[""].verdict == "drifted much"


def test_bins_tell_live_rows_beside_the_share_in_training() -> None:
    found = told(*live(300))["w"]
    assert [(each.label, each.trained) for each in found.bins] == [("a", 2 / 3), ("b", 1 / 3)]
    assert sum(each.count for each in found.bins) == 300


@pytest.mark.parametrize(
    ("column", "expected"),
    [
        (Column(name="x", kind="number", edges=(0, 1, 2.5)), ["below 0", "0 to 1", "1 to 2.5", "above 2.5"]),
        (Column(name="x", kind="number", edges=(0, 0, 1, 1)), ["below 0", "0", "0 to 1", "", "above 1"]),
        (Column(name="x", kind="number", edges=(-1, -5e-324, 0, 1)), ["below -1", "-1 to 0", "0", "0 to 1", "above 1"]),
        (Column(name="x", kind="number"), ["all"]),
        (Column(name="x", kind="category", values=("a",)), ["a", "other"]),
        (Column(name="x", kind="date", edges=(0, 86400)), ["below 1970-01-01", "1970-01-01 to 1970-01-02", "above 1970-01-02"]),
    ],
)  # fmt: skip
def test_cells_have_names(column: Column, expected: list[str]) -> None:
    assert report.labels(column) == expected


def test_without_statistics_nothing_is_compared() -> None:
    layout = Layout.of(model_of((Feature(name="x"),), {}))
    counts = layout.count("predict", [(1.0,)] * 200, [1.0] * 200)
    (found,) = report.features(layout, counts)
    assert (found.verdict, found.psi, found.rows) == ("unknown", None, 200)
    assert [(each.label, each.count, each.trained) for each in found.bins] == [("all", 200, None)]


def test_nothing_counted_is_too_few() -> None:
    (x, w) = report.features(LAYOUT, np.zeros(LAYOUT.size, np.int64))
    assert (x.verdict, w.verdict, x.missing_share) == ("too few", "too few", None)


def test_a_card_of_no_rows_has_no_shares() -> None:
    card = {"features": {"w": {"count": 0, "missing": 9, "distinct": 0}}}
    layout = Layout.of(model_of((Feature(name="w", kind="string"),), card))
    (found,) = report.features(layout, layout.count("predict", [("a",)], [1.0]))
    assert [(each.label, each.trained) for each in found.bins] == [("other", None)]


def test_answers_of_several_outputs_are_not_told() -> None:
    layout = Layout.of(model_of((Feature(name="x"),), {}, [["a", "b"], ["c", "d"]]))
    assert report.answers(layout, np.zeros(layout.size, np.int64)) is None
    assert report.answer_series(layout, [np.zeros(0, np.int64)]) == [[]]


def test_the_mean_confidence_is_that_of_the_likeliest_classes() -> None:
    counts = LAYOUT.count("predict_proba", [(1.0, "a")] * 2, [[0.25, 0.75], [0.9, 0.1]])
    assert report.confidence(counts) == pytest.approx(0.825)
    assert report.confidence(np.zeros(LAYOUT.size, np.int64)) is None
