"""Workers of Celery, with a real RabbitMQ and a real Redis."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import redis

from api.settings import Settings
from api.tasks import celery
from api.tasks.redis_store import OPEN
from api.tasks.task import Chunk, Task
from tests.brokers import free_ports
from tests.test_serving import BOUND, ROOT, serving
from tests.torture.driver import Torture, ask, work_of, write_model
from tests.torture.scaled import Torn

NAMES = "x0,x1,x2,x3,x4,x5"
FAST = f"{NAMES}\n1,2,3,4,5,6\n".encode()
LARGE = f"{NAMES}\n".encode() + b"1,2,3,4,5,6\n" * 300_000


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Torn]:
    folder = tmp_path_factory.mktemp("stage")
    stage = Torn(folder, write_model(folder), broker="rabbitmq", workers=2)
    try:
        stage.start()
        yield stage
    finally:
        stage.stop()


def start(stage: Any, body: bytes, query: str = "") -> str:
    status, answer = ask(stage.port, "POST", f"/inference/start{query}", body)
    assert status == 202, answer
    return str(answer["task_id"])


def state(stage: Any, task_id: str) -> Any:
    return ask(stage.port, "GET", f"/inference/status/{task_id}")[1]


def wait(reached: Callable[[], bool]) -> float:
    """Wait for something, and tell for how many seconds."""
    began = time.monotonic()
    while not reached():
        assert time.monotonic() - began < BOUND
        time.sleep(0.02)
    return time.monotonic() - began


def ended(stage: Any, task_id: str) -> float:
    return wait(lambda: state(stage, task_id)["status"] == "SUCCESS")


def test_a_task_is_answered_as_predict_answers(stage: Torn) -> None:
    work = work_of(stage.port, 3000)
    ids = [start(stage, work.body(0, 3000), "?method=predict_proba")]
    ended(stage, ids[0])
    _, found = ask(stage.port, "GET", f"/inference/results/{ids[0]}")
    assert np.allclose(found["predictions"], work.expected, rtol=1e-12)


def test_small_tasks_pass_a_large_one(stage: Torn) -> None:
    assert stage.end_worker() == 0
    large = start(stage, LARGE)
    wait(lambda: state(stage, large)["rows_done"] > 0)
    small = [start(stage, FAST) for _ in range(10)]
    took = max(ended(stage, each) for each in small)
    assert ask(stage.port, "DELETE", f"/inference/{large}")[0] == 202
    stage.mend()
    assert took < 5


def test_another_worker_does_what_a_dead_one_has_begun(stage: Torn) -> None:
    wait(lambda: len(stage.worker_pids()) == 2)
    task_id = start(stage, LARGE)
    wait(lambda: state(stage, task_id)["rows_done"] > 0)
    os.kill(stage.worker_pids()[0], signal.SIGKILL)
    ended(stage, task_id)
    stage.mend()
    assert state(stage, task_id)["rows"] == 300_000


def test_a_message_that_the_broker_lost_is_put_again(stage: Torn) -> None:
    store = celery.store(Settings.from_env(stage.variables))
    version = state(stage, start(stage, FAST))["model_version"]
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
    penguins_path: Path, tmp_path: Path, variables: dict[str, str], sentence: str
) -> None:
    said = worker(tmp_path, **{"MODEL_PATH": str(penguins_path), **variables})
    assert said.startswith("error: ")
    assert sentence in said


def test_a_model_whose_own_code_fails_is_told(tmp_path: Path) -> None:
    (tmp_path / "broken.py").write_text("class Model: pass\n")
    program = "import joblib, broken; joblib.dump(broken.Model(), 'm.joblib')"
    subprocess.run([sys.executable, "-c", program], cwd=tmp_path, check=True)
    (tmp_path / "broken.py").write_text("1 / 0\n")
    said = worker(tmp_path, MODEL_PATH="m.joblib", CELERY_BROKER_URL=BROKER)
    assert said.startswith("error: ")


def test_missing_packages_are_told_with_the_line_to_add(tmp_path: Path) -> None:
    program = "import sys; sys.modules['celery'] = None; sys.argv[1:] = ['worker']; import runpy; "
    program += "runpy.run_module('api', run_name='__main__')"
    said = worker(tmp_path, "-c", program, CELERY_BROKER_URL=BROKER)
    assert f"write {celery.PACKAGE} into models/requirements.txt" in said
    locked = (ROOT / "requirements-dev.lock").read_text()
    assert f"\ncelery=={celery.PACKAGE.partition('==')[2]} " in locked
