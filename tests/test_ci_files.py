"""The files that other machines read: what they say is valid, and does here what it does there."""

from __future__ import annotations

import contextlib
import datetime as dt
import hashlib
import http.server
import ipaddress
import json
import os
import re
import shlex
import shutil
import ssl
import subprocess
import sys
import tarfile
import threading
import time
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID
from ruamel.yaml import YAML

from tests.checkout import ROOT, checkout, docker
from tests.desk import DEPLOYER, IMAGE, SERVICE, Desk
from tests.google_cloud.cloud import PROJECT
from tests.google_cloud.cloud_build import Builds
from tests.google_cloud.identity import caller
from tests.google_cloud.scheduler import Jobs
from tests.google_cloud.storage import Bucket, Buckets
from tests.test_container import post
from tests.test_rejections import GOOD
from tests.test_serving import free_port

WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yaml"))
BIN = Path(sys.executable).parent
REPOSITORY = "someone/penguins"
SCHEDULER = f"ml-api-scheduler@{PROJECT}.iam.gserviceaccount.com"
ISSUER = "https://token.actions.githubusercontent.com"


def read(name: str) -> Any:
    return YAML(typ="safe").load(ROOT / name)


def tool(name: str, *arguments: str) -> None:
    result = subprocess.run(
        [BIN / name, *arguments], cwd=ROOT, capture_output=True, text=True, check=False, timeout=120
    )
    assert result.returncode == 0, result.stdout + result.stderr


def steps(name: str) -> list[dict[str, Any]]:
    """All steps of a workflow."""
    jobs = read(f".github/workflows/{name}")["jobs"].values()
    return [step for job in jobs for step in job["steps"]]


def goals(command: list[str]) -> list[str]:
    """The targets of a command line of make."""
    assert command[0] == "make"
    return [word for word in command[1:] if "=" not in word]


def platforms() -> dict[str, str]:
    """The files that docs/platforms.md shows, by the names it gives them."""
    text = (ROOT / "docs" / "platforms.md").read_text()
    found = re.findall(r"`([\w.]+)`[^`]*:\n\n```\w+\n(.*?)```", text, re.DOTALL)
    return {name: body.strip() for name, body in found}


def procfile() -> str:
    return platforms()["Procfile"].removeprefix("web: ")


# What the files say


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_a_workflow_fits_the_schema_of_github(path: Path) -> None:
    tool("check-jsonschema", "--builtin-schema", "vendor.github-workflows", str(path))


def test_cloudbuild_fits_the_schema_of_cloud_build() -> None:
    tool("check-jsonschema", "--builtin-schema", "vendor.cloudbuild", "cloudbuild.yaml")


def test_zizmor_finds_nothing_in_the_workflows() -> None:
    tool("zizmor", "--offline", "--persona=auditor", ".github")


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_a_workflow_has_no_rights_but_those_that_its_jobs_name(path: Path) -> None:
    workflow = read(f".github/workflows/{path.name}")
    assert workflow["permissions"] == {}
    allowed = {"contents: read", "id-token: write", "contents: write"}
    for job in workflow["jobs"].values():
        assert {f"{key}: {value}" for key, value in job["permissions"].items()} <= allowed
        assert job["timeout-minutes"]


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_a_workflow_pins_its_actions_and_otherwise_only_calls_make(path: Path) -> None:
    pinned = re.compile(r"\s+- uses: [\w-]+/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+")
    for line in path.read_text().splitlines():
        assert "uses:" not in line or pinned.fullmatch(line)
    for step in steps(path.name):
        assert "uses" in step or re.fullmatch(r"make [^;|&\n]+", step["run"])


def test_the_python_of_the_workflows_is_one_that_the_project_takes() -> None:
    assert 'requires-python = ">=3.11"' in (ROOT / "pyproject.toml").read_text()
    tests = read(".github/workflows/ci.yaml")["jobs"]["test"]
    assert tests["strategy"]["matrix"]["python"] == ["3.11", "3.12", "3.13", "3.14"]


@pytest.mark.parametrize("name", ["fault", "wish"])
def test_a_form_for_issues_fits_the_schema_of_github(name: str) -> None:
    path = f".github/ISSUE_TEMPLATE/{name}.yaml"
    tool("check-jsonschema", "--builtin-schema", "vendor.github-issue-forms", path)


