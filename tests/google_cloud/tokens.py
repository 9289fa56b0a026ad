"""The token endpoint: a login or a service account's signed request becomes a token."""

from __future__ import annotations

from typing import Any

import flask

from tests.google_cloud.cloud import Cloud, Json
from tests.google_cloud.iam import Accounts
from tests.google_cloud.identity import LIFETIME, Caller, Unauthenticated

SIGNED = "urn:ietf:params:oauth:grant-type:jwt-bearer"
# What google-auth writes as the audience, wherever it sends the request to.
GOOGLE = "https://oauth2.googleapis.com/token"


def refusal(error: str, description: str) -> tuple[Json, int]:
    """An error in the shape of OAuth."""
    return {"error": error, "error_description": description}, 400


def register(cloud: Cloud) -> None:
    """Add the token endpoint."""

    def access(who: Caller) -> Json:
        token = cloud.identity.access_token(who)
        return {"access_token": token, "token_type": "Bearer", "expires_in": LIFETIME}

    def logged_in(form: Any) -> Any:
        who = cloud.identity.logins.get(form.get("refresh_token", ""))
        if who is None:
            return refusal("invalid_grant", "Token has been expired or revoked.")
        flask.g.caller = who
        identity = cloud.identity.identity_token(who, form.get("client_id", ""))
        return access(who) | {"id_token": identity}

    def signed(form: Any) -> Any:
        ours = f"http://{cloud.address}/token"
        try:
            who, claims = cloud.identity.who_signs(form.get("assertion", ""), [ours, GOOGLE])
        except Unauthenticated as error:
            return refusal("invalid_grant", str(error))
        account = cloud.part(Accounts).get(who.email)
        if account.disabled:
            return refusal("invalid_grant", "Account has been disabled.")
        flask.g.caller = who
        if audience := claims.get("target_audience"):
            return {"id_token": cloud.identity.identity_token(who, audience, account.unique_id)}
        if not claims.get("scope"):
            return refusal("invalid_scope", "Invalid OAuth scope or ID token audience provided.")
        return access(who)

    @cloud.own.route("/token", "POST", public=True)
    def token() -> Any:
        form = flask.request.form
        grant = form.get("grant_type")
        if grant == "refresh_token":
            return logged_in(form)
        if grant == SIGNED:
            return signed(form)
        return refusal("unsupported_grant_type", f"Invalid grant_type: {grant}")
