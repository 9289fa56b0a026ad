"""What a service of Cloud Run may say of itself, what it means if it says nothing, and what follows."""

from __future__ import annotations

import copy
import dataclasses
import re
from collections.abc import Iterator
from typing import Any

from tests.google_cloud.container import Plan

Resource = dict[str, Any]
UNITS = {
    "": 1, "k": 10**3, "M": 10**6, "G": 10**9, "Ki": 2**10, "Mi": 2**20, "Gi": 2**30,
}  # fmt: skip
# CPUs, and the least and most memory with them.
# Source: https://cloud.google.com/run/docs/configuring/services/cpu, memory-limits.
MEMORY = {
    1.0: ("128Mi", "4Gi"), 2.0: ("128Mi", "8Gi"), 4.0: ("2Gi", "16Gi"), 6.0: ("4Gi", "24Gi"),
    8.0: ("4Gi", "32Gi"),
}  # fmt: skip
RESERVED = ("PORT", "K_SERVICE", "K_REVISION", "K_CONFIGURATION")
NAME = re.compile(r"[a-z]([-a-z0-9]{0,47}[a-z0-9])?")
TAG = re.compile(r"[a-z]([-a-z0-9]{0,44}[a-z0-9])?")
INGRESS = ("all", "internal", "internal-and-cloud-load-balancing")
CONTAINER = "spec.template.spec.containers[0]"


class Invalid(Exception):
    """A field whose value Cloud Run refuses."""


def amount(text: str, field: str) -> float:
    """A quantity as Kubernetes writes it: 1Gi, 500m, 2."""
    found = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?)(m|k|M|G|Ki|Mi|Gi)?", str(text))
    if not found:
        raise Invalid(f"{field}: Invalid value specified for quantity: {text!r}")
    return float(found[1]) / 1000 if found[2] == "m" else float(found[1]) * UNITS[found[2] or ""]


def complete(service: Resource, runtime_account: str) -> Resource:
    """The service with Cloud Run's defaults where it says nothing."""
    whole = copy.deepcopy(service)
    metadata = whole["metadata"]
    metadata.setdefault("annotations", {}).setdefault("run.googleapis.com/ingress", "all")
    template = whole["spec"].setdefault("template", {})
    annotations = template.setdefault("metadata", {}).setdefault("annotations", {})
    annotations.setdefault("autoscaling.knative.dev/maxScale", "100")
    spec = template.setdefault("spec", {})
    spec.setdefault("containerConcurrency", 80)
    spec.setdefault("timeoutSeconds", 300)
    spec.setdefault("serviceAccountName", runtime_account)
    for container in spec.get("containers", []):
        container.setdefault("ports", [{"name": "http1", "containerPort": 8080}])
        port = container["ports"][0].setdefault("containerPort", 8080)
        limits = container.setdefault("resources", {}).setdefault("limits", {})
        limits.setdefault("cpu", "1000m")
        limits.setdefault("memory", "512Mi")
        startup = container.setdefault(
            "startupProbe",
            {"timeoutSeconds": 240, "periodSeconds": 240, "failureThreshold": 1, "tcpSocket": {}},
        )
        for probe in (startup, container.get("livenessProbe")):
            if probe:
                probe.setdefault("timeoutSeconds", 1)
                probe.setdefault("periodSeconds", 10)
                probe.setdefault("failureThreshold", 3)
                for kind in ("httpGet", "tcpSocket", "grpc"):
                    if kind in probe:
                        probe[kind].setdefault("port", port)
    if not whole["spec"].get("traffic"):
        whole["spec"]["traffic"] = [{"latestRevision": True, "percent": 100}]
    return whole


def faults(service: Resource) -> Iterator[str]:
    """What Cloud Run would not take of a completed service."""
    name = service["metadata"].get("name", "")
    if not NAME.fullmatch(name):
        yield (
            "metadata.name: only lowercase, digits, and hyphens; must begin with letter, and may "
            "not end with hyphen; must be less than 50 characters."
        )
    ingress = service["metadata"]["annotations"]["run.googleapis.com/ingress"]
    if ingress not in INGRESS:
        yield f"metadata.annotations[run.googleapis.com/ingress]: {ingress!r} is not one of {', '.join(INGRESS)}"
    yield from template_faults(service["spec"]["template"], name)
    yield from traffic_faults(service["spec"]["traffic"])


def template_faults(template: Resource, name: str) -> Iterator[str]:
    spec = template["spec"]
    containers = spec.get("containers", [])
    if len(containers) != 1 or not containers[0].get("image"):
        yield "spec.template.spec.containers: this one runs one container, with an image"
        return
    revision = template["metadata"].get("name")
    if revision is not None and not (
        revision.startswith(f"{name}-")
        and len(revision) < 64
        and re.fullmatch(r"[-a-z0-9]*[a-z0-9]", revision)
    ):
        yield f"spec.template.metadata.name: {revision} must start with {name}- and be less than 64 characters"
    container = containers[0]
    reserved = [one["name"] for one in container.get("env", []) if one["name"] in RESERVED]
    if reserved:
        yield (
            f"{CONTAINER}.env: The following reserved env names were provided: "
            f"{', '.join(reserved)}. These values are automatically set by the system."
        )
    yield from resource_faults(container["resources"]["limits"], spec["containerConcurrency"])
    yield from probe_faults("startupProbe", container["startupProbe"], 240, 240)
    if "livenessProbe" in container:
        yield from probe_faults("livenessProbe", container["livenessProbe"], 3600, None)
    if not 1 <= spec["timeoutSeconds"] <= 3600:
        yield "spec.template.spec.timeoutSeconds: must be between 1 and 3600"
    if not 1 <= spec["containerConcurrency"] <= 1000:
        yield "spec.template.spec.containerConcurrency: must be between 1 and 1000"
    low, high = scale(template)
    if not 0 <= low <= high or high < 1:
        yield (
            "spec.template.metadata.annotations: autoscaling.knative.dev/minScale must not be "
            "greater than autoscaling.knative.dev/maxScale"
        )


