"""Request lines that are not in the usual form, from the real server."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.test_serving import BOUND, Server, serving

REFUSED = "Expected a request line such as: GET /health HTTP/1.1"
NO_SLASH = "The path has to start with a slash, as in: GET /health HTTP/1.1"
NOISE = ("Traceback", "KeyError", "ERROR", "WARNING ", "invalid")
HOST = "\r\nHost: evil.example\r\nConnection: close\r\n\r\n"


@pytest.fixture(scope="module")
def server(penguins_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("targets")
    with serving(folder, MODEL_PATH=penguins_path, PROCESSES=1) as server:
        yield server


def send(server: Server, request: str) -> str:
    """The whole answer to these bytes."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=BOUND) as connection:
        connection.sendall(request.encode("latin-1"))
        return b"".join(iter(lambda: connection.recv(65536), b"")).decode()


def log(server: Server) -> list[str]:
    """What the service has said of requests; its greeting may still be under way."""
    return [line for line in server.log.read_text().splitlines() if line.startswith(NOISE)]


@pytest.mark.parametrize(
    ("request_line", "status", "words"),
    [
        ("GET http://other.example/health HTTP/1.1", 200, '{"status":"ok"}'),
        ("GET HTTP://other.example/%68ealth?a=b HTTP/1.1", 200, '{"status":"ok"}'),
        ("GET https://other.example/version HTTP/1.1", 200, ""),
        ("GET http://other.example HTTP/1.1", 200, '"status":"alive"'),
        ("GET http://other.example/openapi.jso HTTP/1.1", 404, "Did you mean GET /openapi.json?"),
        ("GET http://other.example/health/ HTTP/1.1", 308, "\r\nLocation: /health\r\n"),
        ("OPTIONS * HTTP/1.1", 200, "\r\nAllow: GET, HEAD, OPTIONS, POST\r\n"),
        ("OPTIONS http://other.example HTTP/1.1", 200, "\r\nAllow: GET, HEAD, OPTIONS, POST\r\n"),
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
def test_a_request_line_is_answered(
    server: Server, request_line: str, status: int, words: str
) -> None:
    before = log(server)
    answer = send(server, request_line + HOST)
    assert answer.startswith(f"HTTP/1.1 {status} ")
    assert words in answer
    assert "evil.example" not in answer
    assert log(server) == before


def test_the_host_of_an_absolute_address_counts(server: Server) -> None:
    answer = send(server, f"GET http://other.example:81/snippets HTTP/1.1{HOST}")
    assert "http://other.example:81/predict" in answer
