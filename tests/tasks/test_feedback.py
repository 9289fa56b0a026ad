"""The truth of rows that a task has answered."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.linear_model import LinearRegression
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from api.feedback import notes
from api.feedback.recorder import Recorder
from tests.kept import errors_in, told_in
from tests.tasks.conftest import ROW, Build, House

GENTOO = {**ROW, "bill_length_mm": 50.0, "body_mass_g": 6000.0, "bill_depth_mm": 14.0}


@pytest.fixture
def kept(keeps_feedback: Recorder, house: House) -> House:
    """A service that keeps its predictions."""
    assert keeps_feedback.mode == "all"
    return house


def done(house: House, body: Any = None, **named: Any) -> str:
    task_id = house.start(body, **named)
    house.work()
    return task_id


def tell(house: House, task_id: str, **choice: Any) -> Any:
    body = {"task_id": task_id, **choice}
    answer = house.client.put("/inference/select", json=body)
    found: dict[str, Any] = answer.get_json()
    errors = found.get("errors")
    return f"{errors[0]['pointer']}: {errors[0]['detail']}" if errors else found


def test_a_row_of_a_task_is_kept_and_told(kept: House, keeps_feedback: Recorder) -> None:
    task_id = done(kept, [ROW, GENTOO])
    keeps_feedback.fold(everything=True)
    found = tell(kept, task_id, row=1, label="Chinstrap")
    assert (found["row"], found["predicted"], found["correct"]) == (1, "Gentoo", False)
    ((prediction, selection),) = keeps_feedback.store.labelled()
    assert prediction.inputs == list(GENTOO.values())
    assert selection.label == "Chinstrap"
    assert [each.answers for each in keeps_feedback.store.hours(0)] == [2]


def test_a_row_that_is_not_kept_is_told_by_its_result(
    kept: House, keeps_feedback: Recorder
) -> None:
    for method in ("predict", "predict_proba"):
        task_id = done(kept, [ROW, GENTOO], query_string={"method": method})
        assert tell(kept, task_id, row=1, label="Gentoo")["correct"] is True
    assert list(keeps_feedback.store.labelled()) == []
    assert [each.count for each in told_in(keeps_feedback.store, 0)] == [2]


def test_the_first_rows_of_a_large_task_are_kept(
    kept: House, keeps_feedback: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notes, "MAX_KEPT_ROWS", 1500)
    lines = "\n".join([",".join(ROW), *([",".join(map(str, ROW.values()))] * 4000)])
    task_id = done(kept, data=lines, content_type="text/csv")
    keeps_feedback.fold(everything=True)
    assert keeps_feedback.store.count_predictions() == 1500
    assert tell(kept, task_id, row=1499, label="Adelie")["correct"] is True
    assert tell(kept, task_id, row=3999, label="Adelie")["correct"] is True


def test_a_task_is_not_kept_where_the_rate_is_reached(
    kept: House, keeps_feedback: Recorder
) -> None:
    for _ in range(30):
        done(kept, [ROW])
    keeps_feedback.fold()
    assert keeps_feedback.store.count_predictions() == 20


def test_a_task_is_not_kept_where_another_thread_takes_the_last_coin(
    kept: House, keeps_feedback: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notes.Purse, "spend", lambda _: False)
    done(kept, [ROW])
    keeps_feedback.fold()
    assert keeps_feedback.store.count_predictions() == 0


def test_a_row_that_the_task_has_not_is_told(kept: House) -> None:
    task_id = done(kept, [ROW, ROW])
    assert tell(kept, task_id, row=2, label="Adelie") == (
        "/row: expected a row of this task, from 0 to 1"
    )


def test_a_task_that_goes_on_has_no_truth_yet(kept: House) -> None:
    assert tell(kept, kept.start([ROW]), label="Adelie")["status"] == 409


def test_a_task_whose_results_are_gone_is_410(kept: House) -> None:
    task_id = done(kept, [ROW] * 20_000, query_string={"method": "predict"})
    for file in (kept.data / "tasks" / "files").rglob("*"):
        if file.is_file():
            file.unlink()
    answer = tell(kept, task_id, row=15_000, label="Adelie")
    assert answer["status"] == 410


@pytest.mark.parametrize(
    ("estimator", "method", "said"),
    [
        (StandardScaler(), "transform", "expected a task of /predict"),
        (DecisionTreeClassifier(), "predict", "a model that answers one label a row"),
        (DecisionTreeRegressor(), "predict", "a model that answers one label a row"),
    ],
)
def test_a_task_without_labels_has_no_truth(
    keeps_feedback: Recorder, build: Build, estimator: Any, method: str, said: str
) -> None:
    house = build(estimator.fit(np.arange(8.0).reshape(4, 2), [[0, 1], [1, 0], [0, 1], [1, 1]]))
    task_id = done(house, [[0.0, 1.0]], query_string={"method": method})
    assert said in tell(house, task_id, label=0)
    keeps_feedback.fold(everything=True)
    assert keeps_feedback.store.count_predictions() == 0


def test_a_task_of_a_regression_on_a_table_of_one_column_has_one_truth_a_row(
    keeps_feedback: Recorder, build: Build
) -> None:
    X = np.arange(8.0).reshape(4, 2)
    house = build(LinearRegression().fit(X, X[:, :1]))
    task_id = done(house, [[3.0, 4.0]])
    not_kept_yet = tell(house, task_id, label=5)
    keeps_feedback.fold(everything=True)
    for found in (not_kept_yet, tell(house, task_id, label=6)):
        assert (found["predicted"], found["correct"]) == (pytest.approx(3), None)
    (errors,) = errors_in(keeps_feedback.store)
    assert errors.count == 1
    assert errors.absolute == pytest.approx(3)
