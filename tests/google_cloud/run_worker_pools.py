"""Cloud Run's worker pools: containers that nobody calls, as many as were asked for.

gcloud 528 changes pools by the Admin API v2 (over gRPC, see `grpc_tunnel`), and reads them by v1.

Source: https://cloud.google.com/run/docs/reference/rest/v2/projects.locations.workerPools
"""

from __future__ import annotations

import dataclasses
from typing import Any

from tests.google_cloud import errors, run_spec
from tests.google_cloud.cloud import Api, Cloud, Json, Part
from tests.google_cloud.container import Instance
from tests.google_cloud.logging import Logging, structured
from tests.google_cloud.operations import finished
from tests.google_cloud.run_knative import region
from tests.google_cloud.run_revision import ImageMissing
from tests.google_cloud.run_services import Services
from tests.google_cloud.run_worker_pool import Pool, template_of

KIND = "google.cloud.run.v2.WorkerPool"
V1 = "/apis/run.googleapis.com/v1/namespaces/<project>/workerpools"
V2 = "/v2/projects/<project>/locations/<location>/workerPools"


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
            verb = "update" if name in self.all else "create"
            self.cloud.require(f"run.workerpools.{verb}", name)
            template = template_of(asked)
            self.check(template)
            pool = self.all.setdefault(name, Pool(name))
            pool.specify(asked, self.cloud.caller().email)
        fault = self.roll_out(pool, template)
        pool.settle(fault)
        done = finished(pool.parent, pool.shown, KIND)
        if fault:
            del done["response"]
            return done | {"error": {"code": 9, "message": fault}}
        return done | {"metadata": done["response"]}

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
        name, old, new = pool.revision, pool.instances, list[Instance]()
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
            "location": pool.location,
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
        return finished(pool.parent, pool.shown, KIND)


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
