"""Inputs in buckets, read in pieces by the real client from a server of this machine."""

from __future__ import annotations

import builtins
import http.server
import re
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import unquote

import obstore
import pytest

from api.tasks import files, work
from api.tasks.task import FIRST_ROWS
from tests.tasks.conftest import LINE, NAMES, Build, House

TABLE = "\n".join([NAMES, *[LINE] * (3 * FIRST_ROWS)]).encode()


class Objects(http.server.BaseHTTPRequestHandler):
    """The objects of one bucket, as S3 and Cloud Storage give them."""

    objects: ClassVar[dict[str, tuple[bytes, str]]] = {}
    asked: ClassVar[list[str]] = []

    def do_HEAD(self) -> None:
        self.answer(whole=False)

    def do_GET(self) -> None:
        self.answer(whole=True)

    def answer(self, *, whole: bool) -> None:
        found = self.objects.get(unquote(self.path.partition("?")[0]))
        if found is None:
            self.send_response(404)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        body, tag = found
        size = len(body)
        part = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range") or "")
        if part:
            self.asked.append(part[0])
            start, stop = int(part[1]), int(part[2]) + 1
            body = body[start:stop]
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {start}-{start + len(body) - 1}/{size}")
        else:
            self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("ETag", tag)
        self.send_header("Last-Modified", "Sat, 28 Nov 2026 12:00:00 GMT")
        self.end_headers()
        if whole:
            self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Objects) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture
def house(
    address: str, penguins_path: Path, build: Build, monkeypatch: pytest.MonkeyPatch
) -> House:
    for name, value in {
        "AWS_ENDPOINT_URL": address,
        "AWS_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "AKIA",
        "AWS_SECRET_ACCESS_KEY": "the-secret",
        "GOOGLE_BASE_URL": address,
        "GOOGLE_SKIP_SIGNATURE": "true",
    }.items():
        monkeypatch.setenv(name, value)
    files._store.cache_clear()
    Objects.objects = {"/bucket/inputs/rows.csv": (TABLE, '"one"')}
    Objects.asked.clear()
    return build(penguins_path, task_uris="s3://bucket/inputs/, gs://bucket/inputs/")


@pytest.mark.parametrize("scheme", ["s3", "gs"])
def test_an_object_is_read_in_pieces(house: House, scheme: str) -> None:
    found = house.run({"uri": f"{scheme}://bucket/inputs/rows.csv"})
    assert found["predictions"] == ["Adelie"] * 3 * FIRST_ROWS
    assert len(Objects.asked) > 3


@pytest.mark.parametrize("scheme", ["s3", "gs"])
def test_an_object_that_changes_ends_its_task(house: House, scheme: str) -> None:
    task_id = house.start({"uri": f"{scheme}://bucket/inputs/rows.csv"})
    Objects.objects["/bucket/inputs/rows.csv"] = (TABLE, '"two"')
    house.work()
    assert "has changed since the task was accepted" in house.state(task_id)["error"]["detail"]


def test_a_bucket_that_is_away_for_a_moment_holds_a_task_up(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    uri = "s3://bucket/inputs/rows.csv"
    task_id = house.start({"uri": uri})
    with monkeypatch.context() as patched:
        patched.setattr(obstore, "get_range", away)
        with pytest.raises(OSError, match=f"{uri} cannot be read now"):
            house.work()
    assert house.state(task_id)["status"] == "STARTED"


def away(*_: Any, **__: Any) -> Any:
    raise RuntimeError("connection refused?signature=secret")


def test_a_bucket_that_stays_away_ends_its_tasks(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    task_id = house.start({"uri": "s3://bucket/inputs/rows.csv"})
    monkeypatch.setattr(obstore, "get_range", away)
    monkeypatch.setattr(work, "MAX_TRIES", 1)
    house.work()
    error = house.state(task_id)["error"]
    assert (error["status"], "cannot be read now" in error["detail"]) == (503, True)


@pytest.mark.parametrize(
    ("uri", "status", "words"),
    [
        ("gs://bucket/inputs/none.csv", 404, "There is no object gs://bucket/inputs/none.csv."),
        ("s3://bucket/other.csv", 403, "set TASK_URIS"),
    ],
)
def test_an_object_that_cannot_be_a_task_is_refused(
    house: House, uri: str, status: int, words: str
) -> None:
    answer = house.client.post("/inference/start", json={"uri": uri})
    assert (answer.status_code, words in answer.json["detail"]) == (status, True)


def test_a_bucket_that_does_not_answer_is_told(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    monkeypatch.setattr(files, "RETRIES", {"max_retries": 0})
    answer = house.client.post("/inference/start", json={"uri": "s3://bucket/inputs/rows.csv"})
    assert (answer.status_code, "cannot be read" in answer.json["detail"]) == (422, True)


def test_the_package_of_buckets_is_asked_for(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    own = builtins.__import__

    def refuse(name: str, *args: Any, **named: Any) -> Any:
        if name == "obstore":
            raise ImportError
        return own(name, *args, **named)

    monkeypatch.setattr(builtins, "__import__", refuse)
    answer = house.client.post("/inference/start", json={"uri": "gs://bucket/inputs/rows.csv"})
    assert answer.status_code == 422
    assert f"write {files.PACKAGE} into models/requirements.txt" in answer.json["detail"]


def test_a_service_without_a_folder_reads_none(build: Build, penguins_path: Path) -> None:
    house = build(penguins_path)
    settings = type(house.settings)(k_service="service")
    with pytest.raises(files.Unreadable, match="has no DATA_DIR"):
        files.find("rows.csv", settings)


def test_a_file_that_may_not_be_read_is_told(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    (house.data / "rows.csv").write_bytes(TABLE)

    def refuse(*_: Any) -> Any:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(files.Unreadable, match="Permission denied"):
        files.find("rows.csv", house.settings)
