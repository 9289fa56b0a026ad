"""GitHub Actions without a key: Google trusts the tokens of jobs on the main branch."""

from __future__ import annotations

from os import environ

from gcloud import ask, enable, run
from names import DEPLOYER
from project import deployer
from record import Resource, Role

POOL, REPOSITORY = environ["GCP_POOL"], environ["GITHUB_REPOSITORY"]
POOLS, PROVIDERS = "iam workload-identity-pools", "iam workload-identity-pools providers"
IN_POOL = f"--workload-identity-pool={POOL} --location=global"
PROVIDER = (
    "--issuer-uri=https://token.actions.githubusercontent.com "
    "--attribute-mapping=google.subject=assertion.sub,attribute.repository=assertion.repository "
    f"--attribute-condition=\"assertion.repository == '{REPOSITORY}' "
    "&& assertion.ref == 'refs/heads/main'\""
)


def listed(command: str, field: str) -> list[str]:
    """A field of the pools or providers named GCP_POOL."""
    return ask(f"{command} --filter='name~/{POOL}$' --format='value({field})'")


def trust() -> None:
    """Create the pool and its provider, grant the role, and print the variables for GitHub."""
    enable("sts")
    state = listed(f"{POOLS} list --location=global --show-deleted", "state")
    if not state:
        run(f"{POOLS} create {POOL} --display-name=GitHub --location=global")
    elif state == ["DELETED"]:
        # Google keeps a deleted pool with its providers for 30 days.
        run(f"{POOLS} undelete {POOL} --location=global")
    verb = "update" if listed(f"{PROVIDERS} list {IN_POOL}", "name") else "create"
    run(f"{PROVIDERS} {verb}-oidc {POOL} {IN_POOL} {PROVIDER}")
    (path,) = pool.find()
    jobs = f"principalSet://iam.googleapis.com/{path}/attribute.repository/{REPOSITORY}"
    Role(deployer, "roles/iam.workloadIdentityUser", jobs).grant()
    print("The variables of the repository that .github/workflows/deploy.yaml reads:")
    for name, value in (
        ("GCP_WORKLOAD_IDENTITY_PROVIDER", f"{path}/providers/{POOL}"),
        ("GCP_SERVICE_ACCOUNT", DEPLOYER),
        ("GCP_SETTINGS", environ["CI_SETTINGS"]),
    ):
        print(f"gh variable set {name} --repo {REPOSITORY} --body '{value}'", flush=True)


def distrust(_: list[str]) -> None:
    """Remove the role of jobs, then delete the pool."""
    for row in deployer.held():
        if f"/workloadIdentityPools/{POOL}/" in row:
            deployer.take_away(row)
    run(f"{POOLS} delete {POOL} --location=global --quiet")


pool = Resource(
    "github-identity",
    ask=f"{POOLS} list --location=global --filter='name~/{POOL}$' --format='value(name)'",
    create=trust,
    delete=distrust,
    apis=("iam", "sts"),
)
RESOURCES = [pool]
