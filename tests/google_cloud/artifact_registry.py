"""Artifact Registry: repositories, and the images in them by package, version and tag."""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

import flask

from tests.google_cloud import errors, policy_paths
from tests.google_cloud.cloud import Api, Cloud, Json, Part
from tests.google_cloud.operations import finished

ID = re.compile(r"[a-z][a-z0-9-]{0,61}[a-z0-9]|[a-z]")
LOCATION = re.compile(r"us|europe|asia|[a-z]+-[a-z]+\d+")
# https://cloud.google.com/artifact-registry/docs/transition/setup-gcr-repo
GCR = {"gcr.io": "us", "us.gcr.io": "us", "eu.gcr.io": "europe", "asia.gcr.io": "asia"}


def now() -> str:
    """The time as the API writes it."""
    return dt.datetime.now(dt.UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


@dataclass
class Version:
    """A manifest: an image by its digest."""

    digest: str
    media_type: str
    size: int
    created: str = field(default_factory=now)


@dataclass
class Package:
    """An image by its name: its versions, and which of them each tag means."""

    name: str
    versions: dict[str, Version] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    created: str = field(default_factory=now)

    def tags_of(self, digest: str) -> list[str]:
        """The tags of a version."""
        return sorted(tag for tag, tagged in self.tags.items() if tagged == digest)

    def digest(self, reference: str) -> str:
        """The digest that a tag or a digest means."""
        digest = self.tags.get(reference, reference)
        if digest not in self.versions:
            raise errors.not_found(f'Version or tag "{reference}" was not found.')
        return digest


@dataclass
class Repository:
    """A place for images, in a location."""

    project: str
    location: str
    id: str
    settings: Json
    packages: dict[str, Package] = field(default_factory=dict)
    created: str = field(default_factory=now)

    @property
    def resource(self) -> str:
        """The repository's full name."""
        return f"projects/{self.project}/locations/{self.location}/repositories/{self.id}"

    @property
    def host(self) -> str:
        """The host that images are pushed to, with the path up to the images' names."""
        return f"{self.location}-docker.pkg.dev/{self.project}/{self.id}"

    def package(self, name: str) -> Package:
        """The package of this name; gcloud sends slashes in it encoded twice."""
        name = unquote(name)
        if name not in self.packages:
            raise errors.not_found(f'Package "{name}" was not found.')
        return self.packages[name]

    def push(self, name: str, version: Version, tag: str | None) -> None:
        """Keep a manifest that was pushed, under a tag if it has one."""
        package = self.packages.setdefault(name, Package(name))
        package.versions.setdefault(version.digest, version)
        if tag is not None:
            package.tags[tag] = version.digest

    def as_json(self) -> Json:
        """The repository as the API shows it."""
        size = sum(v.size for p in self.packages.values() for v in p.versions.values())
        times = {"createTime": self.created, "updateTime": self.created}
        fixed = {"name": self.resource, "mode": "STANDARD_REPOSITORY", "sizeBytes": str(size)}
        return self.settings | times | fixed


class Repositories(Part):
    """The repositories of the project."""

    name = "repositories"

    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud
        self.all: dict[str, Repository] = {}  # by full name

    def snapshot(self) -> Any:
        return {
            name: {p.name: [sorted(p.versions), p.tags] for p in repository.packages.values()}
            for name, repository in sorted(self.all.items())
        }

    def ask(self, permission: str, project: str, location: str, repository: str) -> Repository:
        """The repository, if the caller has the permission on it."""
        project = self.cloud.known_project(project)
        name = f"projects/{project}/locations/{location}/repositories/{repository}"
        self.cloud.require(f"artifactregistry.{permission}", name)
        return self.get(name)

    def get(self, name: str) -> Repository:
        """The repository of this full name."""
        if name not in self.all:
            raise errors.not_found(f'Requested entity was not found: "{name}".')
        return self.all[name]

    def create(self, project: str, location: str, name: str, settings: Json) -> Repository:
        """Make a repository."""
        if not LOCATION.fullmatch(location):
            raise errors.ApiError(
                403, f"Location {location} is not found or access is unauthorized."
            )
        if GCR.get(name, location) != location or not (ID.fullmatch(name) or name in GCR):
            raise errors.invalid(f'Invalid repository ID "{name}" in location "{location}".')
        repository = Repository(project, location, name, settings)
        if repository.resource in self.all:
            raise errors.already_exists("the repository already exists")
        self.all[repository.resource] = repository
        return repository

    def delete(self, repository: Repository) -> None:
        """Delete a repository with all that is in it."""
        del self.all[repository.resource]
        self.cloud.policies.forget(repository.resource)

    def find(self, path: str) -> tuple[Repository, str]:
        """The repository, and the package in it, of an image's path behind the registry's host."""
        project, _, rest = path.partition("/")
        name, _, package = rest.partition("/")
        mine = [each for each in self.all.values() if each.project == project]
        for repository in mine:
            if package and repository.id == name:
                return repository, package
        for repository in mine:
            if repository.id in GCR:
                return repository, rest
        raise errors.not_found(f'Repository "{name}" not found')

    def image(self, reference: str) -> tuple[Repository, str, Version]:
        """What `HOST/PROJECT/REPOSITORY/PACKAGE` with `@DIGEST` or `:TAG` behind it means."""
        _, _, path = reference.partition("/")
        path, at, wanted = path.partition("@")
        if not at:
            path, _, wanted = path.partition(":")
        repository, name = self.find(path)
        package = repository.package(name)
        return repository, name, package.versions[package.digest(wanted or "latest")]


def register(cloud: Cloud) -> None:
    """Add the paths of Artifact Registry."""
    api = cloud.api("artifactregistry")
    repositories = cloud.add(Repositories(cloud))
    register_repositories(api, repositories)


def register_repositories(api: Api, repositories: Repositories) -> None:
    """Add the paths of repositories and their policies."""
    cloud = api.cloud
    parent = "/v1/projects/<project>/locations/<location>"
    rule = f"{parent}/repositories"

    @api.route(rule, "POST")
    def create(project: str, location: str) -> Json:
        project = cloud.known_project(project)
        where = f"projects/{project}/locations/{location}"
        cloud.require("artifactregistry.repositories.create", where)
        name = flask.request.args.get("repositoryId", "")
        made = repositories.create(project, location, name, cloud.body())
        kind = "google.devtools.artifactregistry.v1.Repository"
        return finished(where, made.as_json(), kind)

    @api.route(rule)
    def listing(project: str, location: str) -> Json:
        where = f"projects/{cloud.known_project(project)}/locations/{location}"
        cloud.require("artifactregistry.repositories.list", where)
        shown = [
            each.as_json() for each in repositories.all.values() if location in {"-", each.location}
        ]
        return {"repositories": shown}

    @api.route("/v1/projects/<project>/locations")
    def locations(project: str) -> Json:
        project = cloud.known_project(project)
        cloud.require("artifactregistry.locations.list", f"projects/{project}")
        names = ("asia", "europe", "europe-west1", "us", "us-central1")
        return {
            "locations": [
                {"name": f"projects/{project}/locations/{name}", "locationId": name}
                for name in names
            ]
        }

    @api.route(f"{rule}/<repository>")
    def get(project: str, location: str, repository: str) -> Json:
        return repositories.ask("repositories.get", project, location, repository).as_json()

    @api.route(f"{rule}/<repository>", "DELETE")
    def delete(project: str, location: str, repository: str) -> Json:
        found = repositories.ask("repositories.delete", project, location, repository)
        repositories.delete(found)
        return finished(f"projects/{project}/locations/{location}", {})

    @api.route(f"{parent}/operations/<operation>")
    def operation(project: str, location: str, operation: str) -> Json:
        name = f"projects/{project}/locations/{location}/operations/{operation}"
        return {"name": name, "done": True, "response": {}}

    @api.route("/v1/projects/<project>/projectSettings")
    def settings(project: str) -> Json:
        project = cloud.known_project(project)
        cloud.require("artifactregistry.projectsettings.get", f"projects/{project}")
        enabled = "REDIRECTION_FROM_GCR_IO_ENABLED"  # nothing else is left of Container Registry
        return {"name": f"projects/{project}/projectSettings", "legacyRedirectionState": enabled}

    def resource(project: str, location: str, repository: str) -> str:
        where = f"projects/{cloud.known_project(project)}/locations/{location}"
        return f"{where}/repositories/{repository}"

    policy_paths.add(
        api, f"{rule}/<repository>", "artifactregistry.repositories", resource,
        exists=lambda **where: repositories.get(resource(**where)),
    )  # fmt: skip
