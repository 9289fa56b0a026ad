"""Workers on Cloud Run: the real gcloud, and containers of a small image with the worker's command."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.checkout import docker
from tests.desk import DEPLOYER, IMAGE, RUNTIME, SERVICE, Desk, begin
from tests.google_cloud import tools
from tests.google_cloud.cloud import PROJECT
from tests.google_cloud.run_worker_pools import WorkerPools
from tests.google_cloud.secret_manager import Secrets

POOL = f"{SERVICE}-worker"
BROKER = "amqps://user:password@rabbit.example.com"
SECRETS = "SECRETS=CELERY_BROKER_URL=celery-broker:latest"
TAG = "IMAGE_TAG=one"
PYTHON = '#!/bin/sh\necho "$CLOUD_RUN_WORKER_POOL runs $*"\ntrap exit TERM\nsleep 60 & wait\n'


def build(folder: Path, name: str) -> None:
    """An image whose python is a script that tells its arguments and waits."""
    programs = {"/bin/sh", "/bin/sleep"}
    for program in list(programs):
        linked = subprocess.run(["ldd", program], capture_output=True, text=True, check=True).stdout
        programs |= set(re.findall(r"/\S+", linked))
    for program in programs:
        (folder / "root" / program[1:]).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(Path(program).resolve(), folder / "root" / program[1:])
    (folder / "root/bin/python").write_text(PYTHON)
    (folder / "root/bin/python").chmod(0o755)
    (folder / "Dockerfile").write_text("FROM scratch\nCOPY root /\nENV PATH=/bin\n")
    assert docker("build", "--tag", name, str(folder)).returncode == 0


@pytest.fixture(scope="module")
def desk(example: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """A person whose project is set up, with a small image in the registry."""
    if reason := tools.missing():
        pytest.skip(reason)
    with begin(tmp_path_factory.mktemp("desk"), example) as desk:
        desk.make("setup", "conf-docker-for-gcp")
        name = f"{desk.cloud.registry_host}/{PROJECT}/{SERVICE}/{IMAGE}:one"
        build(tmp_path_factory.mktemp("image"), name)
        subprocess.run(["docker", "push", name], env=desk.env, check=True, capture_output=True)
        yield desk


def workers(desk: Desk) -> list[str]:
    """The names of the containers that run as workers."""
    pools = desk.cloud.part(WorkerPools).all.values()
    return [instance.name for pool in pools for instance in pool.instances if instance.running]


def test_without_a_broker_it_says_how_to_store_the_address_of_one(desk: Desk) -> None:
    said = desk.make("deploy-worker", TAG, fails=True).stderr
    assert "SECRETS has no CELERY_BROKER_URL, so workers have no queue to take tasks from" in said
    for line in re.findall(r"^  (.*)$", said, re.MULTILINE):
        env = desk.env | {"CELERY_BROKER_URL": BROKER}
        subprocess.run(line, shell=True, env=env, check=True, capture_output=True)
    assert f"write {SECRETS} into .env; RabbitMQ needs a Redis for the results" in said
    assert "Next: make add-roles deploy deploy-worker" in said
    assert desk.cloud.part(Secrets).all == {"celery-broker": BROKER}


def test_a_secret_that_workers_may_not_read_is_refused_and_the_doctor_names_the_role(
    desk: Desk,
) -> None:
    told = desk.make("doctor", TAG, SECRETS, fails=True).stdout
    said = desk.make("deploy-worker", TAG, SECRETS, fails=True).stderr
    assert "Permission denied on secret" in said
    assert "Where gcloud says that it crashed, Cloud Run has refused" in said
    assert "Next: make doctor, which says whether a role is missing" in said
    assert f"missing  worker pool {POOL} → make deploy-worker\n" in told
    assert re.search(
        r"missing  roles/secretmanager\S+ of \S+ on secret celery-broker → make add-roles", told
    )


@pytest.fixture
def deployed(desk: Desk) -> Desk:
    """A person with two workers, which may read the address of the broker."""
    policies, secret = desk.cloud.policies, desk.cloud.part(Secrets)
    secret.all["celery-broker"] = BROKER
    role = {"role": "roles/secretmanager.secretAccessor", "members": [f"serviceAccount:{RUNTIME}"]}
    policies.set(secret.resource("celery-broker"), {"bindings": [role]})
    if not workers(desk):
        done = desk.make("deploy-worker", TAG, SECRETS, "WORKERS=2")
        assert BROKER not in done.stdout + done.stderr
    return desk


def test_workers_run_the_image_of_the_service_with_the_address_of_the_broker(
    deployed: Desk,
) -> None:
    one, two = workers(deployed)
    shown = json.loads(docker("inspect", one, two).stdout)
    assert all(f"CELERY_BROKER_URL={BROKER}" in each["Config"]["Env"] for each in shown)
    assert all(each["Args"] == ["-m", "api", "worker"] for each in shown)
    assert f"{POOL} runs -m api worker" in deployed.make("logs-worker").stdout


def test_another_deployment_replaces_the_workers(deployed: Desk) -> None:
    old = workers(deployed)
    network = ("CLOUD_RUN_NETWORK=office", "CLOUD_RUN_SUBNET=office-1")
    said = deployed.make("deploy-worker", TAG, SECRETS, *network).stderr
    assert "Next: make logs-worker, or make delete-worker so that it costs no more" in said
    (new,) = workers(deployed)
    assert new not in old
    command = (
        f"gcloud beta run worker-pools describe {POOL} --project={PROJECT} --region=europe-west1"
    )
    done = subprocess.run(
        command.split(), env=deployed.env, capture_output=True, text=True, check=True
    )
    assert "Scaling: Manual (Instances: 1)" in done.stdout
    assert f"by {DEPLOYER}" in done.stdout
    assert re.search(rf"Service account: +{RUNTIME}", done.stdout)
    assert re.search(r"CELERY_BROKER_URL +celery-broker:latest", done.stdout)
    assert re.search(
        r"Network: +office\n +Subnet: +office-1\n +Egress: +private-ranges-only", done.stdout
    )


def test_the_doctor_knows_the_workers_and_their_account_stays(deployed: Desk) -> None:
    assert f"ok       worker pool {POOL}\n" in deployed.make("doctor", TAG, SECRETS).stdout
    said = deployed.make("delete-service-account", fails=True).stderr
    assert f"The worker pool {POOL} runs as {RUNTIME}: make delete-worker first" in said


def test_destroy_lists_the_workers(deployed: Desk) -> None:
    said = deployed.make("destroy", SECRETS, types="no\n", fails=True)
    assert f"worker-pool: {POOL}\n" in said.stdout


def test_deleted_workers_are_gone(deployed: Desk) -> None:
    deployed.make("delete-worker")
    assert deployed.cloud.snapshot()["worker_pools"] == {}
    assert f"There is no worker pool {POOL}" in deployed.make("delete-worker").stdout


@pytest.fixture(scope="module")
def plain(desk: Desk, tmp_path_factory: pytest.TempPathFactory) -> Desk:
    """The same person, with a gcloud that has no beta commands."""
    root = Path(shutil.which("gcloud") or "").resolve().parent.parent
    own = tmp_path_factory.mktemp("sdk")
    # gcloud looks for its components beside the real places of some of its files.
    folders = (".", "bin", "lib", "lib/googlecloudsdk", "lib/googlecloudsdk/core", ".install")
    for folder in folders:
        (own / folder).mkdir(exist_ok=True)
    for path in (path for folder in folders for path in (root / folder).iterdir()):
        place = own / path.relative_to(root)
        if path.name in {"gcloud", "gcloud.py"}:
            shutil.copy(path, place)
        elif not place.exists() and not path.name.startswith("beta."):
            place.symlink_to(path)
    plain = Desk(desk.folder, desk.cloud)
    plain.env = desk.env | {"PATH": f"{own / 'bin'}:{desk.env['PATH']}"}
    return plain


def test_a_gcloud_without_beta_commands_is_told_what_to_install(plain: Desk) -> None:
    said = plain.make("deploy-worker", TAG, SECRETS, fails=True).stderr
    assert (
        "This gcloud has no beta commands, which worker pools need: gcloud components install beta"
        in said
    )


def test_where_no_workers_are_wanted_a_gcloud_without_beta_commands_will_do(plain: Desk) -> None:
    done = plain.make("delete-worker")
    assert "This gcloud has no beta commands, so no worker pool is looked for" in done.stderr
