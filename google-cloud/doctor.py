"""Check everything that deploying needs, and name the target that creates what is missing."""

from __future__ import annotations

import sys
from collections.abc import Callable

import machine
import project
from gcloud import Failed, enabled
from inventory import CHECKED, at_once
from names import DEPLOYER, IMAGE, PROJECT, REGION
from record import Resource

# What is checked, the check, and the target that creates it.
Look = tuple[str, Callable[[], object], str]


def login() -> None:
    """Print gcloud's login and how it differs from .env; raises `Failed` if it cannot set up."""
    account, configuration, selected, region, acts_as = project.login()
    if selected != PROJECT:
        selected = f"{selected or 'none'}; make uses {PROJECT}, GCP_PROJECT_ID of .env"
    if region != REGION:
        region = f"{region or 'none'}; make uses {REGION}, GCP_REGION of .env or its default"
    print(f"{'account':14} {account}\n{'configuration':14} {configuration}")
    print(f"{'project':14} {selected}\n{'region':14} {region}", flush=True)
    if (acts_as or account) == DEPLOYER:
        person = "gcloud config configurations activate default"
        raise Failed(f"That is the deployer, and a person is needed: {person}")
    _see_project(account)


def _see_project(account: str) -> None:
    try:
        enabled()
    except Failed as failed:
        mend = "set GCP_PROJECT_ID in .env to one that gcloud projects list shows"
        raise Failed(f"{failed}\n{account} sees no project {PROJECT}: {mend}") from None


def _each(resource: Resource) -> list[Look]:
    def look(name: str) -> Look:
        return resource.label.format(name), lambda: name in resource.find(), resource.made_by

    return [look(name) for name in resource.wanted]


def _looks(tag: str) -> list[Look]:
    looks = [
        each
        for resource in (project.apis, project.repository, project.deployer, project.runtime)
        for each in _each(resource)
    ]
    for role in project.roles():
        what = f"{role.role} of {role.member} on {role.on.name}"
        looks.append((what, role.is_held, "add-roles"))
    looks += [*_each(machine.configuration), *_each(machine.docker_login)]

    def is_pushed() -> object:
        return project.repository.find() and project.tagged(tag)

    looks += [(f"image {IMAGE}:{tag}", is_pushed, "release")]
    return looks + [each for resource in CHECKED for each in _each(resource)]


def doctor(tag: str) -> None:
    """Print a line for each check; raises `Failed` with the next target if something is missing."""
    account = project.login()[0]
    _see_project(account)
    print(f"ok       login to gcloud as {account}", flush=True)
    looks = _looks(tag)
    targets, errors = [], []
    for (what, _, target), outcome in zip(
        looks, at_once(look for _, look, _ in looks), strict=True
    ):
        if isinstance(outcome, Failed):
            print(f"unknown  {what}: gcloud could not say")
            errors.append(str(outcome))
        elif outcome:
            print(f"ok       {what}")
        else:
            print(f"missing  {what} → make {target}")
            targets.append(target)
    sys.stdout.flush()
    if errors:
        last = "Next: see to what gcloud says here, then make doctor"
        raise Failed("\n".join([*dict.fromkeys(errors), last]))
    if targets:
        raise Failed(f"Next: make {targets[0]}")
