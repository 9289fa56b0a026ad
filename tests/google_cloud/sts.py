"""The exchange of another issuer's token for an identity, by a provider's mapping and condition.

https://cloud.google.com/iam/docs/workload-identity-federation#mapping
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from tests.google_cloud import errors
from tests.google_cloud.identity import Caller, Identity, Unauthenticated

Json = dict[str, Any]
# What is understood of Google's language of conditions: comparisons with texts, joined by &&.
TERM = re.compile(
    r"(?P<name>(assertion|attribute|google)\.\w+)\s*(?P<operator>==|!=|in)\s*"
    r"(?P<values>'[^']*'|\"[^\"]*\"|\[[^\]]*\])"
)


class Refused(Exception):
    """A token that the provider does not take."""


def parse(condition: str) -> list[tuple[str, str, list[str]]]:
    """The comparisons of a condition, all of which must hold."""
    terms = []
    for text in filter(None, (part.strip() for part in condition.split("&&"))):
        term = TERM.fullmatch(text)
        if not term:
            raise errors.invalid(f"Failed to parse the attribute condition at: {text}")
        values = re.findall(r"['\"]([^'\"]*)['\"]", term["values"])
        terms.append((term["name"], term["operator"], values))
    return terms


def holds(condition: str, names: Mapping[str, str]) -> bool:
    """Whether the claims and attributes (by their full names) meet the condition."""
    return all(
        (names.get(name) in values) != (operator == "!=")
        for name, operator, values in parse(condition)
    )


def exchange(identity: Identity, token: str, audience: str, provider: Json, pool: str) -> Caller:
    """The identity that a provider makes of the token."""
    oidc = provider["oidc"]
    audiences = oidc.get("allowedAudiences") or [f"https:{audience}", audience]
    try:
        claims = identity.read_foreign_token(token, oidc["issuerUri"], audiences)
    except Unauthenticated as error:
        raise Refused("invalid_grant", f"Error connecting the ID Token: {error}") from error
    names = {f"assertion.{name}": str(value) for name, value in claims.items()}
    mapped = {}
    for name, source in provider["attributeMapping"].items():
        if source not in names:
            raise Refused("invalid_grant", f"The mapped attribute {source} is not in the token.")
        mapped[name] = names[source]
    if not holds(provider.get("attributeCondition", ""), names | mapped):
        raise Refused(
            "unauthorized_client", "The given credential is rejected by the attribute condition."
        )
    where = f"//iam.googleapis.com/{pool}"
    sets = {f"principalSet:{where}/*"} | {
        f"principalSet:{where}/{name}/{value}"
        for name, value in mapped.items()
        if name.startswith("attribute.")
    }
    return Caller(f"principal:{where}/subject/{mapped['google.subject']}", frozenset(sets))
