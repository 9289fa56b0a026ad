"""Trainings are tasks: a new version is kept, and takes over only if it is asked for and better."""

from __future__ import annotations

import contextlib
import faulthandler
import io
import json
import os
import re
import runpy
import shutil
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import joblib
import msgspec
import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LinearRegression
from werkzeug.test import Client

from api import keeping
from api.errors import Conflict
from api.settings import Settings
from api.tasks import desk, training
from api.tasks.accept_training import NEWEST
from api.tasks.models import Models
from api.tasks.store import SqliteStore
from api.tasks.work import Worker
from models.training import supervise
from models.training.facts import Job
from models.versions import Store
from tests.checkout import ROOT
from tests.test_candidate import quick
from tests.test_swap import ADMIN, ADMIN_KEYS, OFFSET, ROWS, following, linear

__all__ = ["quick"]

# A module as a data scientist writes it; `CONSTANT` is how far its model is from the truth.
MODULE = """
import os, signal, subprocess, sys, time
from pathlib import Path
import numpy as np
from sklearn.linear_model import LinearRegression, LogisticRegression

CONSTANT = 0.0
X = np.arange(20.0).reshape(10, 2)
TEST = X[:5] + 0.5

def fitted(constant=CONSTANT):
    return LinearRegression().fit(X, X.sum(axis=1) + constant)

FACTS = {
    "rows": X,
    "answers": X.sum(axis=1),
    "test_rows": TEST,
    "test_answers": TEST.sum(axis=1),
}

def train():
    return fitted(), FACTS
"""


def forked(job: Job, report: int) -> Any:
    """The process of a training, as a copy of this one: it need not import scikit-learn again."""
    parent = os.getpid()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child == 0:
        os.setsid()
        faulthandler.disable()
        job = msgspec.structs.replace(job, parent=parent)
        sys.argv = ["training", str(report)]
        sys.stdin = io.TextIOWrapper(io.BytesIO(msgspec.json.encode(job)))
        sys.modules.pop("models.training.__main__", None)
        try:
            runpy.run_module("models.training", run_name="__main__")
        finally:
            os._exit(0)
    return Started(child)


class Started:
    def __init__(self, pid: int) -> None:
        self.pid = pid

    def send_signal(self, number: int) -> None:
        os.kill(self.pid, number)

    def wait(self, timeout: float = 0) -> None:
        with contextlib.suppress(ChildProcessError):
            os.waitpid(self.pid, 0)


class House:
    """A service that keeps versions and takes tasks, which the tests do themselves."""

    def __init__(self, folder: Path, *, constant: float, **settings: Any) -> None:
        self.folder = folder / "models"
        self.folder.mkdir()
        linear(self.folder / "latest.joblib", constant)
        self.write("")
        self.settings = Settings(
            model_path=str(self.folder / "latest.joblib"),
            data_dir=str(folder / "data"),
            engine="sklearn",
            processes=1,
            **{"admin_keys": ADMIN_KEYS, "train": "own:train"} | settings,
        )
        self.swap, self.service = keeping.begin(self.settings)
        self.client = Client(self.swap)
        self.versions: Store = self.swap.store
        self.store = SqliteStore(folder / "data" / "tasks", most=100)
        self.hints: list[str] = []
        models = Models(self.service, self.settings)
        self.worker = Worker(self.store, self.put, models, self.settings, self.swap)
        self.active = self.swap.version

    def write(self, more: str) -> None:
        """Write the module of TRAIN, with more at its end."""
        (self.folder / "own.py").write_text(MODULE + more)

    def put(self, task_id: str, number: int, queue: str) -> None:
        assert (number, queue) == (0, "training")
        self.hints.append(task_id)

    def ask(self, verb: str, path: str, status: int, body: Any = None, **headers: str) -> Any:
        answer = self.client.open(path, method=verb, json=body, headers={**ADMIN, **headers})
        assert answer.status_code == status, answer.text
        return answer.json

    def start(self, activate: str = "never") -> str:
        body = {"activate": activate}
        return str(self.ask("POST", "/train/start", 202, body)["task_id"])

    def work(self) -> None:
        while self.hints:
            self.worker.work(self.hints.pop(0), 0)

    def run(self, activate: str = "never") -> Any:
        """The report of a training that ends well."""
        task_id = self.start(activate)
        self.work()
        state = self.state(task_id)
        assert state["status"] == "SUCCESS", state["error"]
        return self.ask("GET", f"/train/results/{task_id}", 200)

    def state(self, task_id: str) -> Any:
        return self.ask("GET", f"/train/status/{task_id}", 200)

    def failure(self) -> str:
        """What a training that fails says, in its state and as its result."""
        task_id = self.start("if-better")
        self.work()
        state = self.state(task_id)
        assert state["status"] == "FAILURE", state["step"]
        problem = self.ask("GET", f"/train/results/{task_id}", state["error"]["status"])
        assert problem["detail"] == state["error"]["detail"]
        assert self.serves() == self.active
        self.check_clean()
        return str(problem["detail"])

    def adopt(self) -> str:
        """Keep the file at MODEL_PATH, and give its version."""
        return self.versions.adopt(self.folder / "latest.joblib").version

    def serves(self) -> str:
        """The version that answers."""
        return self.client.post("/predict", json=[[1, 2]]).headers["X-Model-Version"]

    def check_clean(self) -> None:
        """Nothing of a training is left but versions."""
        assert not list(self.folder.glob(f"{training.UNDER_WAY}*"))


