"""What `python -m api` prints, and what becomes of uWSGI's own lines."""

from __future__ import annotations

import socket
import struct
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest
from sklearn.preprocessing import FunctionTransformer

from api.server import process
from api.server.uwsgi_log import ACCEPTS, MAX_DEATHS, Translator
from tests.test_serving import Server, serving, wait_for

GREETING = """
Pipeline → LogisticRegression from {path} (version {version}) is served on http://localhost:{port}

Try it:

  curl http://localhost:{port}/predict -H 'content-type: application/json' \\
    -d '{{"island": "Dream", "bill_length_mm": 33.1, "bill_depth_mm": 16.1, "flipper_length_mm": 178.0, "body_mass_g": 2900.0, "sex": "female"}}'

In a browser: http://localhost:{port}, and http://localhost:{port}/docs

"""


class Calls(Translator):
    """A translator that notes what it was moved to do."""

    def __init__(self, processes: int = 2) -> None:
        self.done: list[str] = []
        super().__init__(
            processes, lambda: self.done.append("greet"), lambda: self.done.append("give up")
        )


@pytest.fixture
def logged(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level("INFO", "api")
    return caplog


def started(processes: int = 2) -> Calls:
    translator = Calls(processes)
    for _ in range(processes):
        translator.take(ACCEPTS)
    return translator


def test_what_a_model_prints_comes_out_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "talking.joblib"
    joblib.dump(FunctionTransformer(talk, validate=True).fit(np.zeros((1, 1))), path)
    with serving(tmp_path, MODEL_PATH=path) as served:
        served.post("/transform", [[0.3]])
    assert "\nit runs\n" in served.log.read_text()
    assert "WARNING it runs" not in served.log.read_text()


def talk(X: Any) -> Any:
    """Stands for a model that prints what it does."""
    print("it runs")
    return X


def vanish(port: int, body: bytes) -> None:
    """Send a request whose body has 1000 bytes, and reset the connection."""
    with socket.create_connection(("127.0.0.1", port)) as client:
        client.sendall(b"POST /predict HTTP/1.1\r\nContent-Length: 1000\r\n\r\n" + body)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def test_nothing_but_the_greeting_is_printed_whatever_clients_do(
    baked_path: Path, tmp_path: Path
) -> None:
    with serving(tmp_path, MODEL_PATH=baked_path) as served:
        for body in (b"{", b"x" * 1000):
            vanish(served.port, body)
        version = served.get("/metadata")["version"][:12]
    assert served.process.returncode == 0
    expected = GREETING.format(path=baked_path, version=version, port=served.port)
    assert served.log.read_text() == expected


def test_the_greeting_names_the_port_that_a_container_publishes(
    baked_path: Path, tmp_path: Path
) -> None:
    with serving(tmp_path, MODEL_PATH=baked_path, PUBLISHED_PORT=9001, PROCESSES=8) as served:
        wait_for(served, "In a browser: http://localhost:9001, and")


def test_what_uwsgi_says_is_there_at_the_level_debug(baked_path: Path, tmp_path: Path) -> None:
    with serving(tmp_path, MODEL_PATH=baked_path, LOG_LEVEL="debug") as served:
        pass
    log = served.log.read_text()
    assert "\nDEBUG uWSGI: *** Starting uWSGI 2." in log
    assert log.endswith("\nDEBUG uWSGI: goodbye to uWSGI.\n")


def test_why_uwsgi_cannot_start_is_told(baked_path: Path, tmp_path: Path) -> None:
    """The address is taken after it was found free."""
    (tmp_path / "sitecustomize.py").write_text(
        "from api.server import process\nprocess.check_address = lambda settings: None\n"
    )
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        path = f"{tmp_path}:{process.__file__.removesuffix('/api/server/process.py')}"
        served = Server(tmp_path, MODEL_PATH=baked_path, PYTHONPATH=path, PORT=port)
        assert served.process.wait(60) == 1
    assert served.log.read_text() == ("ERROR uWSGI ended: bind(): Address already in use\n")


def test_the_greeting_comes_once_all_workers_accept_requests() -> None:
    translator = Calls(processes=2)
    translator.take(ACCEPTS)
    assert translator.done == []
    for _ in range(2):
        translator.take(ACCEPTS)
    assert translator.done == ["greet"]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (
            "DAMN ! worker 1 (pid: 70) died, killed by signal 9 :( trying respawn ...",
            "WARNING worker 1 (pid 70) was killed by SIGKILL, as the kernel does where memory is short: another takes its place",
        ),
        (
            "DAMN ! worker 2 (pid: 71) died, killed by signal 11 :( trying respawn ...",
            "WARNING worker 2 (pid 71) was killed by SIGSEGV: another takes its place",
        ),
        (
            "DAMN ! worker 2 (pid: 71) MISTERIOUSLY killed by signal 40 :( trying respawn ...",
            "WARNING worker 2 (pid 71) was killed by signal 40: another takes its place",
        ),
        (
            "DAMN ! worker 2 (pid: 71) died :( trying respawn ...",
            "WARNING worker 2 (pid 71) ended: another takes its place",
        ),
        (
            'Sun Nov  1 01:03:37 2026 - *** uWSGI listen queue of socket "127.0.0.1:8080" (fd: 5) full !!! (1025/1024) ***',
            "WARNING 1025 connections wait and the backlog holds 1024: more are turned away",
        ),
        (
            "fork(): Resource temporarily unavailable [core/master_utils.c line 765]",
            "ERROR no worker can be started (Resource temporarily unavailable): the service ends",
        ),
        (
            "uwsgi_response_write_body_do(): Broken pipe [core/writer.c line 341] during POST /predict (127.0.0.1)",
            "INFO uwsgi_response_write_body_do(): Broken pipe [core/writer.c line 341] during POST /predict (127.0.0.1)",
        ),
        (
            "uwsgi_chunked_input_recv(): Connection reset by peer [core/chunked.c line 36]",
            "INFO uwsgi_chunked_input_recv(): Connection reset by peer [core/chunked.c line 36]",
        ),
        ("free(): invalid pointer", "WARNING free(): invalid pointer"),
        (
            "Respawned uWSGI worker 1 (new pid: 72)",
            "WARNING worker 1 ended as it started: another takes its place",
        ),
        ("Gracefully killing worker 1 (pid: 72)...", ""),
        ("worker respawning too fast !!! i have to sleep a bit (2 seconds)...", ""),
        ("", ""),
    ],
)
def test_a_line_says_what_it_means_for_the_service(
    logged: pytest.LogCaptureFixture, line: str, expected: str
) -> None:
    started().take(line)
    said = [f"{record.levelname} {record.getMessage()}" for record in logged.records]
    assert said == [expected] * bool(expected)


