"""The configuration of nginx that the docs show is run as it stands, but for its paths, ports and rate."""

from __future__ import annotations

import contextlib
import http.client
import json
import re
import shutil
import ssl
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.test_rejections import GOOD
from tests.test_serving import BOUND, Server, free_port, serving

NGINX = shutil.which("nginx", path="/usr/sbin:/usr/bin:/usr/local/bin")
ROOT = Path(__file__).parent.parent
MAIN = """
daemon off; pid {folder}/pid; error_log {folder}/error.log;
events {{}}
http {{
    access_log off;
    client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
    include {folder}/model.conf;
}}
"""

pytestmark = pytest.mark.skipif(NGINX is None, reason="nginx is not installed")


@pytest.fixture(scope="module")
def server(baked_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("proxied")
    with serving(folder, traced=False, MODEL_PATH=baked_path, PROCESSES=1) as server:
        yield server


@pytest.fixture(scope="module")
def proxy(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    folder = tmp_path_factory.mktemp("nginx")
    port = free_port()
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=localhost",
         "-keyout", folder / "privkey.pem", "-out", folder / "fullchain.pem"],
        check=True, capture_output=True,
    )  # fmt: skip
    (text,) = re.findall(r"```nginx\n(.*?)```", (ROOT / "docs/access.md").read_text(), re.DOTALL)
    text = text.replace("/etc/ssl/model", str(folder)).replace(
        "127.0.0.1:8080", f"127.0.0.1:{server.port}"
    )
    text = text.replace("listen 443 ssl", f"listen 127.0.0.1:{port} ssl")
    # A test may be slow, and shall have to be slowed down all the same.
    (folder / "model.conf").write_text(text.replace("rate=50r/s", "rate=1r/s"))
    (folder / "nginx.conf").write_text(MAIN.format(folder=folder))
    process = subprocess.Popen(
        [str(NGINX), "-c", folder / "nginx.conf", "-e", folder / "error.log"]
    )
    try:
        deadline = time.monotonic() + BOUND
        while True:
            try:
                ask(port, "/ready")
                break
            except OSError:
                assert time.monotonic() < deadline, (folder / "error.log").read_text()
                time.sleep(0.05)
        yield port
    finally:
        process.terminate()
        process.wait(BOUND)


def ask(
    port: int, path: str, body: Any = None, times: int = 1, headers: Any = None
) -> list[tuple[int, str | None, bytes]]:
    """The status, the Retry-After and the body of each answer on one connection over HTTPS."""
    trusting = ssl.create_default_context()
    trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE
    connection = http.client.HTTPSConnection("127.0.0.1", port, timeout=BOUND, context=trusting)
    given = []
    with contextlib.closing(connection):
        for _ in range(times):
            data = None if body is None else json.dumps(body)
            # nginx may answer before it has seen all of a line that is too long.
            with contextlib.suppress(ssl.SSLEOFError, ConnectionResetError, BrokenPipeError):
                connection.request("POST" if body else "GET", path, data, headers or {})
            answer = connection.getresponse()
            given.append((answer.status, answer.headers["Retry-After"], answer.read()))
    return given


def test_it_answers_over_https(proxy: int) -> None:
    ((status, _, body),) = ask(proxy, "/predict", GOOD)
    assert (status, json.loads(body)) == (200, {"predictions": ["Gentoo"]})
    ((_, _, text),) = ask(proxy, "/snippets")
    assert "https://127.0.0.1/predict" in json.loads(text)["curl"]


def test_who_asks_too_fast_is_told_when_to_come_again_and_nobody_else_is(proxy: int) -> None:
    answers = ask(proxy, "/health", times=200, headers={"X-Api-Key": "greedy"})
    assert {(status, after) for status, after, _ in answers} == {(200, None), (429, "1")}
    ((status, _, _),) = ask(proxy, "/health", headers={"X-Api-Key": "modest"})
    assert status == 200


@pytest.mark.parametrize(
    ("path", "headers", "expected"),
    [("/" + "x" * 40_000, {}, 414), ("/health", {"X-Long": "x" * 40_000}, 400)],
)
def test_a_line_that_is_too_long_is_answered(
    proxy: int, path: str, headers: dict[str, str], expected: int
) -> None:
    ((status, _, _),) = ask(proxy, path, headers=headers)
    assert status == expected