Build = Callable[..., House]


@pytest.fixture
def build(tmp_path: Path, quick: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Build]:
    """Builds a service whose model is `constant` away from the truth."""
    monkeypatch.setattr(supervise, "start", forked)
    with contextlib.ExitStack() as stack:

        def make(constant: float = OFFSET, **settings: Any) -> House:
            house = House(tmp_path, constant=constant, **settings)
            monkeypatch.setattr(desk, "desk", lambda _: desk.Desk(house.store, house.put))
            stack.enter_context(following(house.swap))
            return house

        yield make


@pytest.fixture
def house(build: Build) -> House:
    return build()


def test_a_training_gives_a_version_with_its_card_that_does_not_serve_unasked(house: House) -> None:
    report = house.run()
    assert not report["activated"]
    short = report["version"][:12]
    assert report["not_activated"] == (
        f'it was not asked for: POST /model/activate with {{"version": "{short}"}} has it serve'
    )
    assert house.serves() == house.active
    card = house.versions.find(report["version"]).card
    assert card["metrics"] == report["metrics"]
    assert card["metrics"] == pytest.approx(
        {"r2": 1.0, "mean_absolute_error": 0.0, "rows_held_out": 5, "rows_fitted": 10}, abs=1e-9
    )
    assert card["example"] == {"x0": 0.0, "x1": 1.0}
    house.check_clean()
    # The advice, to the letter.
    house.ask("POST", "/model/activate", 200, {"version": short})
    assert house.serves() == report["version"]


def test_a_better_version_takes_over_if_that_is_asked_for(house: House) -> None:
    report = house.run("if-better")
    assert (report["activated"], report["not_activated"]) == (True, "")
    assert report["active_version"] == house.active
    assert house.serves() == report["version"] != house.active
    compared = report["comparison"]
    assert compared["metric"] == "r2"
    assert compared["new_score"] == pytest.approx(1)
    assert compared["active_score"] < -1000
    assert compared["difference"] == compared["new_score"] - compared["active_score"]
    # Five rows do not tell by how much.
    assert compared["interval"] is None
    assert (compared["rows"], compared["left_out"]) == (5, 0)
    assert (compared["new_closer"], compared["active_closer"]) == (5, 0)
    card = house.versions.find(report["version"]).card
    assert card["comparison"] == {"active_version": house.active, **compared}


def test_a_function_of_rows_and_answers_trains_on_the_data_of_its_module(house: House) -> None:
    rows = np.arange(40.0).reshape(20, 2) * [1, 2]
    text = "\n".join(f"{a},{b},{a + b}" for a, b in rows)
    (house.folder / "rows.csv").write_text(f"x0,x1,sum\n{text}\n")
    house.write(
        "DATA, TARGET = 'rows.csv', 'sum'\ndef train(rows, answers):\n    return LinearRegression()\n"
    )
    report = house.run("if-better")
    assert (report["activated"], report["not_activated"]) == (True, "")
    assert house.serves() == report["version"]
    assert (report["metrics"]["rows_fitted"], report["comparison"]["rows"]) == (16, 4)
    card = house.versions.find(report["version"]).card
    assert (card["target"], card["training"]["data"]) == ("sum", "rows.csv")