def test_each_hook_runs_a_tool_that_make_develop_installs() -> None:
    (local,) = read(".pre-commit-config.yaml")["repos"]
    tools = [Path(hook["entry"].split()[0]) for hook in local["hooks"]]
    assert {tool.name for tool in tools} == {"ruff", "mypy", "zizmor"}
    for tool in tools:
        assert (BIN / tool.name).exists()


def test_every_target_that_a_file_calls_is_in_the_makefile() -> None:
    called = {
        goal
        for path in WORKFLOWS
        for step in steps(path.name)
        if "run" in step
        for goal in goals(shlex.split(step["run"]))
    }
    for step in read("cloudbuild.yaml")["steps"]:
        called.update(goals([step["entrypoint"], *step["args"]]))
    makefile = "".join((ROOT / name).read_text() for name in ("Makefile", "google-cloud.mk"))
    makefile = makefile.replace("$(EXAMPLE):", "models/latest.joblib:")
    assert len(called) > 8
    assert {goal for goal in called if f"\n{goal}:" not in makefile} == set()


def test_render_starts_what_the_procfile_starts() -> None:
    (service,) = YAML(typ="safe").load(platforms()["render.yaml"])["services"]
    assert (service["type"], service["runtime"]) == ("web", "python")
    assert service["startCommand"] == procfile()
    assert service["healthCheckPath"] == "/ready"
    assert service["buildCommand"] == "pip install -r requirements.txt"
    # https://render.com/docs/blueprint-spec
    assert set(service) <= {
        "type", "name", "runtime", "plan", "buildCommand", "startCommand", "healthCheckPath", "envVars",
    }  # fmt: skip
    for variable in service["envVars"]:
        assert set(variable) == {"key", "value"}


def test_the_requirements_of_those_platforms_are_a_lock() -> None:
    name = platforms()["requirements.txt"].removeprefix("-r ")
    assert "--hash=sha256:" in (ROOT / name).read_text()


def test_the_line_of_the_procfile_trains_serves_and_predicts(example: Path, tmp_path: Path) -> None:
    folder = checkout(tmp_path, example)
    for name in ("models/latest.joblib", "models/latest.json", ".env"):
        (folder / name).unlink()
    port = free_port()
    env = os.environ | {"PORT": str(port), "PATH": f"{BIN}:{os.environ['PATH']}"}
    log = (tmp_path / "log").open("w")
    process = subprocess.Popen(
        ["sh", "-c", procfile()], cwd=folder, env=env, stdout=log, stderr=log
    )
    try:
        deadline = time.monotonic() + 90
        while time.monotonic() < deadline and process.poll() is None:
            with contextlib.suppress(OSError):
                urllib.request.urlopen(f"http://localhost:{port}/ready", timeout=5).close()
                break
            time.sleep(0.2)
        assert post(port, GOOD) == {"predictions": ["Gentoo"]}, (tmp_path / "log").read_text()
    finally:
        process.terminate()
        process.wait(timeout=30)
        log.close()


# A release


