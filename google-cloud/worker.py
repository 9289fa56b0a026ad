"""The resource of Cloud Run that does tasks: a worker pool."""

from __future__ import annotations

import functools
import sys
from os import environ

from gcloud import Failed, ask
from names import REGION
from record import Resource

POOL = environ["WORKER_POOL"]
IS_WANTED = bool(environ["BROKER"])
NO_BETA = (
    "This gcloud has no beta commands, which worker pools need: gcloud components install beta"
)


@functools.cache
def has_beta() -> bool:
    """Whether gcloud can see worker pools; raises `Failed` if it cannot and one is wanted."""
    if ask("version --format='value(beta)'"):
        return True
    if IS_WANTED:
        raise Failed(NO_BETA)
    print("This gcloud has no beta commands, so no worker pool is looked for", file=sys.stderr)
    return False


def find_pools() -> list[str]:
    """The pool, if it exists."""
    listed = f"beta run worker-pools list --region={REGION} --filter=metadata.name={POOL}"
    return ask(f"{listed} --format='value(metadata.name)'") if has_beta() else []


beta = Resource(
    "beta",
    ask=lambda: ["beta"] if has_beta() else [],
    wanted=("beta",),
    missing=NO_BETA,
    removable=list,  # none: it is a part of gcloud
)
pool = Resource(
    "worker-pool",
    ask=find_pools,
    delete=f"beta run worker-pools delete {{}} --region={REGION} --quiet",
    wanted=(POOL,),
    label="worker pool {}",
    made_by="deploy-worker",
    apis=("run",),
)
RESOURCES = [pool, beta]
CHECKED = [pool] if IS_WANTED else []
