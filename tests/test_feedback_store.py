"""The feedback store: what is kept of predictions and selections, and the sums over them."""

from __future__ import annotations

import math
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.feedback import exact
from api.feedback.facts import (
    HOUR_SECONDS,
    Hour,
    Prediction,
    Selection,
    id_of_task,
    new_id,
    time_of,
)
from api.feedback.lines import PREDICTIONS, SELECTIONS
from api.feedback.merge import MergedStore
from api.feedback.store import FeedbackStore
from tests.kept import errors_in, recent_in, told_in

NOON = 1_750_000_000 // HOUR_SECONDS * HOUR_SECONDS


@pytest.fixture
def store(tmp_path: Path) -> FeedbackStore:
    return FeedbackStore(tmp_path / "feedback")


def made(at: float = NOON, label: Any = "a", **others: Any) -> Prediction:
    facts = {"id": new_id(at), "row": 0, "version": "v1", "owner": "", "method": "predict"}
    return Prediction(**{**facts, "at": at, "inputs": [1.5, None, "x"], "label": label, **others})


def told(prediction: Prediction, label: Any, after: float = 1, **others: Any) -> Selection:
    return Selection(
        id=prediction.id, row=prediction.row, at=prediction.at + after, label=label, **others
    )


def counted(store: FeedbackStore) -> dict[tuple[str, Any, Any], int]:
    return {(each.version, each.predicted, each.label): each.count for each in told_in(store, 0)}


def test_a_prediction_comes_back_as_it_was_kept(store: FeedbackStore) -> None:
    kept = made(ranked=[0.75, 0.25], row=3)
    store.add([kept])
    assert store.prediction(kept.id, 3) == kept
    assert store.prediction(kept.id, 4) is None
    assert store.rows_of(kept.id) == 1


def test_an_id_tells_its_time() -> None:
    assert time_of(new_id(NOON + 0.25)) == NOON + 0.25
    assert len({new_id() for _ in range(1000)}) == 1000


def test_the_last_selection_counts_and_all_are_kept(store: FeedbackStore) -> None:
    kept = made()
    store.add([kept])
    store.select([told(kept, "b", 1), told(kept, "c", 2), told(kept, "a", 3)])
    assert counted(store) == {("v1", "a", "a"): 1}
    assert store.count_selections() == 1
    assert [each.label for each in recent_in(store, 9)] == ["a", "c", "b"]
    ((prediction, selection),) = store.labelled()
    assert (prediction, selection.label, selection.predicted) == (kept, "a", "a")


def test_the_last_selection_counts_where_the_clock_has_gone_back(store: FeedbackStore) -> None:
    kept = made()
    store.add([kept])
    store.select([told(kept, "b", 900), told(kept, "c", -900), told(kept, "a", 1)])
    assert counted(store) == {("v1", "a", "a"): 1}
    assert len(recent_in(store, 9)) == 3


def test_of_selections_merged_from_several_instances_the_last_by_time_counts(
    tmp_path: Path,
) -> None:
    store, kept = MergedStore(tmp_path / "feedback"), made()
    store.merge("gs://b/predictions/1", PREDICTIONS, [kept])
    for name, label, after in (("1", "b", 1), ("2", "a", 3), ("3", "c", 2)):
        store.merge(f"gs://b/selections/{name}", SELECTIONS, [told(kept, label, after)] * 2)
    assert counted(store) == {("v1", "a", "a"): 1}
    assert len(recent_in(store, 9)) == 3


@pytest.mark.parametrize(("label", "predicted"), [(1, 1.0), (1, True), ("a", "a")])
def test_a_class_equals_its_number_in_another_type(
    store: FeedbackStore, label: Any, predicted: Any
) -> None:
    kept, late = made(label=predicted), made(label=predicted)
    store.add([kept])
    store.select([told(kept, label, predicted=label, version="v1"), told(late, label)])
    store.add([late])
    assert [(each.predicted, each.count) for each in told_in(store)] == [(label, 2)]
    assert type(told_in(store)[0].predicted) is type(label)


