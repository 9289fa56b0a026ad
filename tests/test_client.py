"""What `make versions`, `make activate` and `make rollback-model` ask, and what they print."""

from __future__ import annotations

import contextlib
import hashlib
import http.server
import os
import re
import runpy
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from wsgiref.simple_server import make_server

import joblib
import pytest
from flask.testing import FlaskClient
from sklearn.linear_model import LinearRegression

from api import client
from models.versions import Store
from tests.test_serving import Server, free_port, serving

ROOT = Path(__file__).parents[1]
ADMIN, READER = "an-administrators-key", "a-readers-key"
Run = Callable[..., str]


def listed(name: str, key: str) -> str:
    return f"{name}:{hashlib.sha256(key.encode()).hexdigest()}"


@pytest.fixture(scope="module")
def server(baked_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A service with two versions, the older of which is active."""
    folder = tmp_path_factory.mktemp("client")
    for path in (baked_path, baked_path.with_suffix(".json")):
        shutil.copy(path, folder)
    newer = tmp_path_factory.mktemp("newer") / "newer.joblib"
    joblib.dump(LinearRegression().fit([[1.0], [2.0]], [1, 2]), newer)
    settings = {"ADMIN_KEYS": listed("admin", ADMIN), "API_KEYS": listed("reader", READER)}
    with serving(folder, traced=False, MODEL_PATH=folder / baked_path.name, **settings) as server:
        version = hashlib.sha256(newer.read_bytes()).hexdigest()
        Store(folder, "model").add(version, newer, origin="gs://models/newer.joblib")
        yield server


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run the client as make does, and give what it prints, or the sentence that it ends with."""

    def run_it(command: str, url: str = "", **variables: str) -> str:
        for name in ("URL", "PORT", "API_KEY", "VERSION"):
            monkeypatch.delenv(name, raising=False)
        for name, value in (variables | {"URL": url}).items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr(sys, "argv", ["client", *command.split()])
        try:
            client.main()
        except SystemExit as end:
            return str(end.code)
        return capsys.readouterr().out

    return run_it


@contextlib.contextmanager
def answering(server: http.server.HTTPServer) -> Iterator[str]:
    """Run a server in a thread, and give its address."""
    with server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def versions(table: str) -> dict[str, str]:
    """The state of each version in a printed table."""
    lines = re.findall(
        r"^([0-9a-f]{12})  (?:0\.1\.0  )? *(active|before|kept)", table, re.MULTILINE
    )
    return dict(lines)


def test_the_versions_are_a_table(run: Run, server: Server) -> None:
    out = run("versions", f"http://127.0.0.1:{server.port}/", API_KEY=READER)
    head, newer, older = out.splitlines()
    assert head.split("  ")[0] == "version"
    assert re.fullmatch(
        r"[0-9a-f]{12}           kept    \d{4}-\d\d-\d\d \d\d:\d\d  gs://models/newer.joblib", newer
    )
    assert re.match(
        r"[0-9a-f]{12}  0\.1\.0    active  .*/latest.joblib +accuracy [01][.\d]*, f1_macro ", older
    )


def test_a_table_without_releases_has_no_column_of_them() -> None:
    version = {"version": "a" * 64, "state": "kept", "added": "", "origin": "", "metrics": {}}
    assert "release" not in client._table({"versions": [version]})
    assert "1.2.0" in client._table({"versions": [version | {"release": "1.2.0"}]})


def test_the_port_is_that_of_make_run(run: Run, server: Server) -> None:
    out = run("versions", PORT=str(server.port), API_KEY=READER)
    assert "active" in versions(out).values()


def test_another_version_serves_and_the_one_before_it_comes_back(run: Run, server: Server) -> None:
    url = f"http://127.0.0.1:{server.port}"
    before = versions(run("versions", url, API_KEY=ADMIN))
    (kept,) = (version for version, state in before.items() if state != "active")
    (active,) = before.keys() - {kept}
    out = run("activate", url, API_KEY=ADMIN, VERSION=kept[:7])
    assert out.startswith(
        f"The version {kept} serves; make rollback-model brings {active} back.\n\nversion "
    )
    assert versions(out) == {kept: "active", active: "before"}
    assert server.get("/ready")
    assert versions(run("rollback", url, API_KEY=ADMIN)) == {kept: "before", active: "active"}


def test_make_passes_the_address_the_key_and_the_version_on(server: Server) -> None:
    def make(target: str, **variables: str) -> subprocess.CompletedProcess[str]:
        given = {"URL": f"http://127.0.0.1:{server.port}", "PYTHON": sys.executable} | variables
        command = ["make", "--silent", target, *(f"{name}={each}" for name, each in given.items())]
        return subprocess.run(
            command, cwd=ROOT, env=os.environ, capture_output=True, text=True, check=False,
            timeout=60,
        )  # fmt: skip

    found = versions(make("versions", API_KEY=READER).stdout)
    assert "active" in found.values()
    (active,) = (version for version, state in found.items() if state == "active")
    assert f"The version {active} serves" in make("activate", API_KEY=ADMIN, VERSION=active).stdout
    assert "VERSION is not set: make versions lists them" in make("activate").stderr
    refused = make("activate", API_KEY=ADMIN, VERSION="x; touch mark $x")
    assert refused.returncode == 2


SENTENCES: list[tuple[str, str, dict[str, str], str]] = [
    ("no key", "versions", {}, "This service asks for a key: send it as the header"),
    ("no key, what to do", "versions", {}, "make sends the key in API_KEY: write it into .env"),
    ("a wrong key", "versions", {"API_KEY": "x"}, "This key is not one of the service's keys"),
    ("no administrator's key", "rollback", {"API_KEY": READER},
     "This key is not one of ADMIN_KEYS, which may change the model."),
    ("an unknown version", "activate", {"API_KEY": ADMIN, "VERSION": "zz"},
     "No version begins with 'zz': this service has"),
    ("no version", "activate", {"API_KEY": ADMIN}, "No version begins with '': this service has"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("command", "variables", "sentence"),
    [row[1:] for row in SENTENCES],
    ids=[row[0] for row in SENTENCES],
)
def test_what_the_service_refuses_is_said_in_its_own_words(
    run: Run, server: Server, command: str, variables: dict[str, str], sentence: str
) -> None:
    said = run(command, f"http://127.0.0.1:{server.port}", **variables)
    assert said.startswith("error: ")
    assert sentence in said


def test_a_service_without_administrators_says_how_to_set_one(
    run: Run, penguins: FlaskClient
) -> None:
    with answering(make_server("127.0.0.1", 0, penguins.application)) as url:
        assert list(versions(run("versions", url)).values()) == ["active"]
        assert run("rollback", url) == (
            "error: Nobody may change the model of this service: set ADMIN_KEYS, as make api-key "
            "NAME=admin prints it."
        )


def test_where_nothing_listens_that_is_said(run: Run) -> None:
    port = free_port()
    assert run("versions", PORT=str(port)) == (
        f"error: Nothing listens at http://127.0.0.1:{port}: make run starts the service, and "
        "URL=https://... names another one"
    )


@pytest.mark.parametrize(
    "url",
    [
        "localhost:8080", "ftp://a", "http://", "http://a b", "http://a:x", "http://a?b", "http://ä",
        "http://u:p@a", "http://[a",
    ],
)  # fmt: skip
def test_an_address_that_is_none_is_refused(run: Run, url: str) -> None:
    assert run("versions", url) == (
        f"error: URL={url}: expected the address of a service, as http://127.0.0.1:8080"
    )


def test_a_name_that_leads_nowhere_is_said(run: Run) -> None:
    said = run("versions", "http://nowhere.invalid")
    assert said.startswith("error: http://nowhere.invalid does not answer: ")


class Stranger(http.server.BaseHTTPRequestHandler):
    """Another service at the address, which sends `answer` as it is."""

    answer = b""

    def do_GET(self) -> None:
        self.wfile.write(self.answer)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture
def stranger() -> Iterator[str]:
    with answering(http.server.HTTPServer(("127.0.0.1", 0), Stranger)) as url:
        yield url


HEAD = b"HTTP/1.0 200 OK\r\n\r\n"


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        (HEAD + b"<html>", "does not answer /model/versions as this service does: check URL"),
        (HEAD + b"\xff", "does not answer /model/versions as this service does: check URL"),
        (HEAD + b"[]", "does not answer /model/versions as this service does: check URL"),
        (HEAD + b'{"versions": [1]}', "does not answer /model/versions as this service does"),
        (b"HTTP/1.0 403 Forbidden\r\n\r\nno", "as this service does: check URL (403 Forbidden)"),
        (b"HTTP/1.0 404 Not Found\r\n\r\n[]", "as this service does: check URL (404 Not Found)"),
        (b"", "does not answer: Remote end closed connection without response"),
        (b"SSH-2.0\r\n", "does not answer: SSH-2.0"),
    ],
)
def test_another_service_at_the_address_is_not_taken_for_this_one(
    run: Run, stranger: str, answer: bytes, sentence: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Stranger, "answer", answer)
    said = run("versions", stranger)
    assert said.startswith(f"error: {stranger} ")
    assert sentence in said


def test_a_service_that_does_not_answer_is_not_waited_for_for_ever(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "TIMEOUT_SECONDS", 0.2)
    with http.server.HTTPServer(("127.0.0.1", 0), Stranger) as silent:
        url = f"http://127.0.0.1:{silent.server_port}"
        assert run("versions", url) == f"error: {url} has not answered in 0.2 seconds"


def test_another_word_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["client"])
    monkeypatch.delitem(sys.modules, "api.client")
    with pytest.raises(SystemExit, match="expected one of versions, activate, rollback"):
        runpy.run_module("api.client", run_name="__main__")
