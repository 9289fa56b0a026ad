"""Models that are sent: what is refused at once, what becomes of the others, and who may send."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator
from sklearn.linear_model import LinearRegression
from werkzeug.test import Client

from api import create_app, uploads
from api.answers import Upload
from api.settings import Settings
from models import candidate, export
from models.files import version_of
from tests.conftest import Serve
from tests.test_candidate import quick
from tests.test_keys import entry
from tests.test_swap import (
    ADMIN,
    ADMIN_KEYS,
    OFFSET,
    ROWS,
    House,
    Models,
    ask,
    following,
    house,
    linear,
    pair,
)

__all__ = ["pair", "quick"]

PLAN, SKOPS, JOBLIB = "application/vnd.mlapi.plan", "application/x-skops", "application/x-joblib"


@pytest.fixture(scope="module")
def packed(pair: Models, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bundle of the other model."""
    target = tmp_path_factory.mktemp("packed") / "other.plan"
    export.export(pair.other, target)
    return target


@pytest.fixture
def served(tmp_path: Path, pair: Models, quick: None) -> Iterator[House]:
    with (
        house(tmp_path, pair, allow_joblib_upload="true", max_model_bytes=100_000) as found,
        following(found.swap),
    ):
        yield found


def put(
    client: Client, body: bytes, media_type: str = PLAN, path: str = "/model", **more: Any
) -> Any:
    headers = {"Content-SHA256": hashlib.sha256(body).hexdigest(), **ADMIN, **more}
    given = {name: value for name, value in headers.items() if value is not None}
    return client.put(path, data=body, content_type=media_type, headers=given)


def follow(client: Client, answer: Any) -> Any:
    """The end of an upload."""
    assert answer.status_code == 202, answer.text
    end = time.monotonic() + 60
    while True:
        found: Any = client.get(answer.headers["Location"], headers=ADMIN).json
        assert found is not None
        if found["state"] in ("active", "refused"):
            return found
        assert time.monotonic() < end
        time.sleep(0.02)


def sha256(body: bytes) -> str:
    return base64.b64encode(hashlib.sha256(body).digest()).decode()


BODY = b"some model"
OTHER = "0" * 64
# The headers beside those of `put`, the Content-Type, the status, and words of the detail.
REFUSED: list[tuple[dict[str, Any], str, int, str]] = [
    ({"Content-SHA256": None}, PLAN, 400, "The SHA-256 of the model is needed: send it as Content-SHA256:"),
    ({"Content-SHA256": "abc"}, PLAN, 400, "The Content-SHA256 is no SHA-256: send it as"),
    ({"Content-SHA256": None, "Repr-Digest": "md5=:AAAA:"}, PLAN, 400, "The Repr-Digest has no sha-256"),
    ({"Content-SHA256": None, "Repr-Digest": "sha-256=:AAAA:"}, PLAN, 400, "The Repr-Digest has no sha-256"),
    ({"Content-SHA256": None, "Repr-Digest": "sha-256=:A:"}, PLAN, 400, "The Repr-Digest has no sha-256"),
    ({"Content-SHA256": OTHER}, PLAN, 422, f"and its header says {OTHER}."),
    ({}, "", 415, "The Content-Type is missing is not read"),
    ({}, "text/csv", 415, "The Content-Type text/csv is not read: send application/vnd.mlapi.plan for what make"),
    ({"Content-Encoding": "gzip"}, PLAN, 415, "A model is sent as it is, without a Content-Encoding."),
    ({"If-Match": f'"{OTHER}"'}, PLAN, 412, "and If-Match says otherwise"),
    ({"Transfer-Encoding": "chunked"}, PLAN, 411, "Send the body with a Content-Length"),
    ({"X-Api-Key": None}, PLAN, 401, "A key of ADMIN_KEYS may change the model: send it as"),
    ({"X-Api-Key": "wrong"}, PLAN, 401, "This key is not one of ADMIN_KEYS: check it"),
]  # fmt: skip


@pytest.mark.parametrize(("headers", "media_type", "status", "words"), REFUSED)
def test_what_cannot_be_taken_is_refused_at_once(
    served: House, headers: dict[str, Any], media_type: str, status: int, words: str
) -> None:
    answer = put(served.client, BODY, media_type, **headers)
    assert (answer.status_code, words in answer.json["detail"]) == (status, True), answer.json
    if status == 412:
        assert answer.headers["ETag"] == f'"{served.one}"'
    assert not list(served.store.folder.glob("uploads/*/sent"))
    assert ask(served.client) == (served.one, 0)


