"""To Cloud Run and back: the real make, gcloud and docker on the small Google Cloud."""

from __future__ import annotations

import collections
import contextlib
import itertools
import os
import re
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Self

import joblib
import pytest
from sklearn.tree import DecisionTreeClassifier

from tests.checkout import ROOT
from tests.desk import DEPLOYER, IMAGE, RUNTIME, SERVICE, Desk
from tests.google_cloud.__main__ import STORY
from tests.google_cloud.cloud import PERSON, PROJECT
from tests.google_cloud.identity import caller
from tests.google_cloud.roles import ROLES
from tests.google_cloud.run_services import Services
from tests.google_cloud.secret_manager import Secrets
from tests.google_cloud.storage import Bucket, Buckets
from tests.test_serving import free_port

KEY = "secrets/ml-api-deployer.json"
LOOK = ["list-cloud-run", "describe-service", "url", "predict", "logs", "list-gcp-images"]


@pytest.fixture
def shipped(desk: Desk) -> Desk:
    """A desk whose service runs."""
    if not desk.deployer_grants():
        desk.make("setup")
    if not desk.cloud.snapshot().get("run"):
        desk.make("release")
    return desk


def test_from_nothing_to_a_prediction_to_nothing(desk: Desk) -> None:
    before, here = desk.cloud.snapshot(), desk.here()
    said = {target: desk.make(target, *given) for target, *given in STORY[:-1]}
    assert '{"predictions":["Adelie"]}' in said["predict"].stdout
    assert all(re.search(r"^Next: ", done.stderr, re.MULTILINE) for done in said.values())
    assert set(re.findall(r"^\w+", said["doctor"].stdout, re.MULTILINE)) == {"ok"}
    listed = desk.make("destroy", fails=True, types="penguins\n").stdout
    for thing in (
        f"service: {SERVICE}", "images: sha256:", f"repository: {SERVICE}", f"accounts: {DEPLOYER}",
        f"accounts: {RUNTIME}", "project-roles: roles/run.developer for", f"configuration: {SERVICE}",
        f"login: {desk.cloud.registry_host}",
    ):  # fmt: skip
        assert thing in listed
    assert desk.cloud.snapshot()["run"]
    out = desk.make(*STORY[-1]).stdout
    assert "Nothing is left" in out
    assert "gcloud services disable" in out
    assert desk.cloud.snapshot() == {**before, "enabled": desk.cloud.snapshot()["enabled"]}
    assert desk.here() == here


def test_setup_goes_on_where_an_error_stopped_it_and_changes_nothing_when_repeated(
    desk: Desk,
) -> None:
    cloud = desk.cloud
    faults = [
        cloud.fault("POST", r"services:batchEnable", 429),
        cloud.fault("POST", r"/serviceAccounts(\?|$)", 503),
        cloud.fault("POST", r"projects/[^/]*:setIamPolicy", 409),
        cloud.fault("POST", r":generateAccessToken", 503),
    ]
    stopped = 0
    while desk_fails(desk, "setup"):
        stopped += 1
        assert stopped <= len(faults)
    assert [fault.url for fault in faults if not fault.seen] == []
    done, since = cloud.snapshot(), len(cloud.requests)
    out = desk.make("setup").stdout
    assert "There is already machine-learning-api" in out
    assert cloud.snapshot() == done
    assert not [
        line
        for line in desk.changes(since)
        if "setIamPolicy" not in line and "batchEnable" not in line
    ]


