"""The resources of Vertex AI: an endpoint, and a model for each image."""

from __future__ import annotations

import time
from os import environ

from gcloud import ask, enable, run
from names import PUSHED, REGION, RUNTIME, SERVICE
from record import Resource

IN_REGION = f"--region={REGION}"
NAMED = f"{IN_REGION} --filter=displayName={SERVICE}"
PATHS = "--format='value(name.scope(projects))'"
TRY_SECONDS, TRIES = 5, 6


def deployed(field: str) -> list[str]:
    """The id or the model of each model that is deployed to the endpoint."""
    shown = f"--flatten='deployedModels[]' --format='value(deployedModels.{field}.scope(projects))'"
    return ask(f"ai endpoints list {NAMED} {shown}")


def undeploy(path: str, ids: list[str]) -> None:
    """Undeploy the models with these ids from the endpoint."""
    for one in ids:
        run(f"ai endpoints undeploy-model {path} --deployed-model-id={one} {IN_REGION}")


def deploy() -> None:
    """Deploy the image DIGEST to the endpoint, and undeploy all others."""
    enable("aiplatform")
    image = f"{PUSHED}@{environ['DIGEST']}"
    made_of = f"--filter=\"displayName={SERVICE} AND containerSpec.imageUri='{image}'\""
    if not endpoint.find():
        run(f"ai endpoints create --display-name={SERVICE} {IN_REGION}")
    if not ask(f"ai models list {IN_REGION} {made_of} {PATHS}"):
        run(
            f"ai models upload --display-name={SERVICE} {IN_REGION} --container-image-uri={image} "
            "--container-ports=8080 --container-health-route=/health "
            "--container-predict-route=/predict"
        )
    (model,) = ask(f"ai models list {IN_REGION} {made_of} {PATHS}")
    if deployed("model") == [model]:
        print("It is deployed already", flush=True)
        return
    (path,), old = endpoint.find(), deployed("id")
    run(
        f"ai endpoints deploy-model {path} --model={model} --display-name={SERVICE} "
        f"--machine-type={environ['VERTEX_MACHINE_TYPE']} --min-replica-count=1 "
        f"--max-replica-count=1 --service-account={RUNTIME} --traffic-split=0=100 {IN_REGION}"
    )
    undeploy(path, old)


def delete_endpoint(found: list[str]) -> None:
    """Undeploy all models, then delete the endpoint."""
    undeploy(found[0], deployed("id"))
    run(f"ai endpoints delete {found[0]} {IN_REGION} --quiet")


def delete_models(found: list[str]) -> None:
    """Delete the models, and wait until they are deleted: gcloud does not wait."""
    for path in found:
        run(f"ai models delete {path} {IN_REGION} --quiet")
    for _ in range(TRIES):
        if not models.find():
            return
        time.sleep(TRY_SECONDS)


endpoint = Resource(
    "vertex-endpoint",
    ask=f"ai endpoints list {NAMED} {PATHS}",
    create=deploy,
    delete=delete_endpoint,
    missing=f"There is no endpoint {SERVICE} in {REGION}: make deploy-vertex",
    apis=("aiplatform",),
)
models = Resource(
    "vertex-models",
    ask=f"ai models list {NAMED} {PATHS}",
    delete=delete_models,
    apis=("aiplatform",),
)
RESOURCES = [endpoint, models]