def test_a_model_over_the_limit_is_refused(served: House) -> None:
    answer = put(served.client, b"1" * 100_001)
    assert answer.status_code == 413
    assert answer.json["detail"] == "The body is over the limit of 100000 bytes."


@pytest.mark.parametrize("media_type", [JOBLIB, PLAN])
def test_a_joblib_file_is_code_and_is_not_taken(
    tmp_path: Path, pair: Models, media_type: str
) -> None:
    with house(tmp_path, pair) as found:
        answer = put(found.client, pair.other.read_bytes(), media_type)
    assert answer.status_code == 403
    assert answer.json["detail"].startswith("A joblib file is code, and is not taken here: send")


def test_nobody_may_send_a_model_unless_that_is_set(serve: Serve) -> None:
    client = serve(LinearRegression().fit(ROWS, ROWS[:, 0]))
    for answer in (put(client, BODY), client.get("/model/uploads/1", headers=ADMIN)):
        assert answer.status_code == 403
        assert "set ADMIN_KEYS, as make api-key NAME=admin prints it" in answer.json["detail"]


def test_a_key_that_asks_the_model_may_not_change_it(serve: Serve) -> None:
    model = LinearRegression().fit(ROWS, ROWS[:, 0])
    client = serve(model, api_keys=entry("alice", "a1"), admin_keys=ADMIN_KEYS)
    answer = put(client, BODY, **{"X-Api-Key": "a1"})
    assert (answer.status_code, answer.json["detail"]) == (
        403,
        "This key is not one of ADMIN_KEYS, which may change the model.",
    )
    assert put(client, BODY).status_code == 409


def test_a_service_that_keeps_no_versions_says_so(pair: Models) -> None:
    settings = Settings(model_path=str(pair.one), admin_keys=ADMIN_KEYS)
    client = create_app(msgspec.structs.replace(settings)).test_client()
    assert put(client, BODY).status_code == 409


def test_a_plan_with_its_card_takes_over(served: House, packed: Path) -> None:
    answer = put(served.client, packed.read_bytes(), **{"If-Match": f'"x", "{served.one}"'})
    first = answer.json
    assert re.fullmatch(r"/model/uploads/[0-9a-f]{16}", answer.headers["Location"])
    assert (first["state"], first["bytes"]) == ("staged", packed.stat().st_size)
    found = follow(served.client, answer)
    assert (found["state"], found["version"], found["plan_only"]) == ("active", served.other, True)
    assert (found["step"], found["reason"], found["kind"]) == ("activate", "", "")
    assert ask(served.client) == (served.other, OFFSET)


def test_a_joblib_file_with_a_plan_leaves_only_the_plan_in_the_store(
    served: House, tmp_path: Path
) -> None:
    path = linear(tmp_path / "third.joblib", 2 * OFFSET)
    body = path.read_bytes()
    more: dict[str, Any] = {
        "Content-SHA256": None,
        "Repr-Digest": f"md5=:AA==:, sha-256=:{sha256(body)}:",
    }
    found = follow(served.client, put(served.client, body, JOBLIB, **more))
    assert (found["state"], found["plan_only"], found["reason"]) == ("active", True, "")
    assert ask(served.client) == (version_of(path), 2 * OFFSET)
    assert served.store.find(version_of(path)).path.name.endswith(".plan.npz")


def test_what_the_check_refuses_is_told_and_the_old_one_serves(
    served: House, tmp_path: Path
) -> None:
    path = linear(tmp_path / "wide.joblib", 0, np.arange(30.0).reshape(10, 3))
    found = follow(served.client, put(served.client, path.read_bytes(), JOBLIB))
    assert (found["state"], found["kind"], found["step"]) == ("refused", "features", "signature")
    assert found["reason"].startswith("the feature x2 is new and required: to take it all the same")
    assert ask(served.client) == (served.one, 0)
    count = served.client.get("/metrics").text
    assert re.search(r"model_candidates_total\{.*features.*\} [1-9]", count)


def test_what_is_accepted_by_name_is_taken(served: House, tmp_path: Path) -> None:
    path = linear(tmp_path / "wide.joblib", 0, np.arange(30.0).reshape(10, 3))
    answer = put(served.client, path.read_bytes(), JOBLIB, "/model?accept=x1,x2")
    found = follow(served.client, answer)
    assert (found["state"], found["changes"]) == (
        "active",
        ["the feature x2 is new and required"],
    )


