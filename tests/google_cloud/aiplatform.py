"""Vertex AI: models of custom containers, endpoints, and the real containers behind them.

What a container is told and must do:
https://cloud.google.com/vertex-ai/docs/predictions/custom-container-requirements
"""

from __future__ import annotations

import http.client
import json
import os
import secrets
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import flask

from tests.google_cloud import errors
from tests.google_cloud.artifact_registry import Repositories
from tests.google_cloud.cloud import Api, Cloud, Json, Part
from tests.google_cloud.container import Docker, Instance, Plan, StartFailed
from tests.google_cloud.iam import Accounts, now
from tests.google_cloud.registry import Registry

# https://cloud.google.com/compute/docs/general-purpose-machines: CPUs and GB of memory.
MACHINES = {"n1-standard-2": (2, 7.5), "n1-standard-4": (4, 15.0), "e2-standard-2": (2, 8.0)}
# https://cloud.google.com/vertex-ai/docs/quotas: bytes of a request to a shared endpoint.
MOST_BYTES = 1_500_000
DEADLINE = 60
TYPE = "google.cloud.aiplatform.v1"


def new_id() -> str:
    """An id as Vertex AI makes them up."""
    return str(10**18 + secrets.randbelow(9 * 10**18))


def plan(model: Json, image: str, machine: str) -> Plan:
    """What the container of a model is run with."""
    spec = model["containerSpec"]
    port = spec.get("ports", [{"containerPort": 8080}])[0]["containerPort"]
    health = spec.get("healthRoute", "/")
    cpus, gigabytes = MACHINES[machine]
    own = {item["name"]: item["value"] for item in spec.get("env", [])}
    told = {
        "AIP_HTTP_PORT": str(port),
        "AIP_HEALTH_ROUTE": health,
        "AIP_PREDICT_ROUTE": spec.get("predictRoute", "/"),
        "AIP_MODE": "PREDICTION",
        "AIP_MACHINE_TYPE": machine,
        "AIP_STORAGE_URI": model.get("artifactUri", ""),
    }
    return Plan(
        image=image,
        command=tuple(spec.get("command", ())),
        arguments=tuple(spec.get("args", ())),
        environment=own | told,
        container="model",
        port=port,
        memory=int(gigabytes * 10**9),
        cpus=cpus,
        concurrency=1,
        minimum=1,
        maximum=1,
        timeout=DEADLINE,
        startup={
            "httpGet": {"path": health},
            "periodSeconds": 1, "timeoutSeconds": 4, "failureThreshold": 60,
        },
        startup_is_default=False,
        liveness=None,
    )  # fmt: skip


@dataclass
class Endpoint:
    """An endpoint, and the containers of the models that are deployed to it."""

    shown: Json
    instances: dict[str, Instance] = field(default_factory=dict)

    def busy(self) -> bool:
        """Whether models are deployed to it."""
        return bool(self.shown.get("deployedModels"))

    def undeploy(self, deployed: str) -> None:
        """Stop the container of a deployed model."""
        models = self.shown["deployedModels"]
        self.shown["deployedModels"] = [each for each in models if each["id"] != deployed]
        self.shown["trafficSplit"].pop(deployed, None)
        self.instances.pop(deployed).stop()


