"""Secret Manager: secrets with one version, their policies, and what a service reads of them."""

from __future__ import annotations

import base64

import flask

from tests.google_cloud import errors, policy_paths
from tests.google_cloud.cloud import Cloud, Json, Part
from tests.google_cloud.identity import caller

SECRETS = "/v1/projects/<project>/secrets"


class Secrets(Part):
    """The secrets that there are, with the content of their newest version."""

    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud
        self.all: dict[str, str] = {}

    def resource(self, name: str) -> str:
        """The full name of a secret."""
        return f"{self.cloud.resource}/secrets/{name}"

    def read(self, name: str, account: str) -> str:
        """The content of a secret, for an account that may read it; raises PermissionError."""
        may = self.cloud.policies.allows(
            caller(account), "secretmanager.versions.access", self.resource(name)
        )
        if not may or name not in self.all:
            raise PermissionError(
                f"Permission denied on secret: {self.resource(name)}/versions/latest for Revision "
                f"service account {account}. The service account used must be granted the 'Secret "
                "Manager Secret Accessor' role (roles/secretmanager.secretAccessor) at the secret, "
                "project or higher level."
            )
        return self.all[name]


def register(cloud: Cloud) -> None:
    """Add the paths of secrets and their policies."""
    api = cloud.api("secretmanager")
    secrets = cloud.add(Secrets(cloud))

    def exists(secret: str, **_: str) -> None:
        if secret not in secrets.all:
            raise errors.not_found(f"Secret [{secrets.resource(secret)}] not found.")

    @api.route(SECRETS)
    def listed(project: str) -> Json:
        cloud.require("secretmanager.secrets.list", f"projects/{cloud.known_project(project)}")
        return {"secrets": [{"name": secrets.resource(name)} for name in secrets.all]}

    @api.route(SECRETS, "POST")
    def create(project: str) -> Json:
        cloud.require("secretmanager.secrets.create", f"projects/{cloud.known_project(project)}")
        name = flask.request.args["secretId"]
        if name in secrets.all:
            raise errors.already_exists(f"Secret [{secrets.resource(name)}] already exists.")
        secrets.all[name] = ""
        return {"name": secrets.resource(name)}

    @api.route(f"{SECRETS}/<secret>:addVersion", "POST")
    def add_version(secret: str, **_: str) -> Json:
        cloud.require("secretmanager.versions.add", secrets.resource(secret))
        exists(secret)
        secrets.all[secret] = base64.b64decode(cloud.body()["payload"]["data"]).decode()
        return {"name": f"{secrets.resource(secret)}/versions/1", "state": "ENABLED"}

    policy_paths.add(
        api,
        f"{SECRETS}/<secret>",
        "secretmanager.secrets",
        lambda secret, **_: secrets.resource(secret),
        exists,
    )
