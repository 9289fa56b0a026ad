"""The real server: `python -m api` under uWSGI, as `make run` and the container start it."""

from __future__ import annotations

import concurrent.futures
import contextlib
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest
from sklearn.preprocessing import FunctionTransformer

from tests.clients import untraced
from tests.test_rejections import GOOD

BOUND = 60
ROOT = Path(__file__).parent.parent


def slowly(X: Any) -> Any:
    """Stands for a model that takes so many seconds; not on rows made up at the start."""
    seconds = float(np.max(X))
    # Those have whole numbers and quarters.
    if seconds * 4 % 1:
        time.sleep(seconds)
    return X


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


class Server:
    """A service in a process of its own, whose coverage is measured unless the test is not of it."""

    def __init__(
        self,
        cwd: Path,
        *words: str,
        python: Path | str = sys.executable,
        traced: bool = True,
        **variables: Any,
    ) -> None:
        self.port = free_port()
        self.log = cwd / "server.log"
        environment = {
            **(os.environ if traced else untraced()),
            "PORT": str(self.port),
            "PYTHONPATH": str(ROOT),
            **{name: str(value) for name, value in variables.items()},
        }
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [python, "-m", "api", *words],
                cwd=cwd,
                env=environment,
                stdout=log,
                stderr=log,
                process_group=0,
            )

    def wait(self) -> None:
        deadline = time.monotonic() + BOUND
        while time.monotonic() < deadline:
            assert self.process.poll() is None, self.log.read_text()
            with contextlib.suppress(OSError):
                self.get("/ready")
                return
            time.sleep(0.05)
        raise AssertionError(self.log.read_text())

    def get(self, path: str) -> Any:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=BOUND) as answer:
            return json.load(answer)

    def ask(self, path: str, body: Any = None) -> Any:
        """The answer to a GET, or to a POST of a body."""
        data = None if body is None else json.dumps(body).encode()
        url, headers = f"http://127.0.0.1:{self.port}{path}", {"Content-Type": "application/json"}
        return urllib.request.urlopen(urllib.request.Request(url, data, headers), timeout=BOUND)

    def post(self, path: str, body: Any) -> Any:
        with self.ask(path, body) as answer:
            return json.load(answer)

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(BOUND)


def wait_for(server: Server, words: str) -> None:
    """Wait until the server has printed them."""
    deadline = time.monotonic() + BOUND
    while words not in server.log.read_text():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@contextlib.contextmanager
def serving(cwd: Path, *words: str, **variables: Any) -> Iterator[Server]:
    server = Server(cwd, *words, **variables)
    try:
        server.wait()
        yield server
    finally:
        if server.process.poll() is None:
            server.stop()


@pytest.fixture(scope="module")
def server(penguins_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(
        tmp_path_factory.mktemp("serve"), MODEL_PATH=penguins_path, MAX_BODY_BYTES=1_000_000
    ) as server:
        yield server


def test_it_predicts(server: Server) -> None:
    assert server.post("/predict", GOOD) == {"predictions": ["Gentoo"]}


def test_idle_connections_and_slow_senders_hold_nobody_up(server: Server) -> None:
    with contextlib.ExitStack() as stack:
        connections = [
            stack.enter_context(socket.create_connection(("127.0.0.1", server.port)))
            for _ in range(250)
        ]
        for slow in connections[200:]:
            slow.sendall(b"POST /predict HTTP/1.1\r\nContent-Type: application/json\r\nContent-")
        started = time.monotonic()
        for _ in range(20):
            assert server.post("/predict", GOOD) == {"predictions": ["Gentoo"]}
        # Those that hold a thread hold it for 10 s.
        assert time.monotonic() - started < 5


def test_many_clients_at_once_all_get_their_own_answers(server: Server) -> None:
    lengths = [30.0 + i for i in range(40)]
    alone = [
        server.post("/predict_proba", {**GOOD, "bill_length_mm": v})["predictions"] for v in lengths
    ]
    with concurrent.futures.ThreadPoolExecutor(40) as pool:
        asked = pool.map(
            lambda v: server.post("/predict_proba", {**GOOD, "bill_length_mm": v}), lengths * 5
        )
        for answer, own in zip(asked, alone * 5, strict=True):
            assert np.allclose(answer["predictions"], own, rtol=1e-12)


def test_a_body_over_the_limit_is_answered(server: Server) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=BOUND)
    with contextlib.closing(connection):
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            connection.request(
                "POST", "/predict", b" " * 1_000_001, {"Content-Type": "application/json"}
            )
        with connection.getresponse() as answer:
            assert answer.status == 413


