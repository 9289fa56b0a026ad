"""The small Google Cloud refuses what is not granted, as Google does: else its tests prove nothing."""

from __future__ import annotations

import base64
import http.client
import json
import subprocess
import urllib.parse
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from subprocess import PIPE
from typing import Any

import jwt
import pytest

from tests.google_cloud import Cloud, tools, warm
from tests.google_cloud.api import APIS
from tests.google_cloud.artifact_registry import Repositories
from tests.google_cloud.iam import Accounts
from tests.google_cloud.identity import LIFETIME, Caller, Unauthenticated, caller, new_key, pem
from tests.google_cloud.roles import BECOME_ACCOUNT, ROLES, SOURCES, expand
from tests.google_cloud.service_usage import Billing

PROJECT = "/v1/projects/penguins-test"
REPOSITORY = "projects/penguins-test/locations/europe-west1/repositories/models"
ACCOUNT_ID = "ml-api-deployer"
ACCOUNT = f"{ACCOUNT_ID}@penguins-test.iam.gserviceaccount.com"
MEMBER = f"serviceAccount:{ACCOUNT}"
OWNER, STRANGER = caller("person@example.com"), caller("stranger@example.com")
GITHUB = "https://token.actions.githubusercontent.com"
POOL = "projects/123456789012/locations/global/workloadIdentityPools/github"
PROVIDER = f"//iam.googleapis.com/{POOL}/providers/github"

# (API, method, path): a call of each, the permission that it needs, and on what.
CALLS = [
    ("serviceusage", "POST", f"{PROJECT}/services/run.googleapis.com:enable",
     "serviceusage.services.enable", "projects/penguins-test"),
    ("serviceusage", "GET", f"{PROJECT}/services",
     "serviceusage.services.list", "projects/penguins-test"),
    ("cloudresourcemanager", "GET", PROJECT,
     "resourcemanager.projects.get", "projects/penguins-test"),
    ("cloudresourcemanager", "POST", f"{PROJECT}:getIamPolicy",
     "resourcemanager.projects.getIamPolicy", "projects/penguins-test"),
    ("cloudresourcemanager", "POST", f"{PROJECT}:setIamPolicy",
     "resourcemanager.projects.setIamPolicy", "projects/penguins-test"),
    ("iam", "POST", f"{PROJECT}/serviceAccounts",
     "iam.serviceAccounts.create", "projects/penguins-test"),
    ("iam", "GET", f"{PROJECT}/serviceAccounts",
     "iam.serviceAccounts.list", "projects/penguins-test"),
    ("iam", "GET", f"{PROJECT}/serviceAccounts/{ACCOUNT}",
     "iam.serviceAccounts.get", f"projects/penguins-test/serviceAccounts/{ACCOUNT}"),
    ("iam", "DELETE", f"{PROJECT}/serviceAccounts/{ACCOUNT}",
     "iam.serviceAccounts.delete", f"projects/penguins-test/serviceAccounts/{ACCOUNT}"),
    ("iam", "POST", f"{PROJECT}/serviceAccounts/{ACCOUNT}/keys",
     "iam.serviceAccountKeys.create", f"projects/penguins-test/serviceAccounts/{ACCOUNT}"),
    ("iam", "POST", f"{PROJECT}/serviceAccounts/{ACCOUNT}:setIamPolicy",
     "iam.serviceAccounts.setIamPolicy", f"projects/penguins-test/serviceAccounts/{ACCOUNT}"),
    ("iam", "POST", f"{PROJECT}/locations/global/workloadIdentityPools",
     "iam.googleapis.com/workloadIdentityPools.create", "projects/penguins-test/locations/global"),
    ("iamcredentials", "POST", f"/v1/projects/-/serviceAccounts/{ACCOUNT}:generateAccessToken",
     "iam.serviceAccounts.getAccessToken", f"projects/penguins-test/serviceAccounts/{ACCOUNT}"),
    ("iamcredentials", "POST", f"/v1/projects/-/serviceAccounts/{ACCOUNT}:generateIdToken",
     "iam.serviceAccounts.getOpenIdToken", f"projects/penguins-test/serviceAccounts/{ACCOUNT}"),
    ("artifactregistry", "GET", f"/v1/{REPOSITORY}",
     "artifactregistry.repositories.get", REPOSITORY),
    ("artifactregistry", "DELETE", f"/v1/{REPOSITORY}",
     "artifactregistry.repositories.delete", REPOSITORY),
    ("artifactregistry", "GET", f"/v1/{REPOSITORY}:getIamPolicy",
     "artifactregistry.repositories.getIamPolicy", REPOSITORY),
    ("artifactregistry", "GET", f"/v1/{REPOSITORY}/dockerImages",
     "artifactregistry.dockerimages.list", REPOSITORY),
    ("artifactregistry", "DELETE", f"/v1/{REPOSITORY}/packages/api/versions/sha256:0",
     "artifactregistry.versions.delete", REPOSITORY),
    ("containeranalysis", "GET", f"{PROJECT}/occurrences",
     "containeranalysis.occurrences.list", "projects/penguins-test"),
]  # fmt: skip
CALL_IDS = [
    f"{method} {api}{path.partition('penguins-test')[2]}" for api, method, path, *_ in CALLS
]

