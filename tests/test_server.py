"""What uWSGI is told, and what the launcher says."""

from __future__ import annotations

import mmap
import os
import runpy
import socket
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from api import app, server
from api.errors import Answer
from api.server import process
from api.settings import Settings


def test_uwsgi_is_told_the_address_the_processes_and_the_threads() -> None:
    arguments = process.arguments(Settings(host="127.0.0.1", port=9001, processes=3, threads=5))
    pairs = dict(zip(arguments[::2], arguments[1::2], strict=True))
    assert pairs["--http11-socket"] == "127.0.0.1:9001"
    assert (pairs["--processes"], pairs["--threads"]) == ("3", "5")
    assert Path(pairs["--ini"]).is_file()


def test_the_backlog_is_no_longer_than_the_kernel_allows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for content, expected in (("128", "128"), ("99999", str(process.LISTEN)), (None, "100")):
        path = tmp_path / "somaxconn"
        path.unlink(missing_ok=True)
        if content:
            path.write_text(content)
        monkeypatch.setattr(process, "SOMAXCONN", path)
        assert process.arguments(Settings())[-1] == expected


def test_connections_that_nobody_has_taken_up_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    process.listener.cache_clear()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        monkeypatch.setitem(
            sys.modules, "uwsgi", types.SimpleNamespace(sockets=[listener.fileno()])
        )
        clients = [socket.create_connection(listener.getsockname()) for _ in range(3)]
        assert process.untaken_connections() == 3
        for client in clients:
            client.close()
        counted = process.listener()
        assert counted is not None
        counted.close()
    process.listener.cache_clear()


