"""Request lines that are not in the usual form, from the real server."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock
from urllib.parse import unquote

import pytest
from flask.testing import FlaskClient
from werkzeug.test import EnvironBuilder, run_wsgi_app

from tests.test_serving import BOUND, Server, serving

REFUSED = "Expected a request line such as: GET /health HTTP/1.1"
NO_SLASH = "The path has to start with a slash, as in: GET /health HTTP/1.1"
NOISE = ("Traceback", "KeyError", "ERROR", "WARNING ", "invalid")
HOST = "\r\nHost: evil.example\r\nConnection: close\r\n\r\n"


@pytest.fixture(scope="module")
def server(baked_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("targets")
    with serving(folder, traced=False, MODEL_PATH=baked_path, PROCESSES=1) as server:
        yield server


def send(server: Server, request: str) -> str:
    """The whole answer to these bytes."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=BOUND) as connection:
        connection.sendall(request.encode("latin-1"))
        return b"".join(iter(lambda: connection.recv(65536), b"")).decode()


def log(server: Server) -> list[str]:
    """What the service has said of requests; its greeting may still be under way."""
    return [line for line in server.log.read_text().splitlines() if line.startswith(NOISE)]


LINES = pytest.mark.parametrize(
    ("request_line", "status", "words"),
    [
        ("GET http://other.example/health HTTP/1.1", 200, '{"status":"ok"}'),
        ("GET HTTP://other.example/%68ealth?a=b HTTP/1.1", 200, '{"status":"ok"}'),
        ("GET https://other.example/version HTTP/1.1", 200, ""),
        ("GET http://other.example HTTP/1.1", 200, '"status":"alive"'),
        ("GET http://other.example/openapi.jso HTTP/1.1", 404, "Did you mean GET /openapi.json?"),
        ("GET http://other.example/health/ HTTP/1.1", 308, "\r\nLocation: /health\r\n"),
        ("OPTIONS * HTTP/1.1", 200, "\r\nAllow: GET, HEAD, OPTIONS, POST, PUT\r\n"),
        ("OPTIONS http://other.example HTTP/1.1", 200, "\r\nAllow: GET, HEAD, OPTIONS, POST, PUT\r\n"),
        ("OPTIONS /predict HTTP/1.1", 200, "\r\nAllow: "),
        ("HEAD /metadata HTTP/1.1", 200, "\r\nX-Request-Id: "),
        ("\r\nGET /health HTTP/1.1", 200, '{"status":"ok"}'),
        ("\r\n\r\n", 400, REFUSED),
        ("GET", 400, REFUSED),
        ("GET /health", 400, REFUSED),
        ("GET /health ", 400, REFUSED),
        ("GET /health?", 400, REFUSED),
        ("GET  HTTP/1.1", 400, REFUSED),
        ("GET /health  HTTP/1.1", 400, REFUSED),
        ("GET /a /b HTTP/1.1", 400, REFUSED),
        ("G(T /health HTTP/1.1", 400, REFUSED),
        ("GET /health/?a\r\nSet-Cookie:x HTTP/1.1", 400, REFUSED),
        ("GET /health http/1.1", 400, REFUSED),
        ("GET health HTTP/1.1", 400, NO_SLASH),
        ("GET * HTTP/1.1", 400, NO_SLASH),
        ("CONNECT localhost:80 HTTP/1.1", 400, NO_SLASH),
        ("GET /health HTTP/2.0", 505, "HTTP/2.0 is not spoken here: send HTTP/1.1."),
    ],
)  # fmt: skip


@LINES
def test_a_request_line_is_answered(
    server: Server, request_line: str, status: int, words: str
) -> None:
    before = log(server)
    answer = send(server, request_line + HOST)
    assert answer.startswith(f"HTTP/1.1 {status} ")
    assert words in answer
    assert "evil.example" not in answer
    assert log(server) == before


def as_uwsgi_has_it(head: str) -> dict[str, Any]:
    """What uWSGI makes of a request line and headers: it looks for blanks, wherever they are."""
    environ = EnvironBuilder("/").get_environ()
    for name in ("REQUEST_METHOD", "REQUEST_URI", "PATH_INFO", "SERVER_PROTOCOL"):
        del environ[name]
    method, blank, rest = head.partition(" ")
    if blank:
        environ["REQUEST_METHOD"] = method
    target, blank, rest = rest.partition(" ")
    path, asks, query = target.partition("?")
    if blank:
        environ |= {"REQUEST_URI": target, "QUERY_STRING": query}
    if blank or asks:
        environ["PATH_INFO"] = unquote(path, "latin-1")
    return environ | {"SERVER_PROTOCOL": rest.partition("\r\n")[0]}


@LINES
def test_a_request_line_is_answered_as_uwsgi_hands_it_on(
    penguins: FlaskClient, request_line: str, status: int, words: str
) -> None:
    environ = as_uwsgi_has_it(request_line + HOST)
    body, said, headers = run_wsgi_app(penguins.application.wsgi_app, environ)
    assert said.startswith(f"{status} ")
    listed = "".join(f"\r\n{name}: {value}" for name, value in headers) + "\r\n"
    assert words in listed + b"".join(body).decode()


NO_HEADERS = ("\r\n\r\n", "GET\r\n\r\n", "GET /health\r\n\r\n")


@pytest.mark.parametrize("head", NO_HEADERS)
def test_a_request_line_without_headers_is_refused(
    server: Server, penguins: FlaskClient, head: str
) -> None:
    before = log(server)
    assert send(server, head).startswith("HTTP/1.1 400 Bad Request\r\n")
    assert log(server) == before
    answer = run_wsgi_app(penguins.application.wsgi_app, as_uwsgi_has_it(head))
    assert answer[1] == "400 Bad Request"


def test_an_answer_to_what_is_no_request_line_begins_as_any_other(
    penguins: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        monkeypatch.setattr("api.server.process.connection", ours.fileno)
        environ = as_uwsgi_has_it(f"BREW /x{HOST}")
        assert list(penguins.application.wsgi_app(environ, MagicMock())) == []
        ours.close()
        answer = b"".join(iter(lambda: theirs.recv(65536), b"")).decode()
    assert answer.startswith("HTTP/1.1 400 Bad Request\r\n")
    assert REFUSED in answer


def test_the_host_of_an_absolute_address_counts(server: Server) -> None:
    answer = send(server, f"GET http://other.example:81/snippets HTTP/1.1{HOST}")
    assert "http://other.example:81/predict" in answer
