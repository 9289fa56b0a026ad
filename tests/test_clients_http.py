"""Clients of HTTP as they are: connections that carry many requests, and what is not as it should be."""

from __future__ import annotations

import concurrent.futures
import contextlib
import http.client
import json
import re
import select
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import joblib
import pytest
import requests
from sklearn.preprocessing import StandardScaler

from tests import clients
from tests.test_serving import BOUND, Server, free_port, serving

BODY, ANSWER = b"[[12.5]]", {"predictions": [[12.5]]}
TYPE = {"Content-Type": "application/json"}
KEEP_ALIVE = 1
# By then a connection that is idle is closed.
IDLE_SECONDS = KEEP_ALIVE + 1.5
MAX_BODY_BYTES = 1_000_000


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Its model answers each number with itself."""
    folder = tmp_path_factory.mktemp("http")
    joblib.dump(StandardScaler().fit([[-1.0], [1.0]]), folder / "same.joblib")
    with serving(
        folder,
        traced=False,
        MODEL_PATH="same.joblib",
        KEEP_ALIVE=KEEP_ALIVE,
        MAX_BODY_BYTES=MAX_BODY_BYTES,
        BODY_TIMEOUT=1,
    ) as server:
        yield server
        log = server.log.read_text()
    # Whatever clients do, the log says nothing of it.
    said = log.partition("In a browser: ")[2].partition("\n\n")[2]
    assert said.strip().splitlines()[1:] == []


# Bodies, and the answer to each.
ROWS = [(f"[[{i + 0.5}]]", f'{{"predictions":[[{i + 0.5}]]}}') for i in range(60)]


class Counter:
    """Passes bytes on to a server, and counts the connections."""

    def __init__(self, to: int) -> None:
        self.to = to
        self.count = 0
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port: int = self.listener.getsockname()[1]
        self.threads = [threading.Thread(target=self.accept)]
        self.threads[0].start()

    def accept(self) -> None:
        with contextlib.suppress(OSError), self.listener:
            while True:
                client, _ = self.listener.accept()
                self.count += 1
                self.threads.append(threading.Thread(target=self.carry, args=(client,)))
                self.threads[-1].start()

    def carry(self, client: socket.socket) -> None:
        target = socket.create_connection(("127.0.0.1", self.to))
        others = {client: target, target: client}
        with client, target, contextlib.suppress(OSError):
            while True:
                for source in select.select(others, [], [])[0]:
                    data = source.recv(65536)
                    if not data:
                        return
                    others[source].sendall(data)

    def stop(self) -> None:
        """Wait until the clients, or the server, have closed all connections."""
        self.listener.shutdown(socket.SHUT_RDWR)
        for thread in self.threads:
            thread.join(BOUND)


@pytest.fixture
def counter(server: Server) -> Iterator[Counter]:
    counter = Counter(server.port)
    yield counter
    counter.stop()


def needs(program: str) -> str:
    """The path of a program, without which a test is skipped."""
    found = shutil.which(program, path="/usr/sbin:/usr/bin:/usr/local/bin:/bin")
    if found is None:
        pytest.skip(f"{program} is not installed")
    return found


def run(*command: str | Path) -> str:
    result = subprocess.run(command, capture_output=True, text=True, timeout=BOUND, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


def test_a_session_of_requests_keeps_one_connection_and_opens_another_after_a_rest(
    counter: Counter,
) -> None:
    url = f"http://127.0.0.1:{counter.port}/transform"
    with requests.Session() as session:
        for body, expected in ROWS:
            assert session.post(url, body, headers=TYPE).text == expected
        assert counter.count == 1
        time.sleep(IDLE_SECONDS)
        for body, expected in ROWS:
            assert session.post(url, body, headers=TYPE).text == expected
    assert counter.count == 2


def test_sessions_at_once_get_their_own_answers_on_few_connections(
    counter: Counter,
) -> None:
    url = f"http://127.0.0.1:{counter.port}/transform"

    def ask(start: int) -> None:
        with requests.Session() as session:
            for body, expected in ROWS[start:] + ROWS[:start]:
                assert session.post(url, body, headers=TYPE).text == expected

    with concurrent.futures.ThreadPoolExecutor(6) as pool:
        list(pool.map(ask, range(0, 60, 10)))
    # Now and then more requests are under way in one process than it keeps connections for.
    assert counter.count < 60


FETCH = """
const [url, rows, rest] = [process.argv[1], JSON.parse(process.argv[2]), +process.argv[3]];
const one = async ([body, expected]) => {
  const answer = await fetch(url, {method: "POST", headers: {"content-type": "application/json"}, body});
  const text = await answer.text();
  if (text !== expected) throw new Error(`${answer.status} ${text} instead of ${expected}`);
};
for (const row of rows) await one(row);
await new Promise((done) => setTimeout(done, rest));
for (let i = 0; i < rows.length; i += 6) await Promise.all(rows.slice(i, i + 6).map(one));
"""


def test_fetch_of_node_keeps_its_connections(
    counter: Counter,
) -> None:
    url = f"http://127.0.0.1:{counter.port}/transform"
    rest = str(int(IDLE_SECONDS * 1000))
    run(needs("node"), "-e", FETCH, url, json.dumps(ROWS), rest)
    assert counter.count < 30


def test_httpx_keeps_its_connections_sync_and_async(
    counter: Counter,
) -> None:
    place = clients.environment("httpx", "httpx==0.28.1")
    url = f"http://127.0.0.1:{counter.port}/transform"
    result = clients.run(place, "httpx_http.py", url, json.dumps(ROWS), IDLE_SECONDS)
    assert (result.returncode, result.stdout) == (0, "right\n"), result.stderr
    assert counter.count < 60


def test_curl_asks_several_times_on_one_connection(server: Server) -> None:
    url = f"http://127.0.0.1:{server.port}"
    said = run(
        needs("curl"), "--silent", "--show-error", "--write-out", " %{num_connects}\n",
        "--data", BODY.decode(), "--header", "Content-Type: application/json",
        f"{url}/transform", f"{url}/transform", f"{url}/transform",
    )  # fmt: skip
    answer = '{"predictions":[[12.5]]}'
    assert said == f"{answer} 1\n{answer} 0\n{answer} 0\n"


def test_tools_that_measure_count_no_failure(server: Server, tmp_path: Path) -> None:
    url = f"http://127.0.0.1:{server.port}/transform"
    body = tmp_path / "body.json"
    body.write_bytes(BODY)
    said = run(
        needs("ab"), "-k", "-q", "-c8", "-n2000", "-p", body, "-T", TYPE["Content-Type"], url
    )
    assert re.search(r"Complete requests: +2000\nFailed requests: +0\n", said), said
    assert "Non-2xx" not in said
    said = run(
        needs("hey"), "-n", "2000", "-c", "8", "-m", "POST", "-D", str(body), "-T",
        TYPE["Content-Type"], url,
    )  # fmt: skip
    assert re.search(r"Status code distribution:\s+\[200\]\s+2000 responses\s*\Z", said), said
    said = run(needs("wrk"), "-c8", "-t2", "-d1", url.replace("transform", "health"))
    assert "requests in" in said
    assert "errors" not in said
    assert "Non-2xx" not in said


NGINX = """
daemon off; pid {folder}/pid; error_log {folder}/error.log; worker_processes 1;
events {{}}
http {{
    access_log off; client_body_temp_path {folder}/b; proxy_temp_path {folder}/p;
    fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
    upstream model {{ server 127.0.0.1:{to}; keepalive 32; }}
    server {{
        listen 127.0.0.1:{port};
        location / {{
            proxy_pass http://model; proxy_http_version 1.1; proxy_set_header Connection "";
        }}
    }}
}}
"""


def test_nginx_in_front_keeps_connections_and_loses_nothing(
    counter: Counter, tmp_path: Path
) -> None:
    port = free_port()
    config = tmp_path / "nginx.conf"
    config.write_text(NGINX.format(folder=tmp_path, to=counter.port, port=port))
    errors = tmp_path / "error.log"
    process = subprocess.Popen([needs("nginx"), "-c", config, "-e", errors])
    url = f"http://127.0.0.1:{port}/transform"
    try:
        deadline = time.monotonic() + BOUND
        while True:
            with contextlib.suppress(OSError):
                socket.create_connection(("127.0.0.1", port)).close()
                break
            assert time.monotonic() < deadline
            time.sleep(0.05)

        def ask(row: tuple[str, str]) -> bool:
            return bool(requests.post(url, row[0], headers=TYPE, timeout=BOUND).text == row[1])

        with concurrent.futures.ThreadPoolExecutor(6) as pool:
            assert all(pool.map(ask, ROWS))
            time.sleep(IDLE_SECONDS)
            assert all(pool.map(ask, ROWS))
    finally:
        process.terminate()
        process.wait(BOUND)
    assert counter.count < 60
    # It tells of each connection that was closed while it waited for an answer.
    assert "upstream" not in errors.read_text()


@pytest.mark.parametrize(
    ("path", "method", "more", "status"),
    [
        ("/transform", "POST", {"Content-Length": str(MAX_BODY_BYTES + 1)}, 413),
        ("/nowhere", "POST", {}, 404),
        ("/transform", "PUT", {}, 405),
        ("/health", "POST", {}, 405),
        ("/transform", "POST", {"Transfer-Encoding": "gzip", "Content-Length": None}, 411),
        ("/transform", "POST", {"Content-Encoding": "br"}, 415),
        ("/health", "GET", {}, 200),
    ],
)
def test_an_answer_before_a_large_body_arrives_whole(
    server: Server, path: str, method: str, more: dict[str, str | None], status: int
) -> None:
    body = b" " * (MAX_BODY_BYTES + 1 if status == 413 else MAX_BODY_BYTES)
    headers = {"Content-Length": str(len(body)), **TYPE, **more}
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=BOUND)
    with contextlib.closing(connection):
        connection.putrequest(method, path)
        for name, value in headers.items():
            if value is not None:
                connection.putheader(name, value)
        connection.endheaders(body)
        answer = connection.getresponse()
        assert answer.status == status
        assert json.loads(answer.read())
        assert answer.headers["Connection"] == "close"


def test_requests_and_curl_get_the_answer_before_a_large_body(
    server: Server, tmp_path: Path
) -> None:
    url = f"http://127.0.0.1:{server.port}/transform"
    body = tmp_path / "body"
    body.write_bytes(b" " * 5 * MAX_BODY_BYTES)
    assert requests.post(url, body.read_bytes(), headers=TYPE, timeout=BOUND).status_code == 413
    for more in ([], ["--header", "Expect:"], ["--header", "Transfer-Encoding: chunked"]):
        said = run(
            needs("curl"), "--silent", "--show-error", "--write-out", " %{http_code}",
            "--header", "Content-Type: application/json", "--data-binary", f"@{body}", *more, url,
        )  # fmt: skip
        assert json.loads(said.rpartition(" ")[0])["status"] == 413


HEAD = b"POST /transform HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
CHUNKS = b"Transfer-Encoding: chunked\r\n\r\n"
LENGTH = b"Content-Length: %d\r\n" % len(BODY)
NEXT = b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n"


def chunk(data: bytes, more: bytes = b"") -> bytes:
    return b"%x%s\r\n%s\r\n0\r\n\r\n" % (len(data), more, data)


def say(server: Server, *parts: bytes) -> list[int]:
    """The statuses that a connection gets for these parts, until the server closes it."""
    with socket.create_connection(("127.0.0.1", server.port), BOUND) as connection:
        for part in parts:
            # The server may have closed it.
            with contextlib.suppress(OSError):
                connection.sendall(part)
                time.sleep(0.05)
        received = b""
        with contextlib.suppress(OSError):
            connection.shutdown(socket.SHUT_WR)
        with contextlib.suppress(ConnectionResetError):
            while data := connection.recv(65536):
                received += data
    return [int(status) for status in re.findall(rb"HTTP/1\.[01] (\d+) ", received)]


@pytest.mark.parametrize(
    ("parts", "statuses"),
    [
        ([HEAD + LENGTH + b"\r\n" + BODY, NEXT], [200, 200]),
        # A second request may be cut off, but nothing else may come of it.
        ([HEAD + LENGTH + b"\r\n" + BODY + NEXT], [200]),
        ([NEXT + NEXT], [200]),
        ([HEAD + LENGTH + b"\r\n" + BODY + b"rest", NEXT], [200]),
        ([HEAD + LENGTH + b"\r\n" + BODY, b"\r\n" + NEXT], [200, 200]),
        ([HEAD + LENGTH + b"X: a\r\n b\r\n\r\n" + BODY, NEXT], [200, 200]),
        # Lengths.
        ([HEAD + LENGTH.replace(b"\r", b" \r") + b"\r\n" + BODY, NEXT], [200]),
        ([HEAD + LENGTH + LENGTH + b"\r\n" + BODY, NEXT], [400]),
        ([HEAD + LENGTH + b"Content-Length: 0\r\n\r\n" + BODY, NEXT], [400]),
        ([HEAD + LENGTH.replace(b":", b" :") + b"\r\n" + BODY, NEXT], [400]),
        ([HEAD + b"Content-Length: \xb2\r\n\r\n", NEXT], [400]),
        ([HEAD + b"Content-Length: +2\r\n\r\n{}", NEXT], [400]),
        ([HEAD + b"Content-Length: " + b"9" * 5_000 + b"\r\n\r\n{}", NEXT], [400]),
        ([NEXT.replace(b"\r\n\r\n", b"\r\nContent-Length: \xb2\r\n\r\n"), NEXT], [200]),
        ([NEXT.replace(b"\r\n\r\n", b"\r\nContent-Length: 5\r\n\r\nhello"), NEXT], [200]),
        # Chunks.
        ([HEAD + CHUNKS + chunk(BODY), NEXT], [200]),
        ([HEAD + CHUNKS + chunk(BODY) + NEXT], [200]),
        ([HEAD + LENGTH + CHUNKS + chunk(BODY), NEXT], [400]),
        ([HEAD + CHUNKS + chunk(BODY, b";a=b"), NEXT], [400]),
        ([HEAD + CHUNKS.replace(b": ", b": x") + chunk(BODY), NEXT], [411]),
        ([HEAD + CHUNKS.replace(b": ", b": \x0b") + chunk(BODY), NEXT], [411]),
        ([HEAD + CHUNKS.replace(b": ", b": gzip, ") + chunk(BODY), NEXT], [411]),
        ([HEAD + CHUNKS.replace(b": ", b":\r\n ") + chunk(BODY), NEXT], [200]),
        ([HEAD + CHUNKS.replace(b": ", b" : ") + chunk(BODY), NEXT], [400]),
        ([NEXT[:-2] + CHUNKS + chunk(BODY), NEXT], [200]),
        # What a client expects.
        ([HEAD + LENGTH + b"Expect: 100-continue\r\n\r\n", BODY, NEXT], [100, 200, 200]),
        ([HEAD + LENGTH + b"Expect: 100-Continue, x\r\n\r\n", BODY], [100, 200]),
        ([HEAD + LENGTH + b"Expect: x\r\n\r\n" + BODY, NEXT], [200, 200]),
        ([HEAD.replace(b"1.1", b"1.0") + LENGTH + b"Expect: 100-continue\r\n\r\n" + BODY], [200]),
        ([HEAD.replace(b"/json", b"/pdf") + LENGTH + b"Expect: 100-continue\r\n\r\n", NEXT], [415]),
        ([HEAD + LENGTH + b"Content-Encoding: br\r\nExpect: 100-continue\r\n\r\n", NEXT], [415]),
        ([HEAD.replace(b"form ", b" ") + LENGTH + b"Expect: 100-continue\r\n\r\n", NEXT], [404]),
        ([NEXT[:-2] + b"Expect: 100-continue\r\n\r\n", NEXT], [200, 200]),
    ],
)  # fmt: skip
def test_what_follows_a_request_is_the_next_request_or_is_not_answered(
    server: Server, parts: list[bytes], statuses: list[int]
) -> None:
    assert say(server, *parts) == statuses


@pytest.mark.parametrize("reset", [False, True], ids=["closes", "resets"])
@pytest.mark.parametrize(
    "sent",
    [b"", HEAD[:20], HEAD + LENGTH + b"\r\n" + BODY[:4], HEAD + LENGTH + b"\r\n" + BODY,
     HEAD + CHUNKS + b"9\r\n", NEXT + NEXT[:9], NEXT[:-2] + LENGTH + b"\r\n"],
)  # fmt: skip
def test_clients_that_vanish_leave_no_trace(server: Server, sent: bytes, *, reset: bool) -> None:
    for _ in range(20):
        with socket.create_connection(("127.0.0.1", server.port)) as client:
            client.sendall(sent)
            if reset:
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    assert server.post("/transform", [[12.5]]) == ANSWER


@pytest.mark.parametrize(
    "sent",
    [b"", HEAD[:20], HEAD + LENGTH + b"\r\n" + BODY[:4], HEAD + CHUNKS + b"9\r\n",
     NEXT[:-2] + LENGTH + b"\r\n", NEXT],
    ids=["nothing", "half a head", "half a body", "half a chunk", "a body that is not read", "idle"],
)  # fmt: skip
def test_however_many_clients_stop_in_the_middle_others_are_answered(
    server: Server, sent: bytes
) -> None:
    with contextlib.ExitStack() as stack:
        for _ in range(150):
            client = socket.create_connection(("127.0.0.1", server.port), BOUND)
            stack.enter_context(client)
            client.sendall(sent)
        started = time.monotonic()
        for _ in range(5):
            assert server.post("/transform", [[12.5]]) == ANSWER
        assert time.monotonic() - started < 8
