"""The real server does its tasks itself: it is killed, started again, and short of everything."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest
from sklearn.preprocessing import FunctionTransformer

from tests.tasks.conftest import LINE, NAMES, ROW
from tests.test_serving import BOUND, Server, serving
from tests.torture.embedded import children

ENDED = ("SUCCESS", "FAILURE", "REVOKED")


def table(rows: int) -> bytes:
    return "\n".join([NAMES, *[LINE] * rows]).encode()


def ask(server: Server, verb: str, path: str, body: Any = None, **headers: str) -> tuple[int, Any]:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=BOUND)
    with contextlib.closing(connection):
        connection.request(verb, path, body, headers)
        with connection.getresponse() as answer:
            content = answer.read()
            is_json = "json" in answer.headers.get("Content-Type", "")
            return answer.status, json.loads(content) if is_json and content else content.decode()


def start(server: Server, body: Any, query: str = "") -> str:
    media_type = "text/csv" if isinstance(body, bytes) else "application/json"
    sent = body if isinstance(body, bytes) else json.dumps(body)
    headers = {"Content-Type": media_type}
    status, answer = ask(server, "POST", f"/inference/start{query}", sent, **headers)
    assert status == 202, answer
    return str(answer["task_id"])


def state(server: Server, task_id: str) -> Any:
    return ask(server, "GET", f"/inference/status/{task_id}")[1]


def end(server: Server, task_id: str) -> Any:
    """The last state of a task."""
    deadline = time.monotonic() + BOUND
    while (found := state(server, task_id))["status"] not in ENDED:
        assert time.monotonic() < deadline, found
        time.sleep(0.02)
    return found


def foreman(server: Server) -> int:
    """The first child of the service."""
    return min(children(server.process.pid))


def workers(server: Server) -> list[int]:
    deadline = time.monotonic() + BOUND
    while not (found := children(foreman(server))):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return found


@pytest.fixture(scope="module")
def server(baked_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("tasks")
    with serving(folder, MODEL_PATH=baked_path, TASK_WORKERS=2, MAX_BODY_BYTES=1_000_000) as it:
        yield it


def test_a_task_is_done_beside_the_requests(server: Server) -> None:
    task_id = start(server, ROW)
    assert end(server, task_id)["status"] == "SUCCESS"
    status, found = ask(server, "GET", f"/inference/results/{task_id}")
    assert (status, found["predictions"]) == (200, ["Adelie"])


def test_results_come_in_parts_and_the_last_one_is_told(server: Server) -> None:
    task_id = start(server, table(3000))
    end(server, task_id)
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=BOUND)
    with contextlib.closing(connection):
        connection.request("GET", f"/inference/results/{task_id}", headers={"Accept": "text/csv"})
        with connection.getresponse() as answer:
            assert answer.headers["Transfer-Encoding"] == "chunked"
            assert "Content-Length" not in answer.headers
            assert answer.headers["Connection"] == "close"
            assert answer.read().count(b"\n") == 3001


def test_results_for_http_1_0_end_with_the_connection(server: Server) -> None:
    task_id = start(server, ROW)
    end(server, task_id)
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=BOUND)
    connection._http_vsn, connection._http_vsn_str = 10, "HTTP/1.0"  # type: ignore[attr-defined]
    with contextlib.closing(connection):
        connection.request("GET", f"/inference/results/{task_id}")
        with connection.getresponse() as answer:
            assert json.load(answer)["predictions"] == ["Adelie"]


def test_a_body_in_chunks_is_a_task(server: Server) -> None:
    body = table(20_000)
    pieces = (body[i : i + 100_000] for i in range(0, len(body), 100_000))
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=BOUND)
    headers = {"Content-Type": "text/csv", "Transfer-Encoding": "chunked"}
    with contextlib.closing(connection):
        connection.request("POST", "/inference/start", pieces, headers, encode_chunked=True)
        with connection.getresponse() as answer:
            task_id = json.load(answer)["task_id"]
    assert end(server, task_id)["rows"] == 20_000


def test_a_killed_worker_is_replaced_and_its_task_goes_on(server: Server) -> None:
    task_id = start(server, table(60_000))
    while not state(server, task_id)["rows_done"]:
        time.sleep(0.01)
    for pid in workers(server):
        os.kill(pid, signal.SIGKILL)
    assert end(server, task_id)["rows_done"] == 60_000
    assert "was killed by SIGKILL: another takes its place" in server.log.read_text()


def test_small_tasks_pass_large_ones(server: Server) -> None:
    large = [start(server, table(100_000)) for _ in range(3)]
    small = [start(server, ROW) for _ in range(10)]
    for task_id in small:
        end(server, task_id)
    assert any(state(server, task_id)["status"] == "STARTED" for task_id in large)
    for task_id in large:
        ask(server, "DELETE", f"/inference/{task_id}")


def test_what_was_accepted_survives_the_end_of_all_processes(
    baked_path: Path, tmp_path: Path
) -> None:
    with serving(tmp_path, MODEL_PATH=baked_path) as server:
        large = start(server, table(100_000))
        while not state(server, large)["rows_done"]:
            time.sleep(0.01)
        small = start(server, ROW)
        os.killpg(server.process.pid, signal.SIGKILL)
        server.process.wait()
    with serving(tmp_path, MODEL_PATH=baked_path) as server:
        assert end(server, small)["status"] == "SUCCESS"
        assert end(server, large)["rows_done"] == 100_000
        assert server.stop() == 0


def deadly(X: Any) -> Any:
    """Stands for a library that ends the process on some values."""
    if np.max(X) == 13.5:
        os.kill(os.getpid(), signal.SIGSEGV)
    return X


def test_rows_that_end_the_process_each_time_fail_and_others_go_on(tmp_path: Path) -> None:
    path = tmp_path / "latest.joblib"
    joblib.dump(FunctionTransformer(deadly).fit([[1.0]]), path)
    with serving(tmp_path, MODEL_PATH=path) as server:
        task_id, other = start(server, [[13.5], [2.5]]), start(server, [[2.5]])
        found = end(server, task_id)
        assert (found["status"], found["error"]["status"]) == ("FAILURE", 500)
        assert found["error"]["detail"] == (
            "The model ended its process 3 times on the rows 0 to 1: SIGSEGV ended it."
        )
        assert end(server, other)["status"] == "SUCCESS"


def test_two_services_do_not_share_a_folder(baked_path: Path, tmp_path: Path) -> None:
    with (
        serving(tmp_path, MODEL_PATH=baked_path),
        serving(tmp_path, MODEL_PATH=baked_path) as second,
    ):
        status, answer = ask(second, "POST", "/inference/start", json.dumps(ROW))
        assert (status, "set another folder" in answer["detail"]) == (503, True)
        assert second.post("/predict", ROW) == {"predictions": ["Adelie"]}


def test_a_service_whose_foreman_is_gone_says_so(baked_path: Path, tmp_path: Path) -> None:
    with serving(tmp_path, MODEL_PATH=baked_path) as server:
        os.kill(foreman(server), signal.SIGKILL)
        time.sleep(0.2)
        status, answer = ask(server, "POST", "/inference/start", json.dumps(ROW))
        assert (status, "start the service again" in answer["detail"]) == (503, True)
        assert server.post("/predict", ROW) == {"predictions": ["Adelie"]}