Call = Callable[..., tuple[int, Any]]
Gcloud = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module", autouse=True)
def _tools() -> None:
    if reason := tools.missing():
        pytest.skip(reason)


@pytest.fixture
def cloud(tmp_path: Path) -> Iterator[Cloud]:
    """A project that its owner has just begun, with all APIs enabled."""
    with Cloud(tmp_path) as cloud:
        cloud.enabled.update(f"{name}.googleapis.com" for name in APIS)
        yield cloud


@pytest.fixture
def call(cloud: Cloud) -> Call:
    """Send a request to an API as gcloud does: a whole URL, to the proxy."""
    return caller_of(cloud)


@pytest.fixture(scope="module")
def refusing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    """One cloud for all tests in which nothing changes: a project with an account, all APIs on."""
    with Cloud(tmp_path_factory.mktemp("cloud")) as cloud:
        cloud.enabled.update(f"{name}.googleapis.com" for name in APIS)
        made = caller_of(cloud)(
            "iam", "POST", f"{PROJECT}/serviceAccounts", {"accountId": ACCOUNT_ID}
        )
        assert made[0] == 200
        yield cloud


def caller_of(cloud: Cloud) -> Call:
    """Sends a request to an API of this cloud."""

    def send(
        api: str, method: str, path: str, body: Any = None,
        who: Caller = OWNER, token: str | None = None, form: dict[str, str] | None = None,
    ) -> tuple[int, Any]:  # fmt: skip
        token = cloud.identity.access_token(who) if token is None else token
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        data = None if body is None else json.dumps(body)
        if form is not None:
            data = urllib.parse.urlencode(form)
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        host = cloud.address if api == "own" else f"{api}.googleapis.test"
        with closing(http.client.HTTPConnection(cloud.address, timeout=10)) as connection:
            connection.request(method, f"http://{host}{path}", data, headers)
            with connection.getresponse() as response:
                return response.status, json.loads(response.read())

    return send


@pytest.fixture
def account(call: Call) -> str:
    """A service account, by its unique id."""
    status, made = call("iam", "POST", f"{PROJECT}/serviceAccounts", {"accountId": ACCOUNT_ID})
    assert status == 200
    return str(made["uniqueId"])


@pytest.fixture
def repository(call: Call) -> str:
    parent, _, name = REPOSITORY.rpartition("/")
    path = f"/v1/{parent}?repositoryId={name}"
    assert call("artifactregistry", "POST", path, {"format": "DOCKER"})[0] == 200
    return REPOSITORY


@pytest.fixture
def gcloud(cloud: Cloud) -> Gcloud:
    """Run the real gcloud as a person."""

    def run(*arguments: str, who: Caller = OWNER, **more: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["gcloud", *arguments], env=cloud.environment(who.email) | more,
            capture_output=True, text=True, check=False, timeout=60,
        )  # fmt: skip

    return run


def grant(cloud: Cloud, resource: str, role: str, *members: str) -> None:
    """Add a binding, without asking anyone."""
    policy = cloud.policies.get(resource)
    policy.setdefault("bindings", []).append({"role": role, "members": list(members)})
    cloud.policies.set(resource, policy)


def reason(answer: Any) -> str:
    """What the answer's detail for machines says."""
    return str(answer["error"]["details"][0]["reason"])


# Who calls


