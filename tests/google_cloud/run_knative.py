"""The paths of Cloud Run that are Knative's: services, revisions, configurations, routes."""

from __future__ import annotations

import flask

from tests.google_cloud import errors
from tests.google_cloud.cloud import Api, Json
from tests.google_cloud.run_services import Services

KNATIVE = "/apis/serving.knative.dev/v1/namespaces/<project>"


def region() -> str:
    """The region, which stands in the name of the host."""
    return flask.request.host.removesuffix("-run.googleapis.test")


def dry_run() -> bool:
    return flask.request.args.get("dryRun") == "all"


def register_services(api: Api, services: Services) -> None:
    """Add the paths of services, as Knative has them."""
    cloud = api.cloud

    def ask(verb: str, project: str, name: str = "") -> None:
        parent = f"projects/{cloud.known_project(project)}/locations/{region()}"
        cloud.require(f"run.services.{verb}", f"{parent}/services/{name}" if name else parent)

    @api.route(f"{KNATIVE}/services", "POST")
    def create(project: str) -> Json:
        ask("create", project)
        return services.create(region(), cloud.body(), cloud.caller(), dry=dry_run())

    @api.route(f"{KNATIVE}/services", "GET")
    def listing(project: str) -> Json:
        ask("list", project)
        found = [one.as_json() for one in services.all.values() if one.region == region()]
        return {
            "apiVersion": "serving.knative.dev/v1", "kind": "ServiceList", "items": found,
            "metadata": {},
        }  # fmt: skip

    @api.route(f"{KNATIVE}/services/<name>", "GET")
    def get(project: str, name: str) -> Json:
        ask("get", project, name)
        return services.get(region(), name).as_json()

    @api.route(f"{KNATIVE}/services/<name>", "PUT")
    def replace(project: str, name: str) -> Json:
        ask("update", project, name)
        service = services.get(region(), name)
        return services.replace(service, cloud.body(), cloud.caller(), dry=dry_run())

    @api.route(f"{KNATIVE}/services/<name>", "DELETE")
    def delete(project: str, name: str) -> Json:
        ask("delete", project, name)
        services.delete(services.get(region(), name))
        return {"status": "Success"}


def register_revisions(api: Api, services: Services) -> None:
    """Add the paths of revisions."""
    cloud = api.cloud

    def ask(verb: str, project: str, name: str = "") -> None:
        # A revision inherits from its service.
        parent = f"projects/{cloud.known_project(project)}/locations/{region()}"
        owner = next((one for one in services.all.values() if name in one.revisions), None)
        resource = f"{owner.full_name}/revisions/{name}" if owner else parent
        cloud.require(f"run.revisions.{verb}", resource)

    @api.route(f"{KNATIVE}/revisions")
    def listing(project: str) -> Json:
        ask("list", project)
        selector = flask.request.args.get("labelSelector", "")
        label, _, value = (part.strip() for part in selector.partition("="))
        found = [
            revision.as_json()
            for service in services.all.values() if service.region == region()
            for revision in reversed(service.revisions.values())
            if not label or revision.metadata["labels"].get(label) == value
        ]  # fmt: skip
        return {
            "apiVersion": "serving.knative.dev/v1", "kind": "RevisionList", "items": found,
            "metadata": {},
        }  # fmt: skip

    @api.route(f"{KNATIVE}/revisions/<name>")
    def get(project: str, name: str) -> Json:
        ask("get", project, name)
        return services.revision(region(), name).as_json()

    @api.route(f"{KNATIVE}/revisions/<name>", "DELETE")
    def delete(project: str, name: str) -> Json:
        ask("delete", project, name)
        revision = services.revision(region(), name)
        service = revision.service
        if name == service.latest_created or name in service.reached:
            raise errors.invalid(
                f"Revision '{name}' cannot be deleted: it is the latest one, or traffic or a tag "
                "leads to it.",
                "FAILED_PRECONDITION",
            )
        del service.revisions[name]
        if revision.fleet:
            services.spawn(revision.fleet.close)
        return {"status": "Success"}


def register_parts(api: Api, services: Services) -> None:
    """Add the paths of configurations and routes, the two halves of a service."""
    cloud = api.cloud

    def parent(project: str) -> str:
        return f"projects/{cloud.known_project(project)}/locations/{region()}"

    def listing(kind: str, project: str) -> Json:
        cloud.require(f"run.{kind}s.list", parent(project))
        found = [one.half(kind) for one in services.all.values() if one.region == region()]
        return {
            "apiVersion": "serving.knative.dev/v1", "kind": f"{kind.title()}List", "items": found,
            "metadata": {},
        }  # fmt: skip

    def part(kind: str, project: str, name: str) -> Json:
        cloud.require(f"run.{kind}s.get", f"{parent(project)}/services/{name}")
        return services.get(region(), name).half(kind)

    @api.route(f"{KNATIVE}/configurations")
    def configurations(project: str) -> Json:
        return listing("configuration", project)

    @api.route(f"{KNATIVE}/configurations/<name>")
    def configuration(project: str, name: str) -> Json:
        return part("configuration", project, name)

    @api.route(f"{KNATIVE}/routes")
    def routes(project: str) -> Json:
        return listing("route", project)

    @api.route(f"{KNATIVE}/routes/<name>")
    def route(project: str, name: str) -> Json:
        return part("route", project, name)