def test_a_selection_that_counts_stays_until_its_hour_has_passed(store: FeedbackStore) -> None:
    kept = made(NOON + 60)
    store.add([kept])
    store.select([told(kept, "a")])
    store.expire(NOON + 1800, 10)
    assert store.prediction(kept.id, 0) is None
    # As the task whose results are still here tells it.
    store.select([told(kept, "b", 1800, predicted="a", version="v1")])
    assert counted(store) == {("v1", "a", "b"): 1}
    store.expire(NOON + 3600, 10)
    assert (counted(store), recent_in(store, 9)) == ({}, [])


def test_a_selection_that_is_told_twice_counts_once(store: FeedbackStore) -> None:
    kept = made()
    store.add([kept, kept])
    store.select([told(kept, "b")] * 2)
    store.select([told(kept, "b")])
    assert counted(store) == {("v1", "a", "b"): 1}
    assert store.count_selections() == 1


def test_a_selection_may_come_before_its_prediction(store: FeedbackStore) -> None:
    kept = made()
    store.select([told(kept, "a"), told(kept, "b", 2), told(made(), "a")])
    assert counted(store) == {}
    store.add([kept])
    assert counted(store) == {("v1", "a", "b"): 1}
    store.add([made()])
    store.select([told(kept, "a", 3)])
    assert counted(store) == {("v1", "a", "a"): 1}


def test_a_selection_of_a_task_counts_by_what_is_known_of_its_row(store: FeedbackStore) -> None:
    store.select([told(made(), "b", predicted="a", version="v2")])
    assert counted(store) == {("v2", "a", "b"): 1}
    assert list(store.labelled()) == []


def test_errors_of_numbers_are_summed(store: FeedbackStore) -> None:
    first, second = made(label=3.0), made(label=5.0)
    store.add([first, second])
    store.select([told(first, 1, is_number=True), told(second, 6, is_number=True)])
    store.select([told(first, None, 2, is_number=True)])
    (found,) = errors_in(store, 0)
    assert (found.count, found.signed, found.absolute, found.squared) == (1, -1, 1, 1)
    store.select([told(second, None, 2, is_number=True)])
    assert errors_in(store, 0) == []


def test_a_number_that_is_corrected_leaves_no_trace(store: FeedbackStore) -> None:
    kept = [made(label=0.1 * i) for i in range(30)]
    store.add(kept)
    store.select([told(each, 1.0, is_number=True) for each in kept])
    before = errors_in(store, 0)
    for i, wrong in enumerate((1e18, 1e30, 1e139, -4.5e12)):
        store.select([told(kept[3], wrong, 2 + i, is_number=True)])
        assert errors_in(store, 0) != before
    store.select([told(kept[3], 1.0, 9, is_number=True)])
    assert errors_in(store, 0) == before


@pytest.mark.parametrize("predicted", [float("inf"), "-Infinity", None])
def test_a_prediction_that_is_no_finite_number_has_no_error(
    store: FeedbackStore, predicted: Any
) -> None:
    kept = made(label=predicted)
    store.add([kept])
    store.select([told(kept, 1.0, is_number=True)])
    assert (errors_in(store, 0), counted(store)) == ([], {})


@given(st.lists(st.floats(-1e100, 1e100), max_size=20), st.integers(0, 19))
def test_an_exact_sum_forgets_what_is_taken_away(values: list[float], place: int) -> None:
    parts: list[float] = []
    for value in values:
        parts = exact.add(parts, value)
    assert math.fsum(parts) == math.fsum(values)
    for value in values[:place]:
        parts = exact.add(parts, -value)
    assert math.fsum(parts) == math.fsum(values[place:])


def test_a_number_told_of_a_cluster_is_a_class(store: FeedbackStore) -> None:
    kept = made(label=2)
    store.select([told(kept, 2, is_number=True)])
    store.add([kept])
    assert counted(store) == {("v1", 2, 2): 1}


def test_counts_of_an_hour_are_added(store: FeedbackStore) -> None:
    one = Hour(hour=7, version="v1", layout="l", answers=2, counts=np.array([1, 2]))
    store.add_counts([one, one])
    store.add_counts([Hour(hour=7, version="v1", layout="m", answers=1, counts=np.array([9]))])
    found = store.hours(7 * HOUR_SECONDS, 7 * HOUR_SECONDS)
    assert [(each.layout, each.answers, each.counts.tolist()) for each in found] == [
        ("l", 4, [2, 4]),
        ("m", 1, [9]),
    ]
    assert store.hours(8 * HOUR_SECONDS) == []


