"""IAM Credentials: tokens of a service account for one who may act in its name."""

from __future__ import annotations

import datetime as dt

from tests.google_cloud import errors
from tests.google_cloud.cloud import Cloud, Json
from tests.google_cloud.iam import Account, Accounts
from tests.google_cloud.identity import LIFETIME, caller


def register(cloud: Cloud) -> None:
    """Add the paths of IAM Credentials."""
    api = cloud.api("iamcredentials")

    def allowed(email: str, permission: str) -> Account:
        account = cloud.part(Accounts).get(email)
        cloud.require(permission, account.resource)
        if account.disabled:
            raise errors.invalid("Service account is disabled.", "FAILED_PRECONDITION")
        return account

    @api.route("/v1/projects/-/serviceAccounts/<email>:generateAccessToken", "POST")
    def access_token(email: str) -> Json:
        account = allowed(email, "iam.serviceAccounts.getAccessToken")
        body = cloud.body()
        if not body.get("scope"):
            raise errors.invalid("The scope field must be set.")
        seconds = int(str(body.get("lifetime") or f"{LIFETIME}s").removesuffix("s"))
        if not 0 < seconds <= LIFETIME:
            raise errors.invalid("The lifetime may be an hour at most.")
        ends = dt.datetime.now(dt.UTC) + dt.timedelta(seconds=seconds)
        token = cloud.identity.access_token(caller(account.email), seconds)
        return {"accessToken": token, "expireTime": ends.strftime("%Y-%m-%dT%H:%M:%SZ")}

    @api.route("/v1/projects/-/serviceAccounts/<email>:generateIdToken", "POST")
    def identity_token(email: str) -> Json:
        account = allowed(email, "iam.serviceAccounts.getOpenIdToken")
        body = cloud.body()
        if not body.get("audience"):
            raise errors.invalid("The audience field must be set.")
        named = body.get("includeEmail", False)
        who = caller(account.email)
        token = cloud.identity.identity_token(who, body["audience"], account.unique_id, named=named)
        return {"token": token}
