"""The three paths by which every API shows and changes the policies of its resources."""

from __future__ import annotations

from collections.abc import Callable

from tests.google_cloud import errors
from tests.google_cloud.cloud import Api, Json


def add(
    api: Api,
    rule: str,
    permissions: str,
    resource: Callable[..., str],
    exists: Callable[..., object] = lambda **_: None,
) -> None:
    """Add getIamPolicy, setIamPolicy and testIamPermissions of the resource at `rule`.

    `permissions` is what theirs begin with, `resource` makes the resource's name of the rule's
    values, `exists` raises where there is no such resource.
    """
    cloud = api.cloud

    @api.route(f"{rule}:getIamPolicy", "GET", "POST")
    def get(**values: str) -> Json:
        name = resource(**values)
        cloud.require(f"{permissions}.getIamPolicy", name)
        exists(**values)
        return cloud.policies.get(name)

    @api.route(f"{rule}:setIamPolicy", "POST")
    def write(**values: str) -> Json:
        name = resource(**values)
        cloud.require(f"{permissions}.setIamPolicy", name)
        exists(**values)
        return cloud.policies.set(name, cloud.body().get("policy", {}), cloud.accounts)

    @api.route(f"{rule}:testIamPermissions", "POST")
    def test(**values: str) -> Json:
        name = resource(**values)
        # "If the resource does not exist, this will return an empty set of permissions, not a
        # NOT_FOUND error": google.iam.v1.IAMPolicy.TestIamPermissions.
        try:
            exists(**values)
        except errors.ApiError as error:
            if error.code == 404:
                return {}
            raise
        wanted = cloud.body().get("permissions", [])
        who = cloud.caller()
        held = [each for each in wanted if cloud.policies.holding(who, each, name)]
        return {"permissions": held} if held else {}
