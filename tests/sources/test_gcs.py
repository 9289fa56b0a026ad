"""A model in Cloud Storage, on the small Google Cloud, as an account that may read its bucket only."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from models import sources
from models.errors import ModelError
from models.settings import ModelSettings
from models.sources import client
from tests.google_cloud.cloud import PROJECT, Cloud
from tests.google_cloud.metadata import Machine
from tests.google_cloud.storage import Bucket, Buckets
from tests.sources.conftest import Fetch, Refused
from tests.sources.servers import MLMODEL, Web, registry

ACCOUNT = f"ml-api-runtime@{PROJECT}.iam.gserviceaccount.com"
READER = "roles/storage.objectViewer"
MODEL = b"a model"


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    with Cloud(tmp_path_factory.mktemp("cloud")) as cloud:
        cloud.enabled.add("storage.googleapis.com")
        yield cloud


@pytest.fixture
def cloud(small: Cloud, monkeypatch: pytest.MonkeyPatch) -> Cloud:
    """A cloud with two buckets, of which this machine's account may read the first."""
    monkeypatch.setenv("http_proxy", f"http://{small.address}")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    small.part(Machine).account = ACCOUNT
    small.part(Buckets).all = {name: Bucket(name) for name in ("models", "others")}
    for bucket in small.part(Buckets).all.values():
        bucket.objects |= {"a/penguins.joblib": MODEL, "a/model.joblib": b"of the folder"}
    small.policies.set(
        f"projects/{PROJECT}/buckets/models",
        {"bindings": [{"role": READER, "members": [f"serviceAccount:{ACCOUNT}"]}]},
    )
    small.faults.clear()
    small.requests.clear()
    return small


@pytest.fixture
def settings(cloud: Cloud) -> dict[str, Any]:
    return {
        "gce_metadata_host": cloud.address,
        "storage_emulator_host": "http://storage.googleapis.test",
    }


def asked(cloud: Cloud) -> list[str]:
    """Whether each object was asked for its state or its content."""
    return [
        line.url.rpartition("/")[2].partition("&")[0].partition("=g")[0]
        for line in cloud.requests
        if "/o/" in line.url
    ]


def test_a_model_is_fetched(fetch: Fetch, folder: Path, cloud: Cloud, settings: Any) -> None:
    fetched = fetch("gs://models/a/penguins.joblib", **settings)
    assert fetched
    assert fetched.model == folder / "penguins.joblib"
    assert fetched.model.read_bytes() == MODEL
    assert fetched.sha256 == hashlib.sha256(MODEL).hexdigest()
    assert fetched.card is None


@pytest.mark.parametrize("uri", ["gs://models/a", "gs://models/a/"])
def test_a_folder_means_its_model_joblib(
    fetch: Fetch, cloud: Cloud, settings: Any, uri: str
) -> None:
    fetched = fetch(uri, **settings)
    assert fetched
    assert fetched.model.read_bytes() == b"of the folder"


def test_nothing_new_is_asked_for_and_not_downloaded(
    fetch: Fetch, cloud: Cloud, settings: Any
) -> None:
    cloud.part(Buckets).all["models"].objects["a/penguins.json"] = b"{}"
    first = fetch("gs://models/a/penguins.joblib", **settings)
    assert first
    assert asked(cloud) == [
        "penguins.joblib?fields", "penguins.json?fields", "penguins.joblib?alt=media",
        "penguins.json?alt=media",
    ]  # fmt: skip
    cloud.requests.clear()
    assert fetch("gs://models/a/penguins.joblib", first.revision, **settings) is None
    assert asked(cloud) == ["penguins.joblib?fields", "penguins.json?fields"]


@pytest.mark.parametrize("changed", ["penguins.joblib", "penguins.json"])
def test_a_new_model_or_card_is_new(
    fetch: Fetch, cloud: Cloud, settings: Any, changed: str
) -> None:
    first = fetch("gs://models/a/penguins.joblib", **settings)
    assert first
    cloud.part(Buckets).all["models"].objects[f"a/{changed}"] = b"{}"
    second = fetch("gs://models/a/penguins.joblib", first.revision, **settings)
    assert second
    assert second.revision != first.revision
    assert (second.card is not None) == (changed == "penguins.json")


def test_a_storage_that_is_away_for_a_moment_is_not_noticed(
    fetch: Fetch, cloud: Cloud, settings: Any
) -> None:
    faults = [cloud.fault("GET", pattern, 503) for pattern in ("Token", "fields", "alt=media")]
    assert fetch("gs://models/a/penguins.joblib", **settings)
    assert [fault.seen for fault in faults[1:]] == [1, 1]


def test_a_storage_that_stays_away_is_one_sentence(
    refused: Refused, cloud: Cloud, settings: Any
) -> None:
    cloud.fault("GET", "fields", 503, times=9)
    said = refused("gs://models/a/penguins.joblib", **settings)
    assert said.startswith(
        "cannot fetch gs://models/a/penguins.joblib from http://storage.googleapis.test (503 "
    )


@pytest.mark.parametrize(
    ("uri", "status"),
    [
        ("gs://others/a/penguins.joblib", "(403 "),
        ("gs://nowhere/a/penguins.joblib", "(403 "),
        ("gs://models/none.joblib", "(404 "),
    ],
)
def test_what_the_account_may_not_read_or_is_not_there_is_one_sentence(
    refused: Refused, cloud: Cloud, settings: Any, uri: str, status: str
) -> None:
    said = refused(uri, **settings)
    assert status in said
    assert said.endswith(
        ": it must be there, and the account that the container runs as must be allowed to read it"
    )
    assert len(asked(cloud)) == 1


def test_a_machine_without_an_account_is_one_sentence(
    refused: Refused, cloud: Cloud, settings: Any
) -> None:
    cloud.part(Machine).account = ""
    said = refused("gs://models/a/penguins.joblib", **settings)
    assert f"the metadata server {cloud.address} gives none (404 " in said


def test_an_answer_that_does_not_end_is_refused(
    refused: Refused, cloud: Cloud, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "MAX_JSON_BYTES", 10)
    said = refused("gs://models/a/penguins.joblib", **settings)
    assert "gives none (its answer is too long)" in said


def test_artifacts_of_mlflow_may_be_in_a_bucket(fetch: Fetch, cloud: Cloud, settings: Any) -> None:
    cloud.part(Buckets).all["models"].objects |= {
        "m/MLmodel": MLMODEL.encode(),
        "m/model.pkl": b"a pickle",
    }
    with Web().serving() as web:
        fetched = fetch("mlflow://penguins/1", **settings, **registry(web, "gs://models/m"))
    assert fetched
    assert fetched.model.read_bytes() == b"a pickle"


def test_a_file_of_rows_is_fetched_by_its_name(folder: Path, cloud: Cloud, settings: Any) -> None:
    cloud.part(Buckets).all["models"].objects["a/rows.csv"] = b"a\n1\n"
    found = sources.fetch_data("gs://models/a/rows.csv", folder, ModelSettings(**settings))
    assert found == folder / "rows.csv"
    assert found.read_bytes() == b"a\n1\n"


def test_rows_off_google_cloud_are_copied_by_gcloud(
    folder: Path, cloud: Cloud, settings: Any
) -> None:
    cloud.fault("GET", "service-accounts/default/token", 404)
    with pytest.raises(ModelError) as error:
        sources.fetch_data("gs://models/a/rows.csv", folder, ModelSettings(**settings))
    advice = "fetch it with gcloud storage cp gs://models/a/rows.csv ., and set DATA to the file"
    assert str(error.value).endswith(advice)