class Vertex(Part):
    """The models and endpoints of the project."""

    name = "vertex"

    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud
        self.models: dict[str, Json] = {}  # by full name, which has the project's number
        self.endpoints: dict[str, Endpoint] = {}
        self.operations: dict[str, Json] = {}
        self.log: list[str] = []  # what the containers say
        self.docker = Docker(os.environ)

    def stop(self) -> None:
        for endpoint in self.endpoints.values():
            for instance in endpoint.instances.values():
                instance.stop()

    def snapshot(self) -> Any:
        shown = {name: model["containerSpec"]["imageUri"] for name, model in self.models.items()}
        return shown | {
            name: [each["model"] for each in endpoint.shown.get("deployedModels", [])]
            for name, endpoint in self.endpoints.items()
        }

    def place(self, project: str, location: str) -> str:
        """The full name of a location."""
        self.cloud.known_project(project)
        return f"projects/{self.cloud.project_number}/locations/{location}"

    def model(self, name: str) -> Json:
        """The model of this name."""
        if name not in self.models:
            raise errors.not_found(f"The Model does not exist: {name}")
        return self.models[name]

    def ask(self, verb: str, project: str, location: str, endpoint: str) -> Endpoint:
        """The endpoint, if the caller may do this with it."""
        name = f"{self.place(project, location)}/endpoints/{endpoint}"
        resource = f"{self.cloud.resource}/locations/{location}/endpoints/{endpoint}"
        self.cloud.require(f"aiplatform.endpoints.{verb}", resource)
        if name not in self.endpoints:
            raise errors.not_found(f"Endpoint `{name}` is not found.")
        return self.endpoints[name]

    def begin(self, parent: str, kind: str, work: Callable[[], Json]) -> Json:
        """Do the work behind an operation that callers ask for until it is done."""
        operation: Json = {"name": f"{parent}/operations/{new_id()}", "done": False}
        self.operations[operation["name"]] = operation

        def run() -> None:
            try:
                response = {"@type": f"type.googleapis.com/{TYPE}.{kind}"} | work()
                operation.update(done=True, response=response)
            except (errors.ApiError, StartFailed, OSError) as error:
                operation.update(done=True, error={"code": 9, "message": str(error)})

        threading.Thread(target=run, daemon=True).start()
        return dict(operation)

    def upload(self, place: str, model: Json) -> Json:
        """Keep a model, whose image Vertex AI reads at once."""
        name = f"{place}/models/{new_id()}"
        self.cloud.part(Repositories).image(model["containerSpec"]["imageUri"])
        times = {"createTime": now(), "updateTime": now()}
        resources = {"supportedDeploymentResourcesTypes": ["DEDICATED_RESOURCES"]}
        self.models[name] = model | {"name": name, "versionId": "1"} | resources | times
        return {"model": name, "modelVersionId": "1"}

    def deploy(self, endpoint: Endpoint, deployed: Json, split: dict[str, int]) -> Json:
        """Run a model's container behind an endpoint."""
        model = self.model(deployed["model"])
        with self.cloud.lock:
            repository, name, version = self.cloud.part(Repositories).image(
                model["containerSpec"]["imageUri"]
            )
        backend = self.cloud.part(Registry).backend
        image = f"{backend}/{repository.project}/{repository.id}/{name}@{version.digest}"
        self.docker("pull", image)
        machine = deployed["dedicatedResources"]["machineSpec"]["machineType"]
        instance = Instance(
            self.docker,
            plan(model, image, machine),
            "vertex",
            lambda _, line: self.log.append(line),
        )
        try:
            instance.wait_until_ready()
        except StartFailed:
            instance.stop()
            raise StartFailed(
                "Model server terminated: model server container terminated before it was healthy."
            ) from None
        with self.cloud.lock:
            endpoint.instances[deployed["id"]] = instance
            endpoint.shown.setdefault("deployedModels", []).append(deployed)
            endpoint.shown["trafficSplit"] = {
                deployed["id"] if key == "0" else key: share for key, share in split.items()
            }
        return {"deployedModel": {"id": deployed["id"]}}

    def predict(self, endpoint: Endpoint, body: bytes) -> Json:
        """Send instances to the deployed model that has most of the traffic."""
        if len(body) > MOST_BYTES:
            raise errors.invalid("Request payload size exceeds the limit: 1500000 bytes.")
        with self.cloud.lock:
            split = endpoint.shown.get("trafficSplit")
            if not split:
                raise errors.invalid(
                    f"Endpoint {endpoint.shown['name']} has no deployed model.",
                    "FAILED_PRECONDITION",
                )
            chosen = max(split, key=lambda key: split[key])
            deployed = next(m for m in endpoint.shown["deployedModels"] if m["id"] == chosen)
            model, instance = self.model(deployed["model"]), endpoint.instances[chosen]
        connection = http.client.HTTPConnection("127.0.0.1", instance.port, timeout=DEADLINE)
        route = model["containerSpec"].get("predictRoute", "/")
        connection.request("POST", route, body, {"Content-Type": "application/json"})
        response = connection.getresponse()
        content = response.read()
        connection.close()
        if response.status != 200:
            raise errors.invalid(content.decode(errors="replace"), "FAILED_PRECONDITION")
        about = {"deployedModelId": chosen, "model": model["name"], "modelVersionId": "1"}
        return {"predictions": json.loads(content)["predictions"]} | about


def register(cloud: Cloud) -> None:
    """Add the paths of Vertex AI."""
    api = cloud.api("aiplatform")
    vertex = cloud.add(Vertex(cloud))
    register_models(api, vertex)
    register_endpoints(api, vertex)
    register_deployed(api, vertex)

    def operation(path: str, identifier: str) -> Json:
        parts = path.split("/")
        vertex.place(parts[1], parts[3])
        parts[1] = cloud.project_number
        name = f"{'/'.join(parts)}/operations/{identifier}"
        if name not in vertex.operations:
            raise errors.not_found(f"Operation {name} is not found.")
        return dict(vertex.operations[name])

    # gcloud asks for operations in the version that is still beta.
    for version in ("v1", "v1beta1"):
        api.route(f"/{version}/<path:path>/operations/<identifier>")(operation)


