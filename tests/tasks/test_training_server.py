"""Trainings of the real server: in a process of their own, beside requests and small tasks."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
from pathlib import Path
from typing import Any

from tests.tasks.test_embedded import workers
from tests.tasks.test_training import MODULE
from tests.test_serving import Server, serving
from tests.test_swap import ADMIN, ADMIN_KEYS, OFFSET, linear
from tests.test_training import until
from tests.torture.embedded import children

# It trains once there is no file `wait`, and has started a process that would outlive it. It imports
# scikit-learn last: a process of the lowest priority takes long for that.
WAITS = """
import os, subprocess, time
from pathlib import Path

def train():
    here = Path(__file__).parent
    child = subprocess.Popen(["sleep", "600"], start_new_session=True)
    (here / "began").write_text(f"{os.getpid()} {child.pid}")
    while (here / "wait").exists():
        time.sleep(0.02)
    import whole
    return whole.train()
"""


def ask(server: Server, verb: str, path: str, body: Any = None) -> tuple[int, Any, str]:
    """The status of an answer, its JSON, and the version that answered."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    with contextlib.closing(connection):
        headers = {**ADMIN, "Content-Type": "application/json"}
        connection.request(verb, path, json.dumps(body) if body else None, headers)
        with connection.getresponse() as answer:
            version = answer.headers["X-Model-Version"]
            return answer.status, json.loads(answer.read() or b"null"), version


def descendants(pid: int) -> list[str]:
    """The processes that a process has started, and those that these have."""
    own = children(pid)
    return [*map(str, own), *(each for child in own for each in descendants(child))]


def is_gone(pids: list[str]) -> bool:
    return not any(Path("/proc", pid).exists() for pid in pids)


def test_a_training_survives_its_worker_and_takes_over_in_every_process(tmp_path: Path) -> None:
    models = tmp_path / "models"
    models.mkdir()
    linear(models / "latest.joblib", OFFSET)
    (models / "whole.py").write_text(MODULE)
    (models / "own.py").write_text(WAITS)
    (models / "wait").touch()
    began = models / "began"

    def wait_for_training() -> list[str]:
        until(lambda: began.exists() and began.read_text())
        pids = began.read_text().split()
        began.unlink()
        return pids

    with serving(
        tmp_path,
        MODEL_PATH=models / "latest.joblib",
        DATA_DIR=tmp_path / "data",
        ADMIN_KEYS=ADMIN_KEYS,
        ENGINE="sklearn",
        TRAIN="own:train",
        PROCESSES=3,
    ) as server:
        # Cancelled while it runs.
        first = ask(server, "POST", "/train/start")[1]["task_id"]
        pids = wait_for_training()
        assert ask(server, "POST", "/train/start")[0] == 409
        assert ask(server, "DELETE", f"/train/{first}")[0] == 202
        until(lambda: is_gone(pids))
        until(lambda: not list(models.glob(".training-*")))
        # Killed with its worker, and begun again by the next one.
        body = {"activate": "if-better"}
        second = ask(server, "POST", "/train/start", body)[1]["task_id"]
        pids = wait_for_training()
        # A small task does not wait for it.
        small = ask(server, "POST", "/inference/start", [[1, 2]])[1]["task_id"]
        until(lambda: ask(server, "GET", f"/inference/status/{small}")[1]["status"] == "SUCCESS")
        (worker,) = (pid for pid in workers(server) if pids[0] in descendants(pid))
        os.kill(worker, signal.SIGKILL)
        again = wait_for_training()
        until(lambda: is_gone(pids))
        (models / "wait").unlink()
        place = f"/train/status/{second}"
        until(lambda: ask(server, "GET", place)[1]["status"] not in ("PENDING", "STARTED"))
        report = ask(server, "GET", f"/train/results/{second}")[1]
        assert report["activated"], report
        assert report["comparison"]["difference"] > 1000
        # Each connection may go to another process.
        for _ in range(30):
            status, answer, version = ask(server, "POST", "/predict", [[1, 2]])
            assert (status, version) == (200, report["version"])
            assert round(answer["predictions"][0]) == 3
        until(lambda: is_gone(again))
        assert not list(models.glob(".training-*"))
        # It ends with the server, too.
        (models / "wait").touch()
        ask(server, "POST", "/train/start", body)
        pids = wait_for_training()
    until(lambda: is_gone(pids))
    until(lambda: not list(models.glob(".training-*")))
