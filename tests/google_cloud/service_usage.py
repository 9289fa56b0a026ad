"""Service Usage: which APIs are enabled."""

from __future__ import annotations

import flask

from tests.google_cloud import errors
from tests.google_cloud.api import APIS
from tests.google_cloud.cloud import Cloud, Json, Part
from tests.google_cloud.operations import finished

# APIs that have no paths here and can be enabled all the same.
OTHERS = {
    "cloudapis": "Google Cloud APIs",
    "compute": "Compute Engine API",
    "containerregistry": "Container Registry API",
    "containerscanning": "Container Scanning API",
    "secretmanager": "Secret Manager API",
    "storage-component": "Cloud Storage",
}
TITLES = {f"{name}.googleapis.com": title for name, title in (APIS | OTHERS).items()}
# https://cloud.google.com/service-usage/docs/enable-disable: these want a billing account.
FREE = {
    "cloudresourcemanager", "iam", "iamcredentials", "serviceusage", "sts", "logging", "cloudapis",
}  # fmt: skip


class Billing(Part):
    """Whether the project has a billing account; without one most APIs cannot be enabled."""

    active = True


def register(cloud: Cloud) -> None:
    """Add the paths of Service Usage."""
    api = cloud.api("serviceusage")
    billing = cloud.add(Billing())

    def shown(service: str) -> Json:
        return {
            "name": f"projects/{cloud.project_number}/services/{service}",
            "config": {"name": service, "title": TITLES[service]},
            "state": "ENABLED" if service in cloud.enabled else "DISABLED",
            "parent": f"projects/{cloud.project_number}",
        }

    def known(services: list[str]) -> None:
        if unknown := [service for service in services if service not in TITLES]:
            raise errors.ApiError(
                403, f"Not found or permission denied for service(s): {', '.join(unknown)}."
            )

    def enable(project: str, services: list[str]) -> Json:
        cloud.require("serviceusage.services.enable", f"projects/{cloud.known_project(project)}")
        known(services)
        paid = [name for name in services if name.partition(".")[0] not in FREE]
        if paid and not billing.active:
            raise errors.invalid(
                f"Billing account for project '{cloud.project_number}' is not found. Billing must "
                f"be enabled for activation of service(s) '{','.join(paid)}' to proceed.",
                "FAILED_PRECONDITION",
            )
        cloud.enabled.update(services)
        return finished("", {"services": [shown(service) for service in services]})

    @api.route("/v1/projects/<project>/services/<service>")
    def get(project: str, service: str) -> Json:
        cloud.require("serviceusage.services.get", f"projects/{cloud.known_project(project)}")
        known([service])
        return shown(service)

    @api.route("/v1/projects/<project>/services")
    def listing(project: str) -> Json:
        cloud.require("serviceusage.services.list", f"projects/{cloud.known_project(project)}")
        services = [shown(service) for service in sorted(TITLES)]
        wanted = flask.request.args.get("filter", "").removeprefix("state:")
        return {"services": [each for each in services if wanted in {"", each["state"]}]}

    @api.route("/v1/projects/<project>/services:batchGet")
    def batch_get(project: str) -> Json:
        cloud.require("serviceusage.services.get", f"projects/{cloud.known_project(project)}")
        names = [name.rpartition("/")[2] for name in flask.request.args.getlist("names")]
        known(names)
        return {"services": [shown(name) for name in names]}

    @api.route("/v1/projects/<project>/services/<service>:enable", "POST")
    def enable_one(project: str, service: str) -> Json:
        return enable(project, [service])

    @api.route("/v1/projects/<project>/services:batchEnable", "POST")
    def enable_many(project: str) -> Json:
        return enable(project, cloud.body().get("serviceIds", []))

    @api.route("/v1/projects/<project>/services/<service>:disable", "POST")
    def disable(project: str, service: str) -> Json:
        cloud.require("serviceusage.services.disable", f"projects/{cloud.known_project(project)}")
        known([service])
        cloud.enabled.discard(service)
        return finished("", {"service": shown(service)})