@pytest.mark.parametrize(("api", "method", "path", "permission", "resource"), CALLS, ids=CALL_IDS)
def test_without_a_token_or_with_an_unknown_one_nothing_is_answered(
    refusing: Cloud, api: str, method: str, path: str, permission: str, resource: str
) -> None:
    call = caller_of(refusing)
    for token in ("", "ya29.unknown"):
        status, answer = call(api, method, path, {}, token=token)
        assert (status, answer["error"]["status"]) == (401, "UNAUTHENTICATED")


def test_a_token_runs_out(cloud: Cloud, call: Call) -> None:
    token = cloud.identity.access_token(OWNER, lifetime=-1)
    assert call("cloudresourcemanager", "GET", PROJECT, token=token)[0] == 401


@pytest.mark.parametrize(("api", "method", "path", "permission", "resource"), CALLS, ids=CALL_IDS)
def test_what_is_not_granted_is_refused_and_the_refusal_names_permission_and_resource(
    refusing: Cloud, api: str, method: str, path: str, permission: str, resource: str,
) -> None:  # fmt: skip
    status, answer = caller_of(refusing)(api, method, path, {}, who=STRANGER)
    error = answer["error"]
    assert (status, error["status"]) == (403, "PERMISSION_DENIED")
    assert f"Permission '{permission}' denied on resource" in error["message"]
    assert error["details"][0]["metadata"] == {"permission": permission, "resource": resource}
    use = refusing.journal[-1]
    assert (use.member, use.permission, use.resource) == (STRANGER.member, permission, resource)
    assert not use.allowed


def test_the_journal_says_which_grant_allowed_it(cloud: Cloud, call: Call) -> None:
    call("cloudresourcemanager", "GET", PROJECT)
    (grant,) = cloud.journal[-1].grants
    assert (grant.role, grant.resource) == ("roles/owner", "projects/penguins-test")


def test_nobody_is_told_whether_another_project_exists(call: Call) -> None:
    status, answer = call("cloudresourcemanager", "GET", "/v1/projects/another")
    assert status == 403
    assert reason(answer) == "IAM_PERMISSION_DENIED"


@pytest.mark.parametrize("api", ["iam", "iamcredentials", "artifactregistry", "containeranalysis"])
def test_an_api_that_nobody_enabled_is_refused(cloud: Cloud, call: Call, api: str) -> None:
    cloud.enabled.discard(f"{api}.googleapis.com")
    method, path = next(row[1:3] for row in CALLS if row[0] == api)
    status, answer = call(api, method, path, {})
    assert (status, reason(answer)) == (403, "SERVICE_DISABLED")
    assert "then retry" in answer["error"]["message"]


def test_apis_cannot_be_enabled_without_a_billing_account(cloud: Cloud, call: Call) -> None:
    cloud.part(Billing).active = False
    status, answer = call("serviceusage", "POST", f"{PROJECT}/services/run.googleapis.com:enable")
    assert (status, answer["error"]["status"]) == (400, "FAILED_PRECONDITION")
    assert "Billing account" in answer["error"]["message"]


# What is granted


def test_a_role_on_one_thing_holds_for_that_thing_only(
    cloud: Cloud, call: Call, repository: str
) -> None:
    grant(cloud, repository, "roles/artifactregistry.reader", STRANGER.member)
    assert call("artifactregistry", "GET", f"/v1/{repository}", who=STRANGER)[0] == 200
    assert call("artifactregistry", "GET", f"/v1/{repository}-2", who=STRANGER)[0] == 403
    assert call("artifactregistry", "DELETE", f"/v1/{repository}", who=STRANGER)[0] == 403


def test_a_role_on_the_project_holds_for_all_that_is_in_it(
    cloud: Cloud, call: Call, repository: str
) -> None:
    grant(cloud, cloud.resource, "roles/artifactregistry.reader", STRANGER.member)
    assert call("artifactregistry", "GET", f"/v1/{repository}", who=STRANGER)[0] == 200


def test_the_owner_cannot_act_as_an_account_without_a_grant(
    cloud: Cloud, call: Call, account: str
) -> None:
    path = f"/v1/projects/-/serviceAccounts/{ACCOUNT}:generateAccessToken"
    assert call("iamcredentials", "POST", path, {"scope": ["all"]})[0] == 403
    resource = f"projects/penguins-test/serviceAccounts/{ACCOUNT}"
    grant(cloud, resource, "roles/iam.serviceAccountTokenCreator", OWNER.member)
    status, answer = call("iamcredentials", "POST", path, {"scope": ["all"]})
    assert status == 200
    assert cloud.identity.who(answer["accessToken"]) == caller(ACCOUNT)


