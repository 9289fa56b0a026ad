"""An artifact of Weights & Biases, fetched by their own client from a server that answers it."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from models.sources import wandb
from tests import clients
from tests.checkout import ROOT
from tests.sources.conftest import Fetch, Refused
from tests.sources.servers import Handler, Web, send

KEY = "0123456789abcdef0123456789abcdef01234567"
OPENS = f"Basic {base64.b64encode(f'api:{KEY}'.encode()).decode()}"
URI = "wandb://team/penguins/classifier:production"
PROJECT = {
    "__typename": "Project", "id": "UHJvamVjdDox", "internalId": "UHJvamVjdDox",
    "name": "penguins", "entity": {"name": "team"},
}  # fmt: skip
COLLECTION = {"__typename": "ArtifactSequence", "name": "classifier", "project": PROJECT}
WHEN = "2026-01-01T00:00:00Z"
ARTIFACT = {
    "__typename": "Artifact", "id": "QXJ0aWZhY3Q6MQ==", "artifactSequence": COLLECTION,
    "versionIndex": 0, "artifactType": {"name": "model"}, "description": None, "metadata": None,
    "ttlDurationSeconds": -2, "ttlIsInherited": True, "tags": [], "historyStep": None,
    "state": "COMMITTED", "commitHash": "c", "createdAt": WHEN, "updatedAt": None, "aliases": [],
}  # fmt: skip


class Server:
    """What the client asks a server of Weights & Biases, of one artifact with these files."""

    def __init__(self, web: Web) -> None:
        self.web = web
        web.otherwise = self.answer
        self.files: dict[str, bytes] = {}
        self.settings = {"wandb_api_key": KEY, "wandb_base_url": web.address}

    def answer(self, handler: Handler) -> None:
        name = handler.path.removeprefix("/files/")
        if handler.command == "GET":
            send(handler, self.manifest() if handler.path == "/manifest" else self.files[name])
            return
        query = json.loads(handler.rfile.read(int(handler.headers["Content-Length"])))["query"]
        if handler.headers["Authorization"] != OPENS:
            send(handler, b"{}", status=401)
            return
        send(handler, json.dumps({"data": self.data(query)}).encode())

    def data(self, query: str) -> Any:
        if "serverInfo" in query:
            return {"serverInfo": {"features": []}}
        if "FileUrls" in query:
            nodes = [
                {
                    "__typename": "File",
                    "name": name,
                    "directUrl": f"{self.web.address}/files/{name}",
                }
                for name in self.files
            ]
            page = {"__typename": "PageInfo", "endCursor": None, "hasNextPage": False}
            listed = {"pageInfo": page, "edges": [{"node": node} for node in nodes]}
            found = {"__typename": "ArtifactSequence", "artifactMembership": {"files": listed}}
            return {"project": {"artifactCollection": found}}
        if "FetchArtifactManifest" in query:
            file = {"directUrl": f"{self.web.address}/manifest"}
            return {"artifact": {"currentManifest": {"file": file}}}
        if "ArtifactMembershipByName" in query:
            return {"project": {"artifactCollectionMembership": self.membership()}}
        me = {"id": "1", "entity": "team", "username": "me", "email": "a@b.example"}
        return {"viewer": me | {"flags": "{}", "teams": {"edges": []}}}

    def membership(self) -> Any:
        digest = hashlib.md5(repr(self.files).encode()).hexdigest()
        size = sum(map(len, self.files.values()))
        artifact = ARTIFACT | {"digest": digest, "size": size, "fileCount": len(self.files)}
        return {
            "__typename": "ArtifactCollectionMembership", "id": "QQ==", "versionIndex": 0,
            "createdAt": WHEN, "aliases": [], "artifactCollection": COLLECTION,
            "artifact": artifact,
        } if self.files else None  # fmt: skip

    def manifest(self) -> bytes:
        contents = {
            name: {
                "digest": base64.b64encode(hashlib.md5(content).digest()).decode(),
                "birthArtifactID": ARTIFACT["id"],
                "size": len(content),
            }
            for name, content in self.files.items()
        }
        policy = {"storagePolicy": "wandb-storage-policy-v1"}
        layout = {"storagePolicyConfig": {"storageLayout": "V2"}}
        return json.dumps({"version": 1, **policy, **layout, "contents": contents}).encode()


@pytest.fixture(scope="module")
def web() -> Iterator[Web]:
    with Web().serving() as web:
        yield web


@pytest.fixture
def server(web: Web, monkeypatch: pytest.MonkeyPatch) -> Server:
    """A server of one artifact, and the Python that has the client."""
    place = clients.environment("wandb", wandb.PACKAGE)
    monkeypatch.setattr(wandb, "PYTHON", str(place / "bin" / "python"))
    server = Server(web)
    server.files = {"penguins.joblib": b"a model", "penguins.json": b"{}"}
    return server


def test_a_model_is_fetched_and_what_is_known_is_not_until_it_is_another(
    fetch: Fetch, folder: Path, server: Server
) -> None:
    first = fetch(URI, **server.settings)
    assert first
    assert first.model == folder / "penguins.joblib"
    assert first.model.read_bytes() == b"a model"
    assert first.sha256 == hashlib.sha256(b"a model").hexdigest()
    assert first.card == folder / "penguins.json"
    first.model.unlink()
    assert fetch(URI, first.revision, **server.settings) is None
    assert not first.model.exists()
    # The alias moves.
    server.files = {"penguins.joblib": b"b model"}
    second = fetch(URI, first.revision, **server.settings)
    assert second
    assert second.model.read_bytes() == b"b model"
    assert second.card is None


def test_what_cannot_be_fetched_is_one_sentence(refused: Refused, server: Server) -> None:
    wrong = refused(URI, **(server.settings | {"wandb_api_key": "f" * 40}))
    assert wrong.endswith("): it must be there, and WANDB_API_KEY must be allowed to read it")
    assert "f" * 40 not in wrong
    large = refused(URI, max_model_bytes=8, **server.settings)
    assert " has 9 bytes, more than MAX_MODEL_BYTES=8: " in large
    server.files = {}
    assert refused(URI, **server.settings).startswith(f"cannot fetch {URI} (")


def test_an_artifact_without_a_model_is_one_sentence(refused: Refused, server: Server) -> None:
    server.files = {"a.txt": b"a", "b.txt": b"b"}
    assert refused(URI, **server.settings).startswith(f"{URI} must have one *.joblib")


def test_a_client_that_does_not_end_is_ended(
    refused: Refused, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wandb, "CLIENT", "import time; time.sleep(60)")
    assert "MODEL_FETCH_SECONDS=0.2" in refused(URI, model_fetch_seconds=0.2)


def test_a_client_that_dies_is_one_sentence(
    refused: Refused, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wandb, "CLIENT", "raise SystemExit(3)")
    assert "(its client ended with 3): " in refused(URI)


def test_a_name_that_is_none_is_one_sentence(refused: Refused) -> None:
    said = refused("wandb://team/penguins")
    assert said.endswith(" names no artifact: expected wandb://entity/project/name:alias")


def test_without_the_client_its_line_is_told(refused: Refused) -> None:
    assert refused(URI) == (
        "wandb:// needs the package wandb, which is not installed: fetch the model in a build, "
        f"with make fetch-model, or write {wandb.PACKAGE} into models/requirements.txt"
    )
    assert f"--with {wandb.PACKAGE})" in (ROOT / "Makefile").read_text()
    assert f"`{wandb.PACKAGE}`" in (ROOT / "docs" / "models.md").read_text()


def test_an_artifact_of_no_files_is_one_sentence(
    refused: Refused, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wandb, "CLIENT", 'print(\'{"digest": "1"}\')')
    assert refused(URI) == f"{URI} has no files: log one *.joblib in it"
