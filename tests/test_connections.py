"""Which connections stay open, which threads accept new ones, and what becomes of slow clients."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import socket
import sys
import threading
import time
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from api import app
from api.http.bodies import Exchange
from api.server import aside as asides
from api.server import connections, process, sockets
from api.server.aside import aside
from api.server.connections import Connections
from api.server.watcher import HEAD_SECONDS, IDLE_SECONDS, PATIENCE_SECONDS, STUCK_SECONDS, Watcher
from tests.test_rejections import GOOD
from tests.test_serving import BOUND, Server, serving

BODY = json.dumps(GOOD).encode()
HEAD = (
    b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %d\r\n"
    % len(BODY)
)
ANSWER = b'{"predictions":["Gentoo"]}'
THREADS = 12


@pytest.fixture(scope="module")
def kept(baked_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that is quick to lose patience."""
    with serving(
        tmp_path_factory.mktemp("kept"),
        traced=False,
        MODEL_PATH=baked_path,
        PROCESSES=1,
        THREADS=THREADS,
        KEEP_ALIVE=1,
        BODY_TIMEOUT=0.5,
        MAX_BODY_BYTES=1_000_000,
    ) as server:
        yield server


@contextlib.contextmanager
def connected(server: Server) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", server.port), timeout=BOUND) as client:
        yield client


def receive(client: socket.socket) -> tuple[bytes, bytes]:
    """The head and the body of the next answer."""
    data = b""
    while b"\r\n\r\n" not in data:
        more = client.recv(65536)
        assert more, data
        data += more
    head, _, body = data.partition(b"\r\n\r\n")
    length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
    while len(body) < length:
        body += client.recv(65536)
    return head, body


def test_one_connection_carries_many_requests(kept: Server) -> None:
    with connected(kept) as client:
        for _ in range(20):
            client.sendall(HEAD + b"\r\n" + BODY)
            head, body = receive(client)
            assert body == ANSWER
            assert b"Connection: close" not in head


@pytest.mark.parametrize(
    "request_",
    [
        HEAD + b"Connection: close\r\n\r\n" + BODY,
        HEAD + b"Connection: Close\r\n\r\n" + BODY,
        HEAD.replace(b"HTTP/1.1", b"HTTP/1.0") + b"\r\n" + BODY,
        HEAD.replace(b"HTTP/1.1", b"HTTP/1.0") + b"Connection: keep-alive\r\n\r\n" + BODY,
        b"POST /predict HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n"
        % (len(BODY), BODY),
    ],
    ids=["close", "Close", "1.0", "1.0 keep-alive", "chunks"],
)
def test_a_connection_that_does_not_stay_open_says_so_and_ends(
    kept: Server, request_: bytes
) -> None:
    with connected(kept) as client:
        client.sendall(request_)
        head, body = receive(client)
        assert body == ANSWER
        assert b"\r\nConnection: close" in head
        assert client.recv(1) == b""


def test_a_connection_that_is_idle_for_too_long_is_closed(kept: Server) -> None:
    with connected(kept) as client:
        client.sendall(HEAD + b"\r\n" + BODY)
        receive(client)
        started = time.monotonic()
        assert client.recv(1) == b""
        assert 0.9 < time.monotonic() - started < 5


def test_more_clients_than_threads_are_all_answered(kept: Server) -> None:
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(connected(kept)) for _ in range(3 * THREADS)]
        heads = []
        for client in clients:
            client.sendall(HEAD + b"\r\n" + BODY)
            head, body = receive(client)
            heads.append(head)
            assert body == ANSWER
        closed = sum(b"Connection: close" in head for head in heads)
        # Half of the threads may keep a connection.
        assert closed >= len(clients) - THREADS // 2
        assert closed < len(clients)


def test_a_body_that_takes_too_long_is_answered_408(kept: Server) -> None:
    with connected(kept) as client:
        client.sendall(HEAD + b"\r\n" + BODY[:10])
        head, body = receive(client)
        assert head.startswith(b"HTTP/1.1 408 ")
        assert json.loads(body)["detail"].startswith("The body took too long to come")


