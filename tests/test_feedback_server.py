"""Feedback of the real server: nothing that was confirmed is lost, however it ends."""

from __future__ import annotations

import contextlib
import time
import urllib.error
from pathlib import Path
from typing import Any

import joblib
import numpy as np
from sklearn.linear_model import LogisticRegression

from api.feedback.store import FeedbackStore
from tests.test_rejections import GOOD
from tests.test_serving import serving
from tests.torture.driver import FEATURES
from tests.torture.feedback import Torture


def kept_in(folder: Path) -> FeedbackStore:
    return FeedbackStore(folder / "data" / "feedback")


def answers(store: FeedbackStore) -> int:
    return sum(each.answers for each in store.hours(0))


def test_what_was_answered_is_kept_when_the_service_stops(baked_path: Path, tmp_path: Path) -> None:
    with serving(tmp_path, MODEL_PATH=baked_path, TASK_WORKERS=0, PREDICTION_LOG_RATE=99) as server:
        for _ in range(30):
            server.post("/predict", GOOD)
        server.stop()
    store = kept_in(tmp_path)
    assert answers(store) == 30
    assert len(store.predictions_after("0" * 32, 0, time.time() + 9, 99)) == 30


def test_rows_of_a_task_are_kept_and_counted_and_can_be_told(
    baked_path: Path, tmp_path: Path
) -> None:
    with serving(tmp_path, MODEL_PATH=baked_path, PROCESSES=1) as server:
        begun = server.post("/inference/start", [GOOD] * 3)
        choice: dict[str, Any] = {"task_id": begun["task_id"], "row": 2, "label": "Adelie"}
        end = time.monotonic() + 20
        while server.get(f"/inference/status/{begun['task_id']}")["status"] != "SUCCESS":
            assert time.monotonic() < end
            time.sleep(0.05)
        store = kept_in(tmp_path)
        while answers(store) < 3:
            assert time.monotonic() < end
            time.sleep(0.05)
        assert server.post("/feedback", [choice])["kept"] == 1
    ((prediction, selection),) = store.labelled()
    assert (prediction.row, prediction.label, selection.label) == (2, "Gentoo", "Adelie")


def test_no_value_of_a_row_is_shown_anywhere(baked_path: Path, tmp_path: Path) -> None:
    magic = {"bill_length_mm": 31337.125, "island": "Atlantis", "body_mass_g": 4242.4242}
    shown = ""
    with serving(
        tmp_path, MODEL_PATH=baked_path, LOG_LEVEL="debug", ACCESS_LOG="true", TASK_WORKERS=0
    ) as server:
        for changes in ({**magic, "island": "Dream"}, magic):
            with contextlib.suppress(urllib.error.HTTPError):
                server.post("/predict", [{**GOOD, **changes}] * 200)
        with server.ask("/predict", {**GOOD, **magic, "island": "Dream"}) as answer:
            kept = answer.headers["X-Prediction-Id"]
        choice = {"prediction_id": kept, "label": "Gentoo"}
        assert server.post("/feedback", [choice])["kept"] == 1
        end = time.monotonic() + 20
        while server.get("/content/inputs")["rows"] < 201:
            assert time.monotonic() < end
            time.sleep(0.05)
        paths = [f"/content/{name}" for name in server.get("/content/info")["values"]]
        for path in ["/metrics", *paths, *(f"{path}?format=csv&by=hour" for path in paths)]:
            shown += server.ask(path).read().decode()
    shown += server.log.read_text()
    assert "bill_length_mm" in shown
    assert not [value for value in ("31337.1", "Atlantis", "4242.4") if value in shown]


def test_confirmed_selections_survive_kills_of_processes_and_of_the_service(tmp_path: Path) -> None:
    path = tmp_path / "latest.joblib"
    X = np.random.default_rng(0).normal(size=(200, FEATURES))
    joblib.dump(LogisticRegression().fit(X, (X[:, 0] > 0).astype(int)), path)
    outcome = Torture(tmp_path, path, selections=150).run(kills=3, restarts=1)
    assert outcome.is_good, outcome
