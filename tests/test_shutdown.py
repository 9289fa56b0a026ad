"""How the service ends: on each signal, at each moment, and without losing a request."""

from __future__ import annotations

import concurrent.futures
import contextlib
import http.client
import json
import os
import platform
import pty
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import joblib
import numpy as np
import pytest
from sklearn.preprocessing import FunctionTransformer

from api.server import shutdown
from tests.test_rejections import GOOD
from tests.test_serving import (
    BOUND,
    ROOT,
    Server,
    free_port,
    serving,
    slowly,
    wait_for,
    workers,
)


@pytest.fixture(scope="module")
def slow_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("slow") / "slow.joblib"
    joblib.dump(FunctionTransformer(slowly, validate=True).fit(np.zeros((1, 1))), path)
    return path


class Crowd:
    """Clients that connect anew for each request, until nobody lets them in any more."""

    def __init__(self, port: int, clients: int = 16) -> None:
        self.answered: list[int] = []
        self.lost: list[str] = []
        self._port = port
        self._threads = [threading.Thread(target=self._ask) for _ in range(clients)]
        for thread in self._threads:
            thread.start()

    def _ask(self) -> None:
        body = json.dumps(GOOD)
        while True:
            connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=3)
            with contextlib.closing(connection):
                try:
                    connection.connect()
                except OSError:
                    return
                try:
                    connection.request(
                        "POST", "/predict", body, {"Content-Type": "application/json"}
                    )
                    with connection.getresponse() as answer:
                        assert json.load(answer) == {"predictions": ["Gentoo"]}
                    self.answered.append(answer.status)
                except (OSError, http.client.HTTPException) as error:
                    self.lost.append(repr(error))

    def leave(self) -> None:
        for thread in self._threads:
            thread.join(BOUND)


@pytest.mark.parametrize(
    ("number", "send"),
    [
        (signal.SIGTERM, os.kill),
        (signal.SIGTERM, os.killpg),
        (signal.SIGINT, os.killpg),
        (signal.SIGQUIT, os.killpg),
    ],
    ids=["docker", "systemd", "Ctrl-C", "Ctrl-backslash"],
)
def test_no_request_is_lost_when_it_stops(
    baked_path: Path, tmp_path: Path, number: signal.Signals, send: Callable[[int, int], None]
) -> None:
    with serving(tmp_path, MODEL_PATH=baked_path) as server:
        crowd = Crowd(server.port)
        while len(crowd.answered) < 100 and not crowd.lost:
            time.sleep(0.05)
        send(server.process.pid, number)
        assert server.process.wait(BOUND) == 0
        crowd.leave()
    assert crowd.lost == []


def test_requests_under_way_are_answered_before_it_stops(slow_model: Path, tmp_path: Path) -> None:
    with serving(tmp_path, MODEL_PATH=slow_model) as server:
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            answers = [pool.submit(server.post, "/transform", [[1.6]]) for _ in range(2)]
            time.sleep(0.5)
            started = time.monotonic()
            assert server.stop() == 0
            assert [answer.result()["predictions"] for answer in answers] == [[[1.6]]] * 2
        assert time.monotonic() - started < 5


def test_requests_that_no_thread_has_taken_up_are_answered(
    slow_model: Path, tmp_path: Path
) -> None:
    with (
        serving(tmp_path, MODEL_PATH=slow_model, PROCESSES=1, THREADS=1) as server,
        concurrent.futures.ThreadPoolExecutor(5) as pool,
    ):
        answers = [pool.submit(server.post, "/transform", [[0.3]]) for _ in range(5)]
        time.sleep(0.2)
        assert server.stop() == 0
        assert [answer.result()["predictions"] for answer in answers] == [[[0.3]]] * 5


def test_a_connection_that_is_kept_gets_one_more_answer(baked_path: Path, tmp_path: Path) -> None:
    with serving(tmp_path, MODEL_PATH=baked_path) as server:
        kept = http.client.HTTPConnection("127.0.0.1", server.port, timeout=BOUND)
        with contextlib.closing(kept):
            for moment in ("before", "after"):
                kept.request("GET", "/ready")
                with kept.getresponse() as answer:
                    assert answer.read()
                    assert answer.will_close is (moment == "after")
                server.process.send_signal(signal.SIGTERM)
                time.sleep(0.1)


