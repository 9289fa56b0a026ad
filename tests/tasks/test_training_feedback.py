"""A training learns from what people told of answers, and is compared on rows that nobody fitted."""

from __future__ import annotations

import datetime as dt
import re
import runpy
import threading
import time
from collections.abc import Callable
from typing import Any
from wsgiref.simple_server import make_server

import msgspec
import numpy as np
import pytest

from api import learn
from api.feedback import keeper, learning
from api.feedback.facts import Prediction, Selection, new_id
from api.feedback.learning import Learner
from api.feedback.recorder import recorder
from api.feedback.store import FeedbackStore
from api.settings import Settings
from api.tasks import desk, training
from api.tasks.desk import NoTasks
from models.settings import SettingsError
from models.signature.types import Feature, Signature
from models.training.comparison import Comparison
from tests.tasks.test_training import Build, House, build
from tests.test_candidate import quick
from tests.test_client import answering
from tests.test_swap import KEY

__all__ = ["build", "quick"]

FUNCTION = (
    "DATA, TARGET = 'rows.csv', 'y'\ndef train(rows, answers):\n    return LinearRegression()\n"
)
RNG = np.random.default_rng(0)
ROWS = RNG.normal(size=(300, 2))
NOISE = RNG.normal(scale=0.1, size=300)
OLD = ROWS.sum(axis=1) + NOISE
# The second feature means the contrary from the 100th row on.
CHANGED = np.where(np.arange(300) < 100, OLD, ROWS[:, 0] - ROWS[:, 1] + NOISE)


def kept(house: House) -> FeedbackStore:
    assert house.settings.data_folder
    return FeedbackStore(house.settings.data_folder / "feedback")


def tell(house: House, labels: Any, first: int = 0, **other: Any) -> None:
    """Keep the rows from `first` on as predictions, one a second, and the labels as their truth."""
    predictions, selections = [], []
    for i, label in enumerate(labels, first):
        known: Any = {"id": new_id(1000.0 + i), "row": 0, "at": 1000.0 + i, "version": house.active}
        row = {"owner": "", "method": "predict", "inputs": ROWS[i].tolist(), "label": 0.0}
        predictions.append(Prediction(**(known | row | other)))
        selections.append(Selection(**known, label=None if label is None else float(label)))
    store = kept(house)
    store.add(predictions)
    store.select(selections)


@pytest.fixture
def house(build: Build) -> House:
    """A service whose model adds its two features, as its data do."""
    house = build(constant=0)
    random = np.random.default_rng(1)
    rows = random.normal(size=(200, 2))
    lines = [f"{a},{b},{a + b + random.normal(scale=0.1)}" for a, b in rows]
    (house.folder / "rows.csv").write_text("\n".join(["x0,x1,y", *lines, ""]))
    house.write(FUNCTION)
    return house


def train(house: House) -> Any:
    """The state of a training on selections, at its end."""
    asked = {"feedback": True, "activate": "if-better"}
    task_id = house.ask("POST", "/train/start", 202, asked)["task_id"]
    house.work()
    return house.state(task_id)


def learnt(house: House) -> Any:
    """The report of a training on selections that ends well."""
    state = train(house)
    assert state["status"] == "SUCCESS", state["error"]
    return house.ask("GET", f"/train/results/{state['task_id']}", 200)


def test_it_learns_of_a_change_from_the_newest_selections(house: House) -> None:
    tell(house, CHANGED)
    report = learnt(house)
    assert report["activated"], report["not_activated"]
    assert house.serves() == report["version"]
    found = report["feedback"]
    assert found.pop("scores").keys() == {
        "the data and all selections", "the newest 200 selections", "the newest 100 selections"
    }  # fmt: skip
    assert found == {
        "chosen": "the newest 100 selections",
        "data_rows": 0,
        "selections": 100,
        "held_out": 100,
        "left_out": 0,
        "since": "1970-01-01T00:18:20.000+00:00",
        "until": "1970-01-01T00:21:39.000+00:00",
        "without_data": "",
    }
    assert report["comparison"]["rows"] == report["metrics"]["rows_held_out"] == 100
    assert report["comparison"]["interval"][0] > 0
    card = house.versions.find(report["version"]).card
    assert card["training"]["feedback"]["until"] == found["until"]
    assert (card["training"]["data"], card["training"]["rows"]) == ("rows.csv", 200)
    # The card shows rows of the data, and none of users.
    shown = [*card["background"], [*card["example"].values()]]
    assert set(map(tuple, ROWS.tolist())).isdisjoint(map(tuple, shown))


