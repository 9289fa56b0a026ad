"""IAM's workload identity pools and providers: whose tokens are taken for identities."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

import flask

from tests.google_cloud import errors, sts
from tests.google_cloud.cloud import Api, Cloud, Json, Part
from tests.google_cloud.identity import LIFETIME, Unauthenticated
from tests.google_cloud.operations import finished
from tests.google_cloud.tokens import refusal

ID = re.compile(r"(?!gcp-)[a-z0-9-]{4,32}")
# The issuer that signs for everyone's repositories, so that a provider must say whose it takes:
# https://cloud.google.com/iam/docs/workload-identity-federation-with-deployment-pipelines
SHARED_ISSUERS = {"https://token.actions.githubusercontent.com"}
CONDITION = "The attribute condition must reference one of the provider's claims."


@dataclass
class Entity:
    """A pool or a provider; one that is deleted keeps its name taken for 30 days."""

    name: str
    settings: Json
    deleted: bool = False
    providers: dict[str, Entity] = field(default_factory=dict)

    @property
    def active(self) -> bool:
        """Whether it takes part: neither deleted nor disabled."""
        return not self.deleted and not self.settings.get("disabled")

    def as_json(self) -> Json:
        """The pool or provider as the API shows it."""
        shown = self.settings | {"name": self.name, "state": "ACTIVE"}
        if self.deleted:
            shown |= {"state": "DELETED", "expireTime": "2099-01-01T00:00:00Z"}
        return shown


class Pools(Part):
    """The workload identity pools of the project."""

    name = "workload identity pools"

    def __init__(self, cloud: Cloud) -> None:
        self.parent = f"projects/{cloud.project_number}/locations/global/workloadIdentityPools"
        self.all: dict[str, Entity] = {}

    def snapshot(self) -> Any:
        return {
            pool.name: sorted(each.name for each in pool.providers.values() if not each.deleted)
            for pool in self.all.values()
            if not pool.deleted
        }


def get(entities: dict[str, Entity], name: str, *, deleted: bool = False) -> Entity:
    """The entity of this id."""
    if name not in entities or (entities[name].deleted and not deleted):
        raise errors.not_found("Requested entity was not found.")
    return entities[name]


def create(entities: dict[str, Entity], parent: str, name: str, settings: Json) -> Entity:
    """Make an entity; the names of deleted ones are still taken."""
    if not ID.fullmatch(name):
        raise errors.invalid(
            f'The ID "{name}" must be 4 to 32 characters of [a-z0-9-], not beginning with gcp-.'
        )
    if name in entities:
        raise errors.already_exists("Requested entity already exists")
    entities[name] = Entity(f"{parent}/{name}", settings)
    return entities[name]


def check(settings: Json) -> None:
    """Refuse a provider that Google refuses."""
    issuer = settings.get("oidc", {}).get("issuerUri", "")
    mapping = settings.get("attributeMapping", {})
    condition = settings.get("attributeCondition", "")
    if not issuer.startswith("https://"):
        raise errors.invalid("The issuer URI must be an https URL.")
    if "google.subject" not in mapping:
        raise errors.invalid("The attribute mapping must map google.subject.")
    if issuer in SHARED_ISSUERS and "assertion." not in condition and "attribute." not in condition:
        raise errors.invalid(
            f"{CONDITION} For more information, see https://cloud.google.com/iam/docs/"
            "workload-identity-federation-with-deployment-pipelines#conditions"
        )
    sts.parse(condition)


def register(cloud: Cloud) -> None:
    """Add the paths of pools and providers."""
    api = cloud.api("iam")
    pools = cloud.add(Pools(cloud))
    rule = "/v1/projects/<project>/locations/global/workloadIdentityPools"

    def ask(permission: str, project: str) -> None:
        where = f"projects/{cloud.known_project(project)}/locations/global"
        cloud.require(f"iam.googleapis.com/{permission}", where)

    def add(rule: str, kind: str, within: Any, parent: Any) -> None:
        """Add the paths of one kind of entity."""
        things = f"{kind}s"

        @api.route(rule, "POST")
        def post(project: str, **where: str) -> Json:
            ask(f"{things}.create", project)
            settings = cloud.body()
            if kind == "workloadIdentityPoolProvider":
                check(settings)
            name = flask.request.args.get(f"{kind}Id", "")
            made = create(within(**where), parent(**where), name, settings)
            return finished(made.name, made.as_json())

        @api.route(rule)
        def listing(project: str, **where: str) -> Json:
            ask(f"{things}.list", project)
            every = flask.request.args.get("showDeleted", "").lower() == "true"
            shown = [e.as_json() for e in within(**where).values() if every or not e.deleted]
            return {things: shown} if shown else {}

        @api.route(f"{rule}/<name>")
        def read(project: str, name: str, **where: str) -> Json:
            ask(f"{things}.get", project)
            return get(within(**where), name, deleted=True).as_json()

        @api.route(f"{rule}/<name>", "PATCH")
        def patch(project: str, name: str, **where: str) -> Json:
            ask(f"{things}.update", project)
            entity = get(within(**where), name)
            changed = entity.settings | cloud.body()
            if kind == "workloadIdentityPoolProvider":
                check(changed)
            entity.settings = changed
            return finished(entity.name, entity.as_json())

        @api.route(f"{rule}/<name>", "DELETE")
        def delete(project: str, name: str, **where: str) -> Json:
            ask(f"{things}.delete", project)
            entity = get(within(**where), name)
            entity.deleted = True
            return finished(entity.name, entity.as_json())

        @api.route(f"{rule}/<name>:undelete", "POST")
        def undelete(project: str, name: str, **where: str) -> Json:
            ask(f"{things}.undelete", project)
            entity = get(within(**where), name, deleted=True)
            entity.deleted = False
            return finished(entity.name, entity.as_json())

        @api.route(f"{rule}/<name>/operations/<operation>")
        def operation(project: str, name: str, operation: str, **where: str) -> Json:
            ask(f"{things}.get", project)
            entity = get(within(**where), name, deleted=True)
            path = f"{entity.name}/operations/{operation}"
            return {"name": path, "done": True, "response": entity.as_json()}

    add(rule, "workloadIdentityPool", lambda: pools.all, lambda: pools.parent)
    add(
        f"{rule}/<pool>/providers",
        "workloadIdentityPoolProvider",
        lambda pool: get(pools.all, pool).providers,
        lambda pool: f"{pools.parent}/{pool}/providers",
    )
    register_exchange(api, pools)


def register_exchange(api: Api, pools: Pools) -> None:
    """Add the exchange of another issuer's token for one of Google's."""
    cloud = api.cloud

    path = re.compile(rf"//iam\.googleapis\.com/{pools.parent}/([^/]+)/providers/([^/]+)")

    def provider(audience: str) -> tuple[Entity, Entity]:
        found = path.fullmatch(audience)
        pool = pools.all.get(found[1]) if found else None
        provider = pool.providers.get(found[2]) if found and pool else None
        if not pool or not provider or not pool.active or not provider.active:
            raise sts.Refused(
                "invalid_target",
                'The target service indicated by the "audience" parameters is invalid. This might '
                "either be because the pool or provider is disabled or deleted or because it "
                "doesn't exist.",
            )
        return pool, provider

    @cloud.api("sts").route("/v1/token", "POST", public=True)
    def exchange() -> Any:
        form = flask.request.form or cloud.body()
        audience, token = form.get("audience", ""), form.get("subject_token", "")
        try:
            pool, by = provider(audience)
            who = sts.exchange(cloud.identity, token, audience, by.settings, pool.name)
        except sts.Refused as error:
            return refusal(*error.args)
        flask.g.caller = who
        access = cloud.identity.access_token(who)
        kind = "urn:ietf:params:oauth:token-type:access_token"
        shown = {"access_token": access, "issued_token_type": kind}
        return shown | {"token_type": "Bearer", "expires_in": LIFETIME}

    # https://datatracker.ietf.org/doc/html/rfc7662: gcloud asks what its token calls itself.
    @cloud.api("sts").route("/v1/introspect", "POST", public=True)
    def introspect() -> Json:
        try:
            who = cloud.identity.who(flask.request.form.get("token", ""))
        except Unauthenticated:
            return {"active": False}
        return {"active": True, "username": who.email, "iss": "https://sts.googleapis.com/"}
