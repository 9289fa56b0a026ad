"""Cloud Storage: objects of buckets through the JSON API, and the buckets' policies."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass, field

import flask

from tests.google_cloud import errors
from tests.google_cloud.cloud import Cloud, Json, Part

# gcloud leaves out the first part where its address of the API is set.
VERSIONS = ("", "/storage/v1")
# Objects that one answer lists.
PAGE = 2


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
    buckets = cloud.add(Buckets())
    _add_objects(cloud, buckets)
    _add_buckets(cloud, buckets)


def _require(cloud: Cloud, permission: str, bucket: str) -> str:
    # Policies are inherited from the project of a bucket, whose name does not say which that is.
    resource = f"{cloud.resource}/buckets/{bucket}"
    cloud.require(f"storage.{permission}", resource)
    return resource


def _shown(bucket: Bucket, path: str) -> Json:
    content = bucket.objects[path]
    return {
        "kind": "storage#object",
        "id": f"{bucket.name}/{path}/{generation(content)}",
        "name": path,
        "bucket": bucket.name,
        "generation": generation(content),
        "metageneration": "1",
        "contentType": "application/octet-stream",
        "storageClass": "STANDARD",
        "size": str(len(content)),
        "md5Hash": base64.b64encode(hashlib.md5(content).digest()).decode(),
        "mediaLink": f"http://storage.googleapis.test/b/{bucket.name}/o/{path}?alt=media",
    }


def _add_objects(cloud: Cloud, buckets: Buckets) -> None:
    api = cloud.api("storage")

    def read(bucket: str, path: str) -> flask.Response | Json:
        _require(cloud, "objects.get", bucket)
        objects = buckets.get(bucket).objects
        if path not in objects:
            raise errors.not_found(f"No such object: {bucket}/{path}")
        content = objects[path]
        if flask.request.args.get("generation", generation(content)) != generation(content):
            raise errors.not_found(f"No such object: {bucket}/{path}")
        if flask.request.args.get("alt") == "media":
            return flask.Response(content, mimetype="application/octet-stream")
        return _shown(buckets.get(bucket), path)

    @api.route("/upload/storage/v1/b/<bucket>/o", "POST")
    def write(bucket: str) -> Json:
        _require(cloud, "objects.create", bucket)
        path, objects = flask.request.args["name"], buckets.get(bucket).objects
        if flask.request.args.get("uploadType") != "media":
            raise errors.invalid("Only uploadType=media is known here.")
        if path in objects:
            if flask.request.args.get("ifGenerationMatch") == "0":
                raise errors.precondition_failed()
            _require(cloud, "objects.delete", bucket)
        objects[path] = flask.request.get_data()
        return _shown(buckets.get(bucket), path)

    def listed(bucket: str) -> Json:
        _require(cloud, "objects.list", bucket)
        after = flask.request.args.get("pageToken", "")
        prefix = flask.request.args.get("prefix", "")
        names = sorted(each for each in buckets.get(bucket).objects if each.startswith(prefix))
        page = [each for each in names if each > after][:PAGE]
        more = {"nextPageToken": page[-1]} if page and page[-1] != names[-1] else {}
        items = [_shown(buckets.get(bucket), each) for each in page]
        return {"kind": "storage#objects", "items": items} | more

    for version in VERSIONS:
        api.route(f"{version}/b/<bucket>/o/<path:path>")(read)
        api.route(f"{version}/b/<bucket>/o")(listed)


def _add_buckets(cloud: Cloud, buckets: Buckets) -> None:
    api = cloud.api("storage")

    def describe(bucket: str) -> Json:
        _require(cloud, "buckets.get", bucket)
        state = {"kind": "storage#bucket", "id": bucket, "storageClass": "STANDARD"}
        return state | {"name": buckets.get(bucket).name, "location": "EUROPE-WEST1"}

    def policy(bucket: str) -> Json:
        resource = _require(cloud, "buckets.getIamPolicy", bucket)
        buckets.get(bucket)
        return cloud.policies.get(resource) | {"kind": "storage#policy"}

    def change(bucket: str) -> Json:
        resource = _require(cloud, "buckets.setIamPolicy", bucket)
        buckets.get(bucket)
        return cloud.policies.set(resource, cloud.body(), cloud.accounts)

    for version in VERSIONS:
        api.route(f"{version}/b/<bucket>")(describe)
        api.route(f"{version}/b/<bucket>/iam")(policy)
        api.route(f"{version}/b/<bucket>/iam", "PUT")(change)