def test_idle_connections_do_not_hold_it_up(baked_path: Path, tmp_path: Path) -> None:
    with (
        serving(tmp_path, MODEL_PATH=baked_path) as server,
        socket.create_connection(("127.0.0.1", server.port), BOUND) as kept,
        socket.create_connection(("127.0.0.1", server.port), BOUND) as half,
    ):
        kept.sendall(b"GET /ready HTTP/1.1\r\nHost: x\r\n\r\n")
        assert kept.recv(1000).startswith(b"HTTP/1.1 200")
        half.sendall(b"GET /rea")
        time.sleep(0.1)
        started = time.monotonic()
        assert server.stop() == 0
        assert time.monotonic() - started < shutdown.GRACE_SECONDS / 2
        assert kept.recv(1000) == half.recv(1000) == b""


def test_what_takes_too_long_is_cut_off(slow_model: Path, tmp_path: Path) -> None:
    path = changed(tmp_path, "from api.server import shutdown\nshutdown.GRACE_SECONDS = 1\n")
    with serving(tmp_path, MODEL_PATH=slow_model, PYTHONPATH=path) as server:
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            answer = pool.submit(server.post, "/transform", [[30.1]])
            time.sleep(0.5)
            started = time.monotonic()
            assert server.stop() == 0
            assert time.monotonic() - started < 5
            assert isinstance(answer.exception(), OSError)
        assert "WARNING requests under way were cut off after 1 seconds" in server.log.read_text()


def changed(folder: Path, program: str) -> str:
    """A PYTHONPATH by which `program` runs before the service does."""
    (folder / "sitecustomize.py").write_text(program)
    return f"{folder}:{ROOT}"


@pytest.mark.parametrize("moment", ["getting INI", "Starting uWSGI", "spawned uWSGI worker 1"])
def test_it_stops_when_told_to_while_it_starts(baked_path: Path, moment: str) -> None:
    assert told_to_stop(baked_path, moment) == 0


def told_to_stop(model: Path, moment: str, **variables: str) -> int:
    """The exit status of a server that is told to stop as soon as it has printed some words."""
    variables |= {"MODEL_PATH": str(model), "PORT": str(free_port()), "LOG_LEVEL": "debug"}
    with subprocess.Popen(
        [sys.executable, "-m", "api"],
        cwd=ROOT,
        env=os.environ | variables,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        assert process.stdout
        while moment not in process.stdout.readline():
            assert process.poll() is None
        process.terminate()
        try:
            return process.wait(BOUND)
        finally:
            process.kill()


def test_it_stops_when_told_to_while_its_model_is_loaded(tmp_path: Path) -> None:
    program = "import time\nfrom api import app\napp.load = lambda _: (print('loads', flush=True), time.sleep(99))\n"
    path = changed(tmp_path, program)
    assert told_to_stop(tmp_path, "loads", PYTHONPATH=path) == 0


def test_a_process_that_is_killed_comes_back_and_the_other_goes_on(
    baked_path: Path, tmp_path: Path
) -> None:
    with serving(tmp_path, MODEL_PATH=baked_path) as server:
        wait_for(server, "In a browser")
        first, second = workers(server.process)
        os.kill(first, signal.SIGKILL)
        for _ in range(20):
            assert server.post("/predict", GOOD) == {"predictions": ["Gentoo"]}
        deadline = time.monotonic() + BOUND
        while first in workers(server.process) or len(workers(server.process)) < 2:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        assert second in workers(server.process)
    assert f"WARNING worker 1 (pid {first}) was killed by SIGKILL" in server.log.read_text()


def test_workers_that_cannot_start_end_the_service(baked_path: Path, tmp_path: Path) -> None:
    program = (
        "import os, sys\n"
        "from api.server import uwsgi_log as server_log\n"
        "server_log.MAX_DEATHS = 1\n"
        "os.register_at_fork(after_in_child=lambda: 'uwsgi' in sys.modules and os._exit(3))\n"
    )
    path = changed(tmp_path, program)
    server = Server(tmp_path, MODEL_PATH=baked_path, PYTHONPATH=path, PROCESSES=1)
    assert server.process.wait(BOUND) == 1
    assert server.log.read_text() == (
        "WARNING worker 1 ended as it started: another takes its place\n"
        "ERROR the workers end as soon as they are started: the service gives up\n"
    )


# By classic BPF the system call clone (56) fails with EAGAIN (11) unless it makes a thread, which has
# the flag CLONE_VM (0x100). Sources: seccomp(2), linux/filter.h, linux/audit.h.
NO_FORK = """
import ctypes, os, struct, sys
from api.server import shutdown
shutdown.FORK_SECONDS = 1
def forbid():
    if "uwsgi" not in sys.modules:
        return
    steps = [(0x20, 0, 0, 0), (0x15, 0, 4, 56), (0x20, 0, 0, 16), (0x54, 0, 0, 0x100),
             (0x15, 0, 1, 0), (0x06, 0, 0, 0x50000 | 11), (0x06, 0, 0, 0x7FFF0000)]
    buffer = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *step) for step in steps))
    program = struct.pack("HP", len(steps), ctypes.addressof(buffer))
    libc = ctypes.CDLL(None)
    libc.prctl(38, 1, 0, 0, 0)
    assert libc.prctl(22, 2, program, 0, 0) == 0
os.register_at_fork(before=forbid)
"""


@pytest.mark.skipif(platform.machine() != "x86_64", reason="calls have other numbers elsewhere")
@pytest.mark.parametrize(
    ("processes", "status", "said"),
    [
        (
            1,
            1,
            "ERROR no worker can be started (Resource temporarily unavailable): the service ends\n",
        ),
        (2, signal.SIGALRM, ""),
    ],
)
def test_where_no_worker_can_be_forked_the_service_ends(
    baked_path: Path, tmp_path: Path, processes: int, status: int, said: str
) -> None:
    path = changed(tmp_path, NO_FORK)
    server = Server(tmp_path, MODEL_PATH=baked_path, PYTHONPATH=path, PROCESSES=processes)
    assert server.process.wait(BOUND) == status
    assert server.log.read_text() == said


def test_a_worker_that_forks_sets_no_alarm() -> None:
    program = (
        "import os, signal; from api.server import shutdown; first = os.getpid()\n"
        "look = lambda: os.getpid() == first or os._exit(signal.alarm(0))\n"
        "os.register_at_fork(before=look); shutdown._end_where_forks_fail()\n"
        "if os.fork(): raise SystemExit(os.waitstatus_to_exitcode(os.wait()[1]))\n"
        "os.fork()"
    )
    subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=True, timeout=BOUND)


