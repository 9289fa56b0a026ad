"""The resources of Cloud Build: a trigger for each push, and a schedule that runs the trigger."""

from __future__ import annotations

import re
from os import environ

from gcloud import Failed, ask, enable, run
from names import DEPLOYER, PROJECT, REGION, SERVICE
from project import account, bucket, deployer, project
from record import Resource, Role

SCHEDULER = f"{environ['GCP_SCHEDULER']}@{PROJECT}.iam.gserviceaccount.com"
CONNECT = (
    f"https://console.cloud.google.com/cloud-build/triggers;region=global/connect?project={PROJECT}"
)
IN_REGION = f"--location={REGION}"


def roles_of_builds(model_uri: str) -> list[Role]:
    """The roles that builds need beyond those of the deployer, as which they run.

    They write their log, make an identity token for the example row, and read the model's bucket.
    """
    builds = f"serviceAccount:{DEPLOYER}"
    roles = [
        Role(project, "roles/logging.logWriter", builds),
        Role(deployer, "roles/iam.serviceAccountTokenCreator", builds),
    ]
    if found := re.match("gs://([^/]*)/", model_uri):
        roles.append(Role(bucket(found[1]), "roles/storage.objectViewer", builds))
    return roles


def create_trigger() -> None:
    """Create or update the trigger, with the settings of .env, since a build has no .env."""
    uri, version = environ["MODEL_URI"], environ["MODEL_SHA256"]
    owner, repository = environ["GITHUB_REPOSITORY"].split("/")
    enable("cloudbuild", *(["storage"] if uri.startswith("gs://") else []))
    options = (
        f"--repo-owner={owner} --repo-name={repository} --branch-pattern='^main$' --region=global "
        "--build-config=cloudbuild.yaml "
        f"--service-account=projects/{PROJECT}/serviceAccounts/{DEPLOYER}"
    )
    told = f"'^|^_MODEL_URI={uri}|_MODEL_VERSION={version}|_SETTINGS={environ['CI_SETTINGS']}'"
    try:
        if found := trigger.find():
            run(f"builds triggers update github {found[0]} {options} --update-substitutions={told}")
        else:
            run(f"builds triggers create github --name={SERVICE} {options} --substitutions={told}")
    except Failed:
        unknown = "If Google does not know the repository yet, connect it (1st gen):"
        raise Failed(f"{unknown} {CONNECT}") from None
    for role in roles_of_builds(uri):
        role.grant()


def delete_trigger(found: list[str]) -> None:
    """Remove the roles of builds, then delete the trigger."""
    uri = "--format='value(substitutions._MODEL_URI)'"
    shown = ask(f"builds triggers describe {found[0]} --region=global {uri}")
    for role in roles_of_builds("".join(shown)):
        role.take_away()
    run(f"builds triggers delete {found[0]} --region=global --quiet")


def create_job() -> None:
    """Create or update the job that runs the trigger."""
    enable("cloudscheduler")
    (started,) = trigger.find()
    triggers = f"https://cloudbuild.googleapis.com/v1/projects/{PROJECT}/locations/global/triggers"
    run(
        f"scheduler jobs {'update' if job.find() else 'create'} http {SERVICE} {IN_REGION} "
        f"--schedule='{environ['SCHEDULE']}' --time-zone=Etc/UTC --http-method=post "
        f"--uri={triggers}/{started}:run --oauth-service-account-email={SCHEDULER} "
        '--message-body=\'{"source":{"branchName":"main"}}\''
    )


trigger = Resource(
    "trigger",
    ask=f"builds triggers list --region=global --filter=name={SERVICE} --format='value(id)'",
    create=create_trigger,
    delete=delete_trigger,
    missing=f"There is no trigger {SERVICE}: make create-trigger",
    apis=("cloudbuild", "storage"),
)
job = Resource(
    "schedule",
    ask=f"scheduler jobs list {IN_REGION} --filter='name~/{SERVICE}$' "
    "--format='value(name.basename())'",
    create=create_job,
    delete=f"scheduler jobs delete {{}} {IN_REGION} --quiet",
    apis=("cloudscheduler",),
)
# Who runs the trigger acts as the deployer: the schedule has an account with no other right.
scheduler = account("scheduler", SCHEDULER, f"Builds {SERVICE} on schedule")
scheduler.listed_as = "schedule"
scheduler.roles = [
    Role(project, "roles/cloudbuild.builds.editor", f"serviceAccount:{SCHEDULER}"),
    Role(deployer, "roles/iam.serviceAccountUser", f"serviceAccount:{SCHEDULER}"),
]
RESOURCES = [job, scheduler, trigger]
