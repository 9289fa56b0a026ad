"""One record for each kind of thing: how to ask for it, create it and delete it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from gcloud import Failed, ask, enabled, run
from names import IS_DEPLOYER, PROJECT

ROWS = (
    "--flatten='bindings[].members' "
    "--format='value[separator=\"|\"](bindings.role,bindings.members)'"
)


@dataclass(frozen=True)
class Role:
    """A role that a member has on a thing."""

    on: Resource
    role: str
    member: str

    def is_held(self) -> bool:
        """Whether the thing's policy has it."""
        return f"{self.role}|{self.member}" in self.on.held()

    def grant(self) -> None:
        """Let the member have it; tried thrice, since a new account is not known everywhere yet."""
        add = self.on.policy.format("add-iam-policy-binding")
        run(f"{add} --role={self.role} --member={self.member} --condition=None --format=none", 3)

    def take_away(self) -> None:
        """Take it from the member, if it is held."""
        if self.is_held():
            self.on.take_away(f"{self.role}|{self.member}")


@dataclass(eq=False)
class Resource:
    """A kind of thing. Commands are what one types behind gcloud; {} in them is a name."""

    name: str
    ask: str | Callable[[], list[str]]  # answers the names of those that there are
    create: str | Callable[[], None] = ""
    delete: str | Callable[[list[str]], None] = ""
    wanted: tuple[str, ...] = ()  # the names of those that deploying needs
    label: str = "{}"  # one of them, in a sentence
    made_by: str = ""  # the target that makes it
    missing: str = ""  # the sentence where it is needed; made of the two above unless set
    listed_as: str = ""  # in the list of make destroy; `name` unless set
    apis: tuple[str, ...] = ()  # nothing is asked while the first of them is off
    inside: Resource | None = None  # nothing is asked while this is not there
    policy: str = ""  # the command that reads and changes who may do what with it; {} is a verb
    roles: list[Role] = field(default_factory=list)  # of its own account; they come and go with it
    removable: Callable[[], list[str]] | None = None  # those that make destroy deletes, unless all

    def find(self) -> list[str]:
        """The names of those that there are; raises `Failed`."""
        if not IS_DEPLOYER:
            if self.apis and self.apis[0] not in enabled():
                return []
            if self.inside and not self.inside.find():
                return []
        return ask(self.ask) if isinstance(self.ask, str) else self.ask()

    def find_removable(self) -> list[str]:
        """The names of those that make destroy deletes; raises `Failed`."""
        return self.removable() if self.removable else self.find()

    def require(self) -> None:
        """Raise `Failed` if one that deploying needs is missing."""
        found = self.find()
        for name in self.wanted:
            if name not in found:
                what = self.label.format(name)
                mend = f"is missing in project {PROJECT}: make {self.made_by}"
                raise Failed(self.missing.format(name) or f"{what[0].upper()}{what[1:]} {mend}")

    def make(self) -> None:
        """Make what is missing, and grant its roles."""
        if callable(self.create):
            self.create()
        else:
            found = self.find()
            for name in self.wanted:
                if name in found:
                    print(f"There is already {self.label.format(name)}", flush=True)
                else:
                    run(self.create.format(name))
        for role in self.roles:
            role.grant()

    def remove(self, found: list[str]) -> None:
        """Delete those with these names, and first their roles."""
        for role in self.roles:
            role.take_away()
        if callable(self.delete):
            self.delete(found)
        else:
            for name in found:
                run(self.delete.format(name))

    def held(self) -> list[str]:
        """The rows of its policy, as in roles/run.invoker|allUsers."""
        return ask(f"{self.policy.format('get-iam-policy')} {ROWS}") if self.find() else []

    def take_away(self, row: str) -> None:
        """Remove a row from its policy."""
        role, member = row.split("|")
        remove = self.policy.format("remove-iam-policy-binding")
        run(f"{remove} --role={role} --member={member} --all --format=none")
