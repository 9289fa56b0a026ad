"""Alerts to ALERT_URL: once when a fault begins, once when it has ended, and no value of a row."""

from __future__ import annotations

import contextlib
import http.server
import json
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from api.feedback import alerts, keeper
from api.feedback.alerts import Alerts
from api.feedback.facts import HOUR_SECONDS, Hour, Prediction, Selection, new_id
from api.feedback.recorder import Recorder
from api.http.route import Routes, Site
from api.service import Service
from api.settings import Settings
from models.drift import Layout
from models.model import Model
from models.signature.types import Feature
from models.versions import Store
from tests.drift.models_of import facts_of, model_of

TRAINED = np.random.default_rng(0).normal(size=500)
CARD = {
    "features": {"mass": facts_of(TRAINED), "depth": facts_of(TRAINED)},
    "metrics": {"accuracy": 0.97, "mean_absolute_error": 1.0, "rows_held_out": 500},
    "intervals": {"accuracy": [0.95, 0.99], "mean_absolute_error": [0.8, 1.2]},
}
SECRET = "/services/secret"


class Chat:
    """A server that takes alerts: with the first statuses, in their order, and then with 200."""

    def __init__(self) -> None:
        self.statuses: list[int] = []
        self.bodies: list[dict[str, Any]] = []
        self.seconds = 0.0
        chat = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                time.sleep(chat.seconds)
                status = chat.statuses.pop(0) if chat.statuses else 200
                if status == 200:
                    chat.bodies.append(json.loads(body))
                with contextlib.suppress(OSError):
                    self.send_response(status)
                    self.send_header("Location", f"http://{self.headers['Host']}/elsewhere")
                    self.send_header("Content-Length", "0")
                    self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}{SECRET}"


@pytest.fixture
def chat() -> Iterator[Chat]:
    made = Chat()
    thread = threading.Thread(target=made.server.serve_forever, args=(0.01,))
    thread.start()
    yield made
    made.server.shutdown()
    made.server.server_close()
    thread.join()


def of_numbers(version: str = "1", **facts: Any) -> Model:
    """A model of two numbers."""
    features = (Feature(name="mass", kind="number"), Feature(name="depth", kind="number"))
    made = model_of(features, CARD, **{"classes": ["a", "b"], **facts})
    return msgspec.structs.replace(made, version=version * 64)