def test_sums_are_of_the_hour_of_the_prediction(store: FeedbackStore) -> None:
    early, late = made(NOON - 1), made(NOON)
    store.add([early, late])
    store.select([told(early, "b", HOUR_SECONDS), told(late, "b", HOUR_SECONDS)])
    assert [each.hour for each in told_in(store, 0)] == [NOON // 3600 - 1, NOON // 3600]
    assert len(told_in(store, NOON)) == 1
    assert len(told_in(store, 0, NOON - 1)) == 1


def test_labelled_predictions_come_by_time_and_within_it(store: FeedbackStore) -> None:
    kept = [made(NOON + i) for i in (2, 0, 1)]
    store.add(kept)
    store.select([told(each, "b") for each in kept])
    assert [each.at - NOON for each, _ in store.labelled()] == [0, 1, 2]
    assert [each.at - NOON for each, _ in store.labelled(NOON + 1, NOON + 2)] == [1]


def test_predictions_are_read_on_from_where_one_was(store: FeedbackStore) -> None:
    kept = [made(NOON + i) for i in range(4)]
    store.add(kept)
    first = store.predictions_after("0" * 32, 0, NOON + 3, 2)
    assert first == kept[:2]
    assert store.predictions_after(first[-1].id, 0, NOON + 3, 2) == kept[2:3]


def test_rows_of_a_task_are_kept_under_one_id_with_its_time() -> None:
    assert id_of_task("task", NOON) == id_of_task("task", NOON) != id_of_task("other", NOON)
    assert time_of(id_of_task("task", NOON)) == NOON
    assert len(id_of_task("task", NOON)) == len(new_id())


def test_notes_are_kept_and_forgotten(store: FeedbackStore) -> None:
    store.set_note("name", {"a": 1})
    store.set_note("name", {"a": 2})
    assert store.note("name") == {"a": 2}
    store.set_note("name", None)
    assert store.note("name") is None


def test_what_is_expired_is_gone_and_the_rest_stays(store: FeedbackStore) -> None:
    old, new = made(NOON - 3 * HOUR_SECONDS), made(NOON)
    store.add([old, new])
    store.select([told(old, "b"), told(new, "b")])
    for each in (old, new):
        hour = int(each.at // HOUR_SECONDS)
        store.add_counts(
            [Hour(hour=hour, version="v1", layout="l", answers=1, counts=np.array([1]))]
        )
    store.expire(NOON, 9)
    assert store.prediction(old.id, 0) is None
    assert [each.id for each, _ in store.labelled()] == [new.id]
    assert len(told_in(store, 0)) == len(store.hours(0)) == len(recent_in(store, 9)) == 1
    store.expire(NOON + 9 * HOUR_SECONDS, 9)
    assert recent_in(store, 9) == []
    assert store.count_selections() == 2


def test_the_oldest_predictions_make_room(
    store: FeedbackStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.feedback.store.EXPIRED_AT_ONCE", 2)
    kept = [made(NOON + i) for i in range(5)]
    store.add([*kept, kept[0]])
    store.add(kept)
    assert store.count_predictions() == 5
    store.expire(0, 4)
    store.expire(NOON + 2, 9)
    assert store.count_predictions() == 3
    assert store.predictions_after("0" * 32, 0, NOON + 9, 9) == kept[2:]
    store.expire(NOON + 4, 3)
    assert store.count_predictions() == 1


def test_many_threads_select_and_nothing_is_lost(store: FeedbackStore) -> None:
    kept = [made(NOON + i) for i in range(80)]
    store.add(kept)

    def work(start: int) -> None:
        for each in kept[start::8]:
            store.select([told(each, "b")])

    threads = [threading.Thread(target=work, args=(start,)) for start in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert counted(store) == {("v1", "a", "b"): 80}


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match="file"):
        FeedbackStore(tmp_path / "file" / "feedback")