def test_a_worse_version_never_takes_over(build: Build) -> None:
    house = build(constant=0)
    house.write("CONSTANT = 7\ndef train():\n    return fitted(7), FACTS\n")
    report = house.run("if-better")
    assert not report["activated"]
    assert report["not_activated"].startswith("it is not better: its r2 is -")
    assert report["comparison"]["active_closer"] == 5
    assert house.serves() == house.active
    assert house.versions.find(report["version"])


def test_a_training_that_gives_the_active_version_changes_nothing(build: Build) -> None:
    house = build(constant=0)
    report = house.run("if-better")
    assert (report["version"], report["is_new"]) == (house.active, False)
    assert (report["activated"], report["comparison"]["difference"]) == (True, 0)


NUMPY_ONLY = "raise ModuleNotFoundError('no', name='{}')\n"
# More of the module, or TRAIN; settings; and what is said.
FAILURES: dict[str, tuple[str, dict[str, Any], str]] = {
    "no module": (
        "", {"train": "nowhere:train"},
        "TRAIN=nowhere:train: there is no module nowhere. A file beside the model, as"),
    "no package": ("", {"train": "models.nowhere.a:train"}, "there is no module models.nowhere."),
    "no function": ("", {"train": "own:fit"}, "own.py has no function fit; it has fitted, train"),
    "no callable": ("", {"train": "own:FACTS"}, "own.py has no function FACTS"),
    "a broken module": (
        "1 / 0", {}, "importing own raised ZeroDivisionError: division by zero ("),
    "a module that ends": ("sys.exit(3)", {}, "importing own raised SystemExit: 3"),
    "no scikit-learn": (
        NUMPY_ONLY.format("sklearn.linear_model"), {},
        "TRAIN=own:train needs scikit-learn, which this image lacks: build it without SLIM"),
    "no pandas": (
        f"def train():\n    {NUMPY_ONLY.format('pandas')}", {},
        "TRAIN=own:train needs pandas, which this image lacks: add the line pandas to models/requ"),
    "another library": (
        NUMPY_ONLY.format("torch"), {}, "importing own raised ModuleNotFoundError: no"),
    "an exception": (
        "def train():\n    {}['price']", {}, "TRAIN=own:train raised KeyError: 'price' ("),
    "no estimator": (
        "def train():\n    return 5", {},
        "TRAIN=own:train gave int: expected a fitted estimator of scikit-learn, or (estim"),
    "no facts": (
        "def train():\n    return fitted(), X", {},
        "gave the estimator and ndarray: expected a dict with some of rows, answers,"),
    "an unknown fact": (
        "def train():\n    return fitted(), FACTS | {'test_row': X}", {},
        "gave the facts test_row: expected rows, answers, test_rows,"),
    "answers alone": (
        "def train():\n    return fitted(), {'answers': X}", {}, "gave answers without rows"),
    "too few answers": (
        "def train():\n    return fitted(), FACTS | {'test_answers': X[:3, 0]}", {},
        "gave 5 test_rows and 3 test_answers"),
    "not fitted": (
        "def train():\n    return LinearRegression()", {},
        "holds a LinearRegression that is not fitted"),
    "a lambda": (
        "def train():\n    model = fitted()\n    model.f = lambda: 1\n    return model", {},
        "the model cannot be saved (PicklingError: "),
    "an unknown metric": (
        "def train():\n    return fitted(), FACTS | {'metric': 'auc'}", {},
        "the metric 'auc' cannot be had ("),
    "a metric that is none": (
        "def train():\n    return fitted(), FACTS | {'metrics': {'a': 'b'}}", {},
        "metrics={'a': 'b'}: expected a number for each name"),
    "rows of nothing": (
        "def train():\n    return fitted(), {'rows': [1.0]}", {}, "its rows have 1 columns, and the model takes 2."),
    "rows of something else": (
        "def train():\n    return fitted(), FACTS | {'test_rows': [{}] * 5}", {}, "the model does not answer test_rows: "),
    "too long": (
        "def train():\n    subprocess.run(['sleep', '60'])", {"train_seconds": 0.5},
        "it took longer than 0.5 seconds (TRAIN_SECONDS)"),
    "another contract": (
        "def train():\n    return LinearRegression().fit(X[:, :1], X[:, 0])", {},
        "the new version is refused: the feature x1 is gone: to take it all the same, say so by name, as in MODEL_ACCEPT=x1."),
    "not good enough": (
        "", {"model_min": "r2>=2"}, "the new version is refused: the card says r2 = 1, and MODEL_M"),
    "it ends its process": (
        "def train():\n    os.kill(os.getpid(), signal.SIGSEGV)", {},
        "The training ended its process 3 times: the process that trained died of SIGSEGV. Give"),
    "it is killed": (
        "def train():\n    os.kill(os.getpid(), signal.SIGKILL)", {},
        "3 times: the process that trained was killed, as where the machine's memory runs out."),
    "it leaves": (
        "def train():\n    os._exit(7)", {},
        "3 times: the process that trained ended with the status 7."),
    "it kills what watches it": (
        "def train():\n    os.kill(os.getppid(), signal.SIGKILL)\n    time.sleep(60)", {},
        "3 times: the process of the training ended without a word."),
}  # fmt: skip


