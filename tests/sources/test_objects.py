"""A model in a bucket of S3, which moto serves, and in a container of Azure, whose answers are ours."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import obstore
import pytest
from obstore.store import S3Store

from models.sources import objects
from tests import clients
from tests.checkout import ROOT
from tests.sources.conftest import Fetch, Refused
from tests.sources.servers import MLMODEL, Handler, Web, registry, send
from tests.test_serving import free_port

MODEL = b"a model" * 1000


def tell(url: str, content: bytes, method: str = "POST") -> None:
    """Send this to moto."""
    headers = {"Content-Type": "application/octet-stream"}
    request = urllib.request.Request(url, content, headers, method=method)
    urllib.request.urlopen(request, timeout=10).close()


class Bucket:
    """The bucket `models` of a server of S3."""

    def __init__(self) -> None:
        self.store = S3Store("models", client_options={"allow_http": True})

    def put(self, name: str, content: bytes) -> None:
        obstore.put(self.store, name, content)


@pytest.fixture(scope="module")
def moto() -> Iterator[str]:
    """The address of a server of S3."""
    place = clients.environment("moto", "moto[server]==5.2.5")
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    process = subprocess.Popen(
        [place / "bin" / "moto_server", "-H", "127.0.0.1", "-p", str(port)],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        for _ in range(200):
            try:
                urllib.request.urlopen(f"{address}/moto-api/data.json", timeout=5).close()
                break
            except OSError:
                time.sleep(0.1)
        yield address
    finally:
        process.kill()
        process.wait()


@pytest.fixture
def bucket(moto: str, monkeypatch: pytest.MonkeyPatch) -> Bucket:
    """A bucket with a model at a/penguins.joblib."""
    for name, value in {
        "AWS_ENDPOINT_URL": moto, "AWS_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "AKIA", "AWS_SECRET_ACCESS_KEY": "the-secret",
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    tell(f"{moto}/moto-api/reset", b"")
    tell(f"{moto}/models", b"", "PUT")
    bucket = Bucket()
    bucket.put("a/penguins.joblib", MODEL)
    return bucket


def test_a_model_is_fetched(fetch: Fetch, folder: Path, bucket: Bucket) -> None:
    fetched = fetch("s3://models/a/penguins.joblib")
    assert fetched
    assert fetched.model == folder / "penguins.joblib"
    assert fetched.model.read_bytes() == MODEL
    assert fetched.card is None
    assert fetched.revision == (
        f's3://models/a/penguins.joblib#"{hashlib.md5(MODEL).hexdigest()}";'
    )


def test_a_folder_means_its_model_joblib(fetch: Fetch, bucket: Bucket) -> None:
    bucket.put("a/model.joblib", b"of the folder")
    bucket.put("model.joblib", b"of the bucket")
    for uri in ("s3://models/a", "s3://models/a/"):
        fetched = fetch(uri)
        assert fetched
        assert fetched.model.read_bytes() == b"of the folder"
    fetched = fetch("s3://models")
    assert fetched
    assert fetched.model.read_bytes() == b"of the bucket"


def test_nothing_new_is_not_downloaded(fetch: Fetch, bucket: Bucket) -> None:
    bucket.put("a/penguins.json", b"{}")
    first = fetch("s3://models/a/penguins.joblib")
    assert first
    assert first.card
    first.model.unlink()
    assert fetch("s3://models/a/penguins.joblib", first.revision) is None
    assert not first.model.exists()


@pytest.mark.parametrize("changed", ["penguins.joblib", "penguins.json"])
def test_a_new_model_or_card_is_new(fetch: Fetch, bucket: Bucket, changed: str) -> None:
    first = fetch("s3://models/a/penguins.joblib")
    assert first
    bucket.put(f"a/{changed}", b"{}")
    second = fetch("s3://models/a/penguins.joblib", first.revision)
    assert second
    assert second.revision != first.revision


def test_what_is_not_there_is_one_sentence(refused: Refused, bucket: Bucket) -> None:
    for uri in ("s3://models/none.joblib", "s3://nowhere/a.joblib"):
        said = refused(uri)
        assert said.startswith(f"cannot fetch {uri} (Object at location ")
        assert said.endswith(" 404 Not Found): it must be there")


def test_a_server_that_is_away_is_one_sentence(
    refused: Refused, bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    said = refused("s3://models/a/penguins.joblib")
    assert "after 2 retries" in said
    assert said.endswith(
        "it must answer, and AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or the role of the "
        "machine, must be allowed to read it"
    )


def test_wrong_credentials_are_one_sentence(refused: Refused, bucket: Bucket, moto: str) -> None:
    """Moto compares credentials once it is told to."""
    tell(f"{moto}/moto-api/reset-auth", b"0")
    try:
        said = refused("s3://models/a/penguins.joblib")
    finally:
        tell(f"{moto}/moto-api/reset-auth", b"inf")
    assert "403 Forbidden" in said
    assert said.endswith(" must be allowed to read it")
    assert "the-secret" not in said


def test_a_model_that_is_too_large_is_refused(refused: Refused, bucket: Bucket) -> None:
    said = refused("s3://models/a/penguins.joblib", max_model_bytes=6999)
    assert " has 7000 bytes, more than MAX_MODEL_BYTES=6999: " in said


def test_no_name_of_a_bucket_is_one_sentence(refused: Refused, bucket: Bucket) -> None:
    assert refused("s3:///a.joblib").startswith("cannot fetch s3:///")


def test_without_the_package_its_line_is_told(
    refused: Refused, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "obstore", None)
    assert refused("s3://models/a.joblib") == (
        f"s3:// needs the package obstore, which is not installed: write {objects.PACKAGE} into "
        "models/requirements.txt, and run make again"
    )
    assert f"\n{objects.PACKAGE} \\\n" in (ROOT / "requirements-dev.lock").read_text()
    assert f"write `{objects.PACKAGE}` into" in (ROOT / "docs" / "models.md").read_text()


def test_artifacts_of_mlflow_may_be_in_a_bucket(fetch: Fetch, bucket: Bucket) -> None:
    bucket.put("m/MLmodel", MLMODEL.encode())
    bucket.put("m/model.pkl", b"a pickle")
    with Web().serving() as web:
        fetched = fetch("mlflow://penguins/1", **registry(web, "s3://models/m"))
    assert fetched
    assert fetched.model.read_bytes() == b"a pickle"


# Azure


@pytest.fixture
def azure(monkeypatch: pytest.MonkeyPatch) -> Iterator[Web]:
    """A server with a container `models`, whose answers are as Azure's documentation has them."""
    with Web().serving() as web:
        for name, value in {
            "AZURE_STORAGE_ENDPOINT": f"{web.address}/account", "AZURE_ALLOW_HTTP": "true",
            "AZURE_STORAGE_ACCOUNT_NAME": "account", "AZURE_STORAGE_ACCOUNT_KEY": "c2VjcmV0",
        }.items():  # fmt: skip
            monkeypatch.setenv(name, value)
        yield web