DEATH = "DAMN ! worker 1 (pid: 7) died, killed by signal 9 :( trying respawn ..."
REBIRTH = "Respawned uWSGI worker 1 (new pid: 8)"


def test_a_death_is_told_once(logged: pytest.LogCaptureFixture) -> None:
    translator = started()
    translator.take(DEATH)
    translator.take(REBIRTH)
    assert len(logged.messages) == 1


def test_a_start_that_fails_again_and_again_is_given_up(logged: pytest.LogCaptureFixture) -> None:
    translator = Calls(processes=1)
    for _ in range(MAX_DEATHS):
        assert translator.done == []
        translator.take(DEATH)
        translator.take(REBIRTH)
    assert translator.done == ["give up"]
    assert "the service gives up" in logged.messages[-1]


def test_workers_that_die_later_are_replaced_for_ever() -> None:
    translator = started(processes=1)
    for _ in range(MAX_DEATHS * 2):
        translator.take(DEATH)
        translator.take(REBIRTH)
    assert translator.done == ["greet"]


def test_a_failed_fork_ends_the_service_with_a_status_of_its_own() -> None:
    translator = started()
    translator.take("fork(): Cannot allocate memory [core/master_utils.c line 765]")
    translator.end()
    assert translator.done == ["greet", "give up"]


def test_an_end_that_was_asked_for_needs_no_reason(
    logged: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    translator = Calls()
    translator.take("chdir(): No such file or directory [core/uwsgi.c line 2618]")
    translator.end()
    monkeypatch.setattr(process, "is_ending", lambda: True)
    translator.end()
    started().end()
    assert logged.messages == ["uWSGI ended: chdir(): No such file or directory"]