def desk_fails(desk: Desk, *arguments: str) -> bool:
    """Whether make stops; then it shows the API's error, and what of ours has to come next is not said."""
    result = subprocess.run(
        ["make", *arguments], cwd=desk.folder, env=desk.env, input="",
        capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip
    if result.returncode:
        assert "ERROR: (gcloud." in result.stderr
        assert "Next:" not in result.stderr
    return result.returncode != 0


def test_after_setup_the_deployer_does_everything_and_no_role_is_there_for_nothing(
    shipped: Desk, capsys: pytest.CaptureFixture[str]
) -> None:
    desk, cloud = shipped, shipped.cloud
    since = len(cloud.requests)
    desk.make("image-to-gcp", "deploy")
    desk.make(*LOOK)
    desk.make("deploy-canary", "promote", "rollback", "deploy")
    desk.make(*LOOK)
    for target in ("delete-latest-gcp-image", "delete-deployment"):
        desk.make(target)
        assert "There is no " in desk.make(target).stdout
    as_person = {
        re.sub(r".*[:/]", "", line.url.partition("?")[0])
        for line in cloud.requests[since:]
        if line.member == f"user:{PERSON}"
    }
    assert as_person <= {"generateAccessToken", "generateIdToken", "token"}
    uses = [use for use in cloud.journal if use.allowed]
    report = [f"{'granted':58}{'used':>5}{'of':>5}"]
    for grant in desk.deployer_grants():
        needed = {use.permission for use in uses if use.grants == (grant,)}
        used = {use.permission for use in uses if grant in use.grants}
        where = grant.resource.rpartition("/")[2]
        report.append(
            f"{grant.role:42} {where[:15]:15}{len(used):5}{len(ROLES[grant.role]):5}  {', '.join(sorted(used))}"
        )
        assert needed, f"nothing needs {grant}"
    with capsys.disabled():
        print("\n" + "\n".join(report))


# The binding, by a part of its role, and a target that needs it.
NEEDED = [
    ("run.developer", ["list-cloud-run"]),
    ("run.invoker", ["predict"]),
    ("logging.viewer", ["logs"]),
    ("artifactregistry.repoAdmin", ["list-gcp-images"]),
    ("iam.serviceAccountUser", ["deploy"]),
    ("iam.serviceAccountTokenCreator", ["url"]),
]


@pytest.mark.parametrize(("role", "target"), NEEDED, ids=[role for role, _ in NEEDED])
def test_without_any_one_binding_a_target_fails_and_the_doctor_names_it(
    shipped: Desk, role: str, target: list[str]
) -> None:
    desk, cloud = shipped, shipped.cloud
    (grant,) = [grant for grant in desk.deployer_grants() if grant.role == f"roles/{role}"]
    held = cloud.policies.get(grant.resource)
    without = [each for each in held["bindings"] if each["role"] != grant.role]
    cloud.policies.set(grant.resource, {"bindings": without})
    try:
        desk.make(*target, fails=True)
        out = desk.make("doctor", fails=True).stdout
    finally:
        held = cloud.policies.get(grant.resource)
        again = {"role": grant.role, "members": [grant.member]}
        cloud.policies.set(grant.resource, {"bindings": [*held.get("bindings", []), again]})
    wrong = [line for line in out.splitlines() if not line.startswith("ok ")]
    assert wrong == [
        f"missing  {grant.role} of {grant.member} on {place(grant.resource)} → make add-roles"
    ]


def place(resource: str) -> str:
    """What the doctor calls a resource."""
    for name, known in (
        ("deployer", DEPLOYER),
        ("runtime", RUNTIME),
        ("repository", "/repositories/"),
    ):
        if known in resource:
            return name
    return "project"


def test_the_doctor_tells_all_and_goes_on_where_gcloud_cannot_say(shipped: Desk) -> None:
    desk, cloud = shipped, shipped.cloud
    fault = cloud.fault("GET", r"/serviceAccounts\?", 403, times=99)
    out = desk.make("doctor", fails=True)
    fault.left = 0
    assert f"unknown  account {DEPLOYER}: gcloud could not say" in out.stdout
    assert "ok       roles/run.developer of" in out.stdout
    assert "ok       login of docker" in out.stdout
    assert "does not have permission" in out.stderr
    on = set(cloud.enabled)
    cloud.enabled.clear()
    out = desk.make("doctor", fails=True)
    cloud.enabled.update(on)
    lines = out.stdout.splitlines()
    assert "missing  API run.googleapis.com → make enable-apis" in lines
    assert sum(line.startswith("missing ") for line in lines) == 16
    assert "ERROR" not in out.stderr


class Callers:
    """Two who call the service again and again, and count what comes back."""

    def __init__(self, url: str, token: str) -> None:
        self.request = urllib.request.Request(f"{url}/metadata", headers={"Authorization": f"Bearer {token}"})  # fmt: skip
        self.answers: collections.Counter[str] = collections.Counter()
        self.ended = threading.Event()
        self.threads = [threading.Thread(target=self.call) for _ in range(2)]

    def call(self) -> None:
        for _ in itertools.takewhile(lambda _: not self.ended.is_set(), itertools.count()):
            try:
                with urllib.request.urlopen(self.request, timeout=30) as answer:
                    answer.read()
                    self.answers[str(answer.status)] += 1
            except (OSError, urllib.error.HTTPError) as error:
                self.answers[repr(error)] += 1
            time.sleep(0.05)

    def __enter__(self) -> Self:
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.ended.set()
        for thread in self.threads:
            thread.join()


def test_no_request_is_lost_while_revisions_change_and_the_last_deploy_gets_traffic(
    shipped: Desk,
) -> None:
    desk = shipped
    token = desk.cloud.identity.identity_token(caller(PERSON), url := desk.url())
    with Callers(url, token) as callers:
        desk.make("deploy")
        (first,) = desk.serving()
        desk.make("deploy-canary")
        assert desk.serving() == {first: 100}
        for _ in range(2):
            desk.make("promote", "PERCENT=10")
        assert sorted(desk.serving().values()) == [10, 90]
        assert desk.serving()[first] == 90
        for _ in range(2):
            desk.make("promote")
        (second,) = desk.serving()
        assert second != first
        said = desk.make("rollback").stderr
        assert f"--to-revisions={first}=100" in said
        assert desk.serving() == {first: 100}
        desk.make("rollback")
        assert desk.serving() == {first: 100}
        desk.make("deploy")
        (third,) = desk.serving()
        assert third not in {first, second}
    assert set(callers.answers) == {"200"}
    assert callers.answers["200"] >= 200


def test_a_container_that_does_not_get_ready_gets_no_traffic_and_its_lines_are_shown(
    shipped: Desk,
) -> None:
    desk = shipped
    before = desk.serving()
    for target in ("deploy", "deploy-canary"):
        said = desk.make(target, "THREADS=many", fails=True).stderr
        assert "error: THREADS='many': expected a whole number from 1" in said
        assert f"{next(iter(before))} is what serves" in said
        assert desk.serving() == before
    assert '{"predictions":["Adelie"]}' in desk.make("predict").stdout
    desk.make("rollback", f"TO={next(iter(before))}")
    assert desk.serving() == before
    desk.make("deploy")
    assert before.keys().isdisjoint(desk.serving())


def test_the_model_of_a_mounted_bucket_is_served_with_a_secret_in_its_variable(
    shipped: Desk, tmp_path: Path
) -> None:
    cloud = shipped.cloud
    joblib.dump(DecisionTreeClassifier().fit([[0.0], [1.0]], ["mounted"] * 2), tmp_path / "a")
    model = {"latest.joblib": (tmp_path / "a").read_bytes()}
    cloud.enabled |= {"storage.googleapis.com", "secretmanager.googleapis.com"}
    cloud.part(Buckets).all["our-models"] = Bucket("our-models", model)
    cloud.part(Secrets).all["mlflow-token"] = "the-token"
    cloud.part(Buckets).all["our-feedback"] = Bucket("our-feedback")
    given = (
        "MODEL_VOLUME=our-models", "SECRETS=MLFLOW_TRACKING_TOKEN=mlflow-token:latest",
        "FEEDBACK_URI=gs://our-feedback/f", "PREDICTION_LOG=all",
    )  # fmt: skip

    def environment() -> Mapping[str, str]:
        (service,) = cloud.part(Services).all.values()
        fleet = service.revisions[service.latest_ready].fleet
        assert fleet
        return fleet.plan.environment

    refused = shipped.make("deploy", *given, fails=True).stderr
    assert f"service account {RUNTIME}. The service account used must be granted" in refused
    shipped.make("add-roles", *given)
    assert '{"predictions":["mounted"]}' in shipped.make("deploy", *given).stdout
    assert environment()["MLFLOW_TRACKING_TOKEN"] == "the-token"
    assert environment()["FEEDBACK_URI"] == "gs://our-feedback/f"
    assert environment()["PREDICTION_LOG"] == "all"
    assert '{"predictions":["Adelie"]}' in shipped.make("deploy").stdout
    assert "MLFLOW_TRACKING_TOKEN" not in environment()
    for place in ("buckets/our-models", "buckets/our-feedback", "secrets/mlflow-token"):
        cloud.policies.forget(f"{cloud.resource}/{place}")


def test_with_a_key_nobody_is_impersonated(shipped: Desk) -> None:
    desk, cloud = shipped, shipped.cloud
    since = len(cloud.requests)
    desk.make("create-key", fails=True, types="no\n")
    assert desk.changes(since) == []
    desk.make("create-key", "CONFIRM=yes")
    desk.make("create-key", "CONFIRM=yes")
    assert (desk.folder / KEY).stat().st_mode & 0o077 == 0
    said = desk.make("predict", fails=True).stderr
    assert "make create-config" in said
    desk.make("create-config")
    since = len(cloud.requests)
    desk.make("image-to-gcp", "deploy", *LOOK)
    members = {line.member for line in cloud.requests[since:]} - {"-"}
    assert members == {f"serviceAccount:{DEPLOYER}"}
    assert not any(":generate" in line.url for line in cloud.requests[since:])
    desk.make("delete-key", "create-config")
    assert not (desk.folder / KEY).exists()
    desk.make("delete-key", "predict")


def test_access_is_asked_for_and_changes_only_then(shipped: Desk) -> None:
    desk = shipped
    url = desk.url()
    since = len(desk.cloud.requests)
    assert "on the internet" in desk.make("allow-public", fails=True, types="maybe\n").stdout
    assert "a token are refused" in desk.make("allow-private", fails=True).stdout
    assert desk.changes(since) == []
    assert status(url) == 403
    for _ in range(2):
        desk.make("allow-public", types="yes\n")
        assert status(url) == 200
    desk.make("deploy")
    assert status(url) == 200
    for _ in range(2):
        desk.make("allow-private", "CONFIRM=yes")
        assert status(url) == 403
    friend = "friend@example.com"
    token = desk.cloud.identity.identity_token(caller(friend), url)
    assert status(url, token) == 403
    assert "MEMBER is not set" in desk.make("allow-invoker", fails=True).stderr
    for _ in range(2):
        desk.make("allow-invoker", f"MEMBER=user:{friend}")
        assert status(url, token) == 200


def status(url: str, token: str | None = None) -> int:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    try:
        with urllib.request.urlopen(
            urllib.request.Request(f"{url}/ready", headers=headers), timeout=30
        ) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        with error:
            return error.code


def test_a_colleague_deploys_with_one_role_more_and_nothing_else(shipped: Desk) -> None:
    person, colleague = shipped, Desk(shipped.folder, shipped.cloud)
    colleague.env |= shipped.cloud.environment("colleague@example.com")
    since = len(shipped.cloud.requests)
    refused = colleague.make("create-config", "PATIENCE=1", fails=True).stderr
    told = "Whoever set up lets others: make allow-deployer MEMBER=user:colleague@example.com"
    assert told in refused
    person.make("allow-deployer", "MEMBER=user:colleague@example.com")
    assert len([line for line in person.changes(since) if "setIamPolicy" in line]) == 1
    colleague.make("create-config")
    shipped_now = colleague.make("image-to-gcp", "deploy")
    assert '{"predictions":["Adelie"]}' in shipped_now.stdout
    assert "PERMISSION_DENIED" in colleague.make("allow-public", "CONFIRM=yes", fails=True).stderr


ENV_FAULTS = [
    (None, ["deploy"], "GCP_PROJECT_ID is not set: write it into .env, as example.env shows"),
    ("MAX_ROWS=2\n", ["setup"], "GCP_PROJECT_ID is not set"),
    (f"GCP_PROJECT_ID={PROJECT}\nGCP_REGION=\n", ["destroy"], "GCP_REGION is not set"),
    (f'GCP_PROJECT_ID="{PROJECT}"\n', ["setup"], ".env, line 1: expected KEY=value"),
    ("GCP_PROJECT_ID=penguins-tset\n", ["setup"], "sees no project penguins-tset: set GCP_PROJECT_ID in .env"),
    ("GCP_PROJECT_ID=penguins-tset\n", ["deploy"], "no configuration machine-learning-api that acts as ml-api-deployer@penguins-tset"),
    ("GCP_PROJECT_ID=penguins-tset\n", ["destroy", "CONFIRM=penguins-tset"], "sees no project penguins-tset"),
    (f"GCP_PROJECT_ID={PROJECT}\nIMAGE={IMAGE}\n", ["predict", "SAMPLE=rows.json"], "There is no file rows.json"),
    (f"GCP_PROJECT_ID={PROJECT}\nIMAGE={IMAGE}\n", ["promote", "PERCENT=ten"], "PERCENT=ten: expected a whole number"),
    (f"GCP_PROJECT_ID={PROJECT}\nIMAGE=none\n", ["image-to-gcp"], "There is no image none here: make build-image"),
    (f"GCP_PROJECT_ID={PROJECT}\nIMAGE=none\n", ["deploy"], "There is no image none:"),
    (f"GCP_PROJECT_ID={PROJECT}\nCLOUD_RUN_SERVICE=other\n", ["url"], "Service other is missing in project penguins-test: make release"),
    (f"GCP_PROJECT_ID={PROJECT}\n", ["delete-service-account"], f"runs as {RUNTIME}: make delete-deployment first"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("registry", "pushed", "listed"),
    [
        ("", "europe-west1-docker.pkg.dev/p/r/i", "europe-west1-docker.pkg.dev/p/r/i"),
        ("us-docker.pkg.dev", "us-docker.pkg.dev/p/r/i", "us-docker.pkg.dev/p/r/i"),
        ("gcr.io", "gcr.io/p/i", "us-docker.pkg.dev/p/gcr.io/i"),
        ("us.gcr.io", "us.gcr.io/p/i", "us-docker.pkg.dev/p/us.gcr.io/i"),
        ("eu.gcr.io", "eu.gcr.io/p/i", "europe-docker.pkg.dev/p/eu.gcr.io/i"),
        ("asia.gcr.io", "asia.gcr.io/p/i", "asia-docker.pkg.dev/p/asia.gcr.io/i"),
    ],
)
def test_a_host_of_gcr_io_is_a_repository_in_its_multi_region(
    registry: str, pushed: str, listed: str
) -> None:
    values = ["GCP_PROJECT_ID=p", "GCP_REPOSITORY=r", "IMAGE=i"]
    probe = "--eval=probe: ; @echo $(PUSHED) $(LISTED)"
    set_to = [f"GCP_REGISTRY={registry}"] if registry else []
    result = subprocess.run(
        ["make", probe, "probe", *values, *set_to], cwd=ROOT,
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert result.stdout.split() == [pushed, listed]


# Stands for Google's program of that name, which gcloud starts: it adds the token to each request.
PROXY = """
import argparse, http.server, urllib.request
parser = argparse.ArgumentParser()
for name in ("-host", "-token", "-bind", "-server-up-time"):
    parser.add_argument(name)
given = parser.parse_args()
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        headers = {"Authorization": f"Bearer {given.token}"}
        request = urllib.request.Request(given.host + self.path, headers=headers)
        with urllib.request.urlopen(request) as answer:
            self.send_response(answer.status)
            self.end_headers()
            self.wfile.write(answer.read())
address, port = given.bind.split(":")
http.server.HTTPServer((address, int(port)), Handler).serve_forever()
"""


def test_open_lets_this_machine_call_the_private_service(shipped: Desk, tmp_path: Path) -> None:
    desk, port = shipped, free_port()
    proxy = tmp_path / "cloud-run-proxy"
    proxy.write_text(f"#!{sys.executable}{PROXY}")
    proxy.chmod(0o700)
    process = subprocess.Popen(
        ["make", "open", f"OS_PORT={port}"],
        cwd=desk.folder, env={**desk.env, "PATH": f"{tmp_path}:{desk.env['PATH']}"},
        start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            with contextlib.suppress(OSError):
                assert status(f"http://127.0.0.1:{port}") == 200
                break
            time.sleep(0.2)
        else:
            pytest.fail("make open does not answer")
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait()


@pytest.mark.parametrize(
    ("env", "arguments", "sentence"), ENV_FAULTS, ids=map(str, range(len(ENV_FAULTS)))
)
def test_what_env_lacks_is_said_in_one_sentence_and_nothing_is_changed(
    shipped: Desk, env: str | None, arguments: list[str], sentence: str
) -> None:
    desk = shipped
    path = desk.folder / ".env"
    kept, since = path.read_text(), len(desk.cloud.requests)
    try:
        path.unlink() if env is None else path.write_text(env)
        said = desk.make(*arguments, fails=True).stderr
    finally:
        path.write_text(kept)
    ours = [line for line in said.splitlines() if sentence in line]
    assert len(ours) == 1, said
    assert desk.changes(since) == []


def test_destroy_goes_on_where_it_was_killed_and_where_an_error_stopped_it(shipped: Desk) -> None:
    desk, cloud = shipped, shipped.cloud
    since = len(cloud.requests)
    command = ["make", "destroy", f"CONFIRM={PROJECT}"]
    process = subprocess.Popen(
        command, cwd=desk.folder, env=desk.env, start_new_session=True,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    while not any("setIamPolicy" in line for line in desk.changes(since)):
        assert process.poll() is None
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert cloud.snapshot()["grants"] != []
    fault = cloud.fault("DELETE", r"/serviceAccounts/", 403, times=9)
    desk.make("destroy", f"CONFIRM={PROJECT}", fails=True)
    assert fault.seen
    fault.left = 0
    desk.make("destroy", f"CONFIRM={PROJECT}")
    left = cloud.snapshot()
    assert [grant for grant in left.pop("grants") if "roles/owner" not in grant] == []
    left.pop("enabled")
    assert not any(left.values())
    assert desk.here()["secrets"] == [".gitignore"]
    assert "Nothing is left" in desk.make("destroy", f"CONFIRM={PROJECT}").stdout


def test_the_accounts_go_with_their_roles_once_nothing_runs_as_them(desk: Desk) -> None:
    if not desk.deployer_grants():
        desk.make("setup")
    for _ in range(2):
        desk.make("delete-service-account")
        assert desk.deployer_grants() == []
        left = desk.cloud.snapshot()
        assert left["service accounts"] == {}
        assert left["repositories"] != {}
