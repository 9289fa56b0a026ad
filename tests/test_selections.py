"""Rows that a service has kept become rows of a training, in the types of its data."""

from __future__ import annotations

import datetime as dt
import warnings
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pandas as pd
import pytest
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LogisticRegression

from models.candidate.facts import Column, Served
from models.settings import ModelSettings
from models.training import feedback, selections
from models.training.data import Data
from models.training.facts import Feedback, Job, Labelled, Unusable, seen_until
from models.training.recipe import TABLE, Recipe
from models.training.selections import Selections


def data_of(rows: pd.DataFrame, answers: Any) -> Data:
    return Data(
        rows=rows, others=pd.DataFrame(index=rows.index), answers=pd.Series(answers, name="y"),
        order=None, left_out=0, source="/data/rows.csv", sha256="", said=(),
    )  # fmt: skip


def served_of(*names: str, classes: Any = None, form: str = "table") -> Served:
    columns = tuple(Column(name, "number", optional=True) for name in names)
    return Served(version="a", form=form, columns=columns, methods=("predict",), classes=classes)


def load(folder: Path, served: Served, data: Data, told: list[tuple[Any, ...]]) -> Selections:
    path = folder / "selections.ndjson"
    rows = [Labelled(at=at, label=label, inputs=inputs) for at, label, inputs in told]
    path.write_bytes(b"".join(msgspec.json.encode(row) + b"\n" for row in rows))
    return selections.load(Feedback(path=str(path), until=0), served, data)


