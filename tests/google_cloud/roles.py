"""What each role permits: a table of facts, as far as the APIs here ask for them.

A permission that is written `a.b.c|d` stands for `a.b.c` and `a.b.d`. What a role holds of
products that are not here is left out.
"""

from __future__ import annotations

from collections.abc import Iterator

REFERENCE = "https://cloud.google.com/iam/docs/roles-permissions"
SEE_PROJECT = "resourcemanager.projects.get|list"
READ_ARTIFACTS = """
    artifactregistry.attachments.get|list artifactregistry.dockerimages.get|list
    artifactregistry.files.download|get|list artifactregistry.locations.get|list
    artifactregistry.packages.get|list artifactregistry.projectsettings.get
    artifactregistry.repositories.downloadArtifacts|get|list|listEffectiveTags|listTagBindings
    artifactregistry.repositories.readViaVirtualRepository artifactregistry.rules.get|list
    artifactregistry.tags.get|list artifactregistry.versions.get|list
"""
WRITE_ARTIFACTS = """
    artifactregistry.attachments.create artifactregistry.files.update|upload
    artifactregistry.packages.update artifactregistry.repositories.uploadArtifacts
    artifactregistry.tags.create|update artifactregistry.versions.update
"""
DELETE_ARTIFACTS = """
    artifactregistry.attachments.delete artifactregistry.files.delete
    artifactregistry.packages.delete artifactregistry.repositories.deleteArtifacts
    artifactregistry.tags.delete artifactregistry.versions.delete
"""
MANAGE_REPOSITORIES = """
    artifactregistry.projectsettings.update
    artifactregistry.repositories.create|createTagBinding|delete|deleteTagBinding
    artifactregistry.repositories.getIamPolicy|setIamPolicy|update
    artifactregistry.rules.create|delete|update
"""
# Nobody has these by being the owner: https://cloud.google.com/iam/docs/service-account-permissions
BECOME_ACCOUNT = """
    iam.serviceAccounts.getAccessToken|getOpenIdToken|implicitDelegation|signBlob|signJwt
"""
SEE_RUN = f"""
    run.configurations.get|list run.executions.get|list run.jobs.get|getIamPolicy|list
    run.locations.list run.operations.get|list run.revisions.get|list run.routes.get|list
    run.services.get|getIamPolicy|list|listEffectiveTags|listTagBindings run.tasks.get|list
    run.workerpools.get|getIamPolicy|list {SEE_PROJECT}
"""
DEVELOP_RUN = f"""
    {SEE_RUN} run.executions.cancel|delete run.jobs.create|delete|run|runWithOverrides|update
    run.operations.delete run.revisions.delete run.services.create|delete|update
    run.workerpools.create|delete|update
"""
SEE_LOGS = f"""
    logging.buckets.get|list logging.exclusions.get|list logging.locations.get|list
    logging.logEntries.list logging.logMetrics.get|list logging.logServiceIndexes.list
    logging.logServices.list logging.logs.list logging.sinks.get|list logging.usage.get
    logging.views.get|list {SEE_PROJECT}
"""
MANAGE_ACCOUNTS = f"""
    iam.serviceAccounts.create|createTagBinding|delete|deleteTagBinding|disable|enable|get
    iam.serviceAccounts.getIamPolicy|list|listEffectiveTags|listTagBindings|setIamPolicy
    iam.serviceAccounts.undelete|update {SEE_PROJECT}
"""
MANAGE_KEYS = f"""
    iam.serviceAccountKeys.create|delete|disable|enable|get|list iam.serviceAccounts.get|list
    {SEE_PROJECT}
"""
MANAGE_POOLS = f"""
    iam.googleapis.com/workloadIdentityPools.create|delete|get|list|undelete|update
    iam.googleapis.com/workloadIdentityPoolProviders.create|delete|get|list|undelete|update
    iam.googleapis.com/workloadIdentityPoolProviderKeys.create|delete|get|list|undelete
    {SEE_PROJECT}
"""
SEE_BUILDS = f"cloudbuild.builds.get|list {SEE_PROJECT}"
EDIT_BUILDS = f"{SEE_BUILDS} cloudbuild.builds.create|update remotebuildexecution.blobs.get"
MANAGE_SCHEDULE = f"""
    cloudscheduler.jobs.create|delete|enable|fullView|get|list|pause|run|update
    cloudscheduler.locations.get|list {SEE_PROJECT}
"""
USE_AIPLATFORM = f"""
    aiplatform.endpoints.create|delete|deploy|explain|get|list|predict|undeploy|update
    aiplatform.locations.get|list aiplatform.models.delete|export|get|list|update|upload
    aiplatform.operations.list {SEE_PROJECT}
"""
MANAGE_SERVICES = f"""
    serviceusage.operations.cancel|delete|get|list serviceusage.quotas.get|update
    serviceusage.services.disable|enable|get|list|use {SEE_PROJECT}
"""
MANAGE_PROJECT_POLICY = "resourcemanager.projects.get|getIamPolicy|setIamPolicy iam.policies.get"
OWN = f"""
    {MANAGE_PROJECT_POLICY} {SEE_PROJECT} {MANAGE_SERVICES} {MANAGE_ACCOUNTS} {MANAGE_KEYS}
    {MANAGE_POOLS} {READ_ARTIFACTS} {WRITE_ARTIFACTS} {DELETE_ARTIFACTS} {MANAGE_REPOSITORIES}
    {DEVELOP_RUN} run.jobs.setIamPolicy run.routes.invoke run.services.setIamPolicy
    run.services.createTagBinding|deleteTagBinding iam.serviceAccounts.actAs iam.roles.get|list
    {SEE_LOGS} logging.privateLogEntries.list logging.logEntries.create logging.logs.delete
    {EDIT_BUILDS} {MANAGE_SCHEDULE} {USE_AIPLATFORM} storage.buckets.create|delete|get|list
    storage.buckets.getIamPolicy|setIamPolicy|update secretmanager.secrets.create|delete|get|list
    secretmanager.secrets.getIamPolicy|setIamPolicy secretmanager.versions.add
    resourcemanager.projects.delete|update
"""

