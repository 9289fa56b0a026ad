"""A training learns from what people told of answers, and is compared on rows that nobody fitted."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from api.feedback.facts import Prediction, Selection, new_id
from api.feedback.store import FeedbackStore
from tests.tasks.test_training import Build, House, build
from tests.test_candidate import quick

__all__ = ["build", "quick"]

FUNCTION = (
    "DATA, TARGET = 'rows.csv', 'y'\ndef train(rows, answers):\n    return LinearRegression()\n"
)
RNG = np.random.default_rng(0)


def tell(house: House, inputs: np.ndarray, labels: Any, at: float = 1000.0) -> None:
    """Keep predictions, one a second, each with its selection."""
    assert house.settings.data_folder
    store = FeedbackStore(house.settings.data_folder / "feedback")
    kept, told = [], []
    for i, (row, label) in enumerate(
        zip(inputs.tolist(), np.asarray(labels).tolist(), strict=True)
    ):
        known: Any = {"id": new_id(at + i), "row": 0, "at": at + i, "version": house.active}
        kept.append(Prediction(**known, owner="", method="predict", inputs=row, label=0.0))
        told.append(Selection(**known, label=label))
    store.add(kept)
    store.select(told)


@pytest.fixture
def house(build: Build) -> House:
    """A service whose model adds its two features, as the rows of its data do."""
    house = build(constant=0)
    rows = RNG.normal(size=(200, 2))
    lines = [f"{a},{b},{a + b + RNG.normal(scale=0.1)}" for a, b in rows]
    (house.folder / "rows.csv").write_text("\n".join(["x0,x1,y", *lines, ""]))
    house.write(FUNCTION)
    return house


def learnt(house: House) -> Any:
    task_id = house.ask("POST", "/train/start", 202, {"feedback": True, "activate": "if-better"})
    house.work()
    state = house.state(task_id["task_id"])
    assert state["status"] == "SUCCESS", state["error"]
    return house.ask("GET", f"/train/results/{task_id['task_id']}", 200)


def test_it_learns_of_a_change_from_selections(house: House) -> None:
    rows = RNG.normal(size=(300, 2))
    truth = np.where(np.arange(300) < 100, rows.sum(axis=1), rows[:, 0] - rows[:, 1])
    tell(house, rows, truth + RNG.normal(scale=0.1, size=300))
    report = learnt(house)
    print(report)
    assert report["activated"]
    found = report["feedback"]
    assert found["chosen"] == "the newest 100 selections"
    assert house.serves() == report["version"]
