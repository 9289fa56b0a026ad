"""Counts of rows and answers: each value goes into one cell, and nothing makes them fail."""

from __future__ import annotations

import math
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.drift import Layout
from models.drift.columns import Column
from models.signature.types import Feature
from tests.drift.models_of import facts_of, model_of

RNG = np.random.default_rng(0)
NUMBERS = RNG.normal(size=(1000, 3))
TRAINED = {"features": {f"x{j}": facts_of(NUMBERS[:, j]) for j in range(3)}}
NUMERIC = Layout.of(
    model_of(tuple(Feature(name=f"x{j}") for j in range(3)), TRAINED, ["no", "yes"])
)


def cells(layout: Layout, counts: np.ndarray, feature: int = 0) -> list[int]:
    """The counts of one feature, or of the answers behind the last feature."""
    columns = [*layout.features, *([layout.output] if layout.output else [])]
    start = layout.starts[feature]
    found: list[int] = counts[start : start + columns[feature].size].tolist()
    return found


def column(feature: Feature, facts: dict[str, Any], values: list[Any]) -> dict[str, int]:
    """How many values of one column are in each cell, by names of the cells, without empty ones."""
    layout = Layout.of(model_of((feature,), {"features": {feature.name: facts}}))
    counts = layout.count("predict", [(value,) for value in values], [None] * len(values))
    found: Column = layout.features[0]
    if found.kind == "category":
        names = [*found.values, "other"]
    else:
        names = (
            ["below", *map(str, range(1, len(found.edges))), "above"] if found.edges else ["any"]
        )
    pairs = zip([*names, "missing", "unknown"], cells(layout, counts), strict=True)
    return {name: count for name, count in pairs if count}


def test_training_rows_fill_the_bins_as_the_card_counted_them() -> None:
    counts = NUMERIC.count("predict", NUMBERS, ["no"] * 1000)
    for j, feature in enumerate(NUMERIC.features):
        assert tuple(cells(NUMERIC, counts, j)) == feature.trained


def test_an_array_and_tuples_are_counted_alike() -> None:
    rows = NUMBERS[:50].copy()
    rows[3, 1] = math.nan
    tuples = [tuple(None if math.isnan(value) else value for value in row) for row in rows.tolist()]
    answers = ["yes", "no"] * 25
    array = NUMERIC.count("predict", rows, np.array(answers))
    assert array.tolist() == NUMERIC.count("predict", tuples, answers).tolist()


def test_counts_of_parts_add_up_to_those_of_the_whole() -> None:
    answers = RNG.dirichlet([1, 1], 1000)
    whole = NUMERIC.count("predict_proba", NUMBERS, answers)
    parts = [
        NUMERIC.count("predict_proba", NUMBERS[i : i + 100], answers[i : i + 100])
        for i in range(0, 1000, 100)
    ]
    assert whole.tolist() == sum(parts).tolist()  # type: ignore[union-attr]


TEN = facts_of([float(n) for n in range(11)])
WORDS = {"count": 9, "missing": 1, "distinct": 2, "counts": {"a": 6, "b": 3}}
DATES = {
    "count": 4,
    "missing": 0,
    "min": "2024-01-01T00:00:00",
    "quartile_1": "2024-02-01T00:00:00",
    "median": "2024-03-01T00:00:00",
    "quartile_3": "2024-04-01T00:00:00",
    "max": "2024-05-01T00:00:00",
}


