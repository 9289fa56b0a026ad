"""Who calls: access tokens, identity tokens, keys of service accounts, tokens of other issuers."""

from __future__ import annotations

import functools
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

ISSUER = "https://accounts.google.com"
LIFETIME = 3600


class Unauthenticated(Exception):
    """A token that is unknown, has run out, or is meant for someone else."""


@dataclass(frozen=True)
class Caller:
    """An identity, and the names under which policies may know it."""

    member: str  # as a policy writes it: user:…, serviceAccount:…, principal://…
    sets: frozenset[str] = field(default=frozenset())  # principalSet://… of a federated identity

    @property
    def email(self) -> str:
        """The address, or of a federated identity its whole name."""
        kind, _, rest = self.member.partition(":")
        return self.member if kind == "principal" else rest

    @property
    def members(self) -> frozenset[str]:
        """All members of policies that mean this caller."""
        return self.sets | {self.member, "allAuthenticatedUsers", "allUsers"}


ANYONE = Caller("allUsers")


def caller(email: str) -> Caller:
    """The caller of an address: Google tells service accounts by theirs."""
    kind = "serviceAccount" if email.endswith(".gserviceaccount.com") else "user"
    return Caller(f"{kind}:{email}")


def new_key() -> rsa.RSAPrivateKey:
    """A private key, with its public half."""
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def pem(key: rsa.RSAPrivateKey) -> str:
    """The private key as the file of a service account has it."""
    form = serialization.PrivateFormat.PKCS8
    return key.private_bytes(
        serialization.Encoding.PEM, form, serialization.NoEncryption()
    ).decode()


# Reading a key from PEM takes a hundred times as long as signing with it.
google_key = functools.cache(new_key)


class Identity:
    """Issues tokens and tells whose they are."""

    def __init__(self) -> None:
        self.tokens: dict[str, tuple[Caller, float]] = {}
        self.logins: dict[str, Caller] = {}  # refresh token: who logged in
        self.account_keys: dict[str, tuple[str, rsa.RSAPublicKey]] = {}  # key id: email, key
        self.subjects: dict[str, Caller] = {}  # of identity tokens
        self.key = google_key()
        self.issuers: dict[str, rsa.RSAPrivateKey] = {}

    def access_token(self, who: Caller, lifetime: float = LIFETIME) -> str:
        """A fresh access token of this caller."""
        token = f"ya29.{secrets.token_urlsafe(24)}"
        self.tokens[token] = (who, time.time() + lifetime)
        return token

    def who(self, token: str) -> Caller:
        """The caller to whom an access token was issued."""
        found, ends = self.tokens.get(token, (None, 0.0))
        if found is None or ends < time.time():
            raise Unauthenticated("unknown access token")
        return found

    def log_in(self, who: Caller) -> str:
        """A refresh token, as a login in the browser ends with."""
        token = f"1//{secrets.token_urlsafe(24)}"
        self.logins[token] = who
        return token

    def revoke(self, who: Caller) -> None:
        """Make all access tokens of this caller worthless."""
        self.tokens = {token: held for token, held in self.tokens.items() if held[0] != who}

    def identity_token(
        self, who: Caller, audience: str, subject: str = "", *, named: bool = True
    ) -> str:
        """An identity token of Google's for this audience, as `print-identity-token` prints it.

        Without the address in it (`named`), it still tells who it is by the subject.
        """
        now = int(time.time())
        subject = subject or who.email
        self.subjects[subject] = who
        claims: dict[str, Any] = {"iss": ISSUER, "aud": audience, "azp": subject, "sub": subject}
        claims |= {"iat": now, "exp": now + LIFETIME}
        if named:
            claims |= {"email": who.email, "email_verified": True}
        return jwt.encode(claims, self.key, "RS256", headers={"kid": "google"})

    def who_identifies(self, token: str, audience: str | list[str]) -> Caller:
        """The caller that an identity token for (one of) these audiences names."""
        try:
            key = self.key.public_key()
            claims = jwt.decode(token, key, ["RS256"], audience=audience, issuer=ISSUER)
            return self.subjects[claims["sub"]]
        except (jwt.PyJWTError, KeyError) as error:
            raise Unauthenticated(str(error)) from error

    def who_signs(self, assertion: str, audience: list[str]) -> tuple[Caller, dict[str, Any]]:
        """The service account that signed a request for a token with its key, and what it asks."""
        try:
            email, key = self.account_keys[jwt.get_unverified_header(assertion)["kid"]]
            claims = jwt.decode(assertion, key, ["RS256"], audience=audience, issuer=email)
        except (jwt.PyJWTError, KeyError) as error:
            raise Unauthenticated("Invalid JWT Signature.") from error
        return caller(email), claims

    def foreign_token(self, issuer: str, claims: Mapping[str, Any]) -> str:
        """A token of another issuer, such as GitHub Actions gives its jobs."""
        if issuer not in self.issuers:
            self.issuers[issuer] = new_key()
        now = int(time.time())
        times = {"iss": issuer, "iat": now, "exp": now + LIFETIME}
        return jwt.encode({**times, **claims}, self.issuers[issuer], "RS256")

    def read_foreign_token(self, token: str, issuer: str, audience: list[str]) -> dict[str, Any]:
        """The claims of another issuer's token, once it is proven to be one."""
        try:
            key = self.issuers[issuer].public_key()
            claims = jwt.decode(token, key, ["RS256"], audience=audience, issuer=issuer)
        except (jwt.PyJWTError, KeyError) as error:
            raise Unauthenticated(str(error)) from error
        return dict(claims)
