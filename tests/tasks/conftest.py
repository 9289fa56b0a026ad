"""A service that takes tasks, whose chunks the tests do themselves, one by one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import joblib
import pytest
from flask.testing import FlaskClient

from api import app
from api.settings import Settings
from api.tasks import desk
from api.tasks.models import Models
from api.tasks.store import SqliteStore
from api.tasks.work import Worker

ROW = {
    "island": "Dream",
    "bill_length_mm": 33.1,
    "bill_depth_mm": 16.1,
    "flipper_length_mm": 178.0,
    "body_mass_g": 2900.0,
    "sex": "female",
}
NAMES = ",".join(ROW)
LINE = "Dream,33.1,16.1,178.0,2900.0,female"


class House:
    """A service, its client, its store, and the chunks that wait for somebody to do them."""

    def __init__(self, model: Path, data: Path, **settings: Any) -> None:
        self.data = data
        self.data.mkdir(exist_ok=True)
        self.settings = Settings(model_path=str(model), data_dir=str(data), **settings)
        self.service = app.load(self.settings)
        self.client: FlaskClient = app.serve(self.service, self.settings).app.test_client()
        self.store = SqliteStore(data / "tasks", most=self.settings.max_tasks)
        self.hints: list[tuple[str, int, str]] = []
        models = Models(self.service, self.settings)
        self.worker = Worker(self.store, self.put, models, self.settings)

    def put(self, task_id: str, number: int, queue: str) -> None:
        self.hints.append((task_id, number, queue))

    def start(self, body: Any = None, **named: Any) -> str:
        """Hand in a task, and give its id."""
        if body is not None:
            named["json"] = body
        answer = self.client.post("/inference/start", **named)
        assert answer.status_code == 202, answer.text
        assert answer.headers["Location"] == f"/inference/status/{answer.json['task_id']}"
        return str(answer.json["task_id"])

    def work(self) -> None:
        """Do all that waits."""
        while self.hints:
            task_id, number, _ = self.hints.pop(0)
            self.worker.work(task_id, number)

    def state(self, task_id: str) -> Any:
        return self.client.get(f"/inference/status/{task_id}").json

    def results(self, task_id: str, query: str = "", accept: str = "application/json") -> Any:
        return self.client.get(f"/inference/results/{task_id}{query}", headers={"Accept": accept})

    def run(self, body: Any = None, **named: Any) -> Any:
        """The results of a task that ends well."""
        task_id = self.start(body, **named)
        self.work()
        assert self.state(task_id)["status"] == "SUCCESS", self.state(task_id)
        return self.results(task_id).json


Build = Callable[..., House]


@pytest.fixture
def build(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Build:
    """Builds a service around an estimator, or a file of one."""

    def make(model: Any, **settings: Any) -> House:
        path = tmp_path / "latest.joblib" if not isinstance(model, Path) else model
        if not isinstance(model, Path):
            joblib.dump(model, path)
        house = House(path, tmp_path / "data", **settings)
        monkeypatch.setattr(desk, "desk", lambda _: desk.Desk(house.store, house.put))
        return house

    return make


@pytest.fixture
def house(penguins_path: Path, build: Build) -> House:
    """The example model."""
    return build(penguins_path)
