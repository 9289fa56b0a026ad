"""Who may do what: policies with etags, inherited from the project, and a journal of every use."""

from __future__ import annotations

import base64
import re
from collections.abc import Container, Iterator
from dataclasses import dataclass, field
from typing import Any

from tests.google_cloud import errors
from tests.google_cloud.identity import Caller
from tests.google_cloud.roles import ROLES

Json = dict[str, Any]
# What Google answers as the etag of a resource whose policy nobody ever set.
NO_POLICY = "ACAB"
MEMBER = re.compile(
    r"allUsers|allAuthenticatedUsers|(user|serviceAccount|group|domain):[^\s:/?]+"
    r"|(deleted:)?(user|serviceAccount|group):[^\s:/?]+\?uid=\d+|principal(Set)?://\S+"
)


@dataclass(frozen=True)
class Grant:
    """A binding of one member: a role on a resource."""

    resource: str
    role: str
    member: str


@dataclass(frozen=True)
class Use:
    """A line of the journal: who asked for which permission on what, and which grants hold it."""

    member: str
    permission: str
    resource: str
    allowed: bool
    grants: tuple[Grant, ...]


@dataclass
class Policy:
    """The bindings of one resource: role to members."""

    bindings: dict[str, list[str]] = field(default_factory=dict)
    version: int = 0  # how many times it was written

    @property
    def etag(self) -> str:
        """Changes with every writing."""
        if not self.version:
            return NO_POLICY
        return base64.b64encode(b"\x07\x06" + self.version.to_bytes(6, "big")).decode()

    def as_json(self) -> Json:
        """The policy as the APIs show it; one without bindings has no such field."""
        bindings = [{"role": role, "members": members} for role, members in self.bindings.items()]
        shown: Json = {"version": 1, "etag": self.etag}
        return shown | ({"bindings": bindings} if bindings else {})


class Policies:
    """The policies of all resources, by the resource's full name (`projects/P/…`)."""

    def __init__(self) -> None:
        self.of: dict[str, Policy] = {}
        self.journal: list[Use] = []

    def get(self, resource: str) -> Json:
        """The policy as getIamPolicy answers it."""
        return self.of.get(resource, Policy()).as_json()

    def set(self, resource: str, policy: Json, known: Container[str] | None = None) -> Json:
        """Write the policy as setIamPolicy does; `known` are the service accounts there are."""
        held = self.of.get(resource, Policy())
        etag = policy.get("etag")
        if etag and etag != held.etag:
            raise errors.stale_etag(etag, held.etag)
        bindings: dict[str, list[str]] = {}
        for binding in policy.get("bindings", []):
            if binding.get("condition"):
                raise errors.invalid("Conditions in bindings are not evaluated here.")
            role, members = binding.get("role", ""), binding.get("members", [])
            if role not in ROLES:
                raise errors.invalid(f"Role {role} is not supported for this resource.")
            for member in members:
                self._check(member, held, known)
            if members:
                merged = dict.fromkeys([*bindings.get(role, []), *members])
                bindings[role] = sorted(merged)
        self.of[resource] = Policy(bindings, held.version + 1)
        return self.of[resource].as_json()

    def _check(self, member: str, held: Policy, known: Container[str] | None) -> None:
        if not MEMBER.fullmatch(member):
            raise errors.invalid(f"The member {member} is of an unknown type.")
        kind, _, email = member.partition(":")
        before = any(member in members for members in held.bindings.values())
        if kind == "deleted" and not before:
            raise errors.invalid(f"{member} is not in the policy and cannot be added.")
        if kind == "serviceAccount" and known is not None and not before and email not in known:
            raise errors.invalid(f"Service account {email} does not exist.")

    def forget(self, resource: str) -> None:
        """Drop the policies of a resource that is gone, and of all that is below it."""
        for name in [name for name in self.of if f"{name}/".startswith(f"{resource}/")]:
            del self.of[name]

    def rename(self, member: str, new: str) -> None:
        """Write a member under another name everywhere, as when an account is deleted."""
        for policy in self.of.values():
            for members in policy.bindings.values():
                if member in members:
                    members[:] = sorted(new if each == member else each for each in members)

    def grants(self) -> Iterator[Grant]:
        """All bindings of all policies, one member each."""
        for resource, policy in self.of.items():
            for role, members in policy.bindings.items():
                yield from (Grant(resource, role, member) for member in members)

    def holding(self, who: Caller, permission: str, resource: str) -> tuple[Grant, ...]:
        """The grants that give the caller this permission: on the resource or above it."""
        return tuple(
            grant
            for grant in self.grants()
            if f"{resource}/".startswith(f"{grant.resource}/")
            and grant.member in who.members
            and permission in ROLES[grant.role]
        )

    def allows(self, who: Caller, permission: str, resource: str) -> bool:
        """Whether the caller has the permission; it goes into the journal."""
        held = self.holding(who, permission, resource)
        self.journal.append(Use(who.member, permission, resource, bool(held), held))
        return bool(held)

    def require(self, who: Caller, permission: str, resource: str, service: str) -> None:
        """Refuse a caller without the permission as Google does."""
        if not self.allows(who, permission, resource):
            raise errors.permission_denied(permission, resource, service)