def register_models(api: Api, vertex: Vertex) -> None:
    """Add the paths of models."""
    cloud = vertex.cloud
    rule = "/v1/projects/<project>/locations/<location>/models"

    @api.route(f"{rule}:upload", "POST")
    def upload(project: str, location: str) -> Json:
        place = vertex.place(project, location)
        cloud.require("aiplatform.models.upload", cloud.resource)
        model = cloud.body()["model"]
        return vertex.begin(place, "UploadModelResponse", lambda: vertex.upload(place, model))

    @api.route(rule)
    def listing(project: str, location: str) -> Json:
        place = vertex.place(project, location)
        cloud.require("aiplatform.models.list", cloud.resource)
        return {"models": [m for name, m in vertex.models.items() if name.startswith(place)]}

    @api.route(f"{rule}/<model>")
    def get(project: str, location: str, model: str) -> Json:
        cloud.require("aiplatform.models.get", cloud.resource)
        return vertex.model(f"{vertex.place(project, location)}/models/{model}")

    @api.route(f"{rule}/<model>", "DELETE")
    def delete(project: str, location: str, model: str) -> Json:
        place = vertex.place(project, location)
        cloud.require("aiplatform.models.delete", cloud.resource)
        name = f"{place}/models/{model}"
        vertex.model(name)
        for endpoint in vertex.endpoints.values():
            if any(each["model"] == name for each in endpoint.shown.get("deployedModels", [])):
                raise errors.invalid(
                    f"The Model {name} is deployed to {endpoint.shown['name']}: undeploy it first.",
                    "FAILED_PRECONDITION",
                )

        def work() -> Json:
            vertex.models.pop(name, None)
            return {}

        return vertex.begin(place, "DeleteOperationMetadata", work)


def register_endpoints(api: Api, vertex: Vertex) -> None:
    """Add the paths of endpoints."""
    cloud = vertex.cloud
    rule = "/v1/projects/<project>/locations/<location>/endpoints"

    @api.route(rule, "POST")
    def create(project: str, location: str) -> Json:
        place = vertex.place(project, location)
        cloud.require("aiplatform.endpoints.create", cloud.resource)
        name = f"{place}/endpoints/{new_id()}"
        shown = cloud.body() | {"name": name, "createTime": now(), "updateTime": now()}

        def work() -> Json:
            vertex.endpoints[name] = Endpoint(shown)
            return {"name": name}

        return vertex.begin(name, "Endpoint", work)

    @api.route(rule)
    def listing(project: str, location: str) -> Json:
        place = vertex.place(project, location)
        cloud.require("aiplatform.endpoints.list", cloud.resource)
        found = vertex.endpoints.items()
        return {"endpoints": [each.shown for name, each in found if name.startswith(place)]}

    @api.route(f"{rule}/<endpoint>")
    def get(project: str, location: str, endpoint: str) -> Json:
        return vertex.ask("get", project, location, endpoint).shown

    @api.route(f"{rule}/<endpoint>", "DELETE")
    def delete(project: str, location: str, endpoint: str) -> Json:
        found = vertex.ask("delete", project, location, endpoint)
        name = found.shown["name"]
        if found.busy():
            raise errors.invalid(
                f"Endpoint {name} has deployed or being-deployed DeployedModels.",
                "FAILED_PRECONDITION",
            )

        def work() -> Json:
            vertex.endpoints.pop(name, None)
            return {}

        return vertex.begin(name, "DeleteOperationMetadata", work)


def register_deployed(api: Api, vertex: Vertex) -> None:
    """Add the paths of the models that are deployed to an endpoint."""
    cloud = vertex.cloud
    rule = "/v1/projects/<project>/locations/<location>/endpoints"

    @api.route(f"{rule}/<endpoint>:deployModel", "POST")
    def deploy(project: str, location: str, endpoint: str) -> Json:
        found = vertex.ask("deploy", project, location, endpoint)
        body = cloud.body()
        deployed = {"id": new_id(), "createTime": now()} | body["deployedModel"]
        model = deployed["model"].partition("/locations/")[2]
        deployed["model"] = vertex.model(f"projects/{cloud.project_number}/locations/{model}")[
            "name"
        ]
        machine = deployed["dedicatedResources"]["machineSpec"].get("machineType", "")
        if machine not in MACHINES:
            raise errors.invalid(f'Machine type "{machine}" is not supported.')
        if account := deployed.get("serviceAccount"):
            resource = cloud.part(Accounts).get(account).resource
            cloud.require("iam.serviceAccounts.actAs", resource)
        split = {key: int(share) for key, share in body.get("trafficSplit", {"0": 100}).items()}
        name = found.shown["name"]
        return vertex.begin(
            name, "DeployModelResponse", lambda: vertex.deploy(found, deployed, split)
        )

    @api.route(f"{rule}/<endpoint>:undeployModel", "POST")
    def undeploy(project: str, location: str, endpoint: str) -> Json:
        found = vertex.ask("undeploy", project, location, endpoint)
        deployed = cloud.body()["deployedModelId"]
        if deployed not in found.instances:
            raise errors.not_found(f"The DeployedModel {deployed} is not found.")

        def work() -> Json:
            found.undeploy(deployed)
            return {}

        return vertex.begin(found.shown["name"], "UndeployModelResponse", work)

    @api.route(f"{rule}/<endpoint>:predict", "POST", waits=True)
    def predict(project: str, location: str, endpoint: str) -> Json:
        with cloud.lock:
            found = vertex.ask("predict", project, location, endpoint)
        return vertex.predict(found, flask.request.get_data())
