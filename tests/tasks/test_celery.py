"""Workers of Celery, with a real RabbitMQ and a real Redis."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import redis
from celery.exceptions import Reject
from celery.worker import state

from api.settings import Settings
from api.tasks import celery
from api.tasks import worker as worker_module
from api.tasks.models import Models
from api.tasks.redis_records import OPEN
from api.tasks.task import Queue, Task
from api.tasks.work import Worker
from api.tasks.worker import Process
from models.text.cut import Chunk
from tests.brokers import free_ports
from tests.test_serving import BOUND, ROOT, serving
from tests.torture.driver import Torture, ask, work_of, write_model
from tests.torture.scaled import READY, Torn
from tests.trials import bake

NAMES = "x0,x1,x2,x3,x4,x5"
FAST = f"{NAMES}\n1,2,3,4,5,6\n".encode()
LARGE = f"{NAMES}\n".encode() + b"1,2,3,4,5,6\n" * 300_000


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Torn]:
    folder = tmp_path_factory.mktemp("stage")
    model = write_model(folder)
    # Processes begin sooner with a plan.
    bake(model)
    stage = Torn(folder, model, broker="rabbitmq", workers=2)
    try:
        stage.start()
        yield stage
    finally:
        stage.stop()


def start(stage: Any, body: bytes, query: str = "") -> str:
    status, answer = ask(stage.port, "POST", f"/inference/start{query}", body)
    assert status == 202, answer
    return str(answer["task_id"])


def status(stage: Any, task_id: str) -> Any:
    return ask(stage.port, "GET", f"/inference/status/{task_id}")[1]


def wait(reached: Callable[[], bool]) -> float:
    """Wait for something, and tell for how many seconds."""
    began = time.monotonic()
    while not reached():
        assert time.monotonic() - began < BOUND
        time.sleep(0.02)
    return time.monotonic() - began


def ended(stage: Any, task_id: str) -> float:
    return wait(lambda: status(stage, task_id)["status"] == "SUCCESS")


def test_a_task_is_answered_as_predict_answers(stage: Torn) -> None:
    work = work_of(stage.port, 3000)
    ids = [start(stage, work.body(0, 3000), "?method=predict_proba")]
    ended(stage, ids[0])
    _, found = ask(stage.port, "GET", f"/inference/results/{ids[0]}")
    assert np.allclose(found["predictions"], work.expected, rtol=1e-12)


def test_small_tasks_pass_a_large_one(stage: Torn) -> None:
    assert stage.end_worker() == 0
    large = start(stage, LARGE)
    wait(lambda: status(stage, large)["rows_done"] > 0)
    small = [start(stage, FAST) for _ in range(10)]
    took = max(ended(stage, each) for each in small)
    assert ask(stage.port, "DELETE", f"/inference/{large}")[0] == 202
    stage.mend()
    # A second, where nothing else runs.
    assert took < 20


def test_another_worker_does_what_a_dead_one_has_begun(stage: Torn) -> None:
    wait(lambda: len(stage.worker_pids()) == 2)
    task_id = start(stage, LARGE)
    wait(lambda: status(stage, task_id)["rows_done"] > 0)
    os.kill(stage.worker_pids()[0], signal.SIGKILL)
    ended(stage, task_id)
    stage.mend()
    assert status(stage, task_id)["rows"] == 300_000


def test_a_message_that_the_broker_lost_is_put_again(stage: Torn) -> None:
    store = celery.store(Settings.from_env(stage.variables))
    version = status(stage, start(stage, FAST))["model_version"]
    task = Task(version=version, media_type="text/csv")
    store.create(task, Chunk(number=0, start=0, stop=1, rows=1), FAST)
    with redis.Redis.from_url(stage.redis.url) as client:
        client.zadd(OPEN, {f"{task.id}/0": 0})
    ended(stage, task.id)


@pytest.mark.parametrize("broker", ["amqp", "redis"])
def test_a_broker_that_is_away_is_told_at_once(stage: Torn, broker: str, tmp_path: Path) -> None:
    (port,) = free_ports(1)
    variables = {**stage.variables, "CELERY_BROKER_URL": f"{broker}://u:secret@127.0.0.1:{port}/0"}
    with serving(tmp_path, **variables) as server:
        # The first one imports Celery.
        answers = [ask(server.port, "POST", "/inference/start", FAST) for _ in range(2)]
        began = time.monotonic()
        status, answer = ask(server.port, "POST", "/inference/start", FAST)
        took = time.monotonic() - began
    assert [status for status, _ in answers] == [503, 503]
    assert status == 503
    assert "the broker does not answer" in answer["detail"]
    assert "secret" not in answer["detail"]
    assert took < 1
    # Nobody does later what was refused.
    assert celery.store(Settings.from_env(stage.variables)).recent("PENDING", 1) == []


def test_a_broker_that_never_answers_is_given_up(stage: Torn, tmp_path: Path) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        url = f"amqp://127.0.0.1:{silent.getsockname()[1]}//"
        with serving(tmp_path, **{**stage.variables, "CELERY_BROKER_URL": url}) as server:
            began = time.monotonic()
            assert ask(server.port, "POST", "/inference/start", FAST)[0] == 503
            assert time.monotonic() - began < 10


def test_workers_that_are_killed_and_brokers_that_are_restarted_lose_nothing(stage: Torn) -> None:
    wait(lambda: len(stage.worker_pids()) == 2)
    torture = Torture(stage, work_of(stage.port, 2000), tasks=30)
    outcome = torture.run(kills=2, pause=0.2, others=stage.harms)
    assert outcome.is_good, outcome


def test_the_command_of_celery_starts_a_worker_too(stage: Torn, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text(f"MODEL_STORE={tmp_path}\nADMIN_KEYS=a:{'0' * 64}\n")
    command = [sys.executable, "-m", "celery", "--app", "api.tasks.celery", "--quiet", "worker"]
    log = tmp_path / "log"
    environment = {"PYTHONPATH": str(ROOT), **stage.variables, "MAX_TASK": "1"}
    with log.open("wb") as file:
        process = subprocess.Popen(
            command, cwd=tmp_path, env={**os.environ, **environment}, stdout=file, stderr=file
        )
    try:
        wait(lambda: READY in log.read_text() or process.poll() is not None)
        process.send_signal(signal.SIGTERM)
        assert process.wait(BOUND) == 0, log.read_text()
    finally:
        process.kill()
        process.wait()
    assert "did you mean MAX_TASKS?" in log.read_text()


# A worker whose store, broker or disk is away.


@pytest.fixture
def away(tmp_path: Path, penguins_path: Path) -> Settings:
    (port,) = free_ports(1)
    url = f"redis://127.0.0.1:{port}/0"
    return Settings(model_path=str(penguins_path), celery_broker_url=url, celery_backend_url=url)


@pytest.fixture
def idle(away: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Process]:
    """A worker without anything that it needs."""
    store = celery.store(away)
    monkeypatch.setattr(worker_module, "PAUSE_SECONDS", 0)
    monkeypatch.setattr(worker_module, "MAX_TRIES", 3)
    service: Any = None
    yield Process(store, Worker(store, celery.put, Models(service, away), away), ttl=0.01)
    forget()


def forget() -> None:
    """Leave the broker of a test."""
    celery.app._after_fork()


@pytest.mark.parametrize("queue", ["small", "large"])
def test_a_chunk_that_cannot_be_done_goes_back_to_the_broker(
    idle: Process, queue: Queue, caplog: pytest.LogCaptureFixture
) -> None:
    idle._last_large = time.monotonic()
    with pytest.raises(Reject):
        idle.take("0" * 32, 0, queue)
    waits = [record for record in caplog.records if "has to wait: Redis" in record.message]
    assert len(waits) == 3
    assert ("small tasks may have to wait" in caplog.text) == (queue == "large")


def test_a_worker_that_has_to_stop_tries_no_more(
    idle: Process, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(state, "should_stop", 0)
    with pytest.raises(Reject):
        idle.take("0" * 32, 0, "small")
    assert caplog.text.count("has to wait") == 1


def test_looks_go_on_where_the_store_is_away(
    idle: Process, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    class Stop(BaseException):
        pass

    naps = iter([None, None])

    def sleep(_: float) -> None:
        if next(naps, Stop) is Stop:
            raise Stop

    # Of the worker alone: the threads of other tests sleep as before.
    monkeypatch.setattr(
        worker_module, "time", SimpleNamespace(sleep=sleep, monotonic=time.monotonic)
    )
    with pytest.raises(Stop):
        idle.look_forever()
    assert caplog.text.count("tasks cannot be looked after") == 2


@pytest.mark.usefixtures("idle")
def test_a_broker_that_is_away_is_told_to_who_puts_a_chunk() -> None:
    with pytest.raises(OSError, match="the broker does not answer"):
        celery.put("0" * 32, 0, "small")


def test_chunks_that_the_broker_has_lost_are_put_again(
    idle: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    lost = Task()
    missed: Any = SimpleNamespace(expire=lambda _: None, missed=lambda: [(lost, 3)])
    idle._store = missed
    put: list[Any] = []
    monkeypatch.setattr(celery, "waiting", lambda _: 0)
    monkeypatch.setattr(celery, "put", lambda *chunk: put.append(chunk))
    idle.look()
    assert put == [(lost.id, 3, "small")]


def test_a_training_runs_beside_chunks(stage: Torn) -> None:
    settings = Settings.from_env(stage.variables)
    store = celery.store(settings)
    may_end = threading.Event()
    begun = []

    class Slow:
        def work(self, task_id: str, _: int) -> None:
            begun.append(task_id)
            may_end.wait(BOUND)

    trains: Any = Slow()
    process = Process(store, trains, ttl=1000)
    for task_id in ("first", "second"):
        process.take(task_id, 0, "training")
    process._chunk = "some", 1
    process.look()
    may_end.set()
    process._training.join()
    forget()
    assert begun == ["first"]


def test_the_messages_that_wait_in_redis_are_counted(stage: Torn) -> None:
    url = stage.redis.url.replace("/0", "/1")
    celery.store(Settings(celery_broker_url=url))
    forget()
    assert celery.waiting("small") == 0
    celery.put("0" * 32, 0, "small")
    assert celery.waiting("small") == 1
    forget()


# What a worker needs.


def worker(folder: Path, *words: str, **variables: str) -> str:
    """What a worker says that cannot begin."""
    result = subprocess.run(
        [sys.executable, *(words or ("-m", "api", "worker"))],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), **variables},
        capture_output=True,
        text=True,
        timeout=BOUND,
        check=False,
    )
    assert result.returncode == 1, result.stdout + result.stderr
    assert "Traceback" not in result.stderr
    return result.stderr


BROKER = "amqp://127.0.0.1:1//"
BACKEND = "redis://127.0.0.1:1/0"


@pytest.mark.parametrize(
    ("variables", "sentence"),
    [
        ({}, "a worker needs CELERY_BROKER_URL, as amqp://"),
        ({"CELERY_BROKER_URL": "x"}, "CELERY_BROKER_URL"),
        ({"CELERY_BROKER_URL": BROKER}, "set CELERY_BACKEND_URL to the address of a Redis"),
        (
            {"CELERY_BROKER_URL": BROKER, "CELERY_BACKEND_URL": BACKEND, "DATA_DIR": "/proc/x"},
            "DATA_DIR cannot be written",
        ),
        ({"CELERY_BROKER_URL": BROKER, "MODEL_PATH": "none"}, "there is no file none"),
    ],
)
def test_a_worker_says_what_it_needs(
    baked_path: Path, tmp_path: Path, variables: dict[str, str], sentence: str
) -> None:
    said = worker(tmp_path, **{"MODEL_PATH": str(baked_path), **variables})
    assert said.startswith("error: ")
    assert sentence in said


def test_a_model_that_fails_unforeseen_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        raise KeyError("a part")

    monkeypatch.setattr(worker_module, "_load", fail)
    with pytest.raises(SystemExit) as stop:
        worker_module.begin()
    assert str(stop.value.code) == (
        "error: the model cannot be loaded (KeyError: 'a part'): "
        "LOG_LEVEL=debug shows where that comes from"
    )


def test_missing_packages_are_told_with_the_line_to_add(tmp_path: Path) -> None:
    program = "import sys; sys.modules['celery'] = None; sys.argv[1:] = ['worker']; import runpy; "
    program += "runpy.run_module('api', run_name='__main__')"
    said = worker(tmp_path, "-c", program, CELERY_BROKER_URL=BROKER)
    assert f"write {celery.PACKAGE} into models/requirements.txt" in said
    locked = (ROOT / "requirements-dev.lock").read_text()
    assert f"\ncelery=={celery.PACKAGE.partition('==')[2]} " in locked
