"""The metadata server: the token of the account that this machine's containers run as.

Source: https://cloud.google.com/compute/docs/access/authenticate-workloads.
"""

from __future__ import annotations

import flask

from tests.google_cloud.cloud import Cloud, Json, Part
from tests.google_cloud.identity import LIFETIME, caller


class Machine(Part):
    """A machine, and the address of its account."""

    account = ""


def register(cloud: Cloud) -> None:
    """Add the path of the token."""
    machine = cloud.add(Machine())

    @cloud.own.route("/computeMetadata/v1/instance/service-accounts/default/token", public=True)
    def token() -> Json:
        if flask.request.headers.get("Metadata-Flavor") != "Google":
            flask.abort(403)
        if not machine.account:
            flask.abort(404)
        token = cloud.identity.access_token(caller(machine.account))
        return {"access_token": token, "expires_in": LIFETIME, "token_type": "Bearer"}