def test_what_is_not_surely_better_does_not_take_over(house: House) -> None:
    tell(house, OLD)
    report = learnt(house)
    assert report["feedback"]["chosen"] == "the data and all selections"
    assert report["metrics"]["rows_fitted"] == 400
    assert report["not_activated"].startswith("it is not better: its r2 is 0.99")
    assert house.serves() == house.active


@pytest.mark.parametrize(
    ("new", "interval", "surely", "reason"),
    [
        (0.75, (0.1, 0.4), True, ""),
        (0.75, (-0.0123, 0.5), False, ""),
        (0.75, None, False, ""),
        (0.75, (-0.0123, 0.5), True, ", too few to tell: the difference is -0.012 to 0.5 at 95 %"),
        (0.75, None, True, ", too few to tell"),
        (0.5, (-0.1, 0.1), True, "it is not better"),
        (0.25, (-0.4, -0.1), False, "it is not better"),
    ],
)
def test_a_version_that_learnt_has_to_be_surely_better(
    new: float, interval: Any, *, surely: bool, reason: str
) -> None:
    compared = Comparison(
        metric="accuracy", new_score=new, active_score=0.5, difference=new - 0.5,
        interval=interval, rows=40, left_out=0, new_closer=None, active_closer=None,
    )  # fmt: skip
    found = training._no_better(compared, surely=surely)
    assert bool(found) == bool(reason)
    assert reason in found
    if reason.startswith(","):
        assert found == (
            "it is not surely better: its accuracy is 0.75, that of the active version 0.5, on 40 "
            f"rows held out{reason}"
        )


def test_the_rows_held_out_are_newer_than_all_that_the_active_version_knows(house: House) -> None:
    tell(house, CHANGED[:270])
    assert learnt(house)["activated"]
    tell(house, CHANGED[270:295], 270)
    assert "there are 295 selections, 25 of them newer than all" in train(house)["error"]["detail"]
    tell(house, CHANGED[295:], 295)
    assert learnt(house)["feedback"]["held_out"] == 30


@pytest.mark.parametrize(
    ("count", "words"),
    [
        (1, "there is 1 selection, 1 of them newer than all that the active version was"),
        (0, "there are 0 selections, 0 of them newer than all that the active version was"),
        (55, "takes 30 such to compare, and 30 others to learn from. Train again after 5 more."),
    ],
)
def test_too_few_selections_are_told(house: House, count: int, words: str) -> None:
    tell(house, OLD[:count])
    assert words in train(house)["error"]["detail"]


def test_rows_that_are_no_rows_of_today_are_left_out(house: House) -> None:
    tell(house, [None] * 10)
    tell(house, OLD[10:20], 10, inputs=[1.0])
    tell(house, OLD[20:30], 20, inputs=[1.0, None])
    other = house.versions.add("ab" * 32, house.folder / "latest.joblib").version
    place = house.versions.find(other).path.with_suffix(".json")
    card = msgspec.json.decode(place.read_bytes()) | {"features": {"x1": {}, "x0": {}}}
    place.write_bytes(msgspec.json.encode(card))
    tell(house, OLD[30:40], 30, version=other)
    tell(house, OLD[40:50], 40, version="cd" * 32)
    tell(house, OLD[50:], 50)
    found = learnt(house)["feedback"]
    assert (found["left_out"], found["selections"] + found["held_out"]) == (30, 260)


def test_a_function_that_reads_its_own_rows_cannot_learn(house: House) -> None:
    house.write("")
    tell(house, OLD)
    assert (
        "TRAIN=own:train takes nothing, and reads its own rows: to learn from selections, let it"
        in (train(house)["error"]["detail"])
    )


def test_a_worker_without_the_selections_says_so(house: House) -> None:
    assert (
        "this worker does not have the selections of the service: set DATA_DIR"
        in (train(house)["error"]["detail"])
    )


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"prediction_log": "statistics"}, "keeps no rows to learn from (PREDICTION_LOG=statistics)"),
        ({"prediction_log": "off"}, "(PREDICTION_LOG=off): set PREDICTION_LOG=all"),
        ({"prediction_hash": "x1"}, "PREDICTION_HASH hides x1 in the rows that are kept"),
        ({"prediction_drop": "y, x0"}, "PREDICTION_DROP hides x0 in the rows that are kept"),
    ],
)  # fmt: skip
def test_a_service_that_keeps_no_whole_rows_refuses(
    build: Build, settings: dict[str, Any], words: str
) -> None:
    house = build(**settings)
    assert words in house.ask("POST", "/train/start", 422, {"feedback": True})["detail"]