class Bench:
    """A checkout with git, in which make runs with what is given."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def make(self, *arguments: str, fails: bool = False, **env: str) -> Any:
        result = subprocess.run(
            ["make", *arguments], cwd=self.folder, env=os.environ | env,
            capture_output=True, text=True, check=False, timeout=600,
        )  # fmt: skip
        assert (result.returncode != 0) == fails, result.stdout[-3000:] + result.stderr[-3000:]
        return result


def lend_environment(folder: Path) -> None:
    """Let make find in a checkout what is installed for these tests, and so install nothing."""
    environment = folder / ".venv"
    environment.mkdir()
    for part in ("bin", "lib", "pyvenv.cfg", ".installed"):
        (environment / part).symlink_to(Path(sys.prefix) / part)


@pytest.fixture(scope="module")
def bench(example: Path, tmp_path_factory: pytest.TempPathFactory) -> Bench:
    """A checkout of git, whose image has only the model: to save and compress takes no time."""
    folder = checkout(tmp_path_factory.mktemp("bench"), example)
    (folder / ".env").unlink()
    (folder / "Dockerfile").write_text("FROM scratch\nCOPY models/latest.joblib /\n")
    lend_environment(folder)
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@example.com"]
    for step in (["init", "-q"], ["add", "."], ["commit", "-q", "-m", "All"]):
        subprocess.run([*git, *step], cwd=folder, check=True, capture_output=True)
    return Bench(folder)


def version() -> str:
    found = re.search(r'^version = "(.*)"', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    assert found
    return found[1]


def test_a_tag_must_be_the_version_of_the_project(bench: Bench) -> None:
    bench.make("check-tag", f"TAG=v{version()}")
    wrong = bench.make("check-tag", "TAG=v9.9.9", fails=True)
    expected = f"The tag v9.9.9 is not the version of pyproject.toml: expected v{version()}"
    assert expected in wrong.stderr
    assert "TAG is not set" in bench.make("check-tag", fails=True).stderr


def test_a_version_that_the_changelog_does_not_have_is_not_released(bench: Bench) -> None:
    log = bench.folder / "CHANGELOG.md"
    text = log.read_text()
    log.write_text(text.replace(f"## {version()}", "## Unreleased"))
    for target in ("check-tag", "tag", "github-release"):
        said = bench.make(target, f"TAG=v{version()}", fails=True).stderr
        assert f"CHANGELOG.md says nothing about {version()}" in said
    log.write_text(text)


def test_a_version_is_tagged_with_its_changes_once_all_is_committed(bench: Bench) -> None:
    git = ["git", "-C", str(bench.folder)]
    env: Any = {
        f"GIT_{who}_{what}": "a@b" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")
    }
    (bench.folder / "more").touch()
    said = bench.make("tag", f"TAG=v{version()}", fails=True, **env).stderr
    assert "There are changes that are not committed" in said
    (bench.folder / "more").unlink()
    bench.make("tag", f"TAG=v{version()}", **env)
    show = subprocess.run([*git, "tag", "-n99"], capture_output=True, text=True, check=True).stdout
    assert show.startswith(f"v{version()} ")
    assert "Serve any fitted scikit-learn model" in show
    assert "# Changelog" not in show


def test_a_release_has_the_card_the_image_and_the_source_with_its_model(bench: Bench) -> None:
    if docker("ps", "--quiet").returncode != 0:
        pytest.skip("docker does not answer")
    bench.make("dist", f"IMAGE={IMAGE}")
    name = f"machine-learning-api-{version()}"
    dist = bench.folder / "dist"
    sums = (dist / "SHA256SUMS").read_text().splitlines()
    files = [f"{name}-image.tar.gz", f"{name}-model-card.json", f"{name}.tar.gz"]
    files.append(f"sklearn_plan-{version()}-py3-none-any.whl")
    assert [line.split()[1] for line in sums] == files
    for line in sums:
        digest, file = line.split()
        assert hashlib.sha256((dist / file).read_bytes()).hexdigest() == digest
    card = json.loads((dist / files[1]).read_text())
    with tarfile.open(dist / files[2]) as source:
        model = source.extractfile(f"{name}/models/latest.joblib")
        assert model
        assert hashlib.sha256(model.read()).hexdigest() == card["sha256"]
        assert {f"{name}/Makefile", f"{name}/models/model.py"} <= set(source.getnames())
    with tarfile.open(dist / files[0]) as image:
        manifest = image.extractfile("manifest.json")
        assert manifest
        (entry,) = json.load(manifest)
        assert entry["RepoTags"][0].endswith(f"{IMAGE}:{version()}")
    docker("rmi", f"{IMAGE}:{version()}")

    # GitHub's own client, to the edge of this machine.
    (bench.folder / "gh").write_text('#!/bin/sh\necho "$@" > said; cat > notes\n')
    (bench.folder / "gh").chmod(0o755)
    tag = f"v{version()}"
    bench.make("github-release", f"TAG={tag}", PATH=f"{bench.folder}:{os.environ['PATH']}")
    said = (bench.folder / "said").read_text().split()
    assert said[:3] == ["release", "create", tag]
    assert said[3:8] == ["dist/SHA256SUMS", *(f"dist/{file}" for file in files)]
    assert "--verify-tag" in said
    assert "Serve any fitted scikit-learn model" in (bench.folder / "notes").read_text()


# The model of a build


@pytest.fixture(scope="module")
def server(example: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """A server over HTTPS with the model, and the file by which its certificate is trusted."""
    folder = tmp_path_factory.mktemp("web")
    shutil.copy(example, folder / "model.joblib")
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = dt.datetime.now(dt.UTC)
    address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([address]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    trusted, private = folder.parent / "web.crt", folder.parent / "web.key"
    trusted.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )

    class Files(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *arguments: Any) -> None:
            super().__init__(*arguments, directory=str(folder))

        def log_message(self, *arguments: Any) -> None:
            """Say nothing."""

    web = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Files)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(trusted, private)
    web.socket = context.wrap_socket(web.socket, server_side=True)
    thread = threading.Thread(target=web.serve_forever, daemon=True)
    thread.start()
    yield f"https://127.0.0.1:{web.server_port}/model.joblib", str(trusted)
    web.shutdown()
    web.server_close()
    thread.join()


def test_a_model_is_fetched_once_it_is_the_one_that_is_meant(
    bench: Bench, server: tuple[str, str], example: Path
) -> None:
    address, trusted = server
    models = bench.folder / "models"
    digest = hashlib.sha256(example.read_bytes()).hexdigest()
    (models / "latest.joblib").write_text("another")
    (models / "latest.json").write_text("{}")

    def fetch(*arguments: str, fails: bool = False) -> Any:
        return bench.make("fetch-model", *arguments, fails=fails, CURL_CA_BUNDLE=trusted)

    wrong = fetch(f"MODEL_URI={address}", "MODEL_SHA256=0123abc", fails=True)
    assert f"The model has the SHA-256 {digest}, and MODEL_SHA256 says 0123abc" in wrong.stderr
    assert "404" in fetch(f"MODEL_URI={address}.old", fails=True).stderr
    hashed = fetch(f"MODEL_URI={address}#sha256={'0' * 64}", fails=True)
    assert f"The model has the SHA-256 {digest}, and MODEL_URI says {'0' * 64}" in hashed.stderr
    for scheme in ("http://", "ftp://"):
        refused = fetch(f"MODEL_URI={scheme}a/b.joblib", fails=True)
        assert "expected gs://... s3://... az://... https://... mlflow://... " in refused.stderr
    assert "MODEL_URI is not set" in fetch().stdout
    assert (models / "latest.joblib").read_text() == "another"

    fetched = fetch(f"MODEL_URI={address}", f"MODEL_SHA256={digest[:12]}")
    assert f"models/latest.joblib has the SHA-256 {digest}" in fetched.stdout
    assert (models / "latest.joblib").read_bytes() == example.read_bytes()
    assert not (models / "latest.json").exists(), "it was the card of another model"
    shutil.copy(example.with_suffix(".json"), models / "latest.json")


# On the small Google Cloud


@pytest.fixture(scope="module")
def ready(desk: Desk) -> Desk:
    """A desk that is set up, with a repository that someone connected to Cloud Build."""
    desk.make("setup")
    desk.cloud.part(Builds).connected.add(REPOSITORY)
    return desk


def without_apis(state: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in state.items() if name != "enabled"}


@contextlib.contextmanager
def without_dotenv(folder: Path) -> Iterator[None]:
    """A checkout as a build has it."""
    (folder / ".env").rename(folder / "env")
    try:
        yield
    finally:
        (folder / "env").rename(folder / ".env")


def machine(desk: Desk, **variables: str) -> dict[str, str]:
    """The variables of a machine where nobody is logged in, and what it was given instead."""
    folder = desk.cloud.folder / "machine"
    env = desk.env | {"CLOUDSDK_CONFIG": str(folder), "DOCKER_CONFIG": str(folder)} | variables
    # Tests that run there must not take away the image of this run.
    for name in ("CLOUDSDK_CORE_ACCOUNT", "TEST_RUN"):
        env.pop(name, None)
    return env


def as_account(desk: Desk, email: str) -> dict[str, str]:
    """The variables of a machine that Google gives the tokens of this account."""
    token = desk.cloud.folder / "token"
    token.write_text(desk.cloud.identity.access_token(caller(email)))
    given = {"CLOUDSDK_AUTH_ACCESS_TOKEN_FILE": str(token), "CLOUDSDK_CORE_ACCOUNT": email}
    return machine(desk) | given


def local(
    desk: Desk, step: Mapping[str, Any], config: Any, values: Mapping[str, str]
) -> tuple[list[str], dict[str, str]]:
    """A step of a build, as a command line and its variables on this machine."""

    def put_in(text: str) -> str:
        return re.sub(r"\$(\w+)", lambda found: values[found[1]], text)

    env = as_account(desk, values["SERVICE_ACCOUNT_EMAIL"])
    env |= dict(put_in(line).split("=", 1) for line in config["options"]["env"])
    return [step["entrypoint"], *map(put_in, step["args"])], env


def test_where_the_apis_are_off_there_is_nothing_to_delete(desk: Desk) -> None:
    before = desk.cloud.snapshot()
    for target in ("delete-schedule", "delete-trigger", "delete-github-identity"):
        desk.make(target)
    assert desk.cloud.snapshot() == before


def test_a_trigger_and_a_schedule_need_a_repository_that_is_named_and_known(desk: Desk) -> None:
    desk.make("setup")
    assert "GITHUB_REPOSITORY is not set" in desk.make("create-trigger", fails=True).stderr
    wrong = desk.make("create-trigger", "GITHUB_REPOSITORY=penguins", fails=True)
    assert "GITHUB_REPOSITORY=penguins: expected owner/name" in wrong.stderr
    assert "There is no trigger machine-learning-api: make create-trigger" in (
        desk.make("create-schedule", fails=True).stderr
    )
    desk.cloud.part(Builds).connected.clear()
    unknown = desk.make("create-trigger", f"GITHUB_REPOSITORY={REPOSITORY}", fails=True)
    assert "connect it (1st gen): https://console.cloud.google.com/cloud-build" in unknown.stderr


def test_a_push_and_the_schedule_start_a_build_as_the_deployer(ready: Desk) -> None:
    builds, jobs = ready.cloud.part(Builds), ready.cloud.part(Jobs)
    before = without_apis(ready.cloud.snapshot())
    trigger = ("create-trigger", f"GITHUB_REPOSITORY={REPOSITORY}", "MODEL_URI=https://a.example/m")
    schedule = ("create-schedule", "SCHEDULE=30 4 * * 1")
    for arguments in (trigger, schedule):
        assert "Next: " in ready.make(*arguments).stderr
        state = ready.cloud.snapshot()
        ready.make(*arguments)
        assert ready.cloud.snapshot() == state
    (made,) = builds.triggers.values()
    assert made["github"]["push"]["branch"] == "^main$"
    assert made["filename"] == "cloudbuild.yaml"
    assert list(state["jobs"].values()) == ["30 4 * * 1"]

    assert builds.push(REPOSITORY, "dev") == []
    (build,) = builds.push(REPOSITORY, "main")
    assert build["serviceAccount"].endswith(f"/{DEPLOYER}")
    assert build["substitutions"]["_MODEL_URI"] == "https://a.example/m"
    assert set(made["substitutions"]) == set(read("cloudbuild.yaml")["substitutions"])

    def run_schedule() -> int:
        command = ["gcloud", "scheduler", "jobs", "run", SERVICE, "--location=europe-west1"]
        subprocess.run(
            [*command, f"--project={PROJECT}"], env=ready.env, check=True, capture_output=True
        )
        (job,) = jobs.jobs.values()
        code: int = job["status"]["code"]
        return code

    assert run_schedule() == 0
    assert builds.builds[-1]["substitutions"]["BRANCH_NAME"] == "main"
    # Each of its roles is needed.
    policies = ready.cloud.policies
    for grant in [each for each in policies.grants() if SCHEDULER in each.member]:
        members = policies.of[grant.resource].bindings[grant.role]
        members.remove(grant.member)
        assert run_schedule() == 7, grant
        members.append(grant.member)
    assert run_schedule() == 0

    for target in ("delete-schedule", "delete-schedule", "delete-trigger", "delete-trigger"):
        ready.make(target)
    assert without_apis(ready.cloud.snapshot()) == before


def test_builds_read_the_bucket_of_the_model_and_no_longer_than_there_is_a_trigger(
    ready: Desk, example: Path
) -> None:
    before = without_apis(ready.cloud.snapshot())
    bucket = Bucket("models-of-someone", {"new/model.joblib": example.read_bytes()})
    ready.cloud.part(Buckets).all[bucket.name] = bucket
    model = f"MODEL_URI=gs://{bucket.name}/new/model.joblib"
    fetch = ["make", "fetch-model", model, f"GCP_PROJECT_ID={PROJECT}", "GCP_CONFIG="]

    def build(*, fails: bool = False) -> str:
        result = subprocess.run(
            fetch, cwd=ready.folder, env=as_account(ready, DEPLOYER),
            capture_output=True, text=True, check=False, timeout=120,
        )  # fmt: skip
        assert (result.returncode != 0) == fails, result.stderr
        return result.stdout + result.stderr

    ready.make("create-trigger", f"GITHUB_REPOSITORY={REPOSITORY}", model)
    assert "models/latest.joblib has the SHA-256" in build()
    ready.make("delete-trigger")
    assert "storage.objects.get" in build(fails=True)
    assert without_apis(ready.cloud.snapshot()) == before
    ready.make("create-trigger", f"GITHUB_REPOSITORY={REPOSITORY}", model)
    ready.cloud.part(Buckets).all.clear()
    ready.cloud.policies.forget(f"projects/{PROJECT}/buckets/{bucket.name}")
    ready.make("delete-trigger")
    assert without_apis(ready.cloud.snapshot()) == before


def test_the_steps_of_cloudbuild_ship_the_model_of_the_trigger(
    ready: Desk, server: tuple[str, str], example: Path
) -> None:
    address, trusted = server
    digest = hashlib.sha256(example.read_bytes()).hexdigest()
    ready.make(
        "create-trigger", f"GITHUB_REPOSITORY={REPOSITORY}", f"MODEL_URI={address}",
        f"MODEL_SHA256={digest}", "CLOUD_RUN_CONCURRENCY=7",
    )  # fmt: skip
    (build,) = ready.cloud.part(Builds).push(REPOSITORY, "main")
    config = read("cloudbuild.yaml")
    values = config["substitutions"] | build["substitutions"]
    values |= {
        "PROJECT_ID": PROJECT,
        "SERVICE_ACCOUNT_EMAIL": build["serviceAccount"].split("/")[-1],
    }
    # This machine's environment, and one file of tests for all of them.
    lend_environment(ready.folder)
    values["_SETTINGS"] += r" PYTEST_ARGS=--numprocesses=0\ tests/test_settings.py"
    project = ready.folder / "pyproject.toml"
    text = project.read_text().replace("fail_under = 100", "fail_under = 0")
    project.write_text(text.replace('source = ["api", "models"]', 'source = ["api.settings"]'))
    for name in ("latest.joblib", "latest.json"):
        (ready.folder / "models" / name).unlink(missing_ok=True)
    said = []
    with without_dotenv(ready.folder):
        for step in config["steps"]:
            command, env = local(ready, step, config, values)
            result = subprocess.run(
                command, cwd=ready.folder, env=env | {"CURL_CA_BUNDLE": trusted},
                capture_output=True, text=True, check=False, timeout=600,
            )  # fmt: skip
            assert result.returncode == 0, result.stdout[-3000:] + result.stderr[-3000:]
            said.append(result.stdout)
    assert f"models/latest.joblib has the SHA-256 {digest}" in said[0]
    assert '{"predictions":["Adelie"]}' in said[-1]
    assert ready.make("predict").stdout.count("Adelie") == 1
    assert re.search(r"Concurrency:\s+7\n", ready.make("describe-service").stdout)
    ready.make("delete-trigger")


@pytest.fixture
def github(ready: Desk) -> Iterator[dict[str, str]]:
    """The variables of a repository that Google trusts."""

    def trust() -> Any:
        state = ready.cloud.snapshot()
        return state["workload identity pools"], state["grants"]

    before = trust()
    arguments = ("create-github-identity", f"GITHUB_REPOSITORY={REPOSITORY}")
    ready.make(*arguments)
    state = ready.cloud.snapshot()
    said = ready.make(*arguments).stdout
    assert ready.cloud.snapshot() == state
    yield dict(
        re.findall(
            rf"^gh variable set (\w+) --repo {REPOSITORY} --body '(.*)'$", said, re.MULTILINE
        )
    )
    for _ in range(2):
        ready.make("delete-github-identity")
    assert trust() == before
    # A pool that was deleted keeps its name, and so comes back.
    ready.make(*arguments)
    assert trust() != before
    ready.make("delete-github-identity")


def job(desk: Desk, variables: Mapping[str, str], **claims: str) -> dict[str, str]:
    """The variables of a step of deploy.yaml, in a job that GitHub says this of."""
    provider = variables["GCP_WORKLOAD_IDENTITY_PROVIDER"]
    audience = f"//iam.googleapis.com/{provider}"
    told = {"repository": REPOSITORY, "ref": "refs/heads/main"} | claims
    told |= {"sub": f"repo:{told['repository']}:environment:production", "aud": f"https:{audience}"}
    token = desk.cloud.folder / "github-token"
    token.write_text(desk.cloud.identity.foreign_token(ISSUER, told))
    # As google-github-actions/auth writes it, but for the addresses.
    credentials = desk.cloud.folder / "gha-creds.json"
    credentials.write_text(
        json.dumps(
            {
                "type": "external_account",
                "audience": audience,
                "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
                "token_url": "http://sts.googleapis.test/v1/token",
                "credential_source": {"file": str(token)},
            }
        )
    )
    workflow = read(".github/workflows/deploy.yaml")["jobs"]["deploy"]
    env = machine(desk, CLOUDSDK_AUTH_CREDENTIAL_FILE_OVERRIDE=str(credentials))
    env["CLOUDSDK_AUTH_TOKEN_INTROSPECTION_ENDPOINT"] = "http://sts.googleapis.test/v1/introspect"
    for name, value in (workflow["env"] | workflow["steps"][-1]["env"]).items():
        # A secret that nobody has set is empty.
        plain = re.sub(r"\$\{\{ secrets\.\w+ \}\}", "", value)
        env[name] = re.sub(r"\$\{\{ vars\.(\w+) \}\}", lambda found: variables[found[1]], plain)
    return env


def test_the_workflow_deploys_without_a_key_and_only_from_main(
    ready: Desk, github: dict[str, str]
) -> None:
    used = set(re.findall(r"vars\.(\w+)", (ROOT / ".github/workflows/deploy.yaml").read_text()))
    assert set(github) == used
    last = steps("deploy.yaml")[-1]
    with without_dotenv(ready.folder):

        def run(**claims: str) -> subprocess.CompletedProcess[str]:
            return subprocess.run(
                shlex.split(last["run"]), cwd=ready.folder, env=job(ready, github, **claims),
                capture_output=True, text=True, check=False, timeout=600,
            )  # fmt: skip

        for claims in ({"ref": "refs/heads/dev"}, {"repository": "another/penguins"}):
            refused = run(**claims)
            assert refused.returncode != 0
            assert "rejected by the attribute condition" in refused.stderr
        shipped = run()
        assert shipped.returncode == 0, shipped.stdout[-3000:] + shipped.stderr[-3000:]
        assert '{"predictions":["Adelie"]}' in shipped.stdout


def test_destroy_takes_all_of_it_away(ready: Desk) -> None:
    for target in ("create-trigger", "create-schedule", "create-github-identity"):
        ready.make(target, f"GITHUB_REPOSITORY={REPOSITORY}")
    shown = ready.make("destroy", f"CONFIRM={PROJECT}").stdout
    for thing in (
        "trigger: ",
        f"schedule: {SERVICE}",
        f"schedule: {SCHEDULER}",
        "github-identity: ",
    ):
        assert thing in shown
    left = ready.cloud.snapshot()
    assert [grant[1] for grant in left["grants"]] == ["roles/owner"]
    assert not any(value for name, value in left.items() if name not in {"grants", "enabled"})
    # The APIs that stay on are those of the command that is shown last.
    disable = shown.splitlines()[-1].split()
    assert disable[:3] == ["gcloud", "services", "disable"]
    subprocess.run(disable, env=ready.env, check=True, capture_output=True)
    assert ready.cloud.snapshot()["enabled"] == []