def test_a_client_that_asks_whether_to_send_its_body_is_told_at_once(kept: Server) -> None:
    with connected(kept) as client:
        client.sendall(HEAD + b"Expect: 100-continue\r\n\r\n")
        assert client.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        client.sendall(BODY)
        assert receive(client)[1] == ANSWER


def test_a_client_that_asks_in_chunks_is_told_at_once(kept: Server) -> None:
    with connected(kept) as client:
        client.sendall(
            b"POST /predict HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n"
            b"Expect: 100-continue\r\n\r\n"
        )
        assert client.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        client.sendall(b"%x\r\n%s\r\n0\r\n\r\n" % (len(BODY), BODY))
        assert receive(client)[1] == ANSWER


@pytest.mark.parametrize(
    ("line", "length", "status"),
    [
        (b"POST /predict", 1_000_001, b"413"),
        (b"POST /predixt", 500_000, b"404"),
        (b"POST /health", 500_000, b"405"),
        (b"POST /predict", 500_000, b"406"),
    ],
)
def test_a_client_that_is_refused_need_not_send_its_body(
    kept: Server, line: bytes, length: int, status: bytes
) -> None:
    accept = b"Accept: image/png\r\n" if status == b"406" else b""
    with connected(kept) as client:
        client.sendall(
            line + b" HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n" % length + accept
            + b"Expect: 100-continue\r\n\r\n"
        )  # fmt: skip
        head, _ = receive(client)
        assert head.startswith(b"HTTP/1.1 " + status)
        assert b"Connection: close" in head


@pytest.mark.parametrize(
    ("path", "status"), [("/predict", 413), ("/predixt", 404), ("/health", 405)]
)
def test_the_answer_to_a_large_body_that_is_not_read_arrives_whole(
    kept: Server, path: str, status: int
) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", kept.port, timeout=BOUND)
    with contextlib.closing(connection):
        # It sends all before it reads anything.
        connection.request("POST", path, b" " * 8_000_000, {"Content-Type": "application/json"})
        with connection.getresponse() as answer:
            assert answer.status == status
            assert json.load(answer)["status"] == status


def test_slow_senders_of_all_kinds_hold_nobody_up(kept: Server) -> None:
    with contextlib.ExitStack() as stack:
        for begin in (b"", b"POST /pre", HEAD + b"\r\n"):
            for _ in range(THREADS):
                client = stack.enter_context(connected(kept))
                client.sendall(begin)
        started = time.monotonic()
        for _ in range(20):
            assert kept.post("/predict", GOOD) == {"predictions": ["Gentoo"]}
        assert time.monotonic() - started < 10


# Below, one process of uWSGI is played by this one.


