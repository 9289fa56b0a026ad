"""A person with a checkout of the project, gcloud and docker, on the small Google Cloud."""

from __future__ import annotations

import contextlib
import json
import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.checkout import ROOT, checkout, docker
from tests.google_cloud.cloud import PROJECT, Cloud
from tests.google_cloud.policies import Grant
from tests.tracing import CONFIG, TOLD

IMAGE = f"machine-learning-api-ship-{os.getpid()}"  # who else tests here has their own
SERVICE = "machine-learning-api"
DEPLOYER = f"ml-api-deployer@{PROJECT}.iam.gserviceaccount.com"
RUNTIME = f"ml-api-runtime@{PROJECT}.iam.gserviceaccount.com"
Done = subprocess.CompletedProcess[str]


@contextlib.contextmanager
def begin(folder: Path, model: Path, base: str = "") -> Iterator[Desk]:
    """A person who has just begun, on a small Google Cloud of their own; it ends with nothing left.

    `folder` gets a copy of the project with `model` in it, and all of their settings. With a `base`,
    images are that image and the model: a build takes a tenth of the time.
    """
    project = folder / "project"
    project.mkdir()
    checkout(project, model)
    if base:
        (project / "Dockerfile").write_text(f"FROM {base}\nCOPY models/latest.* models/\n")
    (project / "secrets" / "key.json").unlink()
    (project / ".env").write_text(f"GCP_PROJECT_ID={PROJECT}\nIMAGE={IMAGE}\n")
    for command in (["git", "init", "--quiet"], ["git", "add", "."]):
        subprocess.run(command, cwd=project, check=True)
    (folder / "cloud").mkdir()
    try:
        with Cloud(folder / "cloud") as cloud:
            desk = Desk(project, cloud)
            desk.commit()
            yield desk
    finally:
        docker("rmi", "--force", IMAGE, *copies())


def copies() -> list[str]:
    """The copies of this run's image that were tagged for, or pulled from, its registry."""
    form = "{{.Repository}} {{.Tag}} {{.Digest}}"
    lines = docker("images", "--digests", "--format", form).stdout.splitlines()
    rows = [line.split() for line in lines if f"/{IMAGE} " in line]
    return [
        f"{name}@{digest}" if tag == "<none>" else f"{name}:{tag}" for name, tag, digest in rows
    ]


class Desk:
    """A checkout of the project, and the person in front of it."""

    def __init__(self, folder: Path, cloud: Cloud) -> None:
        self.folder = folder
        self.cloud = cloud
        # Under make, the environment has all that the .env of whoever runs this says. No line of this
        # folder's copy of our code counts as covered.
        example = (ROOT / "example.env").read_text()
        names = {
            *re.findall(r"^# (\w+)=", example, re.MULTILINE),
            "MAKEFLAGS",
            "MFLAGS",
            "MAKELEVEL",
            CONFIG,
            TOLD,
        }
        self.env = {
            name: value for name, value in cloud.environment().items()
            if name not in names or name == "GCP_REGISTRY"
        }  # fmt: skip

    def make(
        self,
        *arguments: str,
        fails: bool = False,
        types: str = "",
    ) -> Done:
        """Run make as the person, and see to it that it ends as expected."""
        result = subprocess.run(
            ["make", *arguments], cwd=self.folder, env=self.env, input=types,
            capture_output=True, text=True, check=False, timeout=300,
        )  # fmt: skip
        assert (result.returncode != 0) == fails, result.stdout[-5000:] + result.stderr[-5000:]
        return result

    def commit(self) -> None:
        """Commit what is staged, or nothing: the image is made of another revision afterwards."""
        who = ["-c", "user.name=a", "-c", "user.email=a@example.com"]
        command = ["git", *who, "commit", "--quiet", "--allow-empty", "--message=All"]
        subprocess.run(command, cwd=self.folder, check=True)

    def here(self) -> dict[str, Any]:
        """What there is on this machine that shipping may touch."""
        gcloud, home = Path(self.env["CLOUDSDK_CONFIG"]), Path(self.env["DOCKER_CONFIG"])
        accounts = subprocess.run(
            ["gcloud", "auth", "list", "--format=value(account)"],
            env=self.env, capture_output=True, text=True, check=True, timeout=60,
        )  # fmt: skip
        config = home / "config.json"
        return {
            "secrets": sorted(path.name for path in (self.folder / "secrets").iterdir()),
            "configurations": {
                path.name: path.read_text() for path in (gcloud / "configurations").glob("*")
            },
            "accounts": accounts.stdout.split(),
            "docker": json.loads(config.read_text()).get("auths", {}) if config.exists() else {},
        }

    def changes(self, since: int = 0) -> list[str]:
        """The requests that changed something in the project."""
        asks = re.compile(
            r":(getIamPolicy|generate\w+Token|testIamPermissions)$|/token$|/entries:list$"
        )
        lines = [(line, line.url.partition("?")[0]) for line in self.cloud.requests[since:]]
        return [
            f"{line.method} {url}"
            for line, url in lines
            if line.method not in {"GET", "HEAD"} and line.status < 300 and not asks.search(url)
        ]

    def url(self) -> str:
        return self.make("--silent", "url").stdout.strip()

    def serving(self) -> dict[str, int]:
        """The revisions that have traffic, and how much."""
        shown = subprocess.run(
            ["gcloud", "run", "services", "describe", SERVICE, f"--project={PROJECT}",
             "--region=europe-west1", "--format=json"],
            env=self.env, capture_output=True, text=True, check=True, timeout=60,
        ).stdout  # fmt: skip
        traffic = json.loads(shown)["status"]["traffic"]
        return {each["revisionName"]: each["percent"] for each in traffic if each.get("percent")}

    def deployer_grants(self) -> list[Grant]:
        """All that setup granted: the owner had their role before."""
        return [grant for grant in self.cloud.policies.grants() if grant.role != "roles/owner"]