def resource_faults(limits: dict[str, str], concurrency: int) -> Iterator[str]:
    cpus = amount(limits["cpu"], f"{CONTAINER}.resources.limits.cpu")
    memory = amount(limits["memory"], f"{CONTAINER}.resources.limits.memory")
    if cpus < 1 and concurrency > 1:
        yield (
            f"{CONTAINER}.resources.limits.cpu: Invalid value specified for cpu. Total cpu < 1 is "
            "not supported with concurrency > 1."
        )
    if cpus >= 1 and cpus not in MEMORY:
        yield f"{CONTAINER}.resources.limits.cpu: must be less than 1, or one of 1, 2, 4, 6, 8"
        return
    low, high = MEMORY.get(cpus, ("128Mi", "512Mi" if cpus < 0.5 else "1Gi"))
    if not amount(low, "") <= memory <= amount(high, ""):
        yield (
            f"{CONTAINER}.resources.limits.memory: Invalid value specified for container memory. "
            f"For {cpus:g} CPU, memory must be between {low} and {high} inclusive."
        )


def probe_faults(name: str, probe: Resource, most: int, total: int | None) -> Iterator[str]:
    """Source: https://cloud.google.com/run/docs/configuring/healthchecks."""
    timeout, period, times = (
        probe[key] for key in ("timeoutSeconds", "periodSeconds", "failureThreshold")
    )
    if not 1 <= timeout <= period <= most or times < 1:
        yield (
            f"{CONTAINER}.{name}: timeoutSeconds must be at least 1 and not greater than "
            f"periodSeconds, and that not greater than {most}"
        )
    if total is not None and times * period > total:
        yield f"{CONTAINER}.{name}: failureThreshold * periodSeconds must not exceed {total} seconds"


def traffic_faults(traffic: list[Resource]) -> Iterator[str]:
    percents = sum(one.get("percent") or 0 for one in traffic)
    if percents != 100:
        yield f"spec.traffic: The sum of traffic percents must be 100, was {percents}"
    tags = [one["tag"] for one in traffic if one.get("tag")]
    if len(tags) != len(set(tags)):
        yield "spec.traffic: a tag may be used only once"
    for index, one in enumerate(traffic):
        if bool(one.get("latestRevision")) == bool(one.get("revisionName")):
            yield f"spec.traffic[{index}]: exactly one of revisionName and latestRevision must be set"
        if one.get("tag") and not TAG.fullmatch(one["tag"]):
            yield f"spec.traffic[{index}].tag: {one['tag']!r}: only lowercase, digits, and hyphens"


def scale(template: Resource) -> tuple[int, int]:
    """The fewest and the most instances."""
    annotations = template["metadata"]["annotations"]
    return (
        int(annotations.get("autoscaling.knative.dev/minScale", "0")),
        int(annotations["autoscaling.knative.dev/maxScale"]),
    )


@dataclasses.dataclass(frozen=True)
class Read:
    """What a revision reads: secrets by the variables they are in, buckets by where they lie."""

    secrets: dict[str, str] = dataclasses.field(default_factory=dict)
    volumes: dict[str, str] = dataclasses.field(default_factory=dict)


def secrets_of(template: Resource) -> dict[str, str]:
    """The names of secrets, by the variables that have them."""
    env = template["spec"]["containers"][0].get("env", [])
    return {
        one["name"]: one["valueFrom"]["secretKeyRef"]["name"] for one in env if "valueFrom" in one
    }


def buckets_of(template: Resource) -> dict[str, str]:
    """The names of buckets, by the paths at which they are mounted."""
    spec = template["spec"]
    named = {
        one["name"]: one["csi"]["volumeAttributes"]["bucketName"]
        for one in spec.get("volumes", [])
        if one.get("csi", {}).get("driver") == "gcsfuse.run.googleapis.com"
    }
    mounts = spec["containers"][0].get("volumeMounts", [])
    return {one["mountPath"]: named[one["name"]] for one in mounts if one["name"] in named}


def plan(template: Resource, image: str, service: str, revision: str, read: Read) -> Plan:
    """How the instances of a completed template are run, with what they have read."""
    spec = template["spec"]
    container = spec["containers"][0]
    port = container["ports"][0]["containerPort"]
    limits = container["resources"]["limits"]
    low, high = scale(template)
    probe = container["startupProbe"]
    return Plan(
        image=image,
        command=tuple(container.get("command", [])),
        arguments=tuple(container.get("args", [])),
        environment={
            **{one["name"]: one.get("value", "") for one in container.get("env", [])},
            **read.secrets,
            "PORT": str(port), "K_SERVICE": service, "K_CONFIGURATION": service, "K_REVISION": revision,
        },
        container=container.get("name") or f"{service}-1",
        port=port,
        memory=int(amount(limits["memory"], "")),
        cpus=amount(limits["cpu"], ""),
        concurrency=spec["containerConcurrency"],
        minimum=low,
        maximum=high,
        timeout=spec["timeoutSeconds"],
        startup=probe,
        startup_is_default="tcpSocket" in probe and probe["periodSeconds"] == 240,
        liveness=container.get("livenessProbe"),
        volumes=read.volumes,
    )  # fmt: skip
