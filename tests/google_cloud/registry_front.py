"""The registry's host: who may push and pull, before the docker-registry.

The protocol: https://distribution.github.io/distribution/spec/api/
Whose pushes and pulls: https://cloud.google.com/artifact-registry/docs/docker/authentication
"""

from __future__ import annotations

import base64
import contextlib
import json
import re
from typing import Any

import flask

from tests.google_cloud import errors
from tests.google_cloud.artifact_registry import Repositories, Repository, Version
from tests.google_cloud.cloud import Cloud, Json, Own
from tests.google_cloud.identity import LIFETIME, Caller, Unauthenticated
from tests.google_cloud.registry import Registry, passed

PATH = re.compile(r"(?P<name>.+?)/(?P<kind>manifests|blobs|tags|referrers)/(?P<reference>.*)")
PERMISSIONS = {
    "GET": "repositories.downloadArtifacts",
    "HEAD": "repositories.downloadArtifacts",
    "POST": "repositories.uploadArtifacts",
    "PATCH": "repositories.uploadArtifacts",
    "PUT": "repositories.uploadArtifacts",
}
CODES = {
    400: "UNSUPPORTED", 401: "UNAUTHORIZED", 403: "DENIED", 404: "NAME_UNKNOWN",
    429: "TOOMANYREQUESTS",
}  # fmt: skip


class Front(Own):
    """The registry's paths, with errors in Docker's shape."""

    def __init__(self, cloud: Cloud) -> None:
        super().__init__(cloud, "artifactregistry")
        self.registry = cloud.part(Registry)
        self.repositories = cloud.part(Repositories)

    def render(self, error: errors.ApiError) -> flask.Response:
        code = CODES.get(error.code, "UNKNOWN")
        response = flask.jsonify(errors=[{"code": code, "message": error.message}])
        response.status_code = error.code
        if error.code == 401:
            host = self.cloud.registry_host
            where = f'realm="http://{host}/v2/token",service="{host}"'
            response.headers["WWW-Authenticate"] = f"Bearer {where}"
        return response

    def who(self) -> Caller:
        """The caller: an access token, plainly, or as the password of a user of this name."""
        kind, _, value = flask.request.headers.get("Authorization", "").partition(" ")
        if kind.lower() == "basic":
            with contextlib.suppress(ValueError):
                value = base64.b64decode(value).decode()
            user, _, value = value.partition(":")
            if user != "oauth2accesstoken":
                raise Unauthenticated(f"unknown user {user}")
        flask.g.caller = self.cloud.identity.who(value)
        return self.cloud.caller()

    def answer(self, path: str) -> Any:
        """Pass on what the caller may do in the repository that the path names."""
        self.who()
        self.cloud.require_enabled(self)
        found = PATH.fullmatch(path)
        if not found:
            raise errors.not_found(f"no such path: {path}")
        method, kind, reference = flask.request.method, found["kind"], found["reference"]
        with self.cloud.lock:
            repository, package = self.repositories.find(found["name"])
            self.cloud.require(f"artifactregistry.{PERMISSIONS[method]}", repository.resource)
            if kind == "tags":
                return {"name": found["name"], "tags": sorted(repository.package(package).tags)}
            if kind == "manifests" and method != "PUT":
                reference = repository.package(package).digest(reference)
                path = f"{found['name']}/manifests/{reference}"
        if kind == "manifests" and method == "PUT":
            return self.push(repository, package, reference)
        query = flask.request.query_string.decode()
        # A layer of another repository is not lent, but pushed again.
        query = "" if "mount=" in query else query
        return self.registry.forward(method, f"/v2/{path}?{query}")

    def push(self, repository: Repository, package: str, reference: str) -> Any:
        """Put a manifest, and keep in mind what it is called."""
        body = flask.request.get_data()
        response, content = self.registry.put(flask.request.path, body)
        if response.status == 201:
            manifest = json.loads(body)
            parts = [manifest.get("config", {}), *manifest.get("layers", [])]
            size = len(body) + sum(part.get("size", 0) for part in parts)
            kind = flask.request.headers["Content-Type"]
            version = Version(response.headers["Docker-Content-Digest"], kind, size)
            with self.cloud.lock:
                repository.push(package, version, None if ":" in reference else reference)
        return content, response.status, passed(response.headers.items())


def register(cloud: Cloud) -> None:
    """Add the registry's paths to the server's own address."""
    front = Front(cloud)

    @front.route("/v2/", waits=True, public=True)
    def version() -> Json:
        front.who()
        return {}

    @front.route("/v2/token", waits=True, public=True)
    def token() -> Json:
        return {"token": cloud.identity.access_token(front.who()), "expires_in": LIFETIME}

    front.route("/v2/<path:path>", *PERMISSIONS, waits=True, public=True)(front.answer)
