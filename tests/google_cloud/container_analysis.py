"""Container Analysis: what is known of images; `gcloud artifacts docker images describe` asks it."""

from __future__ import annotations

from tests.google_cloud.cloud import Cloud, Json


def register(cloud: Cloud) -> None:
    """Add its one path: nobody scanned anything."""
    api = cloud.api("containeranalysis")

    def occurrences(project: str) -> Json:
        resource = f"projects/{cloud.known_project(project)}"
        cloud.require("containeranalysis.occurrences.list", resource)
        return {}

    api.route("/v1/projects/<project>/occurrences")(occurrences)
    api.route("/v1/projects/<project>/locations/<location>/occurrences")(
        lambda project, location: occurrences(project)
    )
