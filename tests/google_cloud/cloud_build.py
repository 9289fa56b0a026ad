"""Cloud Build: triggers, and the builds that they start. What a build does, the tests do themselves."""

from __future__ import annotations

import re
import uuid
from typing import Any

from tests.google_cloud import errors
from tests.google_cloud.cloud import Cloud, Json, Part
from tests.google_cloud.iam import Accounts, now
from tests.google_cloud.operations import finished

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,63}")
ACCOUNT = re.compile(r"projects/[^/]+/serviceAccounts/(?P<email>[^/]+)")


class Builds(Part):
    """The triggers of the project, and what they started."""

    name = "triggers"

    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud
        self.triggers: dict[str, Json] = {}  # by id
        # Builds are history, which nobody can delete, and so are no part of the snapshot.
        self.builds: list[Json] = []
        # Repositories that someone connected in the console (1st generation).
        self.connected: set[str] = set()

    def snapshot(self) -> Any:
        return {each["name"]: each.get("substitutions", {}) for each in self.triggers.values()}

    def get(self, wanted: str) -> Json:
        """The trigger of this id or name."""
        for trigger in self.triggers.values():
            if wanted in {trigger["id"], trigger["name"]}:
                return trigger
        raise errors.not_found("Requested entity was not found.")

    def check(self, trigger: Json) -> None:
        """Refuse what Cloud Build does not take, and an account that the caller may not act as."""
        if not NAME.fullmatch(trigger.get("name", "")):
            raise errors.invalid("trigger name must match ^[A-Za-z0-9][A-Za-z0-9-]{0,63}$")
        github = trigger.get("github", {})
        repository = f"{github.get('owner')}/{github.get('name')}"
        if repository not in self.connected:
            raise errors.invalid(
                "Repository mapping does not exist. Please visit https://console.cloud.google.com/"
                f"cloud-build/triggers;region=global/connect?project={self.cloud.project_number} "
                "to connect a repository to your project",
                "FAILED_PRECONDITION",
            )
        for key in trigger.get("substitutions", {}):
            if not re.fullmatch(r"_[A-Z0-9_]+", key):
                raise errors.invalid(f"substitution key {key!r} must start with an underscore")
        self.act_as(trigger)

    def act_as(self, trigger: Json) -> str:
        """The account that builds run as; the caller must be allowed to act as it."""
        found = ACCOUNT.fullmatch(trigger.get("serviceAccount", ""))
        if not found:
            raise errors.invalid("if 'build.service_account' is not set, there is no default.")
        account = self.cloud.part(Accounts).get(found["email"])
        self.cloud.require("iam.serviceAccounts.actAs", account.resource)
        return account.email

    def run(self, trigger: Json, branch: str, commit: str) -> Json:
        """Put a build into the queue."""
        build = {
            "id": str(uuid.uuid4()),
            "status": "QUEUED",
            "createTime": now(),
            "buildTriggerId": trigger["id"],
            "serviceAccount": trigger["serviceAccount"],
            "substitutions": {
                "BRANCH_NAME": branch,
                "COMMIT_SHA": commit,
                "TRIGGER_NAME": trigger["name"],
            }
            | trigger.get("substitutions", {}),
        }
        self.builds.append(build)
        return build

    def push(self, repository: str, branch: str, commit: str = "") -> list[Json]:
        """What a push to GitHub starts."""
        return [
            self.run(trigger, branch, commit)
            for trigger in self.triggers.values()
            if f"{trigger['github']['owner']}/{trigger['github']['name']}" == repository
            and re.search(trigger["github"]["push"]["branch"], branch)
        ]


def register(cloud: Cloud) -> None:
    """Add the paths of triggers."""
    api = cloud.api("cloudbuild")
    builds = cloud.add(Builds(cloud))
    rule = "/v1/projects/<project>/locations/<location>/triggers"

    def ask(permission: str, project: str) -> None:
        cloud.require(f"cloudbuild.builds.{permission}", f"projects/{cloud.known_project(project)}")

    @api.route(rule, "POST")
    def create(project: str, location: str) -> Json:
        ask("create", project)
        trigger = cloud.body()
        builds.check(trigger)
        if any(each["name"] == trigger["name"] for each in builds.triggers.values()):
            raise errors.already_exists("trigger with this name already exists")
        identifier = str(uuid.uuid4())
        resource = f"projects/{cloud.project}/locations/{location}/triggers/{identifier}"
        made = {"id": identifier, "resourceName": resource, "createTime": now()}
        builds.triggers[identifier] = trigger | made
        return builds.triggers[identifier]

    @api.route(rule)
    def listing(project: str, location: str) -> Json:
        ask("list", project)
        return {"triggers": list(builds.triggers.values())}

    @api.route(f"{rule}/<trigger>")
    def get(project: str, location: str, trigger: str) -> Json:
        ask("get", project)
        return builds.get(trigger)

    @api.route(f"{rule}/<trigger>", "PATCH")
    def patch(project: str, location: str, trigger: str) -> Json:
        ask("update", project)
        changed = builds.get(trigger) | cloud.body()
        builds.check(changed)
        builds.triggers[changed["id"]] = changed
        return changed

    @api.route(f"{rule}/<trigger>", "DELETE")
    def delete(project: str, location: str, trigger: str) -> Json:
        ask("update", project)
        del builds.triggers[builds.get(trigger)["id"]]
        return {}

    @api.route(f"{rule}/<trigger>:run", "POST")
    def run(project: str, location: str, trigger: str) -> Json:
        ask("create", project)
        found = builds.get(trigger)
        builds.act_as(found)
        source = cloud.body().get("source", {})
        build = builds.run(found, source.get("branchName", ""), source.get("commitSha", ""))
        parent = f"projects/{cloud.project}/locations/{location}"
        return finished(parent, build, "google.devtools.cloudbuild.v1.Build")
