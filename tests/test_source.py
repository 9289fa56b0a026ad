"""Where the model comes from: a real HTTP server on loopback stands for Google's two."""

from __future__ import annotations

import http.server
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from api import create_app, source
from api.settings import Settings
from models.errors import ModelError
from models.sources import transfer
from tests.test_rejections import GOOD

TOKEN_PATH = "/computeMetadata/v1/instance/service-accounts/default/token"
STORAGE = "/storage/v1/b/penguins/o/"
OBJECT = f"{STORAGE}a%2Fb%20c%2Fmodel.joblib"
CARD = f"{STORAGE}a%2Fb%20c%2Fmodel.json"
FIELDS = "?fields=generation,size,md5Hash,contentEncoding"
MEDIA = "?alt=media&generation=7"


class Google:
    """The metadata server and Cloud Storage at one address, with what they answer."""

    def __init__(self) -> None:
        self.answers: dict[str, tuple[int, bytes]] = {
            TOKEN_PATH: (200, json.dumps({"access_token": "abc", "expires_in": 3599}).encode())
        }
        self.objects: dict[str, bytes] = {}
        self.asked: list[tuple[str, str | None]] = []
        self.lost: dict[str, int] = {}  # bytes that are promised and do not come
        google = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                google.asked.append((self.path, self.headers["Authorization"]))
                status, body = google.answer(self.path)
                if self.path == TOKEN_PATH and self.headers["Metadata-Flavor"] != "Google":
                    status = 403
                self.send_response(status)
                self.send_header("Content-Length", str(len(body) + google.lost.get(self.path, 0)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"127.0.0.1:{self.server.server_port}"

    def answer(self, path: str) -> tuple[int, bytes]:
        name, _, query = path.partition("?")
        if path in self.answers or name not in self.objects:
            return self.answers.get(path, (404, b"Not Found"))
        if "alt=media" in query:
            return 200, self.objects[name]
        # JSON of Google's has 64-bit numbers as texts.
        size = str(len(self.objects[name]))
        return 200, json.dumps({"generation": "7", "size": size}).encode()

    def settings(self, **changes: str) -> Settings:
        environment = {
            "AIP_STORAGE_URI": "gs://penguins/a/b c/",
            "GCE_METADATA_HOST": self.address,
            "STORAGE_EMULATOR_HOST": f"http://{self.address}/",
        }
        return Settings.from_env(environment | changes)


@pytest.fixture
def google(monkeypatch: pytest.MonkeyPatch) -> Iterator[Google]:
    monkeypatch.setattr(transfer, "WAITS_SECONDS", (0.01,))
    cloud = Google()
    thread = threading.Thread(target=cloud.server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield cloud
    cloud.server.shutdown()
    cloud.server.server_close()
    thread.join()


def test_the_model_of_a_bucket_is_fetched_and_served(google: Google, penguins_path: Path) -> None:
    google.objects[OBJECT] = penguins_path.read_bytes()
    google.objects[CARD] = penguins_path.with_suffix(".json").read_bytes()
    client = create_app(google.settings()).test_client()
    assert client.post("/predict", json=GOOD).json == {"predictions": ["Gentoo"]}
    assert google.asked == [
        (TOKEN_PATH, None),
        *((path, "Bearer abc") for path in (OBJECT + FIELDS, CARD + FIELDS)),
        *((path, "Bearer abc") for path in (OBJECT + MEDIA, CARD + MEDIA)),
    ]


def test_what_was_fetched_is_gone_when_it_is_loaded(google: Google) -> None:
    google.objects[OBJECT] = b"a model"
    with source.located(google.settings()) as path:
        assert path.read_bytes() == b"a model"
    assert not path.parent.exists()


@pytest.mark.parametrize("uri", ["gs://penguins", "gs://penguins/"])
def test_a_bucket_without_a_folder_has_the_model_at_its_root(google: Google, uri: str) -> None:
    google.objects[f"{STORAGE}model.joblib"] = b"a model"
    # The address is often given without a scheme.
    settings = google.settings(AIP_STORAGE_URI=uri, STORAGE_EMULATOR_HOST=google.address)
    with source.located(settings) as path:
        assert path.read_bytes() == b"a model"


def refusal(settings: Settings) -> str:
    with pytest.raises(ModelError) as error, source.located(settings):
        pass
    assert "\n" not in str(error.value)
    return str(error.value)


@pytest.mark.parametrize(
    ("status", "sentence"),
    [
        (404, "(404 Not Found): it must be there"),
        (403, "(403 Forbidden): "),
        (503, "(503 Service Unavailable): "),
    ],
)
def test_a_model_that_cannot_be_fetched_is_one_sentence(
    google: Google, status: int, sentence: str
) -> None:
    google.answers[OBJECT + FIELDS] = (status, b"no")
    said = refusal(google.settings())
    assert f"gs://penguins/a/b c/model.joblib from http://{google.address}" in said
    assert sentence in said


def test_a_model_that_comes_only_in_part_is_refused(google: Google) -> None:
    google.objects[OBJECT] = b"half a model"
    google.lost[OBJECT + MEDIA] = 10
    assert "the connection ended too early" in refusal(google.settings())


@pytest.mark.parametrize(
    ("described", "sentence"),
    [
        ({"generation": "7", "size": "22"}, "12 of 22 bytes came"),
        ({"generation": "7", "size": "12", "md5Hash": "AA=="}, "do not have the MD5"),
        ({"generation": "seven", "size": "12"}, "malformed answer: Expected `int`"),
    ],
)
def test_a_model_that_is_not_the_one_described_is_refused(
    google: Google, described: dict[str, str], sentence: str
) -> None:
    google.objects[OBJECT] = b"half a model"
    google.answers[OBJECT + FIELDS] = (200, json.dumps(described).encode())
    assert sentence in refusal(google.settings())


def test_a_model_that_storage_unpacks_may_have_another_size(google: Google) -> None:
    google.objects[OBJECT] = b"a model"
    described = {"generation": "7", "size": "2", "md5Hash": "AA==", "contentEncoding": "gzip"}
    google.answers[OBJECT + FIELDS] = (200, json.dumps(described).encode())
    with source.located(google.settings()) as path:
        assert path.read_bytes() == b"a model"


def test_a_storage_that_is_not_there_is_one_sentence(google: Google) -> None:
    said = refusal(google.settings(STORAGE_EMULATOR_HOST="http://127.0.0.1:9"))
    assert "Connection refused" in said
    assert "from http://127.0.0.1:9" in said


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        ((404, b""), "(404 Not Found)"),
        ((200, b"<html>"), "its answer is not JSON"),
        ((200, b"{}"), "missing required field `access_token`"),
        ((200, b'{"access_token": "\xff"}'), "its answer is not JSON"),
    ],
)
def test_a_token_that_is_not_given_is_one_sentence(
    google: Google, answer: tuple[int, bytes], sentence: str
) -> None:
    google.answers[TOKEN_PATH] = answer
    said = refusal(google.settings())
    assert f"the metadata server {google.address} gives none" in said
    assert sentence in said
    assert said.endswith(
        "fetch it with make fetch-model MODEL_URI=gs://penguins/a/b c/model.joblib, and serve the "
        "file"
    )


def test_without_a_metadata_server_it_is_one_sentence(google: Google) -> None:
    said = refusal(google.settings(GCE_METADATA_HOST="127.0.0.1:9"))
    assert "the metadata server 127.0.0.1:9 gives none (" in said


def test_a_model_path_that_is_set_goes_before_a_bucket(google: Google) -> None:
    with source.located(google.settings(MODEL_PATH="mine.joblib")) as path:
        assert path == Path("mine.joblib")
    assert google.asked == []


@pytest.mark.parametrize(
    ("files", "found"),
    [
        ([], None),
        ([".hidden.joblib"], None),
        (["latest.joblib", "model.joblib"], "latest.joblib"),
        (["model.joblib", "another.joblib"], "model.joblib"),
        (["penguins.joblib", "code.py", "._penguins.joblib"], "penguins.joblib"),
    ],
)
def test_the_model_in_sagemakers_folder_is_served(
    tmp_path: Path, files: list[str], found: str | None
) -> None:
    for name in files:
        (tmp_path / name).touch()
    settings = Settings.from_env({"SM_MODEL_DIR": str(tmp_path)})
    with source.located(settings) as path:
        assert path == (tmp_path / found if found else Path("models/latest.joblib"))


@pytest.mark.parametrize(
    ("files", "have"), [(["a.joblib", "b.joblib"], "a.joblib, b.joblib"), (["model.pkl"], "none")]
)
def test_a_folder_in_which_no_model_is_meant_is_refused(
    tmp_path: Path, files: list[str], have: str
) -> None:
    for name in files:
        (tmp_path / name).touch()
    said = refusal(Settings.from_env({"SM_MODEL_DIR": str(tmp_path)}))
    assert f"called latest.joblib or model.joblib, and has {have}:" in said


def test_a_folder_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    said = refusal(Settings.from_env({"SM_MODEL_DIR": str(tmp_path / "file")}))
    assert said == f"cannot look into {tmp_path}/file (Not a directory): let it be read"


def test_a_folder_that_is_not_there_is_passed_over(tmp_path: Path) -> None:
    with source.located(Settings.from_env({"SM_MODEL_DIR": str(tmp_path / "none")})) as path:
        assert path == Path("models/latest.joblib")


def test_a_model_path_that_is_set_goes_before_sagemakers_folder(tmp_path: Path) -> None:
    (tmp_path / "model.joblib").touch()
    settings = Settings.from_env({"SM_MODEL_DIR": str(tmp_path), "MODEL_PATH": "mine.joblib"})
    with source.located(settings) as path:
        assert path == Path("mine.joblib")
