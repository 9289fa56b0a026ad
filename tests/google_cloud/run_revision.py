"""One revision of a service of Cloud Run: a state of its template, and what runs for it."""

from __future__ import annotations

import secrets
import uuid
from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from tests.google_cloud import run_spec
from tests.google_cloud.container import Docker, StartFailed
from tests.google_cloud.instances import Fleet
from tests.google_cloud.logging import now, structured

if TYPE_CHECKING:
    from tests.google_cloud.run_service import Service

Resource = dict[str, Any]
# Of an image: its name by digest, and the name by which it lies here.
Pull = Callable[[str], tuple[str, str]]
# What Cloud Run says of an instance, by a word in it.
LEVELS = {"failed": "ERROR", "called": "WARNING"}


def condition(kind: str, status: str, reason: str = "", message: str = "") -> Resource:
    """How far something is: True, False with a reason, or Unknown."""
    found = {"type": kind, "status": status}
    return (
        found | ({"reason": reason} if reason else {}) | ({"message": message} if message else {})
    )


class Clock:
    """Remembers since when each condition has had its status."""

    def __init__(self) -> None:
        self.since: dict[str, tuple[str, str]] = {}

    def stamp(self, conditions: list[Resource]) -> list[Resource]:
        """The conditions with the times of their last transitions."""
        for one in conditions:
            status, _ = self.since.get(one["type"], ("", ""))
            if status != one["status"]:
                self.since[one["type"]] = (one["status"], now())
        return [{**one, "lastTransitionTime": self.since[one["type"]][1]} for one in conditions]


class ImageMissing(Exception):
    """There is no such image."""


class Revision:
    """One state of a service's template, and the instances that run it."""

    def __init__(self, service: Service, name: str, template: Resource, creator: str) -> None:
        self.service = service
        self.name = name
        self.template = template
        self.state = "Unknown"
        self.reason = "Deploying"
        self.message = "Deploying Revision."
        self.digest = ""
        self.fleet: Fleet | None = None
        self.clock = Clock()
        generation = service.resource["metadata"]["generation"]
        self.metadata: Resource = {
            "name": name,
            "namespace": service.resource["metadata"]["namespace"],
            "uid": str(uuid.uuid4()),
            "resourceVersion": secrets.token_urlsafe(8),
            "generation": 1,
            "creationTimestamp": now(),
            "selfLink": f"/apis/serving.knative.dev/v1/namespaces/{service.number}/revisions/{name}",
            "labels": {
                **template["metadata"].get("labels", {}),
                "serving.knative.dev/service": service.name,
                "serving.knative.dev/configuration": service.name,
                "serving.knative.dev/configurationGeneration": str(generation),
                "serving.knative.dev/route": service.name,
                "serving.knative.dev/serviceUid": service.resource["metadata"]["uid"],
                "cloud.googleapis.com/location": service.region,
            },
            "annotations": {
                **template["metadata"]["annotations"],
                "serving.knative.dev/creator": creator,
            },
        }

    @property
    def image(self) -> str:
        image: str = self.template["spec"]["containers"][0]["image"]
        return image

    def as_json(self) -> Resource:
        wanted = bool(self.fleet and self.fleet.wanted)
        active = condition("Active", "True") if wanted else condition(
            "Active", "False", "Retired" if self.state == "True" else "NoTraffic", "Revision retired."
        )  # fmt: skip
        return {
            "apiVersion": "serving.knative.dev/v1",
            "kind": "Revision",
            "metadata": self.metadata,
            "spec": self.template["spec"],
            "status": {
                "observedGeneration": 1,
                "conditions": self.clock.stamp(
                    [
                        condition("Ready", self.state, self.reason, self.message),
                        {**active, "severity": "Info"},
                        condition("ContainerHealthy", self.state, self.reason, self.message),
                        condition("ResourcesAvailable", self.state),
                    ]
                ),
                "logUrl": self.log_url,
                "serviceName": self.service.name,
                **({"imageDigest": self.digest} if self.digest else {}),
            },
        }

    @property
    def log_url(self) -> str:
        service = self.service
        advanced = (
            'resource.type="cloud_run_revision"\n'
            f'resource.labels.service_name="{service.name}"\n'
            f'resource.labels.revision_name="{self.name}"'
        )
        return (
            f"https://console.cloud.google.com/logs/viewer?project={service.project}&resource="
            f"cloud_run_revision/service_name/{service.name}/revision_name/{self.name}"
            f"&advancedFilter={quote(advanced, safe='')}"
        )

    def start(self, pull: Pull, docker: Docker) -> None:
        """Pull the image, start the first instance, and settle whether this revision is ready."""
        try:
            self.digest, image = pull(self.image)
            read = self.service.read(self.template)
            plan = run_spec.plan(self.template, image, self.service.name, self.name, read)
            self.fleet = Fleet(docker, plan, self.name, self.log)
            self.fleet.start()
        except StartFailed as error:
            self.fail(
                "HealthCheckContainerError",
                f"{error}\n\nLogs URL: {self.log_url} \nFor more troubleshooting guidance, see "
                "https://cloud.google.com/run/docs/troubleshooting#container-failed-to-start",
            )
        except PermissionError as error:
            self.fail("SecretsAccessCheckFailed", str(error))
        except ImageMissing as error:
            self.fail("ContainerMissing", str(error))
        except OSError as error:
            self.fail("ContainerImageUnauthorized", str(error))
        else:
            self.state, self.reason, self.message = "True", "", ""

    def fail(self, reason: str, message: str) -> None:
        self.state, self.reason = "False", reason
        self.message = f"Revision '{self.name}' is not ready and cannot serve traffic. {message}"

    def log(self, stream: str, line: str) -> None:
        """Keep a line of a container, or one that Cloud Run says of it."""
        labels = self.service.log_labels(self.name)
        if stream == "system":
            severity = next((LEVELS[word] for word in LEVELS if f" {word} " in line), "INFO")
            entry = {"textPayload": line, "severity": severity}
            self.service.logs.write("varlog/system", labels, entry)
        elif line.strip():
            self.service.logs.write(stream, labels, structured(line))
