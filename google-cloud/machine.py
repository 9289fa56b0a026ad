"""The resources on this machine: a key, a configuration of gcloud, docker's login."""

from __future__ import annotations

import json
import os
import subprocess
import time
from pathlib import Path

from gcloud import Failed, Missing, answer, ask, run
from names import CONFIGURATION, DEPLOYER, KEY, PATIENCE, PROJECT, REGION, REGISTRY
from project import apis, deployer, login
from record import Resource

INSIDE = f"--configuration={CONFIGURATION}"
TRY_SECONDS = 5


def files_of_key() -> list[str]:
    """The key's file, and gcloud's login with it."""
    there = [KEY] if Path(KEY).exists() else []
    return there + ask(f"auth list --filter=account={DEPLOYER} --format='value(account)'")


def create_key() -> None:
    """Write a key that nobody else can read."""
    if Path(KEY).exists():
        print(f"There is already {KEY}: make delete-key deletes it", flush=True)
    else:
        os.umask(0o077)
        run(f"iam service-accounts keys create {KEY} --iam-account={DEPLOYER}")


def forget_key(found: list[str]) -> None:
    """Delete the key's file, and gcloud's login with it."""
    Path(KEY).unlink(missing_ok=True)
    if DEPLOYER in found:
        run(f"auth revoke {DEPLOYER}")


key = Resource("key", ask=files_of_key, create=create_key, delete=forget_key)
keys_of_google = Resource(
    "keys-of-google",
    ask=f"iam service-accounts keys list --iam-account={DEPLOYER} --managed-by=user "
    "--format='value(name.basename())'",
    delete=f"iam service-accounts keys delete {{}} --iam-account={DEPLOYER} --quiet",
    inside=deployer,
    removable=list,  # none: they go with the account
)


def show_configuration(*properties: str) -> list[str]:
    """These properties of the deployer's configuration; nothing if there is no configuration."""
    if not CONFIGURATION:
        return []
    form = f'value[separator="|"]({",".join(properties)})'
    return ask(f"config configurations list --filter=name={CONFIGURATION} --format='{form}'")


def acting_configuration() -> list[str]:
    """The configuration's name, if it acts as the deployer in the project."""
    core = ("properties.core.project", "properties.core.account")
    for shown in show_configuration(*core, "properties.auth.impersonate_service_account"):
        in_project, logged_in, impersonated = shown.split("|")
        acts_as = (logged_in if not impersonated else "") if Path(KEY).exists() else impersonated
        if (in_project, acts_as) == (PROJECT, DEPLOYER) and logged_in:
            return [CONFIGURATION]
    return []


def create_configuration() -> None:
    """Let gcloud act as the deployer: with its key, or impersonated by the person's login."""
    person = login()[0]
    try:
        apis.require()
        deployer.require()
    except Missing:
        raise
    except Failed:
        pass  # A colleague may act as the deployer without the right to list APIs and accounts.
    if not show_configuration("name"):
        run(f"config configurations create {CONFIGURATION} --no-activate")
    run(f"config set project {PROJECT} {INSIDE}")
    run(f"config set run/region {REGION} {INSIDE}")
    # At the default verbosity each command warns that it impersonates an account.
    run(f"config set verbosity error {INSIDE}")
    if Path(KEY).exists():
        run(f"auth activate-service-account {DEPLOYER} --key-file={KEY} {INSIDE}")
        run(f"config unset auth/impersonate_service_account {INSIDE}")
    else:
        run(f"config set account {person} {INSIDE}")
        run(f"config set auth/impersonate_service_account {DEPLOYER} {INSIDE}")
    print(f"Trying to act as {DEPLOYER}: Google can take minutes to heed a new role", flush=True)
    for left in reversed(range(PATIENCE)):
        try:
            answer(f"auth print-access-token --project={PROJECT} {INSIDE}")
            return
        except Failed as failed:
            if not left:
                raise Failed(
                    f"{failed}\n{person} cannot act as the deployer: make doctor says what is "
                    f"missing. Whoever set up lets others: make allow-deployer MEMBER=user:{person}"
                ) from None
        time.sleep(TRY_SECONDS)


configuration = Resource(
    "configuration",
    ask=acting_configuration,
    create=create_configuration,
    delete=lambda _: run(f"config configurations delete {CONFIGURATION} --quiet"),
    wanted=(CONFIGURATION,) if CONFIGURATION else (),
    label="configuration {} of gcloud",
    missing=f"gcloud has no configuration {{}} that acts as {DEPLOYER}: make create-config, "
    "or make setup",
    made_by="create-config",
    removable=lambda: show_configuration("name"),
)


def logins_of_docker() -> list[str]:
    """The registry, if docker's config.json has a login to it."""
    folder = os.environ.get("DOCKER_CONFIG") or Path.home() / ".docker"
    try:
        config = json.loads(Path(folder, "config.json").read_bytes())
    except (OSError, ValueError):
        return []
    return [REGISTRY] if REGISTRY in config.get("auths", {}) else []


def log_out(_: list[str]) -> None:
    """Let docker forget the login."""
    print(f"docker logout {REGISTRY}", flush=True)
    subprocess.run(["docker", "logout", REGISTRY], check=True)


docker_login = Resource(
    "login",
    ask=logins_of_docker,
    delete=log_out,
    wanted=(REGISTRY,),
    label="login of docker to {}",
    made_by="conf-docker-for-gcp",
)
