"""Resource Manager: the project, and its policy."""

from __future__ import annotations

from tests.google_cloud import policy_paths
from tests.google_cloud.cloud import Cloud, Json


def register(cloud: Cloud) -> None:
    """Add the paths of Resource Manager."""
    api = cloud.api("cloudresourcemanager")

    def shown() -> Json:
        return {
            "projectId": cloud.project,
            "projectNumber": cloud.project_number,
            "name": "Penguins",
            "lifecycleState": "ACTIVE",
            "createTime": "2026-01-01T00:00:00.000Z",
        }

    @api.route("/v1/projects/<project>")
    def get(project: str) -> Json:
        resource = f"projects/{cloud.known_project(project)}"
        cloud.require("resourcemanager.projects.get", resource)
        return shown()

    @api.route("/v1/projects")
    def listing() -> Json:
        seen = cloud.policies.allows(cloud.caller(), "resourcemanager.projects.get", cloud.resource)
        return {"projects": [shown()]} if seen else {}

    def resource(project: str) -> str:
        return f"projects/{cloud.known_project(project)}"

    policy_paths.add(api, "/v1/projects/<project>", "resourcemanager.projects", resource)
