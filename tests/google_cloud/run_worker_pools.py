"""Cloud Run's worker pools: containers that nobody calls, as many as were asked for.

gcloud 528 changes pools by the Admin API v2 (over gRPC, see `grpc_tunnel`), and reads them by v1.

Source: https://cloud.google.com/run/docs/reference/rest/v2/projects.locations.workerPools
"""

from __future__ import annotations

import dataclasses
import json
import secrets
import string
import uuid
from typing import Any

from tests.google_cloud import errors, run_spec
from tests.google_cloud.cloud import Api, Cloud, Json, Part
from tests.google_cloud.container import Instance
from tests.google_cloud.logging import Logging, now, structured
from tests.google_cloud.operations import finished
from tests.google_cloud.run_knative import region
from tests.google_cloud.run_revision import ImageMissing
from tests.google_cloud.run_services import Services

KIND = "google.cloud.run.v2.WorkerPool"
V1 = "/apis/run.googleapis.com/v1/namespaces/<project>/workerpools"
V2 = "/v2/projects/<project>/locations/<location>/workerPools"


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
    def count(self) -> int:
        """The number of instances; 1 if nobody said how many."""
        return int(self.shown.get("scaling", {}).get("manualInstanceCount", 1))

    def as_v1(self) -> Json:
        """The pool as v1 tells it."""
        shown, revision = self.shown, self.shown["latestCreatedRevision"].rpartition("/")[2]
        condition = shown["terminalCondition"]
        ready = condition["state"] == "CONDITION_SUCCEEDED"
        split = {"percent": 100, "revisionName": revision}
        return {
            "apiVersion": "run.googleapis.com/v1",
            "kind": "WorkerPool",
            "metadata": {
                "name": self.short,
                "namespace": self.name.split("/")[1],
                "uid": shown["uid"],
                "generation": int(shown["generation"]),
                "creationTimestamp": shown["createTime"],
                "labels": {"cloud.googleapis.com/location": self.name.split("/")[3]},
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
            "status": {
                "observedGeneration": int(shown["generation"]),
                "latestCreatedRevisionName": revision,
                **({"latestReadyRevisionName": revision, "instanceSplits": [split]} if ready else {}),
                "conditions": [
                    {
                        "type": "Ready",
                        "status": "True" if ready else "False",
                        "message": condition.get("message", ""),
                        "lastTransitionTime": shown["updateTime"],
                    }
                ],
            },
        }  # fmt: skip


class WorkerPools(Part):
    """The pools of the project, and what runs for them."""

    name = "worker_pools"

    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud
        self.all: dict[str, Pool] = {}  # by full name

    def stop(self) -> None:
        for pool in self.all.values():
            self.end(pool.instances)

    def snapshot(self) -> Any:
        return {pool.name: [pool.shown["template"], pool.count] for pool in self.all.values()}

    def get(self, name: str) -> Pool:
        """The pool of this full name."""
        if name not in self.all:
            raise errors.not_found(f"Resource '{name.rpartition('/')[2]}' of kind 'WORKER_POOL' in region "
                                   f"'{name.split('/')[3]}' in project '{self.cloud.project}' does not exist.")  # fmt: skip
        return self.all[name]

    def apply(self, name: str, asked: Json) -> Json:
        """Bring a pool, which is made if there is none, to the state that is asked for."""
        with self.cloud.lock:
            pool = self.all.get(name) or Pool(name)
            # The caller may do what `allow_missing` does only as a creator.
            self.cloud.require(
                f"run.workerpools.{'update' if name in self.all else 'create'}", name
            )
            template = template_of(asked)
            self.check(template)
            self.all[name] = pool
            who, before = self.cloud.caller().email, pool.shown
            letters = "".join(secrets.choice(string.ascii_lowercase) for _ in range(3))
            generation = int(before.get("generation", 0)) + 1
            pool.shown = asked | {
                "name": name,
                "uid": before.get("uid") or str(uuid.uuid4()),
                "generation": str(generation),
                "observedGeneration": str(generation),
                "createTime": before.get("createTime") or now(),
                "updateTime": now(),
                "creator": before.get("creator") or who,
                "lastModifier": who,
                "etag": secrets.token_hex(8),
                "latestCreatedRevision": f"{name}/revisions/{pool.short}-{generation:05d}-{letters}",
            }
        fault = self.roll_out(pool, template)
        state = {"state": "CONDITION_FAILED", "message": fault} if fault else {"state": "CONDITION_SUCCEEDED"}  # fmt: skip
        pool.shown["terminalCondition"] = {"type": "Ready", **state}
        if fault:
            return {"name": f"{name}/operations/{uuid.uuid4()}", "done": True, "error": {"code": 9, "message": fault}}  # fmt: skip
        pool.shown["latestReadyRevision"] = pool.shown["latestCreatedRevision"]
        kind = f"type.googleapis.com/{KIND}"
        parent = name.rpartition("/workerPools/")[0]
        return finished(parent, pool.shown, KIND) | {"metadata": {"@type": kind} | pool.shown}

    def check(self, template: Json) -> None:
        """Refuse a template that Cloud Run would not take, or of a caller who may not use its parts."""
        services = self.cloud.part(Services)
        whole = self.complete(template)
        if fault := next(run_spec.template_faults(whole, ""), None):
            raise errors.invalid(fault)
        services.check_account(whole["spec"]["serviceAccountName"])
        services.check_image(whole["spec"]["containers"][0]["image"])

    def complete(self, template: Json) -> Json:
        """The template with Cloud Run's defaults where it says nothing."""
        account = f"{self.cloud.project_number}-compute@developer.gserviceaccount.com"
        service = {"metadata": {}, "spec": {"template": template}}
        whole: Json = run_spec.complete(service, account)["spec"]["template"]
        return whole

    def roll_out(self, pool: Pool, template: Json) -> str:
        """Start the instances, then stop the old ones; why that failed, or nothing."""
        services, whole = self.cloud.part(Services), self.complete(template)
        name = pool.shown["latestCreatedRevision"].rpartition("/")[2]
        old, new = pool.instances, list[Instance]()

        labels = self.labels(pool, name)

        def log(stream: str, line: str) -> None:
            kind = {"resource": {"type": "cloud_run_worker_pool", "labels": labels}}
            self.cloud.part(Logging).logs.write(stream, labels, structured(line) | kind)

        try:
            _, image = services.pull(whole["spec"]["containers"][0]["image"])
            plan = run_spec.plan(whole, image, pool.short, name, services.read(whole))
            # Source: https://cloud.google.com/run/docs/container-contract#worker-pools-env-vars
            told = {"CLOUD_RUN_WORKER_POOL": pool.short, "CLOUD_RUN_REVISION": name}
            own = {
                key: value
                for key, value in plan.environment.items()
                if key not in run_spec.RESERVED
            }
            plan = dataclasses.replace(plan, environment=own | told)
            new += (Instance(services.docker, plan, name, log) for _ in range(pool.count))
        except (ImageMissing, OSError) as error:
            self.end(new)
            return f"Revision '{name}' is not ready and cannot serve traffic. {error}"
        pool.instances = new
        self.end(old)
        return ""

    def labels(self, pool: Pool, revision: str) -> dict[str, str]:
        """What a log entry says of where it comes from."""
        return {
            "project_id": self.cloud.project,
            "location": pool.name.split("/")[3],
            "worker_pool_name": pool.short,
            "revision_name": revision,
        }

    def end(self, instances: list[Instance]) -> None:
        """Stop these instances while the caller has its answer."""
        for instance in instances:
            self.cloud.part(Services).spawn(instance.stop)

    def delete(self, pool: Pool) -> Json:
        """Take a pool away, and its instances."""
        del self.all[pool.name]
        self.end(pool.instances)
        return finished(pool.name.rpartition("/workerPools/")[0], pool.shown, KIND)


def register(cloud: Cloud) -> None:
    """Add the paths of worker pools."""
    api = cloud.api("run")
    pools = cloud.add(WorkerPools(cloud))
    register_v1(api, pools)

    def path(project: str, location: str, pool: str) -> str:
        return f"projects/{cloud.known_project(project)}/locations/{location}/workerPools/{pool}"

    @api.route(f"{V2}/<pool>")
    def get(project: str, location: str, pool: str) -> Json:
        name = path(project, location, pool)
        cloud.require("run.workerpools.get", name)
        return pools.get(name).shown

    @api.route(f"{V2}/<pool>", "PATCH", waits=True)
    def patch(project: str, location: str, pool: str) -> Json:
        return pools.apply(path(project, location, pool), cloud.body())

    @api.route(f"{V2}/<pool>", "DELETE")
    def delete(project: str, location: str, pool: str) -> Json:
        name = path(project, location, pool)
        cloud.require("run.workerpools.delete", name)
        return pools.delete(pools.get(name))


def register_v1(api: Api, pools: WorkerPools) -> None:
    """Add the paths by which gcloud describes and lists pools."""
    cloud = api.cloud

    def parent(project: str) -> str:
        return f"projects/{cloud.known_project(project)}/locations/{region()}"

    @api.route(V1)
    def listing(project: str) -> Json:
        where = parent(project)
        cloud.require("run.workerpools.list", where)
        found = [one.as_v1() for one in pools.all.values() if one.name.startswith(f"{where}/")]
        return {"apiVersion": "run.googleapis.com/v1", "kind": "WorkerPoolList", "items": found}

    @api.route(f"{V1}/<pool>")
    def get(project: str, pool: str) -> Json:
        name = f"{parent(project)}/workerPools/{pool}"
        cloud.require("run.workerpools.get", name)
        return pools.get(name).as_v1()
