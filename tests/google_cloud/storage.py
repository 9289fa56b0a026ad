"""Cloud Storage: buckets that a test fills, read through the JSON API, and their policies."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass, field

import flask

from tests.google_cloud import errors
from tests.google_cloud.cloud import Cloud, Json, Part

# gcloud leaves out the first part where its address of the API is set.
VERSIONS = ("", "/storage/v1")


@dataclass
class Bucket:
    """A bucket and the content of its objects."""

    name: str
    objects: dict[str, bytes] = field(default_factory=dict)


class Buckets(Part):
    """The buckets that there are; nothing that is tested here makes any."""

    def __init__(self) -> None:
        self.all: dict[str, Bucket] = {}

    def get(self, name: str) -> Bucket:
        """The bucket of this name."""
        if name not in self.all:
            raise errors.not_found("The specified bucket does not exist.")
        return self.all[name]


def generation(content: bytes) -> str:
    """The number of a generation: each content has its own."""
    return str(int(hashlib.sha256(content).hexdigest()[:13], 16))


def register(cloud: Cloud) -> None:
    """Add the paths of buckets and objects."""
    api = cloud.api("storage")
    buckets = cloud.add(Buckets())

    # Policies are inherited from the project of a bucket, whose name does not say which that is.
    def ask(permission: str, bucket: str) -> str:
        resource = f"{cloud.resource}/buckets/{bucket}"
        cloud.require(f"storage.{permission}", resource)
        return resource

    def read(bucket: str, path: str) -> flask.Response | Json:
        ask("objects.get", bucket)
        objects = buckets.get(bucket).objects
        if path not in objects:
            raise errors.not_found(f"No such object: {bucket}/{path}")
        content = objects[path]
        if flask.request.args.get("generation", generation(content)) != generation(content):
            raise errors.not_found(f"No such object: {bucket}/{path}")
        if flask.request.args.get("alt") == "media":
            return flask.Response(content, mimetype="application/octet-stream")
        return {
            "kind": "storage#object",
            "id": f"{bucket}/{path}/{generation(content)}",
            "name": path,
            "bucket": bucket,
            "generation": generation(content),
            "metageneration": "1",
            "contentType": "application/octet-stream",
            "storageClass": "STANDARD",
            "size": str(len(content)),
            "md5Hash": base64.b64encode(hashlib.md5(content).digest()).decode(),
            "mediaLink": f"http://storage.googleapis.test/b/{bucket}/o/{path}?alt=media",
        }

    def describe(bucket: str) -> Json:
        ask("buckets.get", bucket)
        shown = {"kind": "storage#bucket", "id": bucket, "storageClass": "STANDARD"}
        return shown | {"name": buckets.get(bucket).name, "location": "EUROPE-WEST1"}

    def policy(bucket: str) -> Json:
        resource = ask("buckets.getIamPolicy", bucket)
        buckets.get(bucket)
        return cloud.policies.get(resource) | {"kind": "storage#policy"}

    def change(bucket: str) -> Json:
        resource = ask("buckets.setIamPolicy", bucket)
        buckets.get(bucket)
        return cloud.policies.set(resource, cloud.body(), cloud.accounts)

    for version in VERSIONS:
        api.route(f"{version}/b/<bucket>/o/<path:path>")(read)
        api.route(f"{version}/b/<bucket>")(describe)
        api.route(f"{version}/b/<bucket>/iam")(policy)
        api.route(f"{version}/b/<bucket>/iam", "PUT")(change)