# Role: where Google tells what it holds, and what that is.
FACTS: dict[str, tuple[str, str]] = {
    # "All Editor permissions, plus …": https://cloud.google.com/iam/docs/roles-overview#basic
    "roles/owner": (f"{REFERENCE}#basic", OWN),
    "roles/browser": (f"{REFERENCE}/browser", "resourcemanager.projects.get|getIamPolicy|list"),
    "roles/run.developer": (f"{REFERENCE}/run#run.developer", DEVELOP_RUN),
    "roles/run.viewer": (f"{REFERENCE}/run#run.viewer", SEE_RUN),
    "roles/run.invoker": (
        f"{REFERENCE}/run#run.invoker",
        "run.executions.cancel run.jobs.run run.routes.invoke",
    ),
    "roles/run.admin": (
        f"{REFERENCE}/run#run.admin",
        f"""{DEVELOP_RUN} run.jobs.setIamPolicy run.routes.invoke run.services.setIamPolicy
        run.services.createTagBinding|deleteTagBinding""",
    ),
    "roles/artifactregistry.reader": (
        f"{REFERENCE}/artifactregistry#artifactregistry.reader",
        READ_ARTIFACTS,
    ),
    "roles/artifactregistry.writer": (
        f"{REFERENCE}/artifactregistry#artifactregistry.writer",
        f"{READ_ARTIFACTS} {WRITE_ARTIFACTS}",
    ),
    "roles/artifactregistry.repoAdmin": (
        f"{REFERENCE}/artifactregistry#artifactregistry.repoAdmin",
        f"{READ_ARTIFACTS} {WRITE_ARTIFACTS} {DELETE_ARTIFACTS}",
    ),
    "roles/artifactregistry.admin": (
        f"{REFERENCE}/artifactregistry#artifactregistry.admin",
        f"{READ_ARTIFACTS} {WRITE_ARTIFACTS} {DELETE_ARTIFACTS} {MANAGE_REPOSITORIES}",
    ),
    "roles/iam.serviceAccountUser": (
        f"{REFERENCE}/iam#iam.serviceAccountUser",
        f"iam.serviceAccounts.actAs|get|list {SEE_PROJECT}",
    ),
    "roles/iam.serviceAccountTokenCreator": (
        f"{REFERENCE}/iam#iam.serviceAccountTokenCreator",
        f"{BECOME_ACCOUNT} iam.serviceAccounts.get|list {SEE_PROJECT}",
    ),
    "roles/iam.serviceAccountOpenIdTokenCreator": (
        f"{REFERENCE}/iam#iam.serviceAccountOpenIdTokenCreator",
        "iam.serviceAccounts.getOpenIdToken",
    ),
    "roles/iam.workloadIdentityUser": (
        f"{REFERENCE}/iam#iam.workloadIdentityUser",
        f"iam.serviceAccounts.get|getAccessToken|getOpenIdToken|list {SEE_PROJECT}",
    ),
    "roles/iam.serviceAccountAdmin": (
        f"{REFERENCE}/iam#iam.serviceAccountAdmin",
        MANAGE_ACCOUNTS,
    ),
    "roles/iam.serviceAccountKeyAdmin": (
        f"{REFERENCE}/iam#iam.serviceAccountKeyAdmin",
        MANAGE_KEYS,
    ),
    "roles/iam.workloadIdentityPoolAdmin": (
        f"{REFERENCE}/iam#iam.workloadIdentityPoolAdmin",
        MANAGE_POOLS,
    ),
    "roles/resourcemanager.projectIamAdmin": (
        f"{REFERENCE}/resourcemanager#resourcemanager.projectIamAdmin",
        MANAGE_PROJECT_POLICY,
    ),
    "roles/serviceusage.serviceUsageConsumer": (
        f"{REFERENCE}/serviceusage#serviceusage.serviceUsageConsumer",
        "serviceusage.services.get|list|use serviceusage.quotas.get serviceusage.operations.get",
    ),
    "roles/serviceusage.serviceUsageAdmin": (
        f"{REFERENCE}/serviceusage#serviceusage.serviceUsageAdmin",
        MANAGE_SERVICES,
    ),
    "roles/logging.viewer": (f"{REFERENCE}/logging#logging.viewer", SEE_LOGS),
    "roles/logging.logWriter": (
        f"{REFERENCE}/logging#logging.logWriter",
        "logging.logEntries.create|route",
    ),
    "roles/cloudbuild.builds.viewer": (
        f"{REFERENCE}/cloudbuild#cloudbuild.builds.viewer",
        SEE_BUILDS,
    ),
    "roles/cloudbuild.builds.editor": (
        f"{REFERENCE}/cloudbuild#cloudbuild.builds.editor",
        EDIT_BUILDS,
    ),
    "roles/cloudscheduler.admin": (
        f"{REFERENCE}/cloudscheduler#cloudscheduler.admin",
        MANAGE_SCHEDULE,
    ),
    "roles/aiplatform.user": (f"{REFERENCE}/aiplatform#aiplatform.user", USE_AIPLATFORM),
    "roles/secretmanager.secretAccessor": (
        f"{REFERENCE}/secretmanager#secretmanager.secretAccessor",
        f"secretmanager.versions.access {SEE_PROJECT}",
    ),
    "roles/storage.objectViewer": (
        f"{REFERENCE}/storage#storage.objectViewer",
        f"storage.objects.get|list storage.folders.get|list {SEE_PROJECT}",
    ),
    "roles/storage.objectCreator": (
        f"{REFERENCE}/storage#storage.objectCreator",
        f"""storage.objects.create storage.folders.create
        storage.multipartUploads.abort|create|listParts {SEE_PROJECT}""",
    ),
}


def expand(text: str) -> Iterator[str]:
    """The single permissions of a row of the table."""
    for word in text.split():
        thing, _, verbs = word.rpartition(".")
        yield from (f"{thing}.{verb}" for verb in verbs.split("|"))


ROLES = {role: frozenset(expand(text)) for role, (_, text) in FACTS.items()}
SOURCES = {role: source for role, (source, _) in FACTS.items()}