def test_a_version_that_became_active_meanwhile_is_not_overwritten(
    served: House, packed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    right = candidate.check

    def check(*given: Any, **named: Any) -> Any:
        served.swap.activate(served.store.find(served.other))
        return right(*given, **named)

    monkeypatch.setattr(candidate, "check", check)
    answer = put(served.client, packed.read_bytes(), **{"If-Match": f'"{served.one}"'})
    found = follow(served.client, answer)
    assert (found["state"], found["kind"]) == ("refused", "activate")
    said = f"The version {served.other} became active while this one was checked."
    assert found["reason"] == said


def test_our_own_fault_is_told_as_such(
    served: House, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise OSError("no room")

    monkeypatch.setattr(candidate, "check", fail)
    found = follow(served.client, put(served.client, BODY, JOBLIB))
    assert (found["state"], found["kind"]) == ("refused", "process")
    assert found["reason"] == "our fault, the log has it: OSError"


def test_one_model_is_received_at_a_time(served: House) -> None:
    with uploads.Uploads(served.store.folder).receive():
        answer = put(served.client, BODY)
    assert answer.status_code == 409
    assert answer.json["detail"].startswith("Another model is being received or checked")


def test_an_upload_that_nobody_knows_is_not_found(served: House) -> None:
    for name in ("0" * 16, "nothing", "..%2Factive"):
        assert served.client.get(f"/model/uploads/{name}", headers=ADMIN).status_code == 404


def upload(folder: Path, name: str, **facts: Any) -> Path:
    (folder / "uploads").mkdir(exist_ok=True)
    (folder / "uploads" / ".lock").touch()
    plain = dict.fromkeys(Upload.__struct_fields__, "")
    known = plain | {"id": name, "bytes": 1, "plan_only": False, "changes": []} | facts
    path = folder / "uploads" / f"{name}.json"
    path.write_text(json.dumps(known))
    return path


def test_a_check_whose_process_has_ended_says_so(served: House) -> None:
    upload(served.store.folder, "a" * 16, state="checking", step="load")
    found = served.client.get(f"/model/uploads/{'a' * 16}", headers=ADMIN).json
    assert found is not None
    assert (found["state"], found["step"], found["kind"]) == ("refused", "load", "process")
    assert found["reason"] == (
        "the process that checked it has ended, so that nothing came of it: send it again"
    )


def test_the_newest_uploads_are_kept_and_no_files_of_those_that_ended(
    served: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uploads, "MAX_KEPT", 2)
    folder = served.store.folder
    for i, name in enumerate(("a" * 16, "b" * 16, "c" * 16)):
        os.utime(upload(folder, name, state="active"), (i, i))
    (folder / "uploads" / ("d" * 16)).mkdir()
    put(served.client, BODY, **{"Content-SHA256": OTHER})
    found = sorted(path.name for path in (folder / "uploads").iterdir())
    assert found == [".lock", f"{'c' * 16}.json"]


def test_a_state_that_ends_while_it_is_asked_for_is_told(
    served: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = served.store.folder
    upload(folder, "a" * 16, state="checking")
    right = uploads._acquire

    def acquire(*given: Any) -> bool:
        upload(folder, "a" * 16, state="active")
        return right(*given)

    monkeypatch.setattr(uploads, "_acquire", acquire)
    found = served.client.get(f"/model/uploads/{'a' * 16}", headers=ADMIN).json
    assert found is not None
    assert found["state"] == "active"


def test_the_document_describes_how_a_model_is_sent(served: House) -> None:
    document: Any = served.client.get("/openapi.json").json
    OpenAPIV31SpecValidator(document).validate()
    sent = document["paths"]["/model"]["put"]
    assert sorted(sent["responses"]) == sorted(
        ["202", "400", "401", "403", "405", "409", "411", "412", "413", "415", "422", "500"]
    )
    assert list(sent["requestBody"]["content"]) == [PLAN, SKOPS, JOBLIB]
    assert "Location" in sent["responses"]["202"]["headers"]
    assert sent["security"] == [{"Bearer": []}, {"X-Api-Key": []}]
    asked = document["paths"]["/model/uploads/{id}"]["get"]
    assert asked["parameters"] == [{"$ref": "#/components/parameters/id"}]


def test_other_methods_are_told_what_to_send(served: House) -> None:
    answer = served.client.get("/model", headers=ADMIN)
    assert (answer.status_code, answer.headers["Allow"]) == (405, "OPTIONS, PUT")
    assert answer.json is not None
    assert answer.json["detail"] == "/model does not answer GET: send PUT /model."
    assert served.client.open("/model", method="put", headers=ADMIN).status_code == 405