def test_no_worker_outlives_the_master(baked_path: Path, tmp_path: Path) -> None:
    with serving(tmp_path, MODEL_PATH=baked_path) as server:
        left = workers(server.process)
        server.process.kill()
        server.process.wait(BOUND)
        deadline = time.monotonic() + BOUND
        while any(Path(f"/proc/{pid}").exists() for pid in left):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        with socket.socket() as again:
            again.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            again.bind(("127.0.0.1", server.port))


def test_a_hangup_changes_nothing(baked_path: Path, tmp_path: Path) -> None:
    with serving(tmp_path, MODEL_PATH=baked_path) as server:
        wait_for(server, "In a browser")
        before = workers(server.process)
        server.process.send_signal(signal.SIGHUP)
        wait_for(server, "SIGHUP changes nothing")
        assert server.post("/predict", GOOD) == {"predictions": ["Gentoo"]}
        assert workers(server.process) == before


@contextlib.contextmanager
def in_a_terminal(model: Path, hangup: signal.Handlers) -> Iterator[tuple[int, int, int]]:
    """A server that leads the session of a terminal: its id, its port and the terminal."""
    port = free_port()
    variables = {"MODEL_PATH": str(model), "PORT": str(port), "PYTHONPATH": str(ROOT)}
    pid, terminal = pty.fork()
    if pid == 0:
        signal.signal(signal.SIGHUP, hangup)
        os.execve(sys.executable, [sys.executable, "-m", "api"], os.environ | variables)
    try:
        shown = b""
        while b"In a browser" not in shown:
            shown += os.read(terminal, 10_000)
        yield pid, port, terminal
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


def test_a_terminal_that_is_closed_takes_the_service_with_it(baked_path: Path) -> None:
    with in_a_terminal(baked_path, signal.SIG_DFL) as (pid, _, terminal):
        os.close(terminal)
        deadline = time.monotonic() + BOUND
        while os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
            assert time.monotonic() < deadline
            time.sleep(0.05)


def test_a_terminal_that_is_closed_leaves_it_alone_under_nohup(baked_path: Path) -> None:
    with in_a_terminal(baked_path, signal.SIG_IGN) as (_, port, terminal):
        os.close(terminal)
        time.sleep(0.5)
        socket.create_connection(("127.0.0.1", port), BOUND).close()


def test_who_comes_when_the_door_is_shut_is_not_let_in_and_who_is_in_goes_on() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = listener.getsockname()
        with socket.create_connection(address, BOUND) as early:
            shutdown.refuse_connections(listener)
            with pytest.raises(ConnectionRefusedError):
                socket.create_connection(address, BOUND)
            taken, _ = listener.accept()
            with taken:
                early.sendall(b"hello")
                assert taken.recv(5) == b"hello"


def test_the_door_stays_open_where_the_kernel_cannot_shut_it() -> None:
    shutdown.refuse_connections(None)
    with socket.socket(socket.AF_UNIX) as other:
        other.close()
        shutdown.refuse_connections(other)