def ask_in_chunks(server: Server, *chunks: bytes, **headers: str) -> tuple[int, Any]:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=BOUND)
    headers |= {"Content-Type": "application/json", "Transfer-Encoding": "chunked"}
    with contextlib.closing(connection):
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            connection.request("POST", "/predict", iter(chunks), headers, encode_chunked=True)
        with connection.getresponse() as answer:
            return answer.status, json.load(answer)


@pytest.mark.parametrize("size", [1, 50, 300_000], ids=["bytes", "pieces", "one"])
def test_a_body_may_come_in_chunks(server: Server, size: int) -> None:
    body = json.dumps([GOOD] * (1 if size == 1 else 1_000)).encode()
    chunks = [body[i : i + size] for i in range(0, len(body), size)]
    rows = body.count(b"island")
    assert ask_in_chunks(server, *chunks) == (200, {"predictions": ["Gentoo"] * rows})


@pytest.mark.parametrize(
    "chunks", [[b" " * 1_000_001], [b" " * 1_000] * 1_001], ids=["one", "many"]
)
def test_a_body_in_chunks_over_the_limit_is_answered(server: Server, chunks: list[bytes]) -> None:
    status, problem = ask_in_chunks(server, *chunks)
    assert (status, problem["detail"]) == (413, "The body is over the limit of 1000000 bytes.")


@pytest.mark.parametrize(
    ("headers", "body", "status", "sentence"),
    [
        ("", b"-5\r\n{}\r\n0\r\n\r\n", 400, "ended before its last chunk had come"),
        (
            "Content-Length: 2\r\n",
            b"2\r\n{}\r\n0\r\n\r\n",
            400,
            "has a Content-Length and comes in",
        ),
    ],
    ids=["no size", "two lengths"],
)
def test_chunks_that_cannot_be_read_are_refused(
    server: Server, headers: str, body: bytes, status: int, sentence: str
) -> None:
    head = f"POST /predict HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n{headers}\r\n"
    with socket.create_connection(("127.0.0.1", server.port), BOUND) as connection:
        connection.sendall(head.encode() + body)
        answer = http.client.HTTPResponse(connection)
        answer.begin()
        assert answer.status == status
        assert sentence in json.load(answer)["detail"]


def test_a_sender_that_goes_away_in_the_middle_harms_nobody(server: Server) -> None:
    for _ in range(5):
        with socket.create_connection(("127.0.0.1", server.port)) as half:
            half.sendall(b"POST /predict HTTP/1.1\r\nContent-Length: 1000\r\n\r\n{")
    assert server.post("/predict", GOOD) == {"predictions": ["Gentoo"]}
    assert "Traceback" not in server.log.read_text()


@pytest.fixture
def slow_model(tmp_path: Path) -> Path:
    path = tmp_path / "slow.joblib"
    joblib.dump(FunctionTransformer(slowly, validate=True).fit(np.zeros((1, 1))), path)
    return path


def test_too_many_waiting_are_turned_away(slow_model: Path, tmp_path: Path) -> None:
    limits = {"PROCESSES": 1, "THREADS": 4, "MAX_WAITING": 2}
    with serving(tmp_path, MODEL_PATH=slow_model, **limits) as server:

        def status() -> int:
            try:
                server.post("/transform", [[0.3]])
            except urllib.error.HTTPError as error:
                with error:
                    assert error.headers["Retry-After"] == "1"
                    return error.code
            return 200

        with concurrent.futures.ThreadPoolExecutor(10) as pool:
            statuses = list(pool.map(lambda _: status(), range(10)))
    assert set(statuses) == {200, 503}


