"""One worker pool of Cloud Run, as the Admin API v2 has it and as v1 tells it."""

from __future__ import annotations

import json
import secrets
import string
import uuid

from tests.google_cloud.cloud import Json
from tests.google_cloud.container import Instance
from tests.google_cloud.logging import now

SUCCEEDED, FAILED, RECONCILING = (
    f"CONDITION_{state}" for state in ("SUCCEEDED", "FAILED", "RECONCILING")
)
STATUS = {SUCCEEDED: "True", FAILED: "False", RECONCILING: "Unknown"}


def template_of(pool: Json) -> Json:
    """The template of a pool of v2 as v1 has it."""
    template = pool["template"]
    (container,) = template["containers"]
    env = [
        {"name": one["name"], "valueFrom": {"secretKeyRef": {"name": ref["secret"], "key": ref["version"]}}}
        if (ref := one.get("valueSource", {}).get("secretKeyRef"))
        else {"name": one["name"], "value": one.get("value", "")}
        for one in container.get("env", [])
    ]  # fmt: skip
    annotations, access = {}, template.get("vpcAccess", {})
    if interfaces := access.get("networkInterfaces"):
        annotations["run.googleapis.com/network-interfaces"] = json.dumps(interfaces)
        egress = access.get("egress", "PRIVATE_RANGES_ONLY").lower().replace("_", "-")
        annotations["run.googleapis.com/vpc-access-egress"] = egress
    volumes = [
        {
            "name": one["name"],
            "csi": {"driver": "gcsfuse.run.googleapis.com", "readOnly": one["gcs"].get("readOnly", False),
                    "volumeAttributes": {"bucketName": one["gcs"]["bucket"]}},
        }
        for one in template.get("volumes", [])
    ]  # fmt: skip
    fields = ("image", "command", "args", "resources", "volumeMounts")
    return {
        "metadata": {"annotations": annotations},
        "spec": {
            "containers": [{key: container[key] for key in fields if key in container} | {"env": env}],
            "volumes": volumes,
            **({"serviceAccountName": template["serviceAccount"]} if "serviceAccount" in template else {}),
        },
    }  # fmt: skip


class Pool:
    """One pool: what was asked for, and the containers of its newest revision."""

    def __init__(self, name: str) -> None:
        self.name = name  # in full
        self.shown: Json = {}
        self.instances: list[Instance] = []

    @property
    def short(self) -> str:
        return self.name.rpartition("/")[2]

    @property
    def parent(self) -> str:
        return self.name.rpartition("/workerPools/")[0]

    @property
    def location(self) -> str:
        return self.name.split("/")[3]

    @property
    def count(self) -> int:
        """The number of instances; 1 if nobody said how many."""
        return int(self.shown.get("scaling", {}).get("manualInstanceCount", 1))

    @property
    def revision(self) -> str:
        """The name of the newest revision."""
        name: str = self.shown["latestCreatedRevision"].rpartition("/")[2]
        return name

    def specify(self, asked: Json, caller: str) -> None:
        """Take what is asked for as the state that is to be reached, by a revision of its own."""
        before, letters = (
            self.shown,
            "".join(secrets.choice(string.ascii_lowercase) for _ in range(3)),
        )
        generation = int(before.get("generation", 0)) + 1
        revision = f"{self.short}-{generation:05d}-{letters}"
        self.shown = asked | {
            "name": self.name,
            "uid": before.get("uid") or str(uuid.uuid4()),
            "generation": str(generation),
            "observedGeneration": str(generation),
            "createTime": before.get("createTime") or now(),
            "updateTime": now(),
            "creator": before.get("creator") or caller,
            "lastModifier": caller,
            "etag": secrets.token_hex(8),
            "latestCreatedRevision": f"{self.name}/revisions/{revision}",
            "terminalCondition": {"type": "Ready", "state": RECONCILING},
        }

    def settle(self, fault: str) -> None:
        """Say how the newest revision came out."""
        state = {"state": FAILED, "message": fault} if fault else {"state": SUCCEEDED}
        self.shown["terminalCondition"] = {"type": "Ready", **state}
        if not fault:
            self.shown["latestReadyRevision"] = self.shown["latestCreatedRevision"]

    def as_v1(self) -> Json:
        """The pool as v1 tells it."""
        shown = self.shown
        return {
            "apiVersion": "run.googleapis.com/v1",
            "kind": "WorkerPool",
            "metadata": {
                "name": self.short,
                "namespace": self.name.split("/")[1],
                "uid": shown["uid"],
                "generation": int(shown["generation"]),
                "creationTimestamp": shown["createTime"],
                "labels": {"cloud.googleapis.com/location": self.location},
                "annotations": {
                    "run.googleapis.com/scalingMode": "manual",
                    "run.googleapis.com/manualInstanceCount": str(self.count),
                    "serving.knative.dev/creator": shown["creator"],
                    "serving.knative.dev/lastModifier": shown["lastModifier"],
                },
            },
            "spec": {
                "template": template_of(shown),
                "instanceSplits": [{"percent": 100, "latestRevision": True}],
            },
            "status": self.status(),
        }

    def status(self) -> Json:
        """How far the pool is, as v1 tells it."""
        condition, generation = self.shown["terminalCondition"], int(self.shown["generation"])
        split = {"percent": 100, "revisionName": self.revision}
        ready = {"latestReadyRevisionName": self.revision, "instanceSplits": [split]}
        return {
            "observedGeneration": generation,
            "latestCreatedRevisionName": self.revision,
            **(ready if condition["state"] == SUCCEEDED else {}),
            "conditions": [
                {
                    "type": "Ready",
                    "status": STATUS[condition["state"]],
                    "message": condition.get("message", ""),
                    "lastTransitionTime": self.shown["updateTime"],
                }
            ],
        }