def test_every_role_has_a_source_and_the_owner_has_no_permission_to_become_an_account() -> None:
    assert all(source.startswith("https://cloud.google.com/") for source in SOURCES.values())
    assert not ROLES["roles/owner"] & set(expand(BECOME_ACCOUNT))
    assert "run.services.setIamPolicy" not in ROLES["roles/run.developer"]


def test_a_stale_etag_is_a_conflict_and_changes_nothing(cloud: Cloud, call: Call) -> None:
    where = ("cloudresourcemanager", "POST")
    _, policy = call(*where, f"{PROJECT}:getIamPolicy")
    assert call(*where, f"{PROJECT}:setIamPolicy", {"policy": policy})[0] == 200
    before = cloud.snapshot()
    status, answer = call(*where, f"{PROJECT}:setIamPolicy", {"policy": policy})
    assert (status, answer["error"]["status"]) == (409, "ABORTED")
    assert "read-modify-write" in answer["error"]["message"]
    assert cloud.snapshot() == before


@pytest.mark.parametrize(
    ("role", "member", "message"),
    [
        ("roles/run.everything", OWNER.member, "Role roles/run.everything is not supported"),
        ("roles/run.viewer", "person@example.com", "is of an unknown type"),
        ("roles/run.viewer", "serviceAccount:no@example.com", "no@example.com does not exist"),
        ("roles/run.viewer", f"deleted:{MEMBER}?uid=1", "cannot be added"),
    ],
)
def test_a_policy_names_roles_and_members_that_there_are(
    call: Call, role: str, member: str, message: str
) -> None:
    policy = {"bindings": [{"role": role, "members": [member]}]}
    path = f"{PROJECT}:setIamPolicy"
    status, answer = call("cloudresourcemanager", "POST", path, {"policy": policy})
    assert (status, answer["error"]["status"]) == (400, "INVALID_ARGUMENT")
    assert message in answer["error"]["message"]


# Accounts, keys, tokens


@pytest.mark.parametrize(
    ("api", "path", "body"),
    [
        ("iam", f"{PROJECT}/serviceAccounts", {"accountId": ACCOUNT_ID}),
        (
            "iam",
            f"{PROJECT}/locations/global/workloadIdentityPools?workloadIdentityPoolId=pool",
            {},
        ),
        ("artifactregistry", f"{PROJECT}/locations/us/repositories?repositoryId=a", {}),
    ],
)
def test_a_name_that_is_taken_is_a_conflict(call: Call, api: str, path: str, body: Any) -> None:
    assert call(api, "POST", path, body)[0] == 200
    status, answer = call(api, "POST", path, body)
    assert (status, answer["error"]["status"]) == (409, "ALREADY_EXISTS")


def test_a_deleted_account_stays_in_policies_and_its_successor_inherits_nothing(
    cloud: Cloud, call: Call, account: str
) -> None:
    grant(cloud, cloud.resource, "roles/run.viewer", MEMBER)
    token = cloud.identity.access_token(caller(ACCOUNT))
    accounts = f"{PROJECT}/serviceAccounts"
    assert call("iam", "DELETE", f"{accounts}/{ACCOUNT}")[0] == 200
    _, policy = call("cloudresourcemanager", "POST", f"{PROJECT}:getIamPolicy")
    gone = {"role": "roles/run.viewer", "members": [f"deleted:{MEMBER}?uid={account}"]}
    assert gone in policy["bindings"]
    assert call("cloudresourcemanager", "GET", PROJECT, token=token)[0] == 401
    # A policy that is read, changed and written keeps the deleted account.
    assert call(
        "cloudresourcemanager", "POST", f"{PROJECT}:setIamPolicy", {"policy": policy}
    )[0] == 200  # fmt: skip
    assert call("iam", "POST", accounts, {"accountId": ACCOUNT_ID})[0] == 200
    assert call("cloudresourcemanager", "GET", PROJECT, who=caller(ACCOUNT))[0] == 403


