"""Artifact Registry's paths to what is in a repository: images, packages, versions, tags."""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import quote

import flask

from tests.google_cloud import errors
from tests.google_cloud.artifact_registry import Package, Repositories, Repository
from tests.google_cloud.cloud import Api, Cloud, Json
from tests.google_cloud.operations import finished

RULE = "/v1/projects/<project>/locations/<location>/repositories/<repository>"
PACKAGE_RULE = f"{RULE}/packages/<path:package>"


def shown_images(repository: Repository) -> Iterator[Json]:
    """All images of a repository."""
    for package in repository.packages.values():
        for version in package.versions.values():
            image = f"{quote(package.name, safe='')}@{version.digest}"
            yield {
                "name": f"{repository.resource}/dockerImages/{image}",
                "uri": f"{repository.host}/{package.name}@{version.digest}",
                "tags": package.tags_of(version.digest),
                "imageSizeBytes": str(version.size),
                "mediaType": version.media_type,
                "uploadTime": version.created,
                "updateTime": version.created,
            }


def shown_tag(repository: Repository, package: Package, tag: str) -> Json:
    """A tag, and the version that it means."""
    name = f"{repository.resource}/packages/{quote(package.name, safe='')}"
    return {"name": f"{name}/tags/{tag}", "version": f"{name}/versions/{package.tags[tag]}"}


def shown_version(repository: Repository, package: Package, digest: str, view: str) -> Json:
    """A version, in the full view with its tags."""
    version = package.versions[digest]
    name = f"{repository.resource}/packages/{quote(package.name, safe='')}"
    image = f"{repository.resource}/dockerImages/{quote(package.name, safe='')}@{digest}"
    metadata = {"name": image, "mediaType": version.media_type}
    shown: Json = {
        "name": f"{name}/versions/{digest}",
        "createTime": version.created,
        "updateTime": version.created,
        "metadata": metadata | {"imageSizeBytes": str(version.size)},
    }
    tags = [shown_tag(repository, package, tag) for tag in package.tags_of(digest)]
    return shown | ({"relatedTags": tags} if tags and view == "FULL" else {})


def register(cloud: Cloud) -> None:
    """Add the paths."""
    api = cloud.api("artifactregistry")
    repositories = cloud.part(Repositories)
    add_images(api, repositories)
    add_packages(api, repositories)
    add_versions(api, repositories)
    add_tags(api, repositories)


def add_images(api: Api, repositories: Repositories) -> None:
    """Add the paths of images."""

    @api.route(f"{RULE}/dockerImages")
    def images(project: str, location: str, repository: str) -> Json:
        found = repositories.ask("dockerimages.list", project, location, repository)
        return {"dockerImages": list(shown_images(found))}

    @api.route(f"{RULE}/dockerImages/<path:image>")
    def image(project: str, location: str, repository: str, image: str) -> Json:
        found = repositories.ask("dockerimages.get", project, location, repository)
        for shown in shown_images(found):
            if shown["uri"] == f"{found.host}/{image}":
                return shown
        raise errors.not_found(f'Image "{image}" was not found.')


def add_packages(api: Api, repositories: Repositories) -> None:
    """Add the paths of packages."""

    @api.route(f"{RULE}/packages")
    def packages(project: str, location: str, repository: str) -> Json:
        found = repositories.ask("packages.list", project, location, repository)
        names = [quote(name, safe="") for name in found.packages]
        return {"packages": [{"name": f"{found.resource}/packages/{name}"} for name in names]}

    @api.route(PACKAGE_RULE)
    def package(project: str, location: str, repository: str, package: str) -> Json:
        found = repositories.ask("packages.get", project, location, repository)
        held = found.package(package)
        name = f"{found.resource}/packages/{quote(package, safe='')}"
        return {"name": name, "createTime": held.created, "updateTime": held.created}

    @api.route(PACKAGE_RULE, "DELETE")
    def delete_package(project: str, location: str, repository: str, package: str) -> Json:
        found = repositories.ask("packages.delete", project, location, repository)
        del found.packages[found.package(package).name]
        return finished(f"projects/{project}/locations/{location}", {})


def add_versions(api: Api, repositories: Repositories) -> None:
    """Add the paths of versions."""

    @api.route(f"{PACKAGE_RULE}/versions")
    def versions(project: str, location: str, repository: str, package: str) -> Json:
        found = repositories.ask("versions.list", project, location, repository)
        held = found.package(package)
        view = flask.request.args.get("view", "")
        return {"versions": [shown_version(found, held, each, view) for each in held.versions]}

    @api.route(f"{PACKAGE_RULE}/versions/<version>")
    def version(project: str, location: str, repository: str, package: str, version: str) -> Json:
        found = repositories.ask("versions.get", project, location, repository)
        held = found.package(package)
        view = flask.request.args.get("view", "")
        return shown_version(found, held, held.digest(version), view)

    @api.route(f"{PACKAGE_RULE}/versions/<version>", "DELETE")
    def delete_version(
        project: str, location: str, repository: str, package: str, version: str
    ) -> Json:
        found = repositories.ask("versions.delete", project, location, repository)
        held = found.package(package)
        digest = held.digest(version)
        tags = held.tags_of(digest)
        if tags and flask.request.args.get("force") != "true":
            raise errors.invalid(f"Version is tagged: {', '.join(tags)}.", "FAILED_PRECONDITION")
        for tag in tags:
            del held.tags[tag]
        del held.versions[digest]
        if not held.versions:
            del found.packages[held.name]
        return finished(f"projects/{project}/locations/{location}", {})


def add_tags(api: Api, repositories: Repositories) -> None:
    """Add the paths of tags."""

    @api.route(f"{PACKAGE_RULE}/tags")
    def tags(project: str, location: str, repository: str, package: str) -> Json:
        found = repositories.ask("tags.list", project, location, repository)
        held = found.package(package)
        shown = [shown_tag(found, held, tag) for tag in held.tags]
        wanted = re.search(r'version="?([^"]+)"?', flask.request.args.get("filter", ""))
        if wanted:
            shown = [each for each in shown if each["version"] == wanted[1]]
        return {"tags": shown}

    @api.route(f"{PACKAGE_RULE}/tags/<tag>")
    def tag(project: str, location: str, repository: str, package: str, tag: str) -> Json:
        found = repositories.ask("tags.get", project, location, repository)
        held = found.package(package)
        if tag not in held.tags:
            raise errors.not_found(f'Tag "{tag}" was not found.')
        return shown_tag(found, held, tag)

    @api.route(f"{PACKAGE_RULE}/tags", "POST")
    def create_tag(project: str, location: str, repository: str, package: str) -> Json:
        found = repositories.ask("tags.create", project, location, repository)
        held = found.package(package)
        name = flask.request.args.get("tagId", "")
        if name in held.tags:
            raise errors.already_exists(f'Tag "{name}" already exists.')
        held.tags[name] = held.digest(flask.request.json["version"].rpartition("/")[2])
        return shown_tag(found, held, name)

    @api.route(f"{PACKAGE_RULE}/tags/<tag>", "DELETE")
    def delete_tag(project: str, location: str, repository: str, package: str, tag: str) -> Json:
        found = repositories.ask("tags.delete", project, location, repository)
        held = found.package(package)
        if tag not in held.tags:
            raise errors.not_found(f'Tag "{tag}" was not found.')
        del held.tags[tag]
        return {}
