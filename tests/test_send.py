"""`make export-plan` and `make upload-model` against the real server, and the Python of the docs."""

from __future__ import annotations

import hashlib
import os
import re
import runpy
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import joblib
import msgspec
import pytest
import requests
from sklearn.ensemble import IsolationForest
from sklearn.neighbors import RadiusNeighborsClassifier

from api import send
from api.client import Refusal
from models import baking, export
from models.files import plan_path, version_of
from models.plan import format as plans
from tests.test_serving import ROOT, Server, serving
from tests.test_swap import ADMIN, ADMIN_KEYS, KEY, OFFSET, ROWS, Models, children, linear, pair

__all__ = ["pair"]


@pytest.fixture(scope="module")
def packed(pair: Models, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bundle of the other model."""
    target = tmp_path_factory.mktemp("packed") / "other.plan"
    export.export(pair.other, target)
    return target


@pytest.fixture(scope="module")
def server(pair: Models, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("upload")
    path = folder / "latest.joblib"
    path.write_bytes(pair.one.read_bytes())
    variables = {"MODEL_PATH": path, "ADMIN_KEYS": ADMIN_KEYS, "ALLOW_JOBLIB_UPLOAD": "true"}
    with serving(folder, PROCESSES=2, THREADS=8, BODY_TIMEOUT=2, **variables) as server:
        yield server


def url(server: Server) -> str:
    return f"http://127.0.0.1:{server.port}"


def test_the_python_of_the_docs_sends_a_model(
    server: Server, pair: Models, packed: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    text = (ROOT / "docs" / "models.md").read_text()
    code = re.search(r"<!-- upload -->\n```python\n(.*?)```", text, re.DOTALL)
    assert code is not None
    told = code[1].replace("http://127.0.0.1:8080", url(server)).replace('"..."', repr(KEY))
    (packed.parent / "model.plan").write_bytes(packed.read_bytes())
    monkeypatch.chdir(packed.parent)
    exec(told, {})
    state, version = capsys.readouterr().out.split()
    assert (state, version) == ("active", version_of(pair.other))
    assert server.post("/predict", [[1, 2]])["predictions"][0] == pytest.approx(3 + OFFSET)


def test_a_file_is_sent_with_the_card_beside_it_and_each_step_is_told(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    path = linear(tmp_path / "carded.joblib", 0)
    path.with_suffix(".json").write_text('{"metrics": {"r2": 0.5}}')
    monkeypatch.setenv("API_KEY", KEY)
    monkeypatch.setenv("URL", url(server))
    assert run(monkeypatch, send, str(path), "--accept", "x0,x1") == ""
    steps = capsys.readouterr().out.splitlines()
    assert steps[0] == "sent"
    assert set(steps[1:-1]) <= {
        *("hash", "start", "load", "example", "signature", "metrics", "bake", "serve", "activate")
    }
    assert steps[-1] == f"version {version_of(path)[:12]} serves now, by its plan alone"
    told = server.get("/metadata")
    assert (told["card"]["metrics"], told["version"]) == ({"r2": 0.5}, version_of(path))


def test_what_is_refused_ends_with_the_sentence(
    server: Server, packed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    path = tmp_path / "model.plan"
    path.write_bytes(packed.read_bytes()[:-100])
    monkeypatch.setenv("API_KEY", KEY)
    monkeypatch.setenv("URL", url(server))
    said = run(monkeypatch, send, str(path))
    assert said == "error: refused (unreadable): sent is cut short or damaged: copy it again"
    assert capsys.readouterr().out.startswith("sent\n")
    done = subprocess.run(
        ["make", "--no-print-directory", "upload-model", f"FILE={packed}", f"URL={url(server)}"],
        check=False, capture_output=True, text=True, cwd=ROOT, env=os.environ | {"API_KEY": "wrong"},
    )  # fmt: skip
    assert "error: This key is not one of ADMIN_KEYS" in done.stderr


def test_a_large_model_takes_no_memory_of_the_service(server: Server, tmp_path: Path) -> None:
    def peak() -> int:
        found = (Path(f"/proc/{pid}/status").read_text() for pid in workers(server))
        return sum(int(text.partition("VmHWM:")[2].split()[0]) for text in found)

    path = tmp_path / "large"
    path.touch()
    os.truncate(path, 64 * 1024 * 1024)
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    before = peak()
    headers = ADMIN | {"Content-Type": "application/x-joblib", "Content-SHA256": "0" * 64}
    with path.open("rb") as file:
        for data in (file, iter(lambda: file.read(100_000), b"")):
            file.seek(0)
            answer = requests.put(f"{url(server)}/model", data=data, headers=headers, timeout=60)
            said = f"The body has the SHA-256 {found}, and its header says {'0' * 64}."
            assert (answer.status_code, answer.json()["detail"]) == (422, said)
    assert peak() - before < 16_000


def workers(server: Server) -> list[int]:
    return children(server.process.pid)


HEAD = (
    f"PUT /model HTTP/1.1\r\nHost: x\r\nX-Api-Key: {KEY}\r\nContent-Length: 100\r\n"
    f"Content-SHA256: {'0' * 64}\r\nContent-Type: application/x-joblib\r\n"
)


def test_a_model_that_does_not_come_whole_is_told(server: Server) -> None:
    with socket.create_connection(("127.0.0.1", server.port)) as connection:
        connection.sendall(f"{HEAD}Expect: 100-continue\r\n\r\n".encode())
        assert connection.recv(4096) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(b"some")
        connection.shutdown(socket.SHUT_WR)
        answer = connection.makefile("rb").read()
    assert b"400 Bad Request" in answer
    assert b"The body ended before its 100 bytes had come." in answer


def test_a_model_that_comes_too_slowly_is_told(server: Server) -> None:
    with socket.create_connection(("127.0.0.1", server.port)) as connection:
        connection.sendall(f"{HEAD}\r\nsome".encode())
        answer = connection.makefile("rb").read()
    assert b"408 Request Timeout" in answer
    assert b"The body took too long to come: send it faster." in answer


def test_a_check_dies_with_its_process(pair: Models, tmp_path: Path) -> None:
    path = tmp_path / "slow.joblib"
    joblib.dump(Sleeping(), path)
    body = path.read_bytes()
    headers = ADMIN | {
        "Content-Type": "application/x-joblib",
        "Content-SHA256": hashlib.sha256(body).hexdigest(),
    }
    latest = tmp_path / "latest.joblib"
    latest.write_bytes(pair.one.read_bytes())
    variables = {"MODEL_PATH": latest, "ADMIN_KEYS": ADMIN_KEYS, "ALLOW_JOBLIB_UPLOAD": "true"}
    with serving(tmp_path, PROCESSES=1, THREADS=4, **variables) as server:
        sent = requests.put(f"{url(server)}/model", data=body, headers=headers, timeout=60)
        assert sent.status_code == 202
        os.kill(workers(server)[0], signal.SIGKILL)
        end = time.monotonic() + 30
        while (found := ask(server, sent.headers["Location"])).get("state") != "refused":
            assert time.monotonic() < end
            time.sleep(0.05)
        assert found["reason"].startswith("the process that checked it has ended")
        assert server.post("/predict", [[1, 2]])["predictions"] == [pytest.approx(3)]


class Sleeping:
    """Takes a minute to load."""

    def __reduce__(self) -> Any:
        return time.sleep, (60,)


def ask(server: Server, path: str) -> Any:
    try:
        return requests.get(url(server) + path, headers=ADMIN, timeout=5).json()
    except requests.ConnectionError:
        return {}


@pytest.mark.parametrize(
    ("answers", "sentence"),
    [
        ([(502, b"<html>")], "does not answer /model as this service does: check URL (502"),
        ([(413, b'{"detail": "The body is over the limit of 1 bytes."}')], "The body is over"),
        ([(400, b'{"error": "no"}')], "check URL (400 Bad Request)"),
    ],
)
def test_other_answers_are_told(
    tmp_path: Path, answers: list[tuple[int, bytes]], sentence: str
) -> None:
    class Handler(BaseHTTPRequestHandler):
        def do_PUT(self) -> None:
            status, body = answers[0]
            self.send_response(status)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None: ...

    path = tmp_path / "model"
    # Answered before it is read: the connection breaks while the model is sent.
    path.write_bytes(bytes(10_000_000))
    with HTTPServer(("127.0.0.1", 0), Handler) as listener:
        thread = threading.Thread(target=listener.handle_request)
        thread.start()
        with pytest.raises(Refusal) as error:
            list(send.send(path, {"URL": f"http://127.0.0.1:{listener.server_port}/"}))
        thread.join()
    assert sentence in str(error.value)


def run(monkeypatch: pytest.MonkeyPatch, module: Any, *words: str) -> str:
    """How the command ends; "" if well."""
    monkeypatch.setattr(sys, "argv", [module.__name__, *words])
    monkeypatch.delitem(sys.modules, module.__name__, raising=False)
    try:
        runpy.run_module(module.__name__, run_name="__main__")
    except SystemExit as end:
        return str(end.code)
    return ""


def test_who_is_not_there_is_told(monkeypatch: pytest.MonkeyPatch, pair: Models) -> None:
    monkeypatch.setenv("URL", "https://127.0.0.1:9")
    said = run(monkeypatch, send, str(pair.one))
    assert said.startswith("error: Nothing listens at https://127.0.0.1:9: make run starts")
    said = run(monkeypatch, send, "nowhere")
    assert said == "error: nowhere cannot be read (No such file or directory)"


def test_the_type_is_that_of_the_file(pair: Models, packed: Path, tmp_path: Path) -> None:
    from skops import io

    io.dump(IsolationForest(n_estimators=2).fit(ROWS), tmp_path / "x.skops")
    assert send.media_type(pair.one) == send.JOBLIB
    assert send.media_type(packed) == send.PLAN
    assert send.media_type(tmp_path / "x.skops") == send.SKOPS


def test_export_says_what_is_in_the_file(
    monkeypatch: pytest.MonkeyPatch, pair: Models, tmp_path: Path, capsys: Any
) -> None:
    target = tmp_path / "model.plan"
    assert run(monkeypatch, export, str(pair.one), str(target)) == ""
    assert capsys.readouterr().out == f"{target} has the plan of predict\n"
    said = run(monkeypatch, export, str(pair.one), str(tmp_path / "no" / "model.plan"))
    assert said == f"error: {tmp_path}/no/model.plan cannot be written (No such file or directory)"


def test_a_model_without_a_whole_plan_is_told_why(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    path, target = tmp_path / "new.joblib", tmp_path / "model.plan"
    joblib.dump(RadiusNeighborsClassifier(radius=1e9).fit(ROWS, ROWS[:, 0] > 5), path)
    place, command = plan_path(path), f"make bake MODEL_PATH={path}"

    def ending() -> str:
        return run(monkeypatch, export, str(path), str(target))

    assert ending() == f"error: there is no plan {place}: {command}"
    baking.leave(path, "it was too slow")
    assert (
        ending()
        == f"error: {path} has no plan that answers (it was too slow): send the model's own file"
    )
    place.write_bytes(b"1")
    assert ending().startswith(f"error: the plan {place} is damaged")
    baking.leave(path, "")
    linear(path, 0)
    assert ending() == f"error: the plan {place} belongs to another model: {command}"
    baking.bake(path)
    plan = plans.load(place)
    plans.save(msgspec.structs.replace(plan, fallback={"score_samples": "slow"}), place)
    assert export.export(path, target).endswith(
        "; score_samples need scikit-learn, and are not in it"
    )