def test_an_account_comes_back_with_its_grants(cloud: Cloud, call: Call, account: str) -> None:
    grant(cloud, cloud.resource, "roles/run.viewer", MEMBER)
    call("iam", "DELETE", f"{PROJECT}/serviceAccounts/{ACCOUNT}")
    assert call("iam", "POST", f"{PROJECT}/serviceAccounts/{account}:undelete")[0] == 200
    assert call("cloudresourcemanager", "GET", PROJECT, who=caller(ACCOUNT))[0] == 200


def signed(key: Any, **claims: Any) -> dict[str, str]:
    """The form with which the holder of a key asks for a token."""
    now = {"iat": 1, "exp": 2**31, "iss": key["client_email"], "aud": key["token_uri"]}
    headers = {"kid": key["private_key_id"]}
    assertion = jwt.encode(now | claims, key["private_key"], "RS256", headers=headers)
    grant_type = "urn:ietf:params:oauth:grant-type:jwt-bearer"
    return {"grant_type": grant_type, "assertion": assertion}


def test_a_key_is_worth_tokens_until_it_is_deleted(cloud: Cloud, call: Call, account: str) -> None:
    keys = f"{PROJECT}/serviceAccounts/{ACCOUNT}/keys"
    _, made = call("iam", "POST", keys, {})
    key = json.loads(base64.b64decode(made["privateKeyData"]))
    _, answer = call("own", "POST", "/token", token="", form=signed(key, scope="all"))
    assert cloud.identity.who(answer["access_token"]) == caller(ACCOUNT)
    _, answer = call("own", "POST", "/token", token="", form=signed(key, target_audience="here"))
    assert cloud.identity.who_identifies(answer["id_token"], "here") == caller(ACCOUNT)
    another = signed(key | {"private_key": pem(new_key())}, scope="all")
    assert call("own", "POST", "/token", token="", form=another)[0] == 400
    assert call("iam", "DELETE", f"{keys}/{key['private_key_id']}")[0] == 200
    status, answer = call("own", "POST", "/token", token="", form=signed(key, scope="all"))
    assert (status, answer["error"]) == (400, "invalid_grant")


def test_an_organisation_may_forbid_keys(cloud: Cloud, call: Call, account: str) -> None:
    cloud.part(Accounts).keys_forbidden = True
    status, answer = call("iam", "POST", f"{PROJECT}/serviceAccounts/{ACCOUNT}/keys", {})
    assert (status, answer["error"]["status"]) == (400, "FAILED_PRECONDITION")
    assert "Key creation is not allowed" in answer["error"]["message"]


def test_a_disabled_account_gets_no_tokens(cloud: Cloud, call: Call, account: str) -> None:
    token = cloud.identity.access_token(caller(ACCOUNT))
    assert call("iam", "POST", f"{PROJECT}/serviceAccounts/{ACCOUNT}:disable", {})[0] == 200
    assert call("cloudresourcemanager", "GET", PROJECT, token=token)[0] == 401


def test_an_identity_token_is_good_for_its_audience_only(cloud: Cloud) -> None:
    token = cloud.identity.identity_token(OWNER, "https://here", named=False)
    assert cloud.identity.who_identifies(token, ["https://there", "https://here"]) == OWNER
    for wrong, audience in ((token, "https://there"), (token[:-9] + "AAAAAAAAA", "https://here")):
        with pytest.raises(Unauthenticated):
            cloud.identity.who_identifies(wrong, audience)


# Identities of others


@pytest.fixture
def federation(cloud: Cloud, call: Call, account: str) -> None:
    """GitHub's jobs on the main branch of one repository may act as the account."""
    pools = f"{PROJECT}/locations/global/workloadIdentityPools"
    provider = {
        "oidc": {"issuerUri": GITHUB},
        "attributeMapping": {
            "google.subject": "assertion.sub",
            "attribute.repository": "assertion.repository",
        },
        "attributeCondition": "assertion.repository == 'me/penguins' && assertion.ref == 'main'",
    }
    assert call("iam", "POST", f"{pools}?workloadIdentityPoolId=github", {})[0] == 200
    path = f"{pools}/github/providers?workloadIdentityPoolProviderId=github"
    status, answer = call("iam", "POST", path, provider | {"attributeCondition": ""})
    assert (status, "attribute condition" in answer["error"]["message"]) == (400, True)
    assert call("iam", "POST", path, provider)[0] == 200
    member = f"principalSet://iam.googleapis.com/{POOL}/attribute.repository/me/penguins"
    resource = f"projects/penguins-test/serviceAccounts/{ACCOUNT}"
    grant(cloud, resource, "roles/iam.workloadIdentityUser", member)