@pytest.fixture
def container(azure: Web) -> dict[str, bytes]:
    """The objects of the container `models`."""
    objects: dict[str, bytes] = {"a/penguins.joblib": MODEL}

    def answer(handler: Handler) -> None:
        name = handler.path.partition("?")[0].removeprefix("/account/models/")
        if not handler.headers["Authorization"].startswith("SharedKey account:"):
            send(handler, b"", status=403)
        elif name not in objects:
            send(handler, b"", status=404)
        else:
            tag = hashlib.md5(objects[name]).hexdigest()
            headers = {"ETag": f'"{tag}"', "Last-Modified": "Sun, 29 Nov 2026 08:00:00 GMT"}
            send(handler, objects[name], headers=headers)

    azure.otherwise = answer
    return objects


def test_a_model_of_azure_is_fetched_once(fetch: Fetch, container: dict[str, bytes]) -> None:
    first = fetch("az://models/a/penguins.joblib")
    assert first
    assert first.model.read_bytes() == MODEL
    assert fetch("az://models/a/penguins.joblib", first.revision) is None
    container["a/penguins.joblib"] = b"b model"
    second = fetch("az://models/a/penguins.joblib", first.revision)
    assert second
    assert second.model.read_bytes() == b"b model"


def test_what_azure_does_not_have_is_one_sentence(
    refused: Refused, container: dict[str, bytes]
) -> None:
    assert refused("az://models/none.joblib").endswith("404 Not Found): it must be there")


def test_what_comes_only_in_part_is_one_sentence(
    refused: Refused, azure: Web, container: dict[str, bytes]
) -> None:
    whole = azure.otherwise

    def half(handler: Handler) -> None:
        if handler.command == "GET":
            headers = {"ETag": '"1"', "Last-Modified": "Sun, 29 Nov 2026 08:00:00 GMT"}
            send(handler, b"half", 7, headers=headers)
        else:
            whole(handler)

    azure.otherwise = half
    said = refused("az://models/a/penguins.joblib")
    assert said.startswith("cannot fetch az://models/a/penguins.joblib (")
    # It asks for the rest, which this server does not know.
    assert "Content-Range" in said


def test_azure_without_an_account_is_one_sentence(
    refused: Refused, container: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AZURE_STORAGE_ACCOUNT_NAME")
    said = refused("az://models/a.joblib")
    assert "AZURE_STORAGE_ACCOUNT_NAME and AZURE_STORAGE_ACCOUNT_KEY, or the machine's" in said