@pytest.mark.parametrize(
    ("feature", "facts", "values", "expected"),
    [
        (Feature(name="x"), TEN, [0, 1, 1.5], {"1": 2, "2": 1}),
        (Feature(name="x"), TEN, [-1, 10.5, math.inf], {"below": 1, "above": 2}),
        (Feature(name="x"), TEN, [None, math.nan], {"missing": 2}),
        (Feature(name="x"), TEN, [True, "5", [], 10**400], {"1": 1, "unknown": 3}),
        (Feature(name="x"), {}, [1, 2, None], {"any": 2, "missing": 1}),
        (Feature(name="x"), {"count": "many"}, [1], {"any": 1}),
        (Feature(name="x"), {"count": 2, "min": 1, "max": 2}, [1], {"any": 1}),
        (Feature(name="x", categories=(0, 5)), TEN, [0, 5, 3], {"1": 1, "5": 1, "unknown": 1}),
        (Feature(name="x", categories=tuple(range(51))), TEN, [0, 5, 3.5], {"1": 1, "4": 1, "5": 1}),
        (Feature(name="w", kind="string"), WORDS, ["a", "b", "c"], {"a": 1, "b": 1, "unknown": 1}),
        (Feature(name="w", kind="string"), WORDS, [None, []], {"missing": 1, "unknown": 1}),
        (Feature(name="w", kind="string"), WORDS | {"distinct": 9}, ["c"], {"other": 1}),
        (Feature(name="w", categories=("a", "d")), WORDS, ["a", "d", "x"], {"a": 1, "other": 1, "unknown": 1}),
        (Feature(name="w", categories=("a", "d")), {}, ["a", "d", "x"], {"a": 1, "d": 1, "unknown": 1}),
        (Feature(name="w", kind="string"), {}, ["a", None], {"other": 1, "missing": 1}),
        (Feature(name="n", kind="any"), {"count": 3, "distinct": 2, "counts": {"1": 2, "2": 1}}, [1, 2.0, 3], {"1": 1, "2": 1, "unknown": 1}),
        (Feature(name="b", kind="boolean"), {"count": 3, "distinct": 2, "counts": {"True": 2, "False": 1}}, [True, False, 1.0], {"True": 2, "False": 1}),
        (Feature(name="d", kind="datetime"), DATES, ["2024-01-15", "2024-05-02T00:00:00Z"], {"1": 1, "above": 1}),
        (Feature(name="d", kind="datetime"), DATES, ["NaT", None, "soon"], {"missing": 2, "unknown": 1}),
        (Feature(name="d", kind="datetime"), {}, ["2024-01-15"], {"any": 1}),
        (Feature(name="f", dtype="float32"), facts_of(np.array([0.1, 0.2], np.float32).tolist()), [0.1, 0.2], {"1": 1, "10": 1}),
    ],
)  # fmt: skip
def test_each_value_is_in_one_cell(
    feature: Feature, facts: dict[str, Any], values: list[Any], expected: dict[str, int]
) -> None:
    found = column(feature, facts, values)
    assert sum(found.values()) == len(values)
    assert found == expected


LABELS = ["no", "yes"]


@pytest.mark.parametrize(
    ("method", "result", "labels", "confidence"),
    [
        ("predict", np.array(["no", "yes"]), [1, 1, 0, 0, 0], 0),
        ("predict", ["no", "maybe"], [1, 0, 0, 0, 1], 0),
        ("predict", np.array([["no"], ["no"]]), [2, 0, 0, 0, 0], 0),
        ("predict", [None, []], [0, 0, 0, 0, 0], 0),
        ("predict", [["no", "no"], ["no", "no"]], [0, 0, 0, 0, 0], 0),
        ("predict", "no", [0, 0, 0, 0, 0], 0),
        ("predict_proba", np.array([[0.25, 0.75], [1.0, 0.0]]), [1, 1, 0, 0, 0], 1.75),
        ("predict_proba", [[0.25, 0.75], [math.nan, 0.0]], [0, 1, 0, 0, 0], 0.75),
        ("predict_log_proba", np.log([[0.25, 0.75], [0.75, 0.25]]), [1, 1, 0, 0, 0], 1.5),
        ("predict_joint_log_proba", [[-3.0, -4.0], [-9.0, -5.0]], [1, 1, 0, 0, 0], 0),
        ("predict_proba", [[[1.0], [2.0]], "?"], [0, 0, 0, 0, 0], 0),
        ("transform", np.ones((2, 2)), [0, 0, 0, 0, 0], 0),
    ],
)
def test_answers_that_are_labels_are_counted(
    method: str, result: Any, labels: list[int], confidence: float
) -> None:
    counts = NUMERIC.count(method, NUMBERS[:2], result)
    assert (counts[0], cells(NUMERIC, counts, 3)) == (2, labels)
    assert counts[-1] == confidence * 1e6


