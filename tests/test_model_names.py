"""What the paths of protocols say of versions that are kept, before and after another one serves."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import joblib
import pytest
from flask.testing import FlaskClient
from sklearn.linear_model import LinearRegression
from werkzeug.test import Client, TestResponse

from api.keeping import begin
from api.settings import Settings
from api.swap import Swap
from tests.conftest import Serve

BODY = {"inputs": [{"name": "x", "shape": [1, 1], "datatype": "FP64", "data": [3.0]}]}
UNKNOWN = "0" * 64


class Service:
    """A service that answers 3 by one version, which is active, and 30 by another, which is kept."""

    def __init__(self, folder: Path) -> None:
        path = folder / "latest.joblib"
        self.active, self.kept = (self._save(path, factor) for factor in (1.0, 10.0))
        self._save(path, 1.0)
        settings = Settings(
            model_path=str(path),
            processes=1,
            admin_keys=f"admin:{hashlib.sha256(b'k').hexdigest()}",
        )
        self.swap: Swap
        self.swap, _ = begin(settings)
        self.swap.store.add(self.kept, folder / f"{self.kept}.joblib")
        self.client = Client(self.swap)

    @staticmethod
    def _save(path: Path, factor: float) -> str:
        joblib.dump(LinearRegression().fit([[1.0], [2.0]], [factor, 2 * factor]), path)
        version = hashlib.sha256(path.read_bytes()).hexdigest()
        path.with_name(f"{version}.joblib").write_bytes(path.read_bytes())
        return version

    def get(self, path: str) -> TestResponse:
        return self.client.get(path)

    def post(self, path: str, body: Any = None) -> TestResponse:
        return self.client.post(path, json=body, headers={"X-Api-Key": "k"})

    def activate(self, version: str) -> None:
        assert self.post("/model/activate", {"version": version}).status_code == 200


@pytest.fixture
def service(tmp_path: Path) -> Service:
    return Service(tmp_path)


def test_the_index_has_every_version_and_says_which_one_serves(service: Service) -> None:
    def row(version: str, state: str, reason: str) -> dict[str, str]:
        return {"name": "model", "version": version, "state": state, "reason": reason}

    how = f'kept: POST /model/activate {{"version": "{service.kept[:12]}"}}'
    answer = service.post("/v2/repository/index")
    assert answer.json == [
        row(service.active, "READY", ""),
        row(service.kept, "UNAVAILABLE", how),
    ]
    service.activate(service.kept)
    found: Any = service.post("/v2/repository/index").json
    assert [each["state"] for each in found] == ["READY", "UNAVAILABLE"]
    assert service.post("/v2/repository/index", {"ready": True}).json == [
        row(service.kept, "READY", "")
    ]


@pytest.mark.parametrize("body", [b"[", b'{"ready": 1}', b"[]"])
def test_an_index_is_not_asked_for_by_another_body(penguins: FlaskClient, body: bytes) -> None:
    answer = penguins.post("/v2/repository/index", data=body)
    assert (answer.status_code, json.loads(answer.text).keys()) == (400, {"error"})
    assert answer.json["error"].startswith('Expected no body, or {"ready": true}: ')


PATHS = [
    ("GET", "/v2/models/model/versions/{}"),
    ("GET", "/v2/models/model/versions/{}/ready"),
    ("GET", "/v2/models/model/versions/{}/config"),
    ("GET", "/v2/models/model/versions/{}/stats"),
    ("POST", "/v2/models/model/versions/{}/infer"),
    ("GET", "/v1/models/model/versions/{}"),
    ("POST", "/v1/models/model/versions/{}:predict"),
]


@pytest.mark.parametrize(("verb", "path"), PATHS)
def test_a_version_that_is_kept_is_no_one_that_answers(
    service: Service, verb: str, path: str
) -> None:
    answer = service.client.open(path.format(service.kept), method=verb, json=BODY)
    assert (answer.status_code, json.loads(answer.text).keys()) == (404, {"error"})
    kept = service.kept[:12]
    assert answer.json["error"] == (
        f"The version {kept} of model is kept, and the version {service.active} serves: "
        f'POST /model/activate {{"version": "{kept}"}} changes that.'
    )


def test_after_a_swap_the_paths_of_the_new_version_answer_and_those_of_the_old_do_not(
    service: Service,
) -> None:
    infer, predict = "/v2/models/model/versions/{}/infer", "/v1/models/model/versions/{}:predict"
    old, new = service.active, service.kept
    assert service.post(infer.format(old), BODY).json["outputs"][0]["data"] == pytest.approx([3])
    # The sentence is followed to the letter.
    said = service.get(f"/v2/models/model/versions/{new}").json["error"]
    asked = said[said.index("{") : said.index("}") + 1]
    assert service.post("/model/activate", json.loads(asked)).status_code == 200
    answer = service.post(infer.format(new), BODY)
    assert answer.headers["X-Model-Version"] == answer.json["model_version"] == new
    assert answer.json["outputs"][0]["data"] == pytest.approx([30])
    rows = service.post(predict.format(new), {"instances": [[3.0]]})
    assert rows.json["predictions"] == pytest.approx([30])
    for path in (infer, predict):
        assert service.post(path.format(old), BODY).status_code == 404
    assert service.get("/v2/models/model").json["versions"] == [new]
    assert service.get(f"/v2/models/model/versions/{new}/ready").json["ready"] is True
    (state,) = service.get(f"/v1/models/model/versions/{new}").json["model_version_status"]
    assert (state["version"], state["state"]) == (new, "AVAILABLE")


@pytest.mark.parametrize(("verb", "path"), PATHS)
def test_a_version_that_is_not_there_is_told_where_they_are_listed(
    service: Service, verb: str, path: str
) -> None:
    answer = service.client.open(path.format(UNKNOWN), method=verb, json=BODY)
    assert answer.status_code == 404
    assert answer.json["error"] == (
        f"The model model has no version {UNKNOWN} here: the version {service.active} serves, and "
        "GET /model/versions lists those that are kept."
    )


@pytest.mark.parametrize(
    "version", ["%00aaaaaaaaaaaa", "..%5C..%5C..%5C..%5C..", "größe-größe-größe"]
)
def test_a_version_that_could_be_no_name_of_a_file_is_not_there(
    service: Service, version: str
) -> None:
    answer = service.get(f"/v2/models/model/versions/{version}")
    assert answer.status_code == 404
    assert "has no version" in answer.json["error"]


def test_the_first_digits_of_the_version_are_not_enough_in_a_path(service: Service) -> None:
    answer = service.get(f"/v2/models/model/versions/{service.active[:12]}")
    assert answer.status_code == 404
    assert answer.json["error"] == f"A path has all digits of a version: {service.active}."


def test_a_service_that_keeps_no_versions_has_one(serve: Serve) -> None:
    client = serve(LinearRegression().fit([[1.0], [2.0]], [1, 2]))
    version = client.get("/metadata").json["version"]
    for path in (f"/v1/models/model/versions/{UNKNOWN}", f"/v2/models/model/versions/{UNKNOWN}"):
        assert client.get(path).json["error"] == (
            f"The model model has only the version {version} here."
        )