TIMES = pd.to_datetime(["2026-11-28", "2026-11-29"])
# A column of the data, plain values, and the column that is made of them.
COLUMNS: dict[str, tuple[Any, list[Any], Any]] = {
    "floats": ([1.5, 2.0], [1, None], pd.Series([1.0, np.nan])),
    "whole numbers": ([1, 2], [3.0, 4.0], pd.Series([3, 4])),
    "parts of whole numbers": ([1, 2], [3.5, 4.0], pd.Series([3.5, 4.0])),
    "gaps in whole numbers": ([1, 2], [3.0, None], pd.Series([3.0, np.nan])),
    "booleans": ([True, False], [False, True], pd.Series([False, True])),
    "gaps in booleans": ([True, False], [None, True], pd.Series([np.nan, True], dtype=object)),
    "texts": (["a", "b"], ["b", "c"], pd.Series(["b", "c"])),
    "objects": (
        pd.Series([True, None], dtype=object), [False, None], pd.Series([False, None], dtype=object)
    ),
    "categories": (
        pd.Categorical(["a", "b"]), ["b", "c"], pd.Series(pd.Categorical(["b", "c"], ["a", "b", "c"]))
    ),
    "times": (
        TIMES, ["2026-11-30T01:00:00", None], pd.to_datetime(pd.Series(["2026-11-30T01:00", None]))
    ),
    "times of a zone": (
        TIMES.tz_localize("Europe/Berlin"), ["2026-11-30T01:00:00Z", None],
        pd.to_datetime(pd.Series(["2026-11-30T02:00+01:00", None])).dt.tz_convert("Europe/Berlin"),
    ),
    "integers that may be missing": (
        pd.Series([1, 2], dtype="Int64"), [3, 4], pd.Series([3, 4], dtype="Int64")
    ),
    "integers with a number beyond them": (
        pd.Series([1, 2], dtype=np.int8), [3, 300], pd.Series([3.0, 300.0])
    ),
    "floats of 32 bits with a number beyond them": (
        pd.Series([1.0], dtype=np.float32), [3.0, 1e100], pd.Series([3.0, 1e100])
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", COLUMNS)
def test_a_column_has_the_type_of_the_data(tmp_path: Path, name: str) -> None:
    like, values, expected = COLUMNS[name]
    data = data_of(pd.DataFrame({"a": like}), [1.0, 2.0])
    told = [(float(i), 0.5, [value]) for i, value in enumerate(values)]
    found = load(tmp_path, served_of("a"), data, told).rows["a"]
    pd.testing.assert_series_equal(found, expected.rename("a"), check_freq=False)


@pytest.mark.parametrize(
    ("like", "labels", "expected"),
    [
        (["a", "b"], ["b", "a"], pd.Series(["b", "a"])),
        ([0, 1], [1, 0], pd.Series([1, 0])),
        ([0, 1], [1.0, 0], pd.Series([1, 0])),
        ([0, 1], [2, 1], pd.Series([2, 1])),
        ([True, False], [False, True], pd.Series([False, True])),
        (pd.Categorical(["a", "b"]), ["b", "a"], pd.Series(pd.Categorical(["b", "a"]))),
    ],
)
def test_labels_are_those_of_the_data(
    tmp_path: Path, like: Any, labels: Any, expected: Any
) -> None:
    data = data_of(pd.DataFrame({"a": [1.0, 2.0]}), like)
    told = [(float(i), label, [0.0]) for i, label in enumerate(labels)]
    found = load(tmp_path, served_of("a", classes=["-"]), data, told).answers
    pd.testing.assert_series_equal(found, expected.rename("y"))


def test_rows_come_in_the_order_of_their_times_whatever_their_labels_order(tmp_path: Path) -> None:
    data = data_of(pd.DataFrame({"a": [1.0], "b": [1.0]}), [1.0])
    told = [(2.0, 2.0, [0.0, 1.0]), (1.0, 1.0, [0.0, 1.0])]
    body = [(3.0, float(i), [0.0, 1.0]) for i in range(100)]
    found = load(tmp_path, served_of("b", "a"), data, told + body)
    assert found.answers[:2].tolist() == [1.0, 2.0]
    assert abs(found.answers[2:52].mean() - 49.5) < 10
    assert list(found.rows) == ["a", "b"]
    assert found.rows["a"].unique() == [1.0]


NUMBERS = pd.DataFrame({"a": [1.0, 2.0]})


def test_rows_with_numbers_that_no_fit_can_square_are_left_out(tmp_path: Path) -> None:
    told = [(1.0, 2.0, [1e308]), (2.0, -1e200, [0.0]), (3.0, 4.0, [1e150])]
    found = load(tmp_path, served_of("a"), data_of(NUMBERS, [1.0, 2.0]), told)
    assert (found.left_out, found.answers.tolist()) == (2, [4.0])


@pytest.mark.parametrize(
    ("served", "inputs", "words"),
    [
        (served_of("a"), ["hmac:12"], "a of the rows that are kept is hidden by PREDICTION_HASH"),
        (served_of("a"), ["red"], "a is float64 in the data, and the rows that are kept have other values: train"),
    ],
)  # fmt: skip
def test_values_that_do_not_go_with_the_data_are_told(
    tmp_path: Path, served: Served, inputs: list[Any], words: str
) -> None:
    with pytest.raises(Unusable, match=words):
        load(tmp_path, served, data_of(NUMBERS, [1.0, 2.0]), [(1.0, 1.0, inputs)])


def asking(served: Served, function: str = "", made_by: str = "") -> Job:
    """A job on an active version that the function `made_by` made."""
    return Job(
        function=function, beside="", folder="", seconds=1, parent=0, store="", name="",
        served=served, settings=ModelSettings(), card={"training": {"function": made_by}},
    )  # fmt: skip


OF_TEXTS = "a model of texts does not learn from selections: train it without feedback"
OF_THE_EXAMPLE = (
    "TRAIN is not set: models.pipeline:build trains on rows.csv, whose columns have a, which the "
    "active version does not take, and lack b, which the active version takes. Set "
    "TRAIN=module:function, the function that makes the active version, and start the service "
    "again"
)
OF_MORE = (
    "TRAIN=own:build trains on rows.csv, whose columns have a, which the active version does not "
    "take. Set TRAIN=module:function, the function that makes the active version, and start the "
    "service again, or train and activate a version without feedback first"
)
OF_ANOTHER = (
    "TRAIN=own:build trains on rows.csv, whose columns lack b, which the active version takes. Set "
    "TRAIN=models.houses:build, the function that makes the active version, and start the service "
    "again, or train and activate a version without feedback first"
)


@pytest.mark.parametrize(
    ("job", "words"),
    [
        (asking(served_of("text", form="text")), OF_TEXTS),
        (asking(served_of("b"), made_by=TABLE), OF_THE_EXAMPLE),
        (asking(served_of(), "own:build"), OF_MORE),
        (asking(served_of("a", "b"), "own:build", made_by="models.houses:build"), OF_ANOTHER),
    ],
)
def test_the_columns_of_another_training_are_told_with_what_to_set(job: Job, words: str) -> None:
    with pytest.raises(Unusable) as raised:
        selections.fit_to(data_of(NUMBERS, [1.0, 2.0]), job)
    assert str(raised.value) == words


def test_columns_come_in_the_order_of_the_active_version() -> None:
    rows = pd.DataFrame({"a": [1.0], "b": [2.0]})
    assert list(selections.fit_to(data_of(rows, [1.0]), asking(served_of("b", "a"))).rows) == [
        "b",
        "a",
    ]


@pytest.mark.parametrize("card", [{}, {"training": None}, {"training": {"feedback": {"until": 5}}}])
def test_a_version_that_never_learnt_knows_no_selections(card: Any) -> None:
    assert seen_until(card) == 0


@pytest.mark.parametrize("at", [1000.0, 1764437563.1234567, 0.0001])
def test_what_a_version_knows_is_written_down_so_that_no_row_counts_twice(at: float) -> None:
    until = feedback._iso(at)
    assert dt.datetime.fromisoformat(until).utcoffset() == dt.timedelta(0)
    assert at <= seen_until({"training": {"feedback": {"until": until}}}) <= at + 0.002


@pytest.mark.parametrize(
    ("count", "known", "held"),
    [(60, 0, 30), (90, 0, 30), (150, 0, 50), (300, 0, 100), (900, 0, 100), (5000, 0, 500),
     (5000, 4970, 30), (5000, 4700, 100)],
)  # fmt: skip
def test_a_part_of_the_new_rows_is_held_out(count: int, known: int, held: int) -> None:
    assert feedback.held_out(np.arange(1.0, count + 1), known) == held


RNG = np.random.default_rng(0)


def told_of(count: int, change: int) -> Selections:
    rows = RNG.normal(size=(count, 2))
    sign = np.where(np.arange(count) < change, 1, -1)
    answers = np.where(rows[:, 0] + sign * rows[:, 1] > 0, "yes", "no")
    return Selections(
        rows=pd.DataFrame(rows, columns=["a", "b"]), answers=pd.Series(answers, name="y"),
        times=np.arange(1.0, count + 1), left_out=0,
    )  # fmt: skip


PAST = told_of(200, 200)


def learnt(told: Selections, build: Any = None, **recipe: Any) -> Any:
    recipe = {"function": "own:build", "target": "y"} | recipe
    return feedback._learn(
        build or (lambda *_: LogisticRegression()), data_of(PAST.rows, PAST.answers), told, 50,
        Recipe(**recipe), str,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("count", "change", "chosen"),
    [
        (450, 450, "the data and all selections"),
        (450, 0, "the newest 400 selections"),
        (450, 250, "the newest 100 selections"),
        (100, 0, "the data and all selections"),
    ],
)
def test_as_many_rows_are_fitted_as_do_no_harm(count: int, change: int, chosen: str) -> None:
    found = learnt(told_of(count, change)).facts["training"]["feedback"]
    assert found["chosen"] == chosen
    assert found["held_out"] == 50


def test_the_same_rows_give_the_same_model() -> None:
    told = told_of(450, 250)
    first, second = (learnt(told, lambda *_: DummyClassifier(strategy="stratified")) for _ in "ab")
    assert first.estimator.get_params()["random_state"] == 42
    assert (
        first.facts["training"]["feedback"]["scores"]
        == (second.facts["training"]["feedback"]["scores"])
    )


def test_newest_rows_without_a_class_are_no_choice() -> None:
    told = told_of(450, 250)
    answers = told.answers.where(np.arange(450) < 200, "yes")
    found = learnt(msgspec.structs.replace(told, answers=answers)).facts["training"]["feedback"]
    assert list(found["scores"]) == ["the data and all selections", "the newest 400 selections"]


def test_a_metric_that_a_block_does_not_have_leaves_all_rows() -> None:
    told = told_of(450, 450)
    answers = told.answers.where(np.arange(450) < 350, "yes")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = learnt(msgspec.structs.replace(told, answers=answers), metric="roc_auc")
    assert found.facts["training"]["feedback"]["chosen"] == "the data and all selections"
    assert found.facts["training"]["feedback"]["scores"] == {}


def test_a_first_model_of_any_table_learns_too(tmp_path: Path) -> None:
    told = told_of(100, 100)
    path = tmp_path / "selections.ndjson"
    lines = zip(told.times, told.answers, told.rows.to_numpy().tolist(), strict=True)
    path.write_bytes(b"\n".join(msgspec.json.encode([float(a), b, c]) for a, b, c in lines))
    job = Job(
        function=TABLE, beside="", folder="", seconds=1, parent=0, store="", name="",
        served=served_of("a", "b", classes=["no", "yes"]), settings=ModelSettings(),
        feedback=Feedback(path=str(path), until=0),
    )  # fmt: skip
    rows = PAST.rows.assign(id=[f"id-{i}" for i in range(200)])
    recipe = Recipe(function=TABLE, target="y")
    do = feedback.learning(job)
    found = do(lambda *_: LogisticRegression(), data_of(rows, PAST.answers), recipe, str)
    assert list(found.facts["rows"]) == ["a", "b"]