def job(cloud: Cloud, **claims: str) -> str:
    """The token of a job of GitHub's."""
    standard = {"sub": "repo:me/penguins", "repository": "me/penguins", "ref": "main"}
    return cloud.identity.foreign_token(GITHUB, standard | {"aud": f"https:{PROVIDER}"} | claims)


def exchange(call: Call, token: str) -> tuple[int, Any]:
    form = {"audience": PROVIDER, "subject_token": token}
    return call("sts", "POST", "/v1/token", token="", form=form)


def test_a_job_becomes_the_account_that_its_repository_may_act_as(
    cloud: Cloud, call: Call, federation: None
) -> None:
    status, answer = exchange(call, job(cloud))
    assert (status, answer["expires_in"]) == (200, LIFETIME)
    path = f"/v1/projects/-/serviceAccounts/{ACCOUNT}:generateAccessToken"
    token = answer["access_token"]
    status, answer = call("iamcredentials", "POST", path, {"scope": ["all"]}, token=token)
    assert cloud.identity.who(answer["accessToken"]) == caller(ACCOUNT)


@pytest.mark.parametrize(
    ("claims", "error"),
    [
        ({"repository": "you/penguins"}, "unauthorized_client"),
        ({"ref": "refs/pull/1/merge"}, "unauthorized_client"),
        ({"aud": "https://elsewhere"}, "invalid_grant"),
    ],
)
def test_a_job_of_another_repository_branch_or_audience_is_refused(
    cloud: Cloud, call: Call, federation: None, claims: dict[str, str], error: str
) -> None:
    status, answer = exchange(call, job(cloud, **claims))
    assert (status, answer["error"]) == (400, error)


def test_a_deleted_pool_takes_no_tokens_and_keeps_its_name(
    cloud: Cloud, call: Call, federation: None
) -> None:
    pools = f"{PROJECT}/locations/global/workloadIdentityPools"
    assert call("iam", "DELETE", f"{pools}/github")[0] == 200
    assert exchange(call, job(cloud))[1]["error"] == "invalid_target"
    assert cloud.snapshot()["workload identity pools"] == {}
    assert call("iam", "POST", f"{pools}?workloadIdentityPoolId=github", {})[0] == 409
    assert call("iam", "POST", f"{pools}/github:undelete", {})[0] == 200
    assert exchange(call, job(cloud))[0] == 200


# Faults, and what is left behind


@pytest.mark.parametrize(
    ("code", "status"), [(409, "ABORTED"), (429, "RESOURCE_EXHAUSTED"), (503, "UNAVAILABLE")]
)
def test_a_fault_is_answered_as_often_as_asked_for_and_changes_nothing(
    cloud: Cloud, call: Call, code: int, status: str
) -> None:
    before = cloud.snapshot()
    fault = cloud.fault("POST", r"/serviceAccounts$", code, times=2)
    path = f"{PROJECT}/serviceAccounts"
    for _ in range(2):
        got, answer = call("iam", "POST", path, {"accountId": ACCOUNT_ID})
        assert (got, answer["error"]["status"]) == (code, status)
    assert cloud.snapshot() == before
    assert call("iam", "GET", path)[1] == {"accounts": []}
    assert call("iam", "POST", path, {"accountId": ACCOUNT_ID})[0] == 200
    assert (fault.seen, fault.left) == (2, 0)


def test_what_is_made_and_deleted_leaves_nothing_behind(
    cloud: Cloud, call: Call, repository: str
) -> None:
    assert call("artifactregistry", "DELETE", f"/v1/{repository}")[0] == 200
    before = cloud.snapshot()
    assert call("iam", "POST", f"{PROJECT}/serviceAccounts", {"accountId": ACCOUNT_ID})[0] == 200
    parent, _, name = repository.rpartition("/")
    assert call("artifactregistry", "POST", f"/v1/{parent}?repositoryId={name}", {})[0] == 200
    grant(cloud, repository, "roles/artifactregistry.reader", MEMBER)
    assert cloud.snapshot() != before
    assert call("artifactregistry", "DELETE", f"/v1/{repository}")[0] == 200
    assert call("iam", "DELETE", f"{PROJECT}/serviceAccounts/{ACCOUNT}")[0] == 200
    assert cloud.snapshot() == before


# The real gcloud and the real docker client


