"""All resources, in the order in which they can be deleted; make destroy."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from pathlib import Path
from typing import Any

import machine
import project
from gcloud import Failed, enabled
from names import PROJECT
from record import Resource

# Each .mk here is optional, and comes with a .py of its name that has RESOURCES; CHECKED has those
# of them that make doctor looks for.
OPTIONAL = [import_module(path.stem) for path in sorted(Path(__file__).parent.glob("*.mk"))]
CHECKED: list[Resource] = [each for piece in OPTIONAL for each in getattr(piece, "CHECKED", ())]
RESOURCES: list[Resource] = [
    *(resource for piece in OPTIONAL for resource in piece.RESOURCES),
    project.service,
    project.newest_image,
    project.images,
    *(project.granted_on(place) for place in (*project.buckets.values(), *project.secrets)),
    project.granted_on(project.project),
    project.granted_on(project.repository),
    project.repository,
    machine.keys_of_google,
    machine.key,
    project.deployer,
    project.runtime,
    machine.configuration,
    machine.docker_login,
    project.project,
    project.apis,
]


def named(*names: str) -> list[Resource]:
    """The resources with these names."""
    by_name = {resource.name: resource for resource in RESOURCES}
    return [by_name[name] for name in names]


def at_once(actions: Iterable[Callable[[], Any]]) -> list[Any]:
    """Run all actions in threads; the result of each, or the `Failed` that it raised."""

    def outcome(action: Callable[[], Any]) -> Any:
        try:
            return action()
        except Failed as failed:
            return failed

    with ThreadPoolExecutor(32) as pool:
        return list(pool.map(outcome, actions))


def removable() -> dict[Resource, list[str]]:
    """What make destroy deletes: resources with their names; raises `Failed`."""
    found = at_once(resource.find_removable for resource in RESOURCES)
    for outcome in found:
        if isinstance(outcome, Failed):
            raise outcome
    return {each: names for each, names in zip(RESOURCES, found, strict=True) if names}


def show(found: dict[Resource, list[str]]) -> None:
    """Print a line for each name."""
    for resource, names in found.items():
        for name in names:
            print(
                f"{resource.listed_as or resource.name}: {name.replace('|', ' for ')}", flush=True
            )


def confirm(meaning: str, word: str = "yes") -> None:
    """Print the consequence; raises `Failed` unless the word is typed or is in CONFIRM."""
    print(meaning, flush=True)
    answer = os.environ.get("CONFIRM")
    try:
        answer = answer or input(f"Type {word} to go on (or set CONFIRM={word}): ")
    except EOFError:
        print()
    if answer != word:
        raise Failed(f"That was not {word}, so nothing was changed")


def destroy() -> None:
    """List the resources, ask, delete them, and look again; raises `Failed` if one is left."""
    if found := removable():
        print("\nMade by these targets:", flush=True)
        show(found)
        where = f"from project {PROJECT} and from this machine"
        confirm(f"All of this goes for good, {where}.", PROJECT)
        for resource, names in found.items():
            resource.remove(names)
        if left := removable():
            show(left)
            raise Failed("This is still there: make destroy again")
    else:
        print(f"These targets have made nothing in project {PROJECT} or on this machine.")
    print(
        "Nothing is left. The APIs stay on, since something else may need them; to turn them off:"
    )
    made = {api for resource in RESOURCES for api in resource.apis} | {*project.apis.wanted}
    on = [f"{api}.googleapis.com" for api in enabled() if api in made]
    print(f"  gcloud services disable --force {' '.join(on)} --project={PROJECT}")