@pytest.fixture
def run(
    house: House, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[[], str]:
    """Run what make learn runs: what it prints, and the sentence that it ends with."""

    def run_it(key: str = KEY) -> str:
        monkeypatch.setenv("API_KEY", key)
        # The training is done once the client waits for it; other threads sleep as before.
        client, sleep = threading.get_ident(), time.sleep
        monkeypatch.setattr(
            "time.sleep",
            lambda seconds: house.work() if threading.get_ident() == client else sleep(seconds),
        )
        with answering(make_server("127.0.0.1", 0, house.swap)) as url:
            monkeypatch.setenv("URL", url)
            try:
                runpy.run_path(learn.__file__, run_name="__main__")
            except SystemExit as end:
                return capsys.readouterr().out + str(end.code)
        return capsys.readouterr().out

    return run_it


def test_make_learn_says_what_took_over(house: House, run: Callable[[], str]) -> None:
    tell(house, CHANGED)
    said = run()
    assert re.fullmatch(
        r"activate\nVersion [0-9a-f]{12} serves now: its r2 is 0\.99\d*, that of [0-9a-f]{12} "
        r"-[\d.]+, on the newest 100 selections, which neither has seen. It learnt from 100 "
        r"selections.\n",
        said,
    )


def test_make_learn_says_why_nothing_took_over(house: House, run: Callable[[], str]) -> None:
    tell(house, OLD)
    assert re.search(
        r"Version [0-9a-f]{12} is kept and does not serve: it is not better: its r2 is .*, on "
        r"100 rows held out. It learnt from 200 rows of the data and 200 selections.\n",
        run(),
    )


def test_make_learn_fails_where_the_training_does(house: House, run: Callable[..., str]) -> None:
    tell(house, OLD[:55])
    assert run().endswith("Train again after 5 more.")
    assert run(key="wrong").startswith("error: ")


def test_make_learn_says_that_it_was_cancelled(
    house: House, run: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(House, "work", lambda self: self.store.revoke(self.hints[-1]))
    assert run() == "error: The training was cancelled."


def test_a_training_that_gives_the_active_version_is_told() -> None:
    report = {
        "version": "a" * 64, "active_version": "a" * 64, "activated": True, "comparison": {},
        "feedback": {"selections": 1200, "data_rows": 0},
    }  # fmt: skip
    assert learn.verdict(report) == (
        f"The training gave version {'a' * 12}, which serves already. It learnt from 1,200 selections."
    )


def test_make_learn_says_why_it_learnt_without_the_data() -> None:
    report = {
        "version": "a" * 64, "active_version": "a" * 64, "activated": True, "comparison": {},
        "feedback": {"selections": 80, "data_rows": 0, "without_data": "houses.csv is not there"},
    }  # fmt: skip
    assert learn.verdict(report).endswith(
        "It learnt from 80 selections alone: houses.csv is not there."
    )


def learner_of(house: House, **settings: Any) -> Learner:
    known = msgspec.structs.replace(house.settings, **settings)
    return Learner(known, kept(house), house.swap)


def test_a_service_trains_by_itself_after_so_many_selections(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    learner = learner_of(house, learn_every=100)
    tell(house, CHANGED[:99])
    learner.look()
    assert not house.hints
    tell(house, CHANGED[99:100], 99)
    learner.look()
    (task_id,) = house.hints
    task = house.store.get(task_id)
    assert task
    assert (task.owner, task.notes) == ("learning", {"activate": "if-better", "feedback": True})
    house.work()
    # It was no better: as many again.
    tell(house, CHANGED[100:199], 100)
    learner.look()
    assert not house.hints
    tell(house, CHANGED[199:300], 199)
    learner.look()
    house.work()
    assert house.serves() != house.active
    learner.look()
    said = [each for each in caplog.messages if each.startswith("learning: ")]
    assert "is kept and does not serve: it is not " in said[1]
    assert said[2].endswith(" learns from 200 new selections")
    assert "serves now: its r2 is 0.99" in said[3]


def test_why_nothing_was_learnt_is_said(house: House, caplog: pytest.LogCaptureFixture) -> None:
    learner = learner_of(house, learn_every=10)
    tell(house, OLD[:10])
    learner.look()
    learner.look()
    house.work()
    learner.look()
    assert caplog.messages[-1].startswith("learning: The training has no result: there are 10 sele")
    tell(house, OLD[10:20], 10)
    learner.look()
    house.store.revoke(house.hints[-1])
    learner.look()
    assert caplog.messages[-1] == "learning: the training was cancelled"


def test_a_training_that_is_under_way_is_waited_for(house: House) -> None:
    learner = learner_of(house, learn_every=10)
    tell(house, OLD[:10])
    task_id = house.start()
    learner.look()
    assert house.hints == [task_id]
    house.hints.clear()
    house.store.revoke(task_id)
    learner.look()
    assert len(house.hints) == 1


def test_a_service_that_takes_no_tasks_says_so_once(
    house: House, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(_: Settings) -> Any:
        raise NoTasks("This service takes no tasks: the processes have ended.")

    monkeypatch.setattr(desk, "desk", refuse)
    learner = learner_of(house, learn_every=10)
    tell(house, OLD[:10])
    for _ in range(3):
        learner.look()
    assert caplog.messages == ["learning: This service takes no tasks: the processes have ended."]


def test_a_service_trains_by_itself_at_its_times(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = dt.datetime(2026, 11, 29, 2, 58, tzinfo=dt.UTC)
    monkeypatch.setattr(learning, "_now", lambda: now)
    learner = learner_of(house, learn_cron="0 3 * * *")
    now += dt.timedelta(minutes=3)
    learner.look()
    # There was nothing to learn, and the time has passed.
    tell(house, OLD[:70])
    learner.look()
    assert not house.hints
    now += dt.timedelta(hours=23)
    learner.look()
    assert not house.hints
    now += dt.timedelta(days=3)
    for _ in range(2):
        learner.look()
        assert len(house.hints) == 1


SIGNATURE = Signature(features=(Feature(name="age"), Feature(name="id", kind="unused")))


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({}, ""),
        ({"prediction_drop": "id"}, ""),
        ({"prediction_log": "statistics"}, "set PREDICTION_LOG=all"),
        ({"celery_broker_url": "redis://host"}, "no worker of Celery has a version take over"),
        ({"k_service": "one", "prediction_log": "all"}, "set DATA_DIR"),
        ({"task_workers": 0}, "set TASK_WORKERS=1"),
    ],
)
def test_what_keeps_a_service_from_learning_is_said_at_its_start(
    settings: dict[str, Any],
    words: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(recorder, "mode", "all")
    learning.check(Settings(learn_every=10, **settings), SIGNATURE)
    learning.check(Settings(learn_cron="0 3 * * *", **settings), SIGNATURE)
    for name, said in zip(("LEARN_EVERY", "LEARN_CRON"), caplog.messages, strict=False):
        assert said.startswith(f"{name} is set, and nothing is learnt by itself: ")
        assert words in said
    assert len(caplog.messages) == (2 if words else 0)


def test_a_service_that_cannot_keep_feedback_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recorder, "mode", "off")
    monkeypatch.setattr(recorder, "reason", "feedback cannot be kept: no room")
    assert learning.missing(Settings(learn_every=10), SIGNATURE) == recorder.reason


def test_learning_is_a_duty_where_it_is_asked_for(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recorder, "mode", "all")
    monkeypatch.setattr(recorder, "_store", kept(house))
    for settings, count in (
        ({}, 1),
        ({"learn_every": 5}, 2),
        ({"learn_every": 5, "task_workers": 0}, 1),
    ):
        known = msgspec.structs.replace(house.settings, **settings)
        duties = keeper.duties(known, house.service, house.swap)
        assert [each.seconds for each in duties][1:] == [2.0] * (count - 1)


def test_a_time_that_is_none_is_refused_at_the_start() -> None:
    with pytest.raises(SettingsError, match="LEARN_CRON=0 3: it has 2 fields: expected five"):
        Settings.from_env({"LEARN_CRON": "0 3"})
    settings = Settings.from_env({"LEARN_CRON": "0 3 * * *"})
    assert (settings.learns, settings.keeps_versions) == (True, True)