def docker(
    cloud: Cloud, *arguments: str, who: Caller = OWNER, text: str = ""
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["docker", *arguments], env=cloud.environment(who.email), input=text,
        capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip


@pytest.fixture
def image(cloud: Cloud, tmp_path: Path) -> Iterator[str]:
    """A small image with the name under which it is pushed."""
    name = f"{cloud.registry_host}/penguins-test/models/team/api:one"
    folder = tmp_path / "image"
    folder.mkdir()
    (folder / "Dockerfile").write_text("FROM scratch\nCOPY Dockerfile /\n")
    assert docker(cloud, "build", "--quiet", "--tag", name, str(folder)).returncode == 0
    yield name
    docker(cloud, "rmi", "--force", name)


def test_gcloud_sets_up_what_the_real_docker_client_pushes_to(
    cloud: Cloud, gcloud: Gcloud, image: str
) -> None:
    cloud.enabled.clear()
    before = cloud.snapshot()
    project, location = "--project=penguins-test", "--location=europe-west1"
    canonical = "europe-west1-docker.pkg.dev/penguins-test/models"
    member, repository = f"--member={MEMBER}", "artifacts repositories"

    def run(line: str, *more: str, **environment: str) -> str:
        result = gcloud(*line.split(), *more, project, **environment)
        assert result.returncode == 0, result.stderr
        return result.stdout

    refused = gcloud("iam", "service-accounts", "list", project)
    assert "Enable it by visiting" in refused.stderr
    run(
        "services enable iam.googleapis.com iamcredentials.googleapis.com",
        "artifactregistry.googleapis.com",
    )
    run(f"iam service-accounts create {ACCOUNT_ID}")
    run(f"{repository} create models --repository-format=docker", location)
    refused = gcloud("auth", "print-access-token", f"--impersonate-service-account={ACCOUNT}")
    assert "iam.serviceAccounts.getAccessToken" in refused.stderr
    role = "--role=roles/iam.serviceAccountTokenCreator"
    run(
        f"iam service-accounts add-iam-policy-binding {ACCOUNT} {role}",
        "--member=user:person@example.com",
    )
    role = "--role=roles/artifactregistry.repoAdmin"
    run(f"{repository} add-iam-policy-binding models {role}", member, location)

    deployer = {"CLOUDSDK_AUTH_IMPERSONATE_SERVICE_ACCOUNT": ACCOUNT}
    token = run("auth print-access-token", **deployer)
    login = ("login", "--username", "oauth2accesstoken", "--password-stdin", cloud.registry_host)
    assert docker(cloud, *login, text=token).returncode == 0
    assert docker(cloud, "push", image).returncode == 0
    listed = run(
        f"artifacts docker images list {canonical} --include-tags --format=value(IMAGE,DIGEST,TAGS)"
    )
    name, digest, tags = listed.split()
    assert (name, tags) == (f"{canonical}/team/api", "one")
    assert digest.startswith("sha256:")
    pulled = f"{image.removesuffix(':one')}@{digest}"
    assert docker(cloud, "pull", pulled).returncode == 0
    docker(cloud, "rmi", pulled)

    run(f"artifacts docker images delete {canonical}/team/api:one --delete-tags", **deployer)
    assert docker(cloud, "pull", image).returncode != 0
    run(f"{repository} delete models", location)
    run(f"iam service-accounts delete {ACCOUNT}")
    run(
        "services disable iam.googleapis.com iamcredentials.googleapis.com",
        "artifactregistry.googleapis.com",
    )
    assert cloud.snapshot() == before


@pytest.mark.parametrize(
    ("role", "may"),
    [
        (None, set()),
        ("roles/artifactregistry.reader", {"pull"}),
        ("roles/artifactregistry.writer", {"push", "pull"}),
    ],
)
def test_docker_pushes_and_pulls_what_the_caller_may(
    cloud: Cloud, repository: str, image: str, role: str | None, may: set[str]
) -> None:
    docker_login(cloud, OWNER)
    assert docker(cloud, "push", image).returncode == 0
    if role:
        grant(cloud, repository, role, STRANGER.member)
    docker_login(cloud, STRANGER)
    done = {
        verb for verb in ("push", "pull")
        if docker(cloud, verb, image, who=STRANGER).returncode == 0
    }  # fmt: skip
    assert done == may


def test_an_image_of_gcr_io_has_no_repository_in_its_name(cloud: Cloud, call: Call) -> None:
    path = f"{PROJECT}/locations/us/repositories?repositoryId=gcr.io"
    assert call("artifactregistry", "POST", path, {"format": "DOCKER"})[0] == 200
    repository, package = cloud.part(Repositories).find("penguins-test/api")
    assert (repository.id, repository.location, package) == ("gcr.io", "us", "api")


def docker_login(cloud: Cloud, who: Caller) -> None:
    token = cloud.identity.access_token(who)
    login = ("login", "--username", "oauth2accesstoken", "--password-stdin", cloud.registry_host)
    assert docker(cloud, *login, who=who, text=token).returncode == 0


def test_docker_is_not_let_in_with_an_unknown_token(cloud: Cloud) -> None:
    login = ("login", "--username", "oauth2accesstoken", "--password-stdin", cloud.registry_host)
    assert docker(cloud, *login, text="ya29.unknown").returncode != 0


def test_gcloud_works_with_a_key_and_with_the_token_of_a_job(
    cloud: Cloud, gcloud: Gcloud, federation: None, repository: str, tmp_path: Path
) -> None:
    grant(cloud, repository, "roles/artifactregistry.reader", MEMBER)
    look = (
        "artifacts", "repositories", "describe", "models", "--location=europe-west1",
        "--project=penguins-test", "--format=value(name)",
    )  # fmt: skip
    key = tmp_path / "key.json"
    assert (
        gcloud(
            "iam", "service-accounts", "keys", "create", str(key), f"--iam-account={ACCOUNT}"
        ).returncode
        == 0
    )
    # A job has no login of its own, only what it is given.
    for file, name in ((key, "with a key"), (job_file(cloud, tmp_path), "with a job's token")):
        alone = {
            "CLOUDSDK_CONFIG": str(tmp_path / name),
            "CLOUDSDK_AUTH_CREDENTIAL_FILE_OVERRIDE": str(file),
        }
        result = gcloud(*look, **alone)
        assert result.stdout.strip().endswith("models"), result.stderr
        assert cloud.journal[-1].member == MEMBER


def job_file(cloud: Cloud, folder: Path) -> Path:
    """What GitHub's step google-github-actions/auth leaves for gcloud."""
    (folder / "token").write_text(job(cloud))
    act = f"v1/projects/-/serviceAccounts/{ACCOUNT}:generateAccessToken"
    configuration = {
        "type": "external_account",
        "audience": PROVIDER,
        "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
        "token_url": f"http://{cloud.address}/v1/token",
        "service_account_impersonation_url": f"http://{cloud.address}/{act}",
        "credential_source": {"file": str(folder / "token")},
    }
    (folder / "job.json").write_text(json.dumps(configuration))
    return folder / "job.json"


@pytest.mark.parametrize(
    "line",
    [
        "config list",
        "config get account --configuration=none",
        "services list --enabled --format=json",
        "iam service-accounts create no",
        "run services describe none --region=europe-west1",
        "projects get-iam-policy penguins-test --flatten=bindings[].members",
        "projects get-iam",
    ],
)
def test_a_warm_gcloud_answers_as_one_that_starts(cloud: Cloud, line: str) -> None:
    environment = cloud.environment() | {"CLOUDSDK_CORE_PROJECT": cloud.project}

    def start(env: dict[str, str]) -> subprocess.Popen[str]:
        command = ["gcloud", *line.split()]
        return subprocess.Popen(command, env=env, stdout=PIPE, stderr=PIPE, text=True)

    def answer(process: subprocess.Popen[str]) -> tuple[int, str, str]:
        out, error = process.communicate(timeout=60)
        return process.returncode, out, error

    starting = start(warm.cold(environment))  # meanwhile the warm one answers twice
    first, second = answer(start(environment)), answer(start(environment))
    assert first == second == answer(starting)


@pytest.mark.parametrize(("code", "says"), [(409, "conflicting change"), (429, "Quota exceeded")])
def test_gcloud_shows_the_fault_that_it_met(
    cloud: Cloud, gcloud: Gcloud, code: int, says: str
) -> None:
    cloud.fault("POST", r"/serviceAccounts\?", code, times=99)
    result = gcloud("iam", "service-accounts", "create", ACCOUNT_ID, "--project=penguins-test")
    assert result.returncode != 0
    assert says in result.stderr
