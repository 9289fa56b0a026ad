"""What google-cloud.mk says to those who have not begun, or take a wrong turn; nothing is deployed."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.checkout import ROOT, docker
from tests.desk import DEPLOYER, IMAGE, RUNTIME, Desk, begin
from tests.google_cloud import tools
from tests.google_cloud.cloud import PERSON, PROJECT
from tests.google_cloud.secret_manager import Secrets
from tests.google_cloud.storage import Bucket, Buckets

MAKEFILES = [ROOT / "google-cloud.mk", *sorted((ROOT / "google-cloud").glob("*.mk"))]
# A target of each piece that can be deleted.
PIECES = {
    "worker": "delete-worker",
    "vertex": "delete-vertex",
    "builds": "delete-trigger",
    "github": "delete-github-identity",
}


@pytest.fixture(scope="module")
def desk(example: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """A person who has just begun; no image is built for them."""
    if reason := tools.missing():
        pytest.skip(reason)
    with begin(tmp_path_factory.mktemp("desk"), example) as desk:
        yield desk


@pytest.fixture
def ready(desk: Desk) -> Desk:
    """A person whose project is set up."""
    if not desk.deployer_grants():
        desk.make("setup")
    return desk


@pytest.mark.parametrize("path", MAKEFILES, ids=lambda path: path.name)
def test_a_makefile_of_the_cloud_is_plain(path: Path) -> None:
    text = path.read_text()
    assert not re.search(r"\beval\b|\$\((call )?\w+_\$", text), "names are not put together"
    assert max(map(len, text.splitlines())) <= 120


@pytest.mark.parametrize("piece", PIECES)
def test_a_piece_can_be_deleted_and_the_rest_works(desk: Desk, tmp_path: Path, piece: str) -> None:
    folder = tmp_path / "project"
    shutil.copytree(desk.folder, folder, ignore=shutil.ignore_patterns("models"))
    for end in ("mk", "py"):
        (folder / f"google-cloud/{piece}.{end}").unlink()
    rest = Desk(folder, desk.cloud)
    listed = rest.make("help").stdout
    assert [name for name in PIECES if PIECES[name] not in listed] == [piece]
    # Workers are deleted as the deployer, whose configuration is not there yet.
    others = [target for name, target in PIECES.items() if name not in {piece, "worker"}]
    rest.make(*others)
    assert "make enable-apis" in rest.make("doctor", fails=True).stderr
    assert "Nothing is left" in rest.make("destroy").stdout


@pytest.mark.parametrize(
    ("given", "counts"), [((), False), (("SAMPLE=models/penguins.csv",), True)]
)
def test_the_example_row_is_no_prediction_that_is_kept(
    desk: Desk, given: tuple[str, ...], *, counts: bool
) -> None:
    shown = desk.make("--dry-run", "predict", *given).stdout
    assert ("--header 'x-prediction-log: off'" in shown) is not counts


def test_where_nothing_is_destroy_asks_for_nothing_and_lists_nothing(desk: Desk) -> None:
    out = desk.make("destroy").stdout
    assert f"These targets have made nothing in project {PROJECT} or on this machine." in out
    assert "goes for good" not in out


@pytest.mark.parametrize("target", ["doctor", "check-gcp-login", "create-config"])
def test_where_nobody_is_logged_in_only_that_is_said(
    desk: Desk, tmp_path: Path, target: str
) -> None:
    nobody = Desk(desk.folder, desk.cloud)
    nobody.env["CLOUDSDK_CONFIG"] = str(tmp_path)
    said = nobody.make(target, fails=True)
    assert said.stdout == ""
    assert said.stderr.startswith("Nobody is logged in to gcloud: gcloud auth login\nmake: ***")


def test_the_doctor_names_a_project_that_is_not_visible_and_looks_for_nothing_in_it(
    desk: Desk,
) -> None:
    said = desk.make("doctor", "GCP_PROJECT_ID=penguins-tset", fails=True)
    assert f"{PERSON} sees no project penguins-tset: set GCP_PROJECT_ID in .env" in said.stderr
    assert said.stdout == ""


@pytest.mark.parametrize(
    ("target", "sentence"),
    [
        ("create-repository", "API run.googleapis.com is missing in project penguins-test: make enable-apis"),
        ("create-config", "API run.googleapis.com is missing in project penguins-test: make enable-apis"),
        ("deploy", f"gcloud has no configuration machine-learning-api that acts as {DEPLOYER}: make create-config"),
        ("create-schedule", "API run.googleapis.com is missing"),
    ],
)  # fmt: skip
def test_a_step_that_comes_too_early_names_the_one_before(
    desk: Desk, target: str, sentence: str
) -> None:
    assert sentence in desk.make(target, fails=True).stderr


@pytest.mark.parametrize("target", ["setup", "doctor", "deploy"])
def test_a_region_that_is_none_is_said_before_anything_is_asked(desk: Desk, target: str) -> None:
    since = len(desk.cloud.requests)
    said = desk.make(target, "GCP_REGION=mars", fails=True).stderr
    assert "GCP_REGION=mars: expected a region, as in GCP_REGION=europe-west1" in said
    assert desk.cloud.requests[since:] == []


@pytest.mark.parametrize(
    ("member", "sentence"),
    [
        ("me@example.com", "MEMBER=me@example.com: say of what kind it is, as in MEMBER=user:me@example.com"),
        (DEPLOYER, f"as in MEMBER=serviceAccount:{DEPLOYER}"),
        ("allUsers", "MEMBER=allUsers is everybody: make allow-public, which asks first"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("target", ["allow-invoker", "allow-deployer"])
def test_a_member_is_of_a_kind_and_is_not_everybody(
    desk: Desk, target: str, member: str, sentence: str
) -> None:
    since = len(desk.cloud.requests)
    assert sentence in desk.make(target, f"MEMBER={member}", fails=True).stderr
    assert desk.changes(since) == []


@pytest.mark.parametrize(
    ("api", "target"),
    [
        ("run", "deploy"),
        ("iamcredentials", "url"),
        ("artifactregistry", "deploy"),
        ("iam", "create-service-account"),
    ],
)
def test_an_api_that_is_off_is_named_with_the_target_that_turns_it_on(
    ready: Desk, api: str, target: str
) -> None:
    ready.cloud.enabled.discard(f"{api}.googleapis.com")
    said = ready.make(target, fails=True).stderr
    ready.cloud.enabled.add(f"{api}.googleapis.com")
    assert re.search(rf"API {api}\.googleapis\.com is (off|missing) in project {PROJECT}: make enable-apis", said)  # fmt: skip
    assert "SERVICE_DISABLED" not in said


def test_each_state_that_is_not_committed_has_a_tag_of_its_own_and_is_named(ready: Desk) -> None:
    def deploy() -> str:
        return ready.make("deploy", fails=True).stderr

    def tag(said: str) -> str:
        found = re.search(rf"There is no image {IMAGE}:(\S+) in the registry: make release", said)
        assert found
        return found[1]

    committed, notes = deploy(), ready.folder / "notes.txt"
    assert "not committed" not in committed
    tags = [tag(committed)]
    try:
        for text in ("one", "another"):
            notes.write_text(text)
            said = deploy()
            assert "since this is not committed:\n?? notes.txt\n" in said
            tags.append(tag(said))
    finally:
        notes.unlink()
    assert len(set(tags)) == 3
    assert tag(deploy()) == tags[0]


def test_what_the_service_reads_and_writes_is_told_by_the_doctor_and_granted(ready: Desk) -> None:
    given = (
        "MODEL_VOLUME=our-models", "SECRETS=MLFLOW_TRACKING_TOKEN=mlflow-token:latest",
        "FETCH_AT=start", "MODEL_URI=gs://their-models/a.joblib", "FEEDBACK_URI=gs://our-feedback/a",
    )  # fmt: skip
    cloud = ready.cloud
    cloud.enabled |= {"storage.googleapis.com", "secretmanager.googleapis.com"}
    names = ("our-models", "their-models", "our-feedback")
    cloud.part(Buckets).all |= {name: Bucket(name) for name in names}
    cloud.part(Secrets).all["mlflow-token"] = "the-token"
    reads = [
        ("roles/storage.objectViewer", "bucket", "our-models"),
        ("roles/storage.objectViewer", "bucket", "their-models"),
        ("roles/storage.objectCreator", "bucket", "our-feedback"),
        ("roles/secretmanager.secretAccessor", "secret", "mlflow-token"),
    ]
    told = [f"{role} of serviceAccount:{RUNTIME} on {kind} {name}" for role, kind, name in reads]
    said = ready.make("doctor", *given, fails=True).stdout
    assert all(f"missing  {each} → make add-roles\n" in said for each in told)
    ready.make("add-roles", *given)
    said = ready.make("doctor", *given, fails=True).stdout
    assert all(f"ok       {each}\n" in said for each in told)
    granted = {(grant.role, grant.resource) for grant in cloud.policies.grants()}
    assert granted >= {(role, f"projects/{PROJECT}/{kind}s/{name}") for role, kind, name in reads}
    ready.make("destroy", *given, f"CONFIRM={PROJECT}")
    assert not any(RUNTIME in grant.member for grant in cloud.policies.grants())
    assert [*cloud.part(Secrets).all] == ["mlflow-token"]


def test_a_question_says_how_it_is_answered_where_nobody_can_type(ready: Desk) -> None:
    asked = ready.make("create-key", fails=True)
    assert "Type yes to go on (or set CONFIRM=yes): " in asked.stdout
    assert "That was not yes, so nothing was changed" in asked.stderr


def left_by(process: subprocess.Popen[str]) -> list[str]:
    """The images, containers and folders of this walk that are on this machine."""
    listed = docker("images", "--format", "{{.Repository}}").stdout
    listed += docker("ps", "--all", "--format", "{{.Image}}").stdout
    mark = IMAGE.replace(str(os.getpid()), str(process.pid))
    folders = Path(tempfile.gettempdir()).glob(f"try-cloud-{process.pid}-*")
    return [line for line in listed.split() if mark in line] + [str(path) for path in folders]


@pytest.fixture
def walk(built: Path, example: Path, tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """The walk of make try-cloud, in a terminal's foreground: Ctrl-C reaches all that it has started."""
    if reason := tools.missing():
        pytest.skip(reason)
    env = os.environ | {"CLOUDSDK_CONFIG": str(tmp_path / "own"), "API_KEYS": "alice:1"}
    with subprocess.Popen(
        [sys.executable, "-m", "tests.google_cloud", example], cwd=ROOT, env=env, text=True,
        start_new_session=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    ) as process:  # fmt: skip
        yield process
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGINT)
        process.communicate(timeout=120)


def read_until(process: subprocess.Popen[str], words: str) -> str:
    """What it says, to the line with these words or to its end."""
    assert process.stdout
    said = ""
    for line in process.stdout:
        said += line
        if words in line:
            break
    return said


def test_trying_the_cloud_leaves_nothing_when_it_is_stopped(
    walk: subprocess.Popen[str], tmp_path: Path
) -> None:
    before = read_until(walk, "Deploying")
    assert "Deploying" in before, before
    os.killpg(walk.pid, signal.SIGINT)
    said = read_until(walk, "Nothing to read")
    assert walk.wait() == 130, before + said
    assert "The small Google Cloud is gone" in said
    assert left_by(walk) == []
    assert not (tmp_path / "own").exists(), "the settings of whoever runs it are not touched"
