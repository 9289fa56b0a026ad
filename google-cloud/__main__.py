"""The commands of google-cloud.mk that need logic: python3 google-cloud COMMAND ARGUMENTS."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable

import project
from doctor import doctor, login
from gcloud import Failed, ask
from inventory import confirm, destroy, named
from names import IMAGE, LISTED, REGION, RUNTIME

KINDS = ("user:", "serviceAccount:", "group:", "domain:", "principal:", "principalSet:")


def create(*names: str) -> None:
    """Create the missing ones of these resources."""
    for resource in named(*names):
        resource.make()


def delete(*names: str) -> None:
    """Delete these resources, if they exist."""
    for resource in named(*names):
        if found := resource.find():
            resource.remove(found)
        else:
            print(
                f"There is no {resource.label.format(*resource.wanted or [resource.name])}",
                flush=True,
            )


def require(*names: str) -> None:
    """Fail if one of these resources is missing."""
    for resource in named(*names):
        resource.require()


def find(name: str) -> None:
    """Print the name of the resource, or fail if there is none."""
    (resource,) = named(name)
    found = resource.find()
    if not found:
        raise Failed(resource.missing)
    print(found[0])


def require_none(name: str, target: str) -> None:
    """Fail if the resource exists, since it runs as the runtime account; the target deletes it."""
    (resource,) = named(name)
    for found in resource.find():
        what = resource.label.format(found)
        raise Failed(f"The {what} runs as {RUNTIME}: make {target} first")


def require_member(member: str) -> None:
    """Fail unless the member has a kind, such as user:, and is not everybody."""
    if member in {"allUsers", "allAuthenticatedUsers"}:
        raise Failed(f"MEMBER={member} is everybody: make allow-public, which asks first")
    if not member.startswith(KINDS):
        kind = "serviceAccount" if member.endswith(".gserviceaccount.com") else "user"
        raise Failed(f"MEMBER={member}: say of what kind it is, as in MEMBER={kind}:{member}")


def add_roles() -> None:
    """Grant all roles that deploying needs."""
    for role in project.roles():
        role.grant()


def allow_deployer(member: str) -> None:
    """Let the member act as the deployer: deploying needs no other role."""
    project.acts_as_deployer(member).grant()


def show(*fields: str) -> None:
    """Print these fields of the service; nothing if there is no service."""
    print(*project.show_service(*fields))


def url() -> None:
    """Print the address of the service, or fail if there is no service."""
    shown = project.show_service("status.url")
    if not shown:
        project.service.require()
    print(*shown)


def digest(tag: str) -> None:
    """Print the digest of the image with this tag, or fail and name the newest image."""
    if found := project.tagged(tag):
        print(found[0])
        return
    said = [f"There is no image {IMAGE}:{tag} in the registry: make release"]
    if "-dirty" in tag:
        status = ["git", "status", "--short"]
        changes = subprocess.run(status, capture_output=True, text=True, check=False).stdout
        said += ["Its tag has -dirty in it, since this is not committed:", changes.rstrip()]
    newest = "--include-tags --sort-by=~updateTime --limit=1 --format='value(tags)'"
    for tags in ask(f"artifacts docker images list {LISTED} {newest}"):
        tag = tags.split(",")[0]
        said.append(f"The newest there is {tag}, deployed by make deploy IMAGE_TAG={tag}")
    raise Failed("\n".join(said))


COMMANDS: dict[str, Callable[..., None]] = {
    "login": login,
    "doctor": doctor,
    "create": create,
    "delete": delete,
    "require": require,
    "require-none": require_none,
    "require-member": require_member,
    "find": find,
    "add-roles": add_roles,
    "allow-deployer": allow_deployer,
    "show": show,
    "url": url,
    "digest": digest,
    "confirm": confirm,
    "destroy": destroy,
}


def main() -> None:
    """Run a command; on failure print the reason to standard error and exit with status 1."""
    command, *arguments = sys.argv[1:]
    try:
        if not re.fullmatch(r"[a-z]+(-[a-z]+)+\d+", REGION):
            raise Failed(f"GCP_REGION={REGION}: expected a region, as in GCP_REGION=europe-west1")
        COMMANDS[command](*arguments)
    except Failed as failed:
        sys.exit(str(failed) or 1)
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