class Place:
    """A service, whose model may be replaced, and what it has counted and was told."""

    def __init__(self, recorder: Recorder, model: Model) -> None:
        self.store = recorder.store
        self.model = model

    def site(self) -> Site:
        service = Service(
            name="model", model=self.model, contract=None, reader=None, batcher=None,  # type: ignore[arg-type]
            timeout=1, ignore=False, locked=False,
        )  # fmt: skip
        return Site(service, Settings(), Routes())

    def count(self, mass: np.ndarray) -> None:
        """Count rows with these masses, whose depths have not changed."""
        layout, rows = Layout.of(self.model), np.stack([mass, TRAINED[: len(mass)]], axis=1)
        hour = Hour(
            hour=int(time.time() // HOUR_SECONDS),
            version=self.model.version,
            layout=layout.name,
            answers=len(rows),
            counts=layout.count("predict", rows, None),
        )
        self.store.add_counts([hour])

    def tell(self, *labels: Any, predicted: Any = "a", is_number: bool = False) -> None:
        """Tell the truth of as many predictions."""
        at = time.time() - 1
        facts: dict[str, Any] = {
            "version": self.model.version,
            "owner": "",
            "method": "predict",
            "inputs": [],
        }
        made = [Prediction(id=new_id(at), row=0, at=at, label=predicted, **facts) for _ in labels]
        self.store.add(made)
        self.store.select(
            Selection(id=each.id, row=0, at=at, label=label, is_number=is_number)
            for each, label in zip(made, labels, strict=True)
        )


@pytest.fixture
def place(keeps_feedback: Recorder) -> Place:
    return Place(keeps_feedback, of_numbers())


@pytest.fixture
def look(place: Place, chat: Chat) -> Callable[[], None]:
    """Look as a service does that was just started."""
    return lambda: Alerts(place.store, chat.url, "penguins", place.site).look()


def test_a_feature_that_has_drifted_is_told_once(
    place: Place, chat: Chat, look: Callable[[], None]
) -> None:
    look()
    place.count(TRAINED[:300] + 1)
    look()
    look()
    (body,) = chat.bodies
    assert body["text"].startswith(
        "penguins, version 111111111111: the feature mass has drifted much in 300 rows of the last "
        "24 hours: PSI "
    )
    assert {name: body[name] for name in ("service", "state", "kind", "version", "feature")} == {
        "service": "penguins",
        "state": "begun",
        "kind": "drift",
        "version": "1" * 64,
        "feature": "mass",
    }
    assert body["figures"]["psi"] > body["figures"]["critical"]
    assert body["figures"]["rows"] == 300
    assert body["since"] == body["at"]


def test_rows_like_those_of_the_training_and_good_answers_are_no_fault(
    place: Place, chat: Chat, look: Callable[[], None]
) -> None:
    place.count(TRAINED[:300])
    place.tell(*["a"] * 60, "b", None)
    look()
    assert chat.bodies == []


def test_accuracy_surely_below_the_cards_is_told(
    place: Place, chat: Chat, look: Callable[[], None]
) -> None:
    place.tell(*["a"] * 60, *["b"] * 40)
    look()
    look()
    (body,) = chat.bodies
    assert body["text"] == (
        "penguins, version 111111111111: accuracy is surely below the card's: 0.6 (0.502 to 0.6906) "
        "in 100 selections of the last 24 hours, 0.97 (0.95 to 0.99) in the card"
    )
    assert (body["kind"], body["feature"]) == ("accuracy", "")
    assert body["figures"]["card"] == {"value": 0.97, "low": 0.95, "high": 0.99}


def test_few_selections_are_no_fault(place: Place, chat: Chat, look: Callable[[], None]) -> None:
    place.tell(*["b"] * 20)
    look()
    assert chat.bodies == []


def test_of_numbers_the_mean_absolute_error_is_told(keeps_feedback: Recorder, chat: Chat) -> None:
    place = Place(keeps_feedback, of_numbers(classes=None))
    place.tell(*range(10, 50), predicted=5.0, is_number=True)
    Alerts(place.store, chat.url, "penguins", place.site).look()
    (body,) = chat.bodies
    assert "mean absolute error is surely above the card's: 24.5 (" in body["text"]
    assert body["figures"]["metric"] == "mean_absolute_error"


def test_the_end_of_an_episode_is_told_once_and_another_one_begins_anew(
    place: Place, chat: Chat, look: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    place.count(TRAINED[:300] + 1)
    place.tell(*["b"] * 60)
    look()
    old, place.model = place.model, of_numbers("2")
    look()
    assert len(chat.bodies) == 2
    monkeypatch.setattr(alerts, "QUIET_SECONDS", 0.0)
    look()
    look()
    ended = chat.bodies[2:]
    assert [(each["state"], each["kind"]) for each in ended] == [
        ("ended", "accuracy"),
        ("ended", "drift"),
    ]
    assert [each["text"].partition(": ")[2] for each in ended] == [
        "for an hour, answers were not surely worse than the card says",
        "the feature mass has not drifted any more for an hour",
    ]
    place.model = old
    look()
    assert [each["state"] for each in chat.bodies[4:]] == ["begun", "begun"]


def test_the_end_is_counted_from_the_last_time_that_a_fault_was_seen(
    place: Place, look: Callable[[], None]
) -> None:
    place.count(TRAINED[:300] + 1)
    look()
    look()
    (episode,) = place.store.note(alerts.NOTE)["episodes"].values()
    assert episode["seen"] > episode["since"]


def test_an_alert_that_is_not_taken_is_sent_again_until_it_is(
    place: Place,
    chat: Chat,
    look: Callable[[], None],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    chat.statuses = [503, 404, 302]
    place.count(TRAINED[:300] + 1)
    look()
    look()
    assert chat.statuses == [404, 302], "the second look comes before the minute is over"
    monkeypatch.setattr(alerts, "LOOK_SECONDS", 0.0)
    state = place.store.note(alerts.NOTE)
    state["posts"][0]["due"] = 0
    place.store.set_note(alerts.NOTE, state)
    for _ in range(4):
        look()
    assert len(chat.bodies) == 1
    assert place.store.note(alerts.NOTE)["posts"] == []
    assert caplog.messages[0] == (
        "ALERT_URL: 127.0.0.1 does not take alerts (503 Service Unavailable); they are sent again "
        "later"
    )
    assert "it redirects" in caplog.text
    assert SECRET not in caplog.text


def test_a_service_that_goes_on_says_so_once_an_hour(
    place: Place, chat: Chat, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(alerts, "LOOK_SECONDS", 0.0)
    monkeypatch.setattr(alerts, "MAX_TRIES", 3)
    chat.statuses = [403] * 3
    place.count(TRAINED[:300] + 1)
    teller = Alerts(place.store, chat.url, "penguins", place.site)
    for _ in range(4):
        teller.look()
    assert chat.statuses == []
    first, last = caplog.messages
    assert first.endswith("they are sent again later")
    assert "this one is given up: penguins, version 111111111111: the feature mass" in last
    assert chat.bodies == []


def test_a_server_that_does_not_answer_is_not_waited_for(
    place: Place, chat: Chat, look: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(alerts, "POST_SECONDS", 0.2)
    chat.seconds = 0.6
    place.count(TRAINED[:300] + 1)
    started = time.monotonic()
    look()
    assert time.monotonic() - started < 0.5
    assert len(place.store.note(alerts.NOTE)["posts"]) == 1


def test_where_other_fields_are_refused_only_the_text_is_sent(
    place: Place, chat: Chat, look: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(alerts, "ONLY_TEXT", {"127.0.0.1"})
    place.count(TRAINED[:300] + 1)
    look()
    assert [[*body] for body in chat.bodies] == [["text"]]


def test_many_alerts_are_told_a_few_at_a_time(
    place: Place, chat: Chat, look: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(alerts, "POSTS_A_LOOK", 1)
    place.count(TRAINED[:300] + 1)
    place.tell(*["b"] * 60)
    look()
    assert len(chat.bodies) == 1
    look()
    assert len(chat.bodies) == 2


def test_the_keeper_looks_for_the_version_that_serves_now(
    place: Place, chat: Chat, tmp_path: Path
) -> None:
    place.count(TRAINED[:300] + 1)
    service = place.site().service
    settings = Settings(alert_url=chat.url, k_service="on-cloud-run")

    class Swapped:
        model = of_numbers("2")
        store = Store(tmp_path / "versions", "model")

    for swap in (Swapped(), None):
        for duty in keeper.duties(settings, service, swap):  # type: ignore[arg-type]
            duty.run()
        expected = [] if swap else ["on-cloud-run"]
        assert [each["service"] for each in chat.bodies] == expected