def test_a_thread_that_is_stuck_is_answered_for_before_the_process_ends(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ended: list[int] = []
    monkeypatch.setattr(os, "_exit", ended.append)
    monkeypatch.setattr(process, "FAREWELL_SECONDS", 0)
    ours, theirs = socket.socketpair()
    with ours, theirs:
        process.replace_process(ours.fileno(), Answer(503, {"Retry-After": "1"}, b"busy"))
        received = theirs.recv(1000).decode()
    process.replace_process(-1, Answer(503, {}, b""))
    assert ended == [1, 1]
    assert received == (
        "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nContent-Length: 4\r\n"
        "Connection: close\r\n\r\nbusy"
    )


def test_who_is_stuck_is_told_as_everybody_else_is(monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[Any] = []
    monkeypatch.setattr(process, "replace_process", lambda *given: sent.extend(given))
    app.give_up(7, version="abc")
    connection, answer = sent
    assert (connection, answer.status) == (7, 503)
    assert answer.headers["Retry-After"] == "1"
    assert answer.headers["X-Model-Version"] == "abc"


def test_the_connection_is_the_one_that_uwsgi_names(monkeypatch: pytest.MonkeyPatch) -> None:
    assert process.connection() == -1
    monkeypatch.setitem(sys.modules, "uwsgi", types.SimpleNamespace(connection_fd=lambda: 7))
    assert process.connection() == 7


def test_a_process_sees_what_another_was_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "ENDING", mmap.mmap(-1, 1))
    assert not process.is_ending()
    child = os.fork()
    if child == 0:
        process.ENDING[0] = 1
        os._exit(0)
    os.waitpid(child, 0)
    assert process.is_ending()


def test_chunks_are_read_by_uwsgi_or_not_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    assert process.chunk_reader() is None
    uwsgi = types.SimpleNamespace(chunked_read=lambda: b"{}")
    monkeypatch.setitem(sys.modules, "uwsgi", uwsgi)
    reader = process.chunk_reader()
    assert reader is not None
    assert reader() == b"{}"


def test_without_uwsgi_no_connections_are_counted() -> None:
    process.listener.cache_clear()
    assert process.untaken_connections() == 0
    process.listener.cache_clear()


def test_the_place_of_a_process_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    assert process.place() == 0
    numbers = iter([0, 0, 3])
    uwsgi = types.SimpleNamespace(worker_id=lambda: next(numbers))
    monkeypatch.setitem(sys.modules, "uwsgi", uwsgi)
    assert process.place() == 2


def test_the_workers_that_run_are_known(monkeypatch: pytest.MonkeyPatch) -> None:
    assert process.workers() == []
    uwsgi = types.SimpleNamespace(workers=lambda: ({"id": 1, "pid": 7}, {"id": 2, "pid": 0}))
    monkeypatch.setitem(sys.modules, "uwsgi", uwsgi)
    assert process.workers() == [7]


def run_main(
    monkeypatch: pytest.MonkeyPatch,
    *arguments: str,
    watch: Callable[[], None] = lambda: None,
    **variables: str,
) -> list[str]:
    """Run `python -m api` up to the point where it becomes uWSGI."""
    handed_over: list[str] = []
    monkeypatch.setattr("pyuwsgi.run", handed_over.extend)
    for part in ("uwsgi_log.keep_stderr", "uwsgi_log.watch", "shutdown.obey"):
        monkeypatch.setattr(f"api.server.{part}", lambda *_, **__: None)
    monkeypatch.setattr("api.server.shutdown.watch", watch)
    monkeypatch.setattr("api.monitor.telemetry.configure_logging", lambda **_: None)
    # The recorder is this process's own.
    monkeypatch.setenv("PREDICTION_LOG", "off")
    monkeypatch.setattr(sys, "argv", ["api", *arguments])
    monkeypatch.delitem(sys.modules, "api.server.wsgi", raising=False)
    monkeypatch.delattr(server, "wsgi", raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    runpy.run_module("api", run_name="__main__")
    return handed_over


def test_the_model_is_loaded_before_uwsgi_takes_over(
    monkeypatch: pytest.MonkeyPatch, penguins_path: Path, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".env").write_text("THREADS=3\nPROCESSES=4\n")
    # Set first, or it would not be taken away again after what .env makes of it.
    monkeypatch.setenv("THREADS", "")
    monkeypatch.delenv("THREADS")
    handed_over = run_main(monkeypatch, MODEL_PATH=str(penguins_path), PORT="9001", PROCESSES="1")
    pairs = dict(zip(handed_over[::2], handed_over[1::2], strict=True))
    assert pairs["--threads"] == "3"
    assert pairs["--processes"] == "1"


@pytest.mark.parametrize(
    ("variables", "sentence"),
    [
        ({"MODEL_PATH": "nowhere.joblib"}, "error: there is no file nowhere.joblib"),
        ({"PORT": "x"}, "error: PORT='x'"),
        ({"HOST": "203.0.113.1"}, "error: cannot listen on 203.0.113.1:8080"),
        ({"HOST": "::1"}, "error: HOST=::1 is no IPv4 address"),
    ],
)
def test_what_cannot_start_exits_with_a_sentence(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, variables: dict[str, str], sentence: str
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as stop:
        run_main(monkeypatch, **variables)  # type: ignore[arg-type]
    assert str(stop.value.code).startswith(sentence)


def test_a_model_that_fails_unforeseen_exits_with_a_sentence(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)

    def fail(settings: Any) -> None:
        raise KeyError("a part")

    monkeypatch.setattr(app, "load", fail)
    with pytest.raises(SystemExit) as stop:
        run_main(monkeypatch, PORT="9003")
    assert str(stop.value.code) == (
        "error: the model cannot be loaded (KeyError: 'a part'): "
        "LOG_LEVEL=debug shows where that comes from"
    )


def test_where_no_thread_can_be_started_it_exits_with_a_sentence(
    monkeypatch: pytest.MonkeyPatch, penguins_path: Path, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)

    def fail() -> None:
        raise RuntimeError("can't start new thread")

    with pytest.raises(SystemExit) as stop:
        run_main(monkeypatch, MODEL_PATH=str(penguins_path), PORT="9004", watch=fail)
    assert str(stop.value.code) == (
        "error: can't start new thread: more processes have to be allowed, as by `ulimit -u`"
    )


def test_it_answers_to_serve_as_hosted_platforms_call_it(
    monkeypatch: pytest.MonkeyPatch, penguins_path: Path, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run_main(monkeypatch, "serve", MODEL_PATH=str(penguins_path), PORT="9002")