class Input:
    """What uWSGI gives as wsgi.input, with nothing in it."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection

    def fileno(self) -> int:
        return self._connection.fileno()

    def tell(self) -> int:
        return 0


@pytest.fixture
def listener(monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    process.listener.cache_clear()
    with socket.create_server(("127.0.0.1", 0)) as listening:
        uwsgi = types.SimpleNamespace(sockets=[listening.fileno()])
        monkeypatch.setitem(sys.modules, "uwsgi", uwsgi)
        yield listening
        copied = process.listener()
        assert copied is not None
        copied.close()
    process.listener.cache_clear()


@pytest.fixture
def pair(listener: socket.socket) -> Iterator[tuple[socket.socket, socket.socket]]:
    """Both ends of a connection: the service's, the client's."""
    with socket.create_connection(listener.getsockname(), timeout=5) as theirs:
        ours, _ = listener.accept()
        with ours:
            yield ours, theirs


def plain(environ: dict[str, Any], start: Callable[..., Any]) -> list[bytes]:
    start("200 OK", environ["headers"])
    return [b""]


def ask(served: Connections, ours: socket.socket, **variables: str) -> list[tuple[str, str]]:
    """Answer a request as uWSGI does, and return the headers of the answer."""
    headers: list[tuple[str, str]] = []
    environ = {"SERVER_PROTOCOL": "HTTP/1.1", "wsgi.input": Input(ours), "headers": headers}
    body = served({**environ, **variables}, lambda *_: None)
    assert b"".join(body) == b""
    if hasattr(body, "close"):
        body.close()
    return headers


def watcher_of(served: Connections, **changes: Any) -> tuple[Watcher, list[Any]]:
    said: list[Any] = []
    settings: dict[str, Any] = {"keep_alive": 75, "body_timeout": 30, "timeout": 60}
    watcher = Watcher(
        served,
        **{**settings, **changes},
        refuse=lambda _: said.append("refused"),
        give_up=lambda _: said.append("given up"),
    )
    return watcher, said


def test_an_application_that_fails_leaves_nothing_behind(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    def fail(*_: Any) -> Any:
        raise KeyError("a part")

    served = Connections(fail, threads=1, keeps=True)
    with pytest.raises(KeyError):
        ask(served, pair[0])
    assert not served.under_way
    assert pair[1].recv(1) == b""


def test_a_body_that_has_to_be_closed_is_closed(pair: tuple[socket.socket, socket.socket]) -> None:
    closed = []

    class Body(list[bytes]):
        def close(self) -> None:
            closed.append(1)

    def answer(_: Any, start: Any) -> Body:
        start("200 OK", [])
        return Body([b""])

    ask(Connections(answer, threads=1, keeps=False), pair[0])
    assert closed == [1]


@pytest.mark.parametrize(
    ("variables", "kept"),
    [
        ({}, True),
        ({"CONTENT_LENGTH": "0"}, True),
        ({"CONTENT_LENGTH": "5"}, False),
        ({"CONTENT_LENGTH": "5, 5"}, False),
        ({"CONTENT_LENGTH": "0 "}, False),
        ({"CONTENT_LENGTH": "\xb2"}, False),
        ({"CONTENT_LENGTH": "0" * 5_000}, False),
        ({"HTTP_CONTENT_LENGTH ": "5"}, False),
        ({"HTTP_TRANSFER_ENCODING ": "chunked"}, False),
        ({"HTTP_CONNECTION": "Upgrade, close"}, False),
        ({"HTTP_CONNECTION": "keep-alive"}, True),
        ({"SERVER_PROTOCOL": "HTTP/1.0"}, False),
        ({"HTTP_TRANSFER_ENCODING": "chunked"}, False),
    ],
)
def test_a_connection_is_kept_if_what_comes_next_is_a_request(
    pair: tuple[socket.socket, socket.socket],
    monkeypatch: pytest.MonkeyPatch,
    *,
    variables: dict[str, str],
    kept: bool,
) -> None:
    monkeypatch.setattr(sockets, "LINGER_SECONDS", 0.0)
    headers = ask(Connections(plain, threads=4, keeps=True), pair[0], **variables)
    assert headers == ([] if kept else [("Connection", "close")])


@pytest.mark.parametrize("blocked", [0, 1])
def test_no_connection_is_kept_while_many_requests_are_under_way_that_do_not_wait(
    pair: tuple[socket.socket, socket.socket], blocked: int
) -> None:
    served = Connections(plain, threads=48, keeps=True)
    served.under_way = {-i: Exchange(Input(pair[0])) for i in range(connections.BUSY)}
    # The one thread of this test would stand by.
    served._min_accepting = 48
    served.blocked = blocked
    assert ask(served, pair[0]) == ([] if blocked else [("Connection", "close")])


def test_threads_that_are_not_needed_stand_by_until_another_steps_aside(
    listener: socket.socket,
) -> None:
    served = Connections(plain, threads=6, keeps=False)
    done = threading.Semaphore(0)

    def answer() -> None:
        client = socket.create_connection(listener.getsockname())
        ours, _ = listener.accept()
        with client, ours:
            ask(served, ours)
        done.release()

    threads = [threading.Thread(target=answer) for _ in range(6)]
    for thread in threads:
        thread.start()
    # Of six threads, four accept connections.
    for _ in range(4):
        assert done.acquire(timeout=5)
    wait_for(lambda: len(served.standing_by) == 2)
    assert served.accepting() == served.wanted() == connections.ACCEPTING
    aside.connections = served
    with aside:
        assert done.acquire(timeout=5)
    aside.connections = None
    assert served.wake()
    assert done.acquire(timeout=5)
    assert not served.wake()
    for thread in threads:
        thread.join(5)


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_two_threads_that_would_stand_by_at_once_do_not_both() -> None:
    served = Connections(plain, threads=5, keeps=False)
    served.blocked = 1
    served._stand_by(0)
    assert not served.standing_by


def test_a_thread_without_a_request_may_step_aside() -> None:
    served = Connections(plain, threads=5, keeps=False)
    served.step_aside()
    assert served.is_aside(threading.get_ident())
    assert served.wanted() == connections.ACCEPTING + 1
    served.step_back()
    assert not served.is_aside(threading.get_ident())


def under_way(served: Connections, ours: socket.socket) -> Exchange:
    request = Exchange(Input(ours))
    served.under_way[1] = request
    return request


def test_a_thread_is_replaced_while_its_request_takes_long(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    served = Connections(plain, threads=8, keeps=True)
    request = under_way(served, pair[0])
    lock = threading.Lock()
    lock.acquire()
    served.standing_by = [(lock, -1)] * 4
    watcher, _ = watcher_of(served)
    watcher.tick(request.started)
    assert len(served.standing_by) == 4
    watcher.tick(request.started + 0.1)
    assert len(served.standing_by) == 3
    assert lock.acquire(blocking=False)


def test_a_body_that_is_late_finds_its_end(pair: tuple[socket.socket, socket.socket]) -> None:
    served = Connections(plain, threads=8, keeps=True)
    request = under_way(served, pair[0])
    request.reading = request.started
    watcher, _ = watcher_of(served)
    watcher.tick(request.started + 29)
    assert not request.late
    watcher.tick(request.started + 31)
    assert request.late
    assert pair[0].recv(1) == b""
    # An answer can be sent.
    pair[0].sendall(b"408")
    assert pair[1].recv(3) == b"408"


def test_a_body_that_comes_at_the_last_moment_is_let_be(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    served = Connections(plain, threads=8, keeps=True)
    request = under_way(served, pair[0])
    watcher, _ = watcher_of(served)
    watcher._cut(1, request)
    assert not request.late


def test_an_answer_that_is_late_loses_its_connection_and_then_its_process(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    served = Connections(plain, threads=8, keeps=True)
    request = under_way(served, pair[0])
    watcher, said = watcher_of(served)
    watcher.tick(request.started + 60 + PATIENCE_SECONDS + 1)
    assert pair[1].recv(1) == b""
    assert said == []
    watcher.tick(request.started + 60 + 2 * PATIENCE_SECONDS + 1)
    assert said == ["given up"]


def test_a_connection_without_a_request_is_turned_away(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    served = Connections(plain, threads=8, keeps=True)
    watcher, said = watcher_of(served)
    watcher.tick(10)
    assert served.blocked == 0
    watcher.tick(10.1)
    assert served.blocked == 1
    watcher.tick(10.1 + HEAD_SECONDS)
    assert said == ["refused"]
    assert pair[1].recv(1) == b""


def test_nothing_is_done_to_a_connection_that_has_taken_the_place_of_another(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    watcher, said = watcher_of(Connections(plain, threads=8, keeps=True))
    for descriptor in (pair[0].fileno(), 1_000_000):
        watcher._turn_away((descriptor, -1))
        sockets.end_reading(descriptor, -1)
        sockets.end(descriptor, -1)
    assert said == []
    pair[1].sendall(b"more")
    assert pair[0].recv(4) == b"more"


def test_a_connection_that_the_client_has_closed_is_no_longer_kept(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    served = Connections(plain, threads=48, keeps=True)
    assert ask(served, pair[0]) == []
    assert len(served.kept) == 1
    watcher, _ = watcher_of(served)
    now = time.perf_counter()
    watcher.tick(now)
    assert len(served.kept) == 1
    pair[0].close()
    watcher.tick(now + 2)
    assert not served.kept


def test_a_connection_that_has_taken_the_place_of_another_is_not_forgotten() -> None:
    served = Connections(plain, threads=48, keeps=True)
    gone, kept = connections.Kept(7), connections.Kept(7)
    served.kept[7] = kept
    served.forget(gone)
    assert served.kept == {7: kept}


def test_a_connection_with_the_descriptor_of_one_that_is_gone_is_not_taken_for_it(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    served = Connections(plain, threads=48, keeps=True)
    # Another thread kept it, and the client closed it before the watcher looked.
    gone = served.kept[pair[0].fileno()] = connections.Kept(pair[0].fileno())
    gone.since -= 75
    ask(served, pair[0])
    assert gone not in served.kept.values()
    watcher, _ = watcher_of(served)
    watcher.tick(time.perf_counter() + 1)
    pair[0].settimeout(0)
    with pytest.raises(BlockingIOError):
        pair[0].recv(1)


def test_the_listener_is_never_taken_for_a_kept_connection(full: Connections) -> None:
    """The client closed the connection before the watcher looked, and a duplicate of the listener
    got its descriptor.
    """
    waiting = process.listener()
    assert waiting is not None
    closed = full.kept[waiting.fileno()] = connections.Kept(waiting.fileno())
    closed.since -= 80
    watcher, _ = watcher_of(full)
    watcher.tick(time.perf_counter() + 1)
    assert not full.kept
    with socket.create_connection(waiting.getsockname()):
        assert waiting.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)


def test_a_file_is_no_client_and_is_not_kept_open(tmp_path: Path) -> None:
    before = set(sockets.DESCRIPTORS.iterdir())
    with (tmp_path / "file").open("w") as file:
        assert not sockets.is_client(file.fileno())
    assert not sockets.is_client(9999)
    assert set(sockets.DESCRIPTORS.iterdir()) == before


def test_a_file_with_the_descriptor_of_a_kept_connection_is_left_alone(tmp_path: Path) -> None:
    served = Connections(plain, threads=8, keeps=True)
    with (tmp_path / "file").open("w") as file:
        served.kept[file.fileno()] = connections.Kept(file.fileno())
        watcher, _ = watcher_of(served)
        watcher.tick(time.perf_counter() + 1)
        assert not served.kept
        file.write("still open")


def test_a_connection_that_is_kept_for_too_long_is_closed(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    served = Connections(plain, threads=48, keeps=True)
    ask(served, pair[0])
    watcher, _ = watcher_of(served)
    watcher.tick(time.perf_counter() + 76)
    assert pair[0].recv(1) == b""


@pytest.fixture
def full(listener: socket.socket) -> Iterator[Connections]:
    """Somebody waits for a thread, and none stands by."""
    with socket.create_connection(listener.getsockname()):
        yield Connections(plain, threads=8, keeps=True)


def test_room_is_made_by_what_was_idle_for_longest(
    full: Connections, listener: socket.socket
) -> None:
    with contextlib.ExitStack() as stack:
        clients = []
        for thread in (1, 2):
            theirs = stack.enter_context(socket.create_connection(listener.getsockname()))
            ours = stack.enter_context(listener.accept()[0])
            # The first in the backlog is the one that waits; it is taken up here.
            full.kept[thread] = connections.Kept(ours.fileno())
            full.kept[thread].since = float(thread)
            clients.append((ours, theirs))
        watcher, _ = watcher_of(full)
        watcher.tick(1.5)
        clients[0][0].settimeout(0)
        with pytest.raises(BlockingIOError):
            clients[0][0].recv(1)
        watcher.tick(2.5)
        assert clients[0][0].recv(1) == b""
        clients[1][0].settimeout(0)
        with pytest.raises(BlockingIOError):
            clients[1][0].recv(1)


def test_room_is_made_by_slow_senders_if_nothing_is_idle(
    full: Connections, listener: socket.socket
) -> None:
    ours, _ = listener.accept()
    with ours, socket.create_connection(listener.getsockname()):
        watcher, said = watcher_of(full)
        watcher.tick(1)
        assert said == []
        watcher.tick(2.1)
        assert said == ["refused"]


def test_room_is_made_by_slow_bodies_if_nothing_else_is_slow(
    full: Connections, listener: socket.socket
) -> None:
    ours, _ = listener.accept()
    with ours, socket.create_connection(listener.getsockname()):
        request = under_way(full, ours)
        request.reading = request.started
        watcher, said = watcher_of(full)
        watcher.tick(request.started + 0.5)
        assert not request.late
        watcher.tick(request.started + 1.5)
        assert request.late
        assert said == []


@pytest.mark.parametrize("stays", [True, False], ids=["kept", "closing"])
def test_room_is_made_last_by_those_that_do_not_read(
    full: Connections, listener: socket.socket, *, stays: bool
) -> None:
    ours, _ = listener.accept()
    with ours, socket.create_connection(listener.getsockname()):
        if stays:
            full.kept[1] = connections.Kept(ours.fileno())
            started = full.kept[1].since
        else:
            request = under_way(full, ours)
            started = request.answered = request.started
        watcher, _ = watcher_of(full)
        # A kept one is first taken for idle, and only what comes is ended.
        watcher.tick(started + 2)
        watcher.tick(started + 9)
        ours.sendall(b"some of it")
        watcher.tick(started + 11)
        with pytest.raises(BrokenPipeError):
            ours.sendall(b"more")


def test_an_answer_that_was_read_at_the_last_moment_is_let_be(
    pair: tuple[socket.socket, socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    served = Connections(plain, threads=8, keeps=True)
    request = under_way(served, pair[0])
    request.answered = request.started
    inode = sockets.inode_of(pair[0].fileno())

    def look(_: int) -> int | None:
        # Its thread is done with it by now, and the descriptor stands for another.
        served.under_way.clear()
        return inode

    watcher, _ = watcher_of(served)
    monkeypatch.setattr(sockets, "inode_of", look)
    watcher._cut_reader(request.started + 11)
    pair[0].sendall(b"whole")
    assert pair[1].recv(5) == b"whole"


def test_a_slow_body_is_cut_off_only_once(full: Connections, listener: socket.socket) -> None:
    ours, _ = listener.accept()
    with ours, socket.create_connection(listener.getsockname()):
        request = under_way(full, ours)
        request.reading = request.started
        request.late = True
        watcher, _ = watcher_of(full)
        watcher.tick(request.started + 1.5)
        ours.settimeout(0)
        with pytest.raises(BlockingIOError):
            ours.recv(1)


def test_a_kept_connection_whose_client_does_not_read_is_ended(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    served = Connections(plain, threads=48, keeps=True)
    ask(served, pair[0])
    watcher, _ = watcher_of(served)
    watcher.tick(time.perf_counter() + 75 + 60 + PATIENCE_SECONDS)
    with pytest.raises(BrokenPipeError):
        pair[0].sendall(b"more")


def test_no_room_can_be_made_of_requests_that_are_quick(full: Connections) -> None:
    watcher, said = watcher_of(full)
    watcher.tick(1)
    assert said == []


def test_at_the_end_nothing_stands_by_and_nothing_is_kept(
    pair: tuple[socket.socket, socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    served = Connections(plain, threads=48, keeps=True)
    ask(served, pair[0])
    lock = threading.Lock()
    lock.acquire()
    served.standing_by = [(lock, -1)]
    monkeypatch.setattr(process, "is_ending", lambda: True)
    watcher, _ = watcher_of(served)
    watcher.tick(now := time.perf_counter())
    assert not served.standing_by
    pair[0].settimeout(0)
    with pytest.raises(BlockingIOError):
        pair[0].recv(1)
    watcher.tick(now + IDLE_SECONDS)
    assert pair[0].recv(1) == b""
    assert ask(served, pair[0]) == [("Connection", "close")]


def test_at_the_end_a_client_that_sends_nothing_is_ended(
    pair: tuple[socket.socket, socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process, "is_ending", lambda: True)
    watcher, _ = watcher_of(Connections(plain, threads=48, keeps=True))
    watcher.tick(now := time.perf_counter())
    pair[0].settimeout(0)
    with pytest.raises(BlockingIOError):
        pair[0].recv(1)
    watcher.tick(now + IDLE_SECONDS)
    assert pair[0].recv(1) == b""


def test_the_watcher_goes_on_after_a_failure(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    watcher, _ = watcher_of(Connections(plain, threads=8, keeps=True))
    armed: list[float] = []
    monkeypatch.setattr(
        "faulthandler.dump_traceback_later", lambda seconds, **_: armed.append(seconds)
    )
    ticks = iter([None, KeyError("a part"), SystemExit()])

    def tick(_: float) -> None:
        if error := next(ticks):
            raise error

    monkeypatch.setattr(watcher, "tick", tick)
    with pytest.raises(SystemExit):
        watcher.watch()
    assert armed == [60 + STUCK_SECONDS]
    assert caplog.messages == ["connections cannot be looked after"]


def test_each_process_is_watched_and_what_they_fork_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    hooks: dict[str, Any] = {}
    monkeypatch.setattr("os.register_at_fork", lambda **given: hooks.update(given))
    monkeypatch.setattr("os.getpid", lambda: 7)
    watched = threading.Event()
    served = Connections(plain, threads=8, keeps=True)
    asides.watch_in_processes([watched.set], served)
    monkeypatch.setattr("os.getppid", lambda: 8)
    hooks["after_in_child"]()
    assert aside.connections is None
    monkeypatch.setattr("os.getppid", lambda: 7)
    hooks["after_in_child"]()
    assert watched.wait(5)
    assert aside.connections is served
    aside.connections = None


def test_a_process_that_cannot_watch_ends(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    hooks: dict[str, Any] = {}
    monkeypatch.setattr("os.register_at_fork", lambda **given: hooks.update(given))
    monkeypatch.setattr("os.getppid", os.getpid)

    def fail(_: Any) -> None:
        raise RuntimeError("can't start new thread")

    ended: list[int] = []
    monkeypatch.setattr("os._exit", ended.append)
    monkeypatch.setattr("threading.Thread.start", fail)
    served = Connections(plain, threads=8, keeps=True)
    asides.watch_in_processes([lambda: None], served)
    hooks["after_in_child"]()
    aside.connections = None
    assert ended == [1]
    assert caplog.messages == [
        "a process that cannot watch its connections ends: can't start new thread"
    ]


def test_lingering_ends_after_a_while_or_when_the_client_resets(
    pair: tuple[socket.socket, socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sockets, "LINGER_SECONDS", 0.05)
    pair[1].sendall(b"more")
    sockets.linger(pair[0].fileno())
    pair[1].shutdown(socket.SHUT_WR)
    sockets.linger(pair[0].fileno())
    pair[1].setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    pair[1].close()
    sockets.linger(pair[0].fileno())


def test_descriptors_that_are_no_connections_of_clients_are_told_apart(
    pair: tuple[socket.socket, socket.socket], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours, theirs = pair
    assert sockets.is_client(ours.fileno())
    assert not sockets.is_client(theirs.fileno())
    assert not sockets.is_client(1_000_000)
    one, other = socket.socketpair()
    with one, other:
        assert not sockets.is_client(one.fileno())
    with (tmp_path / "file").open("w") as file:
        assert sockets.inode_of(file.fileno()) is None
    monkeypatch.setattr(sockets, "DESCRIPTORS", tmp_path / "nowhere")
    assert ours.fileno() in dict(sockets.others(set()))
    assert ours.fileno() not in dict(sockets.others({ours.fileno()}))


def test_a_late_head_is_answered_in_our_words(pair: tuple[socket.socket, socket.socket]) -> None:
    app.refuse_late(pair[0].fileno(), version="abc")
    answer = pair[1].recv(10_000)
    assert answer.startswith(b"HTTP/1.1 408 Request Timeout\r\n")
    assert b"The line and the headers of the request took too long to come." in answer
    assert b"X-Model-Version: abc" in answer


def test_an_answer_without_a_chunk_gets_one_that_is_empty(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    # Without a chunk, uWSGI would close the connection before it sends the headers.
    served = Connections(lambda *_: [], threads=6, keeps=True)
    body = connections._Closing(served, [], Exchange(Input(pair[0])), unread=False)
    assert list(body) == [b""]