def test_a_request_that_takes_too_long_is_a_503_and_its_process_is_replaced(
    slow_model: Path, tmp_path: Path
) -> None:
    limits = {"PROCESSES": 1, "THREADS": 4, "TIMEOUT": 0.5}
    with serving(tmp_path, MODEL_PATH=slow_model, **limits) as server:

        def status(seconds: float) -> int:
            try:
                server.post("/transform", [[seconds]])
            except urllib.error.HTTPError as error:
                with error:
                    assert error.headers["Retry-After"] == "1"
                    assert json.load(error)["status"] == error.code
                    return error.code
            return 200

        started = time.monotonic()
        with concurrent.futures.ThreadPoolExecutor(3) as pool:
            assert list(pool.map(status, [30.1, 30.1, 30.1])) == [503] * 3
        assert time.monotonic() - started < 10
        is_back = False
        while not is_back:
            assert time.monotonic() - started < BOUND
            time.sleep(0.05)
            # The process that ends may have taken the request up.
            with contextlib.suppress(http.client.RemoteDisconnected, ConnectionResetError):
                is_back = status(0.1) == 200
        log = server.log.read_text()
    assert "a call ran for over 0.5 seconds: this process is replaced" in log
    assert log.count("ended: another takes its place") == 1


def workers(master: subprocess.Popen[Any]) -> list[int]:
    """The processes that answer, by their ids: those with more than one thread."""
    children = Path(f"/proc/{master.pid}/task/{master.pid}/children").read_text().split()
    return [
        int(child) for child in children if len(list(Path(f"/proc/{child}/task").iterdir())) > 1
    ]


def test_the_word_that_sagemaker_says_changes_nothing(baked_path: Path, tmp_path: Path) -> None:
    with serving(tmp_path, "serve", MODEL_PATH=baked_path) as server:
        assert server.post("/invocations", GOOD) == {"predictions": ["Gentoo"]}


@pytest.mark.parametrize("words", [["train"], ["serve", "now"], ["--help"]])
def test_no_other_word_is_known(tmp_path: Path, words: list[str]) -> None:
    server = Server(tmp_path, *words)
    assert server.process.wait(BOUND) == 1
    log = server.log.read_text()
    assert log.count("\n") == 1
    assert log.startswith(f"error: {' '.join(words)!r} is not known: only the words `serve` and")


@pytest.mark.parametrize(
    ("variables", "sentence"),
    [
        ({"MODEL_PATH": "nowhere.joblib"}, "error: there is no file nowhere.joblib"),
        ({"MODEL_PATH": __file__}, "is a text file, not a joblib file"),
        ({"THREADS": "many"}, "error: THREADS='many': expected a whole number from 1"),
        (
            {"PORT": "", "AIP_HTTP_PORT": "many"},
            "error: AIP_HTTP_PORT='many': expected a whole number from 1",
        ),
        (
            {"AIP_STORAGE_URI": "gs://bucket", "GCE_METADATA_HOST": "127.0.0.1:9"},
            "error: gs://bucket/model.joblib needs a token, and the metadata server 127.0.0.1:9 gives none",
        ),
        ({"SM_MODEL_DIR": str(ROOT / "api")}, "api must have one *.joblib"),
        (
            {"MODEL_URI": "https://me:secret@127.0.0.1:9/a.joblib"},
            "error: https://127.0.0.1:9/a.joblib says no SHA-256",
        ),
        ({"HOST": "203.0.113.1"}, "error: cannot listen on 203.0.113.1"),
    ],
)
def test_what_cannot_start_stops_with_one_sentence(
    tmp_path: Path, variables: dict[str, Any], sentence: str
) -> None:
    server = Server(tmp_path, **variables)
    assert server.process.wait(BOUND) == 1
    log = server.log.read_text()
    assert log.count("\n") == 1
    assert sentence in log


def test_a_port_in_use_is_told(server: Server, tmp_path: Path) -> None:
    second = Server(tmp_path, PORT=server.port)
    assert second.process.wait(BOUND) == 1
    assert f"choose another port, as in `make run PORT={server.port + 1}`" in second.log.read_text()


def test_settings_come_from_env_in_the_folder_it_is_started_in(
    baked_path: Path, tmp_path: Path
) -> None:
    (tmp_path / ".env").write_text(f"MODEL_PATH={baked_path}\nMAX_ROWS=1\n")
    with (
        serving(tmp_path, MODEL_PAHT="elsewhere") as server,
        pytest.raises(urllib.error.HTTPError) as error,
    ):
        server.post("/predict", [GOOD, GOOD])
    with error.value:
        assert error.value.code == 413
    said = "the environment: there is no variable MODEL_PAHT: did you mean MODEL_PATH?"
    assert said in server.log.read_text()
