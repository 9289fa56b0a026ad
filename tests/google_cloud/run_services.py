"""All services of Cloud Run, and what callers may do to them."""

from __future__ import annotations

import contextlib
import os
import re
import threading
from pathlib import Path
from typing import Any

from tests.google_cloud import errors, run_spec
from tests.google_cloud.artifact_registry import Repositories
from tests.google_cloud.cloud import Cloud, Json, Part
from tests.google_cloud.container import Docker
from tests.google_cloud.errors import ApiError
from tests.google_cloud.identity import ANYONE, Caller, Unauthenticated, caller
from tests.google_cloud.logging import Logging
from tests.google_cloud.registry import Registry
from tests.google_cloud.run_revision import ImageMissing, Revision
from tests.google_cloud.run_service import Service
from tests.google_cloud.secret_manager import Secrets
from tests.google_cloud.storage import Buckets


class Services(Part):
    """The services of the project, and what runs for them."""

    name = "run"

    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud
        self.all: dict[tuple[str, str], Service] = {}  # by region and name
        self.threads: list[threading.Thread] = []
        self.images: set[str] = set()
        config = cloud.folder / "run-docker"
        self.docker = Docker({**os.environ, "DOCKER_CONFIG": str(config)})

    def stop(self) -> None:
        for service in list(self.all.values()):
            self.spawn(service.close)
        for thread in self.threads:
            thread.join()
        for image in self.images:
            with contextlib.suppress(OSError):
                self.docker("rmi", image)

    def snapshot(self) -> Any:
        return {
            service.full_name: [service.resource["spec"], sorted(service.revisions)]
            for service in self.all.values()
        }

    def spawn(self, target: Any, *arguments: Any) -> None:
        """Run what takes longer than an answer may."""
        thread = threading.Thread(target=target, args=arguments, daemon=True)
        self.threads = [one for one in self.threads if one.is_alive()] + [thread]
        thread.start()

    def get(self, region: str, name: str) -> Service:
        """The service of this name."""
        if (region, name) not in self.all:
            raise errors.not_found(
                f"Resource '{name}' of kind 'SERVICE' in region '{region}' in project "
                f"'{self.cloud.project}' does not exist."
            )
        return self.all[region, name]

    def revision(self, region: str, name: str) -> Revision:
        """The revision of this name, whichever service it belongs to."""
        for (where, _), service in self.all.items():
            if where == region and name in service.revisions:
                return service.revisions[name]
        raise errors.not_found(
            f"Resource '{name}' of kind 'REVISION' in region '{region}' in project "
            f"'{self.cloud.project}' does not exist."
        )

    def pull(self, image: str) -> tuple[str, str]:
        """Have an image here, by its digest; Cloud Run too keeps a copy of what it deploys."""
        try:
            with self.cloud.lock:
                _, _, version = self.cloud.part(Repositories).image(image)
        except ApiError as error:
            raise ImageMissing(f"Image '{image}' not found.") from error
        named = re.sub(r":[^/:]*$", "", image.partition("@")[0])
        path = named.partition("/")[2]
        local = f"{self.cloud.part(Registry).backend}/{path}@{version.digest}"
        self.docker("pull", "--quiet", local)
        self.images.add(local)
        return f"{named}@{version.digest}", local

    def read(self, template: Json) -> run_spec.Read:
        """What a revision's account reads for it; raises PermissionError."""
        account = template["spec"]["serviceAccountName"]
        with self.cloud.lock:
            secrets = self.cloud.part(Secrets)
            values = {
                variable: secrets.read(name, account)
                for variable, name in run_spec.secrets_of(template).items()
            }
            volumes = {
                path: str(self._mount(name, account))
                for path, name in run_spec.buckets_of(template).items()
            }
        return run_spec.Read(values, volumes)

    def _mount(self, name: str, account: str) -> Path:
        """A folder with the objects of a bucket, which the account may read."""
        resource = f"{self.cloud.resource}/buckets/{name}"
        if not self.cloud.policies.allows(caller(account), "storage.objects.get", resource):
            raise PermissionError(f"{account} does not have storage.objects.get access to {name}")
        folder = self.cloud.folder / "volumes" / name
        for path, content in self.cloud.part(Buckets).get(name).objects.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_bytes(content)
        return folder

    def authorize(self, service: Service, token: str | None) -> str | None:
        """None if the bearer of an identity token may invoke the service, else why not."""
        annotations = service.resource["metadata"]["annotations"]
        if annotations.get("run.googleapis.com/invoker-iam-disabled") == "true":
            return None
        with self.cloud.lock:
            allows = self.cloud.policies.allows
            if token is None:
                if allows(ANYONE, "run.routes.invoke", service.full_name):
                    return None
                return "unauthenticated"
            try:
                who = self.cloud.identity.who_identifies(token, service.audiences)
            except Unauthenticated:
                if allows(ANYONE, "run.routes.invoke", service.full_name):
                    return None
                return "invalid"
            allowed = allows(who, "run.routes.invoke", service.full_name)
            return None if allowed else "unauthorized"

    def check(self, resource: Json) -> Json:
        """The resource that a caller sent, with all defaults, if the caller may run that."""
        cloud = self.cloud
        if resource.get("kind") != "Service" or not resource.get("metadata", {}).get("name"):
            raise errors.invalid("The request body must be a Service with a name.")
        cloud.known_project(resource["metadata"].get("namespace", cloud.project))
        default = f"{cloud.project_number}-compute@developer.gserviceaccount.com"
        try:
            whole = run_spec.complete(resource, default)
            fault = next(run_spec.faults(whole), None)
        except run_spec.Invalid as error:
            fault = str(error)
        if fault:
            raise errors.invalid(fault)
        self.check_account(whole["spec"]["template"]["spec"]["serviceAccountName"])
        self.check_image(whole["spec"]["template"]["spec"]["containers"][0]["image"])
        return whole

    def check_image(self, image: str) -> None:
        """Refuse a caller who may not read the image; whether it is there, the revision finds out.

        Source: https://cloud.google.com/run/docs/deploying, "Required roles".
        """
        try:
            repository, _, _ = self.cloud.part(Repositories).image(image)
        except ApiError:
            return
        self.cloud.require("artifactregistry.repositories.downloadArtifacts", repository.resource)

    def check_account(self, email: str) -> None:
        """Refuse a caller who may not act as the account that the service runs as."""
        resource = f"projects/{self.cloud.project}/serviceAccounts/{email}"
        may = self.cloud.policies.allows(self.cloud.caller(), "iam.serviceAccounts.actAs", resource)
        if not may or email not in self.cloud.accounts:
            raise ApiError(
                403,
                f"Permission 'iam.serviceaccounts.actAs' denied on service account {email} (or it "
                "may not exist).",
            )

    def create(self, region: str, resource: Json, who: Caller, *, dry: bool) -> Json:
        """Make a service; its first revision starts while the caller has its answer."""
        whole = self.check(resource)
        name = whole["metadata"]["name"]
        if (region, name) in self.all:
            raise errors.already_exists(f"Resource '{name}' already exists.")
        service = Service(
            self.cloud.project,
            self.cloud.project_number,
            region,
            name,
            self.cloud.part(Logging).logs,
            self.authorize,
            self.read,
        )
        service.specify(whole, who.email)
        if dry:
            self.spawn(service.close)
            return service.as_json()
        self.all[region, name] = service
        answer = service.as_json()
        self.spawn(service.roll_out, self.pull, self.docker)
        return answer

    def replace(self, service: Service, resource: Json, who: Caller, *, dry: bool) -> Json:
        """Change a service that nobody else has changed since the caller read it."""
        whole = self.check(resource)
        with service.changed:
            ours = service.resource["metadata"]["resourceVersion"]
            theirs = whole["metadata"].get("resourceVersion", ours)
            if theirs != ours:
                raise ApiError(
                    409,
                    f"Conflict for resource '{service.name}': version '{theirs}' was specified but "
                    f"current version is '{ours}'.",
                )
            template = whole["spec"]["template"]
            held = service.revisions.get(template["metadata"].get("name", ""))
            if held and held.template != template:
                raise errors.already_exists(
                    f"Revision named '{held.name}' with different configuration already exists."
                )
            if dry:
                return service.as_json()
            service.specify(whole, who.email)
            answer = service.as_json()
        self.spawn(service.roll_out, self.pull, self.docker)
        return answer

    def delete(self, service: Service) -> None:
        """Take a service away, and its policies; requests under way are answered."""
        del self.all[service.region, service.name]
        self.cloud.policies.forget(service.full_name)
        self.spawn(service.close)
