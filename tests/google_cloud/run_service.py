"""A service of Cloud Run: its revisions, its addresses, and how far it is with what was asked of it."""

from __future__ import annotations

import json
import secrets
import string
import threading
import time
import uuid
from collections.abc import Callable

from tests.google_cloud import run_spec
from tests.google_cloud.container import Docker
from tests.google_cloud.front import Front, Split
from tests.google_cloud.logging import Logs, now
from tests.google_cloud.run_revision import Clock, Pull, Resource, Revision, condition


class Service:
    """One service. Whoever changes it holds `changed`; whoever waits for it waits on that."""

    def __init__(
        self, project: str, number: str, region: str, name: str, logs: Logs,
        authorize: Callable[[Service, str | None], str | None],
        read: Callable[[Resource], run_spec.Read],
    ) -> None:  # fmt: skip
        self.project = project
        self.number = number
        self.region = region
        self.name = name
        self.logs = logs
        self.may = authorize
        self.read = read
        self.changed = threading.Condition(threading.RLock())
        self.resource: Resource = {}
        self.revisions: dict[str, Revision] = {}
        self.latest_created = ""
        self.latest_ready = ""
        self.deleted = False
        self.clock = Clock()
        self.operations: set[str] = set()
        self.routed = 0  # the generation whose traffic is in force
        self.route_fault = ""
        self.traffic: list[Resource] = []
        self.splits: dict[str | None, Split] = {}
        self.front = Front(self)
        self.tags: dict[str, Front] = {}

    @property
    def full_name(self) -> str:
        return f"projects/{self.project}/locations/{self.region}/services/{self.name}"

    @property
    def audiences(self) -> list[str]:
        """Whom an identity token for this service is meant for."""
        annotations = self.resource["metadata"]["annotations"]
        custom = json.loads(annotations.get("run.googleapis.com/custom-audiences", "[]"))
        return [self.front.url, *(front.url for front in self.tags.values()), *custom]

    @property
    def reached(self) -> set[str]:
        """The names of the revisions that an address leads to."""
        return {one["revisionName"] for one in self.traffic}

    def log_labels(self, revision: str) -> dict[str, str]:
        """What a log entry says of where it comes from."""
        return {
            "project_id": self.project,
            "location": self.region,
            "service_name": self.name,
            "configuration_name": self.name,
            "revision_name": revision,
        }

    # What a front asks.

    @property
    def ingress(self) -> str:
        ingress: str = self.resource["metadata"]["annotations"]["run.googleapis.com/ingress"]
        return ingress

    def revision(self, tag: str | None) -> Revision | None:
        split = self.splits.get(tag)
        found: Revision | None = split.choose() if split else None
        return found

    def authorize(self, token: str | None) -> str | None:
        return self.may(self, token)

    def log_request(self, revision: str, request: Resource, trace: str, note: str) -> None:
        status = request["status"]
        labels = self.log_labels(revision)
        entry = {
            "httpRequest": request,
            "severity": "ERROR" if status >= 500 else "WARNING" if status >= 400 else "INFO",
            "trace": f"projects/{self.project}/traces/{trace}",
            "traceSampled": True,
        }
        self.logs.write("requests", labels, entry | ({"textPayload": note} if note else {}))

    # What is asked of it.

    def specify(self, resource: Resource, caller: str) -> None:
        """Take a completed resource as the state that is to be reached."""
        with self.changed:
            before = self.resource.get("metadata", {})
            generation = before.get("generation", 0) + 1
            metadata = resource["metadata"]
            # Google gives the server's part of the metadata, whatever the caller sent.
            metadata |= {
                "name": self.name,
                "namespace": self.number,
                "selfLink": f"/apis/serving.knative.dev/v1/namespaces/{self.number}/services/{self.name}",
                "uid": before.get("uid") or str(uuid.uuid4()),
                "resourceVersion": secrets.token_urlsafe(8),
                "generation": generation,
                "creationTimestamp": before.get("creationTimestamp") or now(),
            }
            metadata.setdefault("labels", {})["cloud.googleapis.com/location"] = self.region
            ingress = metadata["annotations"]["run.googleapis.com/ingress"]
            creator = before.get("annotations", {}).get("serving.knative.dev/creator", caller)
            operation = str(uuid.uuid4())
            self.operations.add(operation)
            metadata["annotations"] |= {
                "run.googleapis.com/ingress-status": ingress,
                "run.googleapis.com/operation-id": operation,
                "run.googleapis.com/urls": json.dumps([self.front.url]),
                "serving.knative.dev/creator": creator,
                "serving.knative.dev/lastModifier": caller,
            }
            template = resource["spec"]["template"]
            fresh = not before or template != self.resource["spec"]["template"]
            self.resource = resource
            if fresh:
                self.create_revision(template, caller)
            self.changed.notify_all()

    def create_revision(self, template: Resource, caller: str) -> None:
        generation = self.resource["metadata"]["generation"]
        letters = "".join(secrets.choice(string.ascii_lowercase) for _ in range(3))
        name = template["metadata"].get("name") or f"{self.name}-{generation:05d}-{letters}"
        self.revisions[name] = Revision(self, name, json.loads(json.dumps(template)), caller)
        self.latest_created = name

    def roll_out(self, pull: Pull, docker: Docker) -> None:
        """Bring the service to the wanted state; takes as long as a container takes to start."""
        with self.changed:
            generation = self.resource["metadata"]["generation"]
            revision = self.revisions[self.latest_created]
            mine = revision.reason == "Deploying"
            if mine:
                revision.reason = "Starting"
        if mine:
            revision.start(pull, docker)
            with self.changed:
                if revision.state == "True" and not self.deleted:
                    ready = [name for name, one in self.revisions.items() if one.state == "True"]
                    self.latest_ready = ready[-1]
        self.route(generation)
        with self.changed:
            late = self.deleted
            self.changed.notify_all()
        if late and revision.fleet:
            revision.fleet.close()

    def targets(self) -> list[tuple[Revision | None, Resource]]:
        """Each target of the wanted traffic with its revision, None where that is not ready."""
        found = []
        for target in self.resource["spec"]["traffic"]:
            name = self.latest_ready if target.get("latestRevision") else target["revisionName"]
            revision = self.revisions.get(name)
            found.append((revision if revision and revision.state == "True" else None, target))
        return found

    def route(self, generation: int) -> None:
        """Put the wanted traffic in force, all of it or nothing; instances are warm before."""
        with self.changed:
            targets = self.targets()
        for revision, _ in targets:
            if revision and revision.fleet:
                revision.fleet.warm()
        with self.changed:
            if self.deleted:
                return
            targets = self.targets()
            self.routed = max(self.routed, generation)
            missing = [target for revision, target in targets if revision is None]
            self.route_fault = ""
            if missing:
                name = missing[0].get("revisionName") or self.latest_created
                self.route_fault = f"Revision '{name}' is not ready and cannot serve traffic."
                return
            self.install([(revision, target) for revision, target in targets if revision])
            reached = {revision.name for revision, _ in targets if revision}
            fleets = [(name in reached, one.fleet) for name, one in self.revisions.items()]
        for wanted, fleet in sorted(fleets, key=lambda pair: not pair[0]):
            if fleet and fleet.wanted != wanted:
                fleet.want(wanted=wanted)

    def install(self, targets: list[tuple[Revision, Resource]]) -> None:
        shares: dict[str | None, list[tuple[Revision, int]]] = {None: []}
        status = []
        for revision, target in targets:
            shares[None].append((revision, target.get("percent") or 0))
            shown = {"revisionName": revision.name} | {
                key: target[key] for key in ("percent", "latestRevision", "tag") if target.get(key)
            }
            if tag := target.get("tag"):
                shares[tag] = [(revision, 100)]
                if tag not in self.tags:
                    self.tags[tag] = Front(self, tag)
                shown["url"] = self.tags[tag].url
            status.append(shown)
        if self.traffic != status:
            self.splits = {tag: Split(parts) for tag, parts in shares.items()}
        self.traffic = status
        for tag in set(self.tags) - set(shares):
            front = self.tags.pop(tag)
            threading.Thread(target=front.close, daemon=True).start()

    # What it tells.

    def conditions(self) -> list[Resource]:
        revision = self.revisions[self.latest_created]
        reason = "" if revision.state == "True" else revision.reason
        configurations = condition("ConfigurationsReady", revision.state, reason, revision.message)
        if self.routed < self.resource["metadata"]["generation"]:
            routes = condition("RoutesReady", "Unknown", "Deploying", "Deploying Revision.")
        elif self.route_fault:
            routes = condition("RoutesReady", "False", "RevisionMissing", self.route_fault)
        else:
            routes = condition("RoutesReady", "True")
        worst = next(
            (one for status in ("False", "Unknown") for one in (configurations, routes) if one["status"] == status),
            None,
        )  # fmt: skip
        ready = condition("Ready", "True") if worst is None else {**worst, "type": "Ready"}
        return self.clock.stamp([ready, configurations, routes])

    def as_json(self) -> Resource:
        with self.changed:
            return {
                "apiVersion": "serving.knative.dev/v1",
                "kind": "Service",
                **json.loads(json.dumps(self.resource)),
                "status": {
                    "observedGeneration": self.resource["metadata"]["generation"],
                    "conditions": self.conditions(),
                    "latestCreatedRevisionName": self.latest_created,
                    **({"latestReadyRevisionName": self.latest_ready} if self.latest_ready else {}),
                    "traffic": list(self.traffic),
                    "url": self.front.url,
                    "address": {"url": self.front.url},
                },
            }

    def half(self, kind: str) -> Resource:
        """The configuration or the route, which Knative makes of a service."""
        whole = self.as_json()
        configurations, routes = self.conditions()[1:]
        fields: tuple[str, ...] = (
            "latestCreatedRevisionName",
            "latestReadyRevisionName",
            "observedGeneration",
        )
        mine = configurations
        if kind == "route":
            fields, mine = ("traffic", "url", "address", "observedGeneration"), routes
        spec = ("template",) if kind == "configuration" else ("traffic",)
        return {
            **whole,
            "kind": kind.title(),
            "spec": {name: whole["spec"][name] for name in spec},
            "status": {name: whole["status"][name] for name in fields if name in whole["status"]}
            | {"conditions": [{**mine, "type": "Ready"}]},
        }

    def outcome(self, ends: float) -> Resource:
        """How the last change came out, once that is known; not done if it is not until then."""
        with self.changed:
            while not self.deleted:
                ready = self.conditions()[0]
                if ready["status"] == "True":
                    kind = "type.googleapis.com/google.cloud.run.v1.Service"
                    return {"done": True, "response": {"@type": kind, **self.as_json()}}
                if ready["status"] == "False":
                    return {"done": True, "error": {"code": 9, "message": ready["message"]}}
                if not self.changed.wait(ends - time.monotonic()):
                    return {"done": False}
        return {
            "done": True,
            "error": {"code": 5, "message": f"Service '{self.name}' was deleted."},
        }

    def close(self) -> None:
        """Take the addresses away, then the instances, after the requests under way."""
        with self.changed:
            self.deleted = True
            self.splits = {}
            fronts = [self.front, *self.tags.values()]
            revisions = list(self.revisions.values())
            self.changed.notify_all()
        for front in fronts:
            front.close()
        for revision in revisions:
            if revision.fleet:
                revision.fleet.close()
