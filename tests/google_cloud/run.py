"""Cloud Run's Admin API, v1, as gcloud speaks it.

Source: https://cloud.google.com/run/docs/reference/rest/v1
"""

from __future__ import annotations

import re
import time

from tests.google_cloud import errors, policy_paths, run_knative
from tests.google_cloud.cloud import Api, Cloud, Json
from tests.google_cloud.run_services import Services

__all__ = ["Services", "register"]

LOCATION = "/v1/projects/<project>/locations/<location>"
REGIONS = ("europe-west1", "europe-west4", "us-central1", "us-east1", "asia-northeast1")
TIMEOUT = re.compile(r"([0-9]+)s")


def register(cloud: Cloud) -> None:
    """Add the paths of Cloud Run."""
    api = cloud.api("run")
    services = cloud.add(Services(cloud))
    run_knative.register_services(api, services)
    run_knative.register_revisions(api, services)
    run_knative.register_parts(api, services)
    register_global(api, services)


def register_global(api: Api, services: Services) -> None:
    """Add the paths that Google's other APIs have too: locations, policies, operations."""
    cloud = api.cloud

    @api.route("/v1/projects/<project>/locations")
    def locations(project: str) -> Json:
        parent = f"projects/{cloud.known_project(project)}"
        cloud.require("run.locations.list", parent)
        return {
            "locations": [
                {"name": f"{parent}/locations/{name}", "locationId": name} for name in REGIONS
            ]
        }

    @api.route(f"{LOCATION}/services")
    def listing(project: str, location: str) -> Json:
        parent = f"projects/{cloud.known_project(project)}/locations/{location}"
        cloud.require("run.services.list", parent)
        found = [one.as_json() for one in services.all.values() if location in {"-", one.region}]
        return {"apiVersion": "serving.knative.dev/v1", "kind": "ServiceList", "items": found}

    def resource(project: str, location: str, service: str) -> str:
        return f"projects/{cloud.known_project(project)}/locations/{location}/services/{service}"

    policy_paths.add(
        api, f"{LOCATION}/services/<service>", "run.services", resource,
        lambda location, service, **_: services.get(location, service),
    )  # fmt: skip

    @api.route(f"{LOCATION}/operations/<operation>:wait", "POST", waits=True)
    def wait(project: str, location: str, operation: str) -> Json:
        with cloud.lock:
            name = f"projects/{cloud.known_project(project)}/locations/{location}/operations/{operation}"
            cloud.require("run.operations.get", name)
            service = next(
                (one for one in services.all.values() if operation in one.operations), None
            )
        if service is None:
            raise errors.not_found(f"Operation '{operation}' not found.")
        found = TIMEOUT.fullmatch(cloud.body().get("timeout", "30s"))
        ends = time.monotonic() + (int(found[1]) if found else 30)
        return {"name": name} | service.outcome(ends)
