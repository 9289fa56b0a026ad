"""One record for each kind of thing: how to ask for it, create it and delete it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from gcloud import Missing, ask, enabled, run
from names import IS_DEPLOYER, PROJECT

ROWS = (
    "--flatten='bindings[].members' "
    "--format='value[separator=\"|\"](bindings.role,bindings.members)'"
)


@dataclass(frozen=True)
class Role:
    """A role of one member on one resource."""

    on: Resource
    role: str
    member: str

    def is_held(self) -> bool:
        """Whether the policy of the resource has this role for this member."""
        return f"{self.role}|{self.member}" in self.on.held()

    def grant(self) -> None:
        """Grant the role; three tries, since Google needs some seconds to know a new account."""
        add = self.on.policy.format("add-iam-policy-binding")
        run(f"{add} --role={self.role} --member={self.member} --condition=None --format=none", 3)

    def take_away(self) -> None:
        """Remove the role from the policy, if the policy has it."""
        if self.is_held():
            self.on.take_away(f"{self.role}|{self.member}")


@dataclass(eq=False)
class Resource:
    """A kind of thing. Commands are what one types after gcloud; {} in them is a name."""

    name: str
    ask: str | Callable[[], list[str]]  # the names of the existing ones
    create: str | Callable[[], None] = ""
    delete: str | Callable[[list[str]], None] = ""
    wanted: tuple[str, ...] = ()  # the names that deploying needs
    label: str = "{}"  # how a sentence calls the one named {}
    made_by: str = ""  # the target of make that creates it
    missing: str = ""  # the error if it is missing; made of label and made_by if empty
    listed_as: str = ""  # in the list of make destroy; `name` if empty
    apis: tuple[str, ...] = ()  # needed; nothing exists while the first is off
    inside: Resource | None = None  # what contains it; nothing exists without that
    policy: str = ""  # the command for its IAM policy; {} is the verb
    roles: list[Role] = field(
        default_factory=list
    )  # granted after creation, removed before deletion
    removable: Callable[[], list[str]] | None = None  # what make destroy deletes; all if None

    def find(self) -> list[str]:
        """The names of the existing ones; raises `Failed` if gcloud cannot say."""
        if not IS_DEPLOYER:
            if self.apis and self.apis[0] not in enabled():
                return []
            if self.inside and not self.inside.find():
                return []
        return ask(self.ask) if isinstance(self.ask, str) else self.ask()

    def find_removable(self) -> list[str]:
        """The names that make destroy deletes; raises `Failed` if gcloud cannot say."""
        return self.removable() if self.removable else self.find()

    def require(self) -> None:
        """Raise `Missing` if a wanted name does not exist."""
        found = self.find()
        for name in self.wanted:
            if name not in found:
                what = self.label.format(name)
                mend = f"is missing in project {PROJECT}: make {self.made_by}"
                raise Missing(self.missing.format(name) or f"{what[0].upper()}{what[1:]} {mend}")

    def make(self) -> None:
        """Create the missing ones, and grant the roles."""
        if callable(self.create):
            self.create()
        else:
            found = self.find()
            for name in self.wanted:
                if name in found:
                    print(f"There is already {name}", flush=True)
                else:
                    run(self.create.format(name))
        for role in self.roles:
            role.grant()

    def remove(self, found: list[str]) -> None:
        """Remove the roles, then delete the resources with these names."""
        for role in self.roles:
            role.take_away()
        if callable(self.delete):
            self.delete(found)
        else:
            for name in found:
                run(self.delete.format(name))

    def held(self) -> list[str]:
        """The rows of its IAM policy, such as roles/run.invoker|allUsers."""
        return ask(f"{self.policy.format('get-iam-policy')} {ROWS}") if self.find() else []

    def take_away(self, row: str) -> None:
        """Remove a row from its IAM policy."""
        role, member = row.split("|")
        remove = self.policy.format("remove-iam-policy-binding")
        run(f"{remove} --role={role} --member={member} --all --format=none")
