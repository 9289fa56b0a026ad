"""What the metrics tell of tasks."""

from __future__ import annotations

from typing import Any

import pytest

from api.tasks import desk
from tests.tasks.conftest import ROW, House


def test_tasks_are_counted_by_state(house: House) -> None:
    house.start(ROW)
    house.work()
    waiting = house.start([ROW] * 3)
    text = house.client.get("/metrics").text
    assert 'tasks{state="SUCCESS"} 1.0' in text
    assert 'tasks{state="PENDING"} 1.0' in text
    assert 'tasks_ended_total{state="SUCCESS"} 1.0' in text
    assert "task_rows_total 1.0" in text
    assert "task_attempts_total 1.0" in text
    house.store.revoke(waiting)
    assert "oldest_task_seconds 0.0" in house.client.get("/metrics").text


def test_a_store_that_does_not_answer_leaves_the_other_metrics(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: Any) -> Any:
        raise desk.NoTasks("away")

    monkeypatch.setattr(desk, "desk", refuse)
    text = house.client.get("/metrics").text
    assert "tasks_ended" not in text
    assert "model_info" in text