@pytest.mark.parametrize("result", ["no", ["no"], np.array(["no"])])
def test_one_row_may_have_its_answer_alone(result: Any) -> None:
    assert cells(NUMERIC, NUMERIC.count("predict", NUMBERS[:1], result), 3)[0] == 1


def test_numbers_beside_texts_are_rounded_as_the_model_rounds_them() -> None:
    facts = facts_of(np.array([0.1, 0.2], np.float32).tolist())
    features = (Feature(name="f", dtype="float32"), Feature(name="w", kind="string"))
    layout = Layout.of(model_of(features, {"features": {"f": facts}}))
    counts = layout.count("predict", [(0.1, "a"), (0.2, "b")], [0.0, 0.0])
    assert cells(layout, counts)[0] == cells(layout, counts)[-3] == 0


def test_answers_of_a_regressor_have_the_bins_of_its_target() -> None:
    layout = Layout.of(model_of((Feature(name="x"),), {"target_values": TEN}))
    counts = layout.count("predict", [(0.0,)] * 3, np.array([[0.0], [11.0], [math.nan]]))
    assert cells(layout, counts, 1) == [0, 1, *[0] * 9, 1, 1, 0]


@pytest.mark.parametrize(
    "model",
    [
        model_of(form="text", classes=["a", "b"]),
        model_of(form="mapping"),
        model_of(form="labels"),
        model_of((Feature(name="x"),), classes=[["a", "b"], [1, 2]]),
        model_of(
            (Feature(name="x"),), {"features": [], "class_shares": [], "target_values": 3}, ["a"]
        ),
    ],
    ids=["text", "mapping", "labels", "multi-output", "a card of another form"],
)
def test_rows_of_every_model_are_counted(model: Any) -> None:
    layout = Layout.of(model)
    assert layout.count("predict", [("a",), ("b",)], [["a", 1], ["b", 2]])[0] == 2


@pytest.mark.parametrize(
    ("card", "trained"),
    [
        ({"metrics": {"rows_fitted": 10}}, (2, 8, 0, 0, 0)),
        ({"features": {"x": {"count": 8, "missing": 2}}}, (2, 8, 0, 0, 0)),
        ({"metrics": [], "features": {"x": {"count": "?"}}}, None),
        ({}, None),
    ],
)
def test_shares_of_classes_are_counts_where_the_rows_are_known(
    card: dict[str, Any], trained: Any
) -> None:
    shares = {"class_shares": {"no": 0.2, "yes": 0.8}}
    output = Layout.of(model_of((), card | shares, LABELS)).output
    assert output is not None
    assert output.trained == trained


def test_no_rows_are_none() -> None:
    assert not NUMERIC.count("predict", [], []).any()


def test_the_name_tells_the_meaning_of_the_cells() -> None:
    features = tuple(Feature(name=f"x{j}") for j in range(3))
    again = Layout.of(model_of(features, TRAINED, LABELS))
    other = Layout.of(model_of(features, TRAINED, ["yes", "no"]))
    assert (again.name, other.name == again.name) == (NUMERIC.name, False)


def test_a_layout_can_be_kept_as_json() -> None:
    kept = msgspec.json.decode(msgspec.json.encode(NUMERIC), type=Layout)
    assert (kept.name, kept.size) == (NUMERIC.name, NUMERIC.size)


ODD = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=3), st.just([1])
)


@given(st.lists(st.tuples(ODD, ODD, ODD), min_size=1, max_size=4), ODD)
def test_odd_values_are_counted_once_each(rows: list[tuple[Any, ...]], result: Any) -> None:
    mixed = Layout.of(
        model_of(
            (
                Feature(name="x0"),
                Feature(name="w", kind="string"),
                Feature(name="d", kind="datetime"),
            ),
            {"features": {"x0": TRAINED["features"]["x0"], "w": WORDS, "d": DATES}},
            LABELS,
        )
    )
    counts = mixed.count("predict", rows, result)
    assert [sum(cells(mixed, counts, j)) for j in range(3)] == [len(rows)] * 3