@pytest.mark.parametrize("name", FAILURES)
def test_a_training_that_has_no_result_says_why(build: Build, name: str) -> None:
    more, settings, words = FAILURES[name]
    house = build(constant=0, **settings)
    house.write(more)
    assert words in house.failure()


def test_there_is_one_training_at_a_time(house: House) -> None:
    task_id = house.start()
    answer = house.client.post("/train/start", headers=ADMIN)
    assert (answer.status_code, answer.headers["Location"]) == (409, f"/train/status/{task_id}")
    assert answer.json["detail"] == (
        f"The training {task_id} is PENDING, and there is one at a time: ask "
        f"/train/status/{task_id}, or end it by DELETE /train/{task_id}."
    )
    state = house.ask("DELETE", f"/train/{task_id}", 202)
    assert (state["status"], state["type"]) == ("REVOKED", "training")
    house.ask("GET", f"/train/results/{task_id}", 409)
    house.ask("POST", "/train/start", 202)
    house.work()


def test_a_training_with_the_key_of_the_first_is_the_first(house: House) -> None:
    body = {"activate": "if-better"}
    first = house.ask("POST", "/train/start", 202, body, **{"Idempotency-Key": "1"})
    again = house.ask("POST", "/train/start", 202, body, **{"Idempotency-Key": "1"})
    assert again == first
    house.ask("POST", "/train/start", 422, {}, **{"Idempotency-Key": "1"})
    house.ask("POST", "/train/start", 409, body, **{"Idempotency-Key": "2"})
    house.work()
    ended = house.ask("POST", "/train/start", 202, body, **{"Idempotency-Key": "1"})
    assert ended == first | {"status": "SUCCESS"}
    # It is not the newest training again.
    second = house.start()
    house.work()
    assert house.state(second)["status"] == "SUCCESS"


def test_a_training_that_cannot_be_kept_leaves_the_next_one_free(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(house.store, "create", raising(OSError("disk full")))
        problem = house.ask("POST", "/train/start", 503)
    assert problem["detail"] == "Tasks cannot be kept now (disk full): try again later."
    house.start()


def raising(error: Exception) -> Callable[..., Any]:
    def raise_it(*_: Any, **__: Any) -> Any:
        raise error

    return raise_it


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b'{"activate": "always"}', '"feedback": true}: Invalid enum'),
        (b'{"active": 1}', "unknown field `active`"),
        (b"[]", "Expected `object`"),
    ],
)
def test_a_body_that_is_not_read_is_told_why(house: House, body: bytes, words: str) -> None:
    answer = house.client.post("/train/start", data=body, headers=ADMIN)
    assert (answer.status_code, words in answer.json["detail"]) == (400, True), answer.text


def test_only_administrators_train_and_see_it(house: House) -> None:
    task_id = house.start()
    for verb, path in (
        ("POST", "/train/start"),
        ("GET", f"/train/status/{task_id}"),
        ("GET", f"/train/results/{task_id}"),
        ("DELETE", f"/train/{task_id}"),
    ):
        assert house.client.open(path, method=verb).status_code == 401
    for verb, path in (("GET", "/inference/status/"), ("DELETE", "/inference/")):
        assert house.client.open(path + task_id, method=verb).status_code == 404
        assert house.client.open(path + task_id, method=verb, headers=ADMIN).status_code < 300


