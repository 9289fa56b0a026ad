"""IAM: service accounts, their keys and their policies."""

from __future__ import annotations

import base64
import datetime as dt
import json
import re
import secrets
from dataclasses import dataclass, field
from typing import Any

import flask

from tests.google_cloud import errors, policy_paths
from tests.google_cloud.cloud import Api, Cloud, Json, Part
from tests.google_cloud.identity import caller, new_key, pem

ID = re.compile(r"[a-z][a-z0-9-]{4,28}[a-z0-9]")
# https://cloud.google.com/iam/quotas: user-managed keys of an account
MOST_KEYS = 10


def now() -> str:
    """The time as the APIs write it."""
    return dt.datetime.now(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclass
class Account:
    """A service account; one that is made anew under the same address is another."""

    project: str
    email: str
    display_name: str = ""
    description: str = ""
    disabled: bool = False
    unique_id: str = field(default_factory=lambda: str(10**20 + secrets.randbelow(10**20)))
    keys: dict[str, Json] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.add_key(secrets.token_hex(20), "SYSTEM_MANAGED")

    @property
    def resource(self) -> str:
        """The account's full name."""
        return f"projects/{self.project}/serviceAccounts/{self.email}"

    @property
    def deleted_member(self) -> str:
        """What policies call the account once it is deleted."""
        return f"deleted:serviceAccount:{self.email}?uid={self.unique_id}"

    def add_key(self, key: str, kind: str) -> Json:
        """Keep a key and show it."""
        ends = (dt.datetime.now(dt.UTC) + dt.timedelta(days=14)).strftime("%Y-%m-%dT%H:%M:%SZ")
        user = kind == "USER_MANAGED"
        self.keys[key] = {
            "name": f"{self.resource}/keys/{key}",
            "keyAlgorithm": "KEY_ALG_RSA_2048",
            "keyOrigin": "GOOGLE_PROVIDED",
            "keyType": kind,
            "validAfterTime": now(),
            "validBeforeTime": "9999-12-31T23:59:59Z" if user else ends,
        }
        return self.keys[key]

    def user_keys(self) -> list[str]:
        """The keys that someone may hold in a file."""
        return [name for name, key in self.keys.items() if key["keyType"] == "USER_MANAGED"]

    def as_json(self) -> Json:
        """The account as the API shows it; empty fields are left out."""
        shown: Json = {
            "name": self.resource,
            "projectId": self.project,
            "uniqueId": self.unique_id,
            "email": self.email,
            "displayName": self.display_name,
            "description": self.description,
            "etag": "MDEwMjE5MjA=",
            "oauth2ClientId": self.unique_id,
            "disabled": self.disabled,
        }
        return {name: value for name, value in shown.items() if value}


class Accounts(Part):
    """The service accounts of the project."""

    name = "service accounts"

    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud
        self.active: dict[str, Account] = {}
        cloud.accounts = self.active
        self.deleted: dict[str, Account] = {}  # by unique id; 30 days long they can come back
        self.keys_forbidden = False  # the policy iam.disableServiceAccountKeyCreation

    def snapshot(self) -> Any:
        return {email: account.user_keys() for email, account in sorted(self.active.items())}

    def get(self, name: str) -> Account:
        """The account of this address or unique id."""
        for account in self.active.values():
            if name in {account.email, account.unique_id}:
                return account
        raise errors.not_found(f"Unknown service account: {name}")

    def ask(self, permission: str, project: str, name: str) -> Account:
        """The account, if the caller has the permission on it; else it is not told that it is there."""
        project = self.cloud.project if project == "-" else self.cloud.known_project(project)
        email = next((a.email for a in self.active.values() if a.unique_id == name), name)
        self.cloud.require(permission, f"projects/{project}/serviceAccounts/{email}")
        return self.get(name)

    def create(self, project: str, name: str, shown: Json) -> Account:
        """Make an account."""
        if not ID.fullmatch(name):
            raise errors.invalid(
                f'Invalid service account ID "{name}": between 6 and 30 characters, lower-case '
                "letters, digits and dashes."
            )
        email = f"{name}@{project}.iam.gserviceaccount.com"
        if email in self.active:
            raise errors.already_exists(
                f"Service account {name} already exists within project projects/{project}."
            )
        account = Account(
            project, email, shown.get("displayName", ""), shown.get("description", "")
        )
        self.active[email] = account
        return account

    def delete(self, account: Account) -> None:
        """Delete an account; policies keep it, under a name that no new account gets."""
        for key in account.user_keys():
            self.cloud.identity.account_keys.pop(key, None)
        who = caller(account.email)
        self.cloud.identity.revoke(who)
        self.cloud.policies.forget(account.resource)
        self.cloud.policies.rename(who.member, account.deleted_member)
        self.deleted[account.unique_id] = self.active.pop(account.email)

    def undelete(self, unique_id: str) -> Account:
        """Bring an account back, with its place in the policies."""
        account = self.deleted.get(unique_id)
        if account is None or account.email in self.active:
            raise errors.not_found(f"Service account {unique_id} cannot be undeleted.")
        self.active[account.email] = self.deleted.pop(unique_id)
        self.cloud.policies.rename(account.deleted_member, caller(account.email).member)
        return account

    def create_key(self, account: Account) -> Json:
        """Make a key, and its file for the one who asks; it is never shown again."""
        if self.keys_forbidden:
            raise errors.invalid(
                "Key creation is not allowed on this service account.", "FAILED_PRECONDITION"
            )
        if len(account.user_keys()) >= MOST_KEYS:
            raise errors.invalid("Precondition check failed.", "FAILED_PRECONDITION")
        private = new_key()
        key = secrets.token_hex(20)
        self.cloud.identity.account_keys[key] = (account.email, private.public_key())
        shown = account.add_key(key, "USER_MANAGED")
        file = {
            "type": "service_account",
            "project_id": account.project,
            "private_key_id": key,
            "private_key": pem(private),
            "client_email": account.email,
            "client_id": account.unique_id,
            "auth_uri": "https://accounts.google.com/o/oauth2/auth",
            "token_uri": f"http://{self.cloud.address}/token",
            "universe_domain": "googleapis.com",
        }
        encoded = base64.b64encode(json.dumps(file, indent=2).encode()).decode()
        kind = "TYPE_GOOGLE_CREDENTIALS_FILE"
        return shown | {"privateKeyType": kind, "privateKeyData": encoded}

    def delete_key(self, account: Account, key: str) -> None:
        """Make a key worthless."""
        if key not in account.user_keys():
            raise errors.not_found(f"Service account key {key} does not exist.")
        del account.keys[key]
        self.cloud.identity.account_keys.pop(key, None)


def register(cloud: Cloud) -> None:
    """Add the paths of service accounts and keys."""
    api = cloud.api("iam")
    accounts = cloud.add(Accounts(cloud))
    rule = "/v1/projects/<project>/serviceAccounts"

    @api.route(rule, "POST")
    def create(project: str) -> Json:
        project = cloud.known_project(project)
        cloud.require("iam.serviceAccounts.create", f"projects/{project}")
        body = cloud.body()
        return accounts.create(
            project, body.get("accountId", ""), body.get("serviceAccount", {})
        ).as_json()

    @api.route(rule)
    def listing(project: str) -> Json:
        cloud.require("iam.serviceAccounts.list", f"projects/{cloud.known_project(project)}")
        return {"accounts": [account.as_json() for account in accounts.active.values()]}

    @api.route(f"{rule}/<email>")
    def get(project: str, email: str) -> Json:
        return accounts.ask("iam.serviceAccounts.get", project, email).as_json()

    @api.route(f"{rule}/<email>", "DELETE")
    def delete(project: str, email: str) -> Json:
        accounts.delete(accounts.ask("iam.serviceAccounts.delete", project, email))
        return {}

    @api.route(f"{rule}/<email>", "PATCH")
    def update(project: str, email: str) -> Json:
        account = accounts.ask("iam.serviceAccounts.update", project, email)
        shown = cloud.body().get("serviceAccount", {})
        account.display_name = shown.get("displayName", account.display_name)
        account.description = shown.get("description", account.description)
        return account.as_json()

    @api.route(f"{rule}/<unique_id>:undelete", "POST")
    def undelete(project: str, unique_id: str) -> Json:
        cloud.require("iam.serviceAccounts.undelete", cloud.resource)
        return {"restoredAccount": accounts.undelete(unique_id).as_json()}

    @api.route(f"{rule}/<email>:disable", "POST")
    def disable(project: str, email: str) -> Json:
        account = accounts.ask("iam.serviceAccounts.disable", project, email)
        account.disabled = True
        cloud.identity.revoke(caller(account.email))
        return {}

    @api.route(f"{rule}/<email>:enable", "POST")
    def enable(project: str, email: str) -> Json:
        accounts.ask("iam.serviceAccounts.enable", project, email).disabled = False
        return {}

    def resource(project: str, email: str) -> str:
        known = cloud.project if project == "-" else cloud.known_project(project)
        return f"projects/{known}/serviceAccounts/{email}"

    policy_paths.add(
        api, f"{rule}/<email>", "iam.serviceAccounts", resource,
        exists=lambda project, email: accounts.get(email),
    )  # fmt: skip
    register_keys(api, accounts, f"{rule}/<email>/keys")


def register_keys(api: Api, accounts: Accounts, rule: str) -> None:
    """Add the paths of the accounts' keys."""

    @api.route(rule, "POST")
    def create_key(project: str, email: str) -> Json:
        account = accounts.ask("iam.serviceAccountKeys.create", project, email)
        return accounts.create_key(account)

    @api.route(rule)
    def keys(project: str, email: str) -> Json:
        account = accounts.ask("iam.serviceAccountKeys.list", project, email)
        wanted = flask.request.args.getlist("keyTypes")
        shown = account.keys.values()
        return {"keys": [key for key in shown if not wanted or key["keyType"] in wanted]}

    @api.route(f"{rule}/<key>")
    def get_key(project: str, email: str, key: str) -> Json:
        account = accounts.ask("iam.serviceAccountKeys.get", project, email)
        if key not in account.keys:
            raise errors.not_found(f"Service account key {key} does not exist.")
        return account.keys[key]

    @api.route(f"{rule}/<key>", "DELETE")
    def delete_key(project: str, email: str, key: str) -> Json:
        accounts.delete_key(accounts.ask("iam.serviceAccountKeys.delete", project, email), key)
        return {}