def test_a_service_that_keeps_no_versions_trains_none(serve: Any) -> None:
    answer = serve(LinearRegression().fit(ROWS, ROWS[:, 0])).post("/train/start")
    assert (answer.status_code, "set ADMIN_KEYS" in answer.json["detail"]) == (403, True)
    client = serve(LinearRegression().fit(ROWS, ROWS[:, 0]), admin_keys=ADMIN_KEYS)
    answer = client.post("/train/start", headers=ADMIN)
    assert (answer.status_code, "keeps no versions" in answer.json["detail"]) == (409, True)


def test_the_report_of_a_training_is_json(house: House) -> None:
    report = house.run()
    path = f"/inference/results/{report['task_id']}"
    assert house.ask("GET", path, 200) == report
    problem = house.ask("GET", path, 406, Accept="text/csv")
    assert problem["detail"] == "The results can be application/json."


SLEEPS = "def train():\n    (Path(__file__).parent / 'began').touch()\n    time.sleep(60)\n"


def until(condition: Callable[[], Any], seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_a_training_is_cancelled_while_it_runs(house: House) -> None:
    house.write(SLEEPS)
    task_id = house.start()
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(house.worker.work, task_id, 0)
        until((house.folder / "began").exists)
        # Somebody else, who may have been given it too, waits.
        second = pool.submit(house.worker.work, task_id, 0)
        state = house.state(task_id)
        assert (state["status"], state["step"], state["progress"]) == ("STARTED", "train", 0)
        house.ask("DELETE", f"/train/{task_id}", 202)
        first.result()
        second.result()
    house.check_clean()
    assert house.state(task_id)["status"] == "REVOKED"
    assert len(house.versions.versions()) == 1


def test_a_training_that_is_cancelled_before_its_worker_begins_does_nothing(house: House) -> None:
    task_id = house.start()
    begun = house.store.begin(task_id, 0)
    assert begun is not None
    house.ask("DELETE", f"/train/{task_id}", 202)
    house.worker.do(*begun)
    house.check_clean()
    assert len(house.versions.versions()) == 1


@pytest.mark.parametrize(("step", "versions"), [("check", 1), ("stage", 2)])
def test_a_training_that_is_cancelled_between_two_steps_does_not_take_over(
    house: House, monkeypatch: pytest.MonkeyPatch, step: str, versions: int
) -> None:
    note = house.store.note

    def cancel(task_id: str, notes: dict[str, Any]) -> None:
        note(task_id, notes)
        if notes["step"] == step:
            house.store.revoke(task_id)

    monkeypatch.setattr(house.store, "note", cancel)
    task_id = house.start("if-better")
    house.work()
    assert house.state(task_id)["status"] == "REVOKED"
    assert len(house.versions.versions()) == versions
    assert house.serves() == house.active
    house.check_clean()


def test_what_a_killed_training_has_left_is_removed_by_the_next(house: House) -> None:
    (house.folder / ".training-left").mkdir()
    house.run()
    house.check_clean()


def test_a_worker_without_the_versions_of_the_service_says_so(house: House, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    settings = msgspec.structs.replace(house.settings, model_store=str(elsewhere))
    house.worker = house.worker._replace(settings=settings)
    assert house.failure().startswith("This worker does not have the versions of the service: set")
    (elsewhere / NEWEST).write_text("another")
    assert house.failure().startswith("This worker does not have the versions of the service: set")
    settings = msgspec.structs.replace(house.settings, model_store=str(house.folder / "own.py"))
    house.worker = house.worker._replace(settings=settings)
    assert "own.py cannot be written" in house.failure()


def test_a_training_whose_versions_lost_their_active_one_says_so(house: House) -> None:
    task_id = house.start()
    text = (house.folder / "active.json").read_text()
    (house.folder / "active.json").unlink()
    house.work()
    assert "has no active.json any more" in house.state(task_id)["error"]["detail"]
    (house.folder / "active.json").write_text(text)


def test_a_worker_elsewhere_keeps_the_version_and_says_how_it_serves(house: House) -> None:
    house.worker = house.worker._replace(swap=None)
    report = house.run("if-better")
    assert report["not_activated"].startswith("this worker is no process of the service: POST /mo")
    assert house.versions.find(report["version"])


def test_a_version_does_not_take_over_from_one_it_was_not_compared_with(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = house.versions.adopt(linear(house.folder.parent / "third.joblib", 3)).version
    note = house.store.note

    def activate(task_id: str, notes: dict[str, Any]) -> None:
        note(task_id, notes)
        if notes["step"] == "stage":
            house.ask("POST", "/model/activate", 200, {"version": other})

    monkeypatch.setattr(house.store, "note", activate)
    report = house.run("if-better")
    assert report["not_activated"].startswith("the version that it was compared with is not active")
    assert house.serves() == other


def test_a_version_that_cannot_serve_stays_behind(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(house.swap, "activate", raising(Conflict("no room")))
    report = house.run("if-better")
    assert report["not_activated"] == "it cannot serve: no room"
    assert house.serves() == house.active


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (OSError(28, "No space left on device"), "The new version cannot be kept (No space left"),
        (TimeoutError(), "Another change of the model takes too long: train again."),
    ],
)
def test_a_version_that_cannot_be_kept_is_no_result(
    house: House, monkeypatch: pytest.MonkeyPatch, error: Exception, words: str
) -> None:
    monkeypatch.setattr(Store, "add", raising(error))
    assert house.failure().startswith(words)


# What the function gives, and what the report says of the comparison.
NOT_COMPARED: dict[str, tuple[str, str]] = {
    "an estimator alone": ("fitted()", "the function of TRAIN gave no test_rows and test_answers"),
    "no rows held out": (
        "fitted(), {'rows': X, 'answers': X[:, 0]}", "the function of TRAIN gave no test_rows and"),
    "no metric": (
        "GaussianMixture(2, init_params='random').fit(X), {'test_rows': X, 'test_answers': X[:, 0]}",
        "the function of TRAIN gave no metric, and the model is no classifier or regressor"),
}  # fmt: skip


@pytest.mark.parametrize("name", NOT_COMPARED)
def test_a_version_that_is_not_compared_never_takes_over(build: Build, name: str) -> None:
    given, words = NOT_COMPARED[name]
    house = build(model_accept="methods")
    house.write(f"from sklearn.mixture import GaussianMixture\ndef train():\n    return {given}\n")
    report = house.run("if-better")
    assert report["comparison"] is None
    assert report["not_compared"].startswith(words)
    before = "it was not compared with the active version: "
    assert report["not_activated"] == before + report["not_compared"]
    assert house.serves() == house.active


PAGE = (ROOT / "docs" / "long-work.md").read_text().partition("## Training")[2]


def sales(folder: Path) -> None:
    """What the page has: `sales.py`, its rows, and a model that is worse."""
    (folder / "data").mkdir(parents=True)
    (folder / "sales.py").write_text(re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)[0])
    rng = np.random.default_rng(0)
    rows = pd.DataFrame({"area": rng.integers(30, 150, 200), "rooms": rng.integers(1, 7, 200)})
    rows["price"] = 3_000 * rows["area"] + 9_000 * rows["rooms"] + rng.integers(0, 40_000, 200)
    rows.to_csv(folder / "data" / "sales.csv", index=False)
    features = ["area", "rooms"]
    model = LinearRegression().fit(rows[features], rows["price"].to_numpy()[::-1])
    joblib.dump(model, folder / "latest.joblib")


def test_a_training_goes_as_the_page_says(build: Build) -> None:
    house = build(train="sales:train")
    sales(house.folder.parent / "page")
    shutil.copytree(house.folder.parent / "page", house.folder, dirs_exist_ok=True)
    house.ask("POST", "/model/activate", 200, {"version": house.adopt()})
    told = re.findall(r"^\$ curl localhost:8080/(\S+)(.*)\n(.*(?:\n .*)*)", PAGE, re.MULTILINE)
    answers: list[Any] = []
    for path, options, said in told:
        assert options.startswith(' -H "x-api-key: $API_KEY"')
        body = re.findall(r"-d '(.*)'", options)
        verb = "POST" if body else "GET"
        place = re.sub(r"[0-9a-f]{32}", answers[0]["task_id"] if answers else "", path)
        answer = house.client.open(
            f"/{place}", method=verb, data=(body or [None])[0], headers=ADMIN
        )
        answers.append(answer.json)
        assert answers[-1].keys() == json.loads(said).keys()
        house.work()
    said = json.loads(told[-1][2])
    for name in ("activated", "not_activated", "not_compared", "changes", "is_new"):
        assert answers[-1][name] == said[name]
    for name in said["comparison"].keys() - {"metric"}:
        assert answers[-1]["comparison"][name] == pytest.approx(said["comparison"][name])
