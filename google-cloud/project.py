"""The resources in the project: APIs, repository, accounts, roles, images, service."""

from __future__ import annotations

from gcloud import NEEDED_APIS, Failed, answer, ask, enable, enabled, run
from names import (
    DEPLOYER,
    IMAGE,
    LISTED,
    LOCATION,
    PROJECT,
    READ_BUCKETS,
    READ_SECRETS,
    REGION,
    REPOSITORY,
    RUNTIME,
    SERVICE,
    WRITE_BUCKETS,
)
from record import Resource, Role

LOGIN = (
    "info --format='csv[no-heading](config.account,config.active_config_name,config.project,"
    "config.properties.run.region,config.properties.auth.impersonate_service_account)'"
)


def login() -> list[str]:
    """The account, configuration, project, region and impersonated account of gcloud."""
    found = ask(LOGIN)[0].split(",")
    if not found[0]:
        raise Failed("Nobody is logged in to gcloud: gcloud auth login")
    return found


apis = Resource(
    "apis",
    ask=enabled,
    create=lambda: enable(*NEEDED_APIS),
    wanted=NEEDED_APIS,
    label="API {}.googleapis.com",
    made_by="enable-apis",
    removable=list,  # none: something else may need them
)
project = Resource(
    "project",
    ask=lambda: [PROJECT],
    apis=("cloudresourcemanager",),
    policy=f"projects {{}} {PROJECT}",
    removable=list,  # none: it was there before
)


def without_others() -> list[str]:
    """The repository, unless it holds other images: make destroy keeps those."""
    others = f"--filter='package!={LISTED}' --limit=1 --format='value(package)'"
    listed = f"artifacts docker images list {LISTED.rpartition('/')[0]}"
    return [name for name in repository.find() if not ask(f"{listed} {others}")]


repository = Resource(
    "repository",
    ask=f"artifacts repositories list --location={LOCATION} --filter='name~/{REPOSITORY}$' "
    "--format='value(name.basename())'",
    create=f"artifacts repositories create {{}} --repository-format=docker --location={LOCATION}",
    delete=f"artifacts repositories delete {{}} --location={LOCATION} --quiet",
    wanted=(REPOSITORY,),
    label=f"repository {{}} in {LOCATION}",
    made_by="create-repository",
    apis=("artifactregistry",),
    policy=f"artifacts repositories {{}} {REPOSITORY} --location={LOCATION}",
    removable=without_others,
)


def account(name: str, email: str, title: str) -> Resource:
    """A service account."""
    return Resource(
        name,
        ask=f"iam service-accounts list --filter=email={email} --format='value(email)'",
        create=f"iam service-accounts create {email.partition('@')[0]} --display-name='{title}'",
        delete="iam service-accounts delete {} --quiet",
        wanted=(email,),
        label="account {}",
        made_by="create-service-account",
        listed_as="accounts",
        apis=("iam",),
        policy=f"iam service-accounts {{}} {email}",
    )


deployer = account("deployer", DEPLOYER, f"Deploys {SERVICE}")
runtime = account("runtime", RUNTIME, f"Runs {SERVICE}")


def _exists(name: str) -> bool:
    """Whether a bucket exists; also True if gcloud may not say."""
    try:
        answer(f"storage buckets describe gs://{name}")
    except Failed as failed:
        return "not found: 404" not in str(failed)
    return True


def bucket(name: str) -> Resource:
    """A bucket of somebody's, which no target makes or deletes."""
    return Resource(
        f"bucket {name}",
        ask=lambda: [name] if _exists(name) else [],
        policy=f"storage buckets {{}} gs://{name}",
        removable=list,
    )


def secret(name: str) -> Resource:
    """A secret of somebody's, which no target makes or deletes."""
    return Resource(
        f"secret {name}",
        ask=f"secrets list --filter='name~/{name}$' --format='value(name.basename())'",
        apis=("secretmanager",),
        policy=f"secrets {{}} {name}",
        removable=list,
    )


buckets = {name: bucket(name) for name in [*READ_BUCKETS, *WRITE_BUCKETS]}
secrets = [secret(name) for name in READ_SECRETS]


def acts_as_deployer(member: str) -> Role:
    """The role by which a person deploys."""
    return Role(deployer, "roles/iam.serviceAccountTokenCreator", member)


def roles() -> list[Role]:
    """Who may do what: the smallest role on the smallest thing."""
    person, ships = login()[0], f"serviceAccount:{DEPLOYER}"
    runs = f"serviceAccount:{RUNTIME}"
    kind = "serviceAccount" if person.endswith(".gserviceaccount.com") else "user"
    return [
        Role(project, "roles/run.developer", ships),
        Role(project, "roles/run.invoker", ships),
        Role(project, "roles/logging.viewer", ships),
        Role(repository, "roles/artifactregistry.repoAdmin", ships),
        Role(runtime, "roles/iam.serviceAccountUser", ships),
        acts_as_deployer(f"{kind}:{person}"),
        *(Role(buckets[name], "roles/storage.objectViewer", runs) for name in READ_BUCKETS),
        *(Role(buckets[name], "roles/storage.objectCreator", runs) for name in WRITE_BUCKETS),
        *(Role(each, "roles/secretmanager.secretAccessor", runs) for each in secrets),
    ]


def granted_on(place: Resource) -> Resource:
    """The roles of the two accounts on this resource."""

    def ours() -> list[str]:
        return [row for row in place.held() if DEPLOYER in row or RUNTIME in row]

    def take_away(_: list[str]) -> None:
        # Ask again: deleting the schedule or the trigger has removed some roles.
        for row in ours():
            place.take_away(row)

    return Resource(f"{place.name}-roles", ask=ours, delete=take_away)


IMAGES = f"artifacts docker images list {LISTED}"
images = Resource(
    "images",
    ask=f"{IMAGES} --sort-by=~updateTime --format='value(version)'",
    delete=lambda _: run(f"artifacts docker images delete {LISTED} --delete-tags --quiet"),
    label=f"image {IMAGE}:{{}}",
    made_by="release",
    inside=repository,
)
newest_image = Resource(
    "newest-image",
    ask=images.ask,
    delete=lambda found: run(
        f"artifacts docker images delete {LISTED}@{found[0]} --delete-tags --quiet"
    ),
    label=f"image {IMAGE} in the registry",
    inside=repository,
    removable=list,  # none: it goes with the others
)


def show_service(*fields: str) -> list[str]:
    """These fields of the service; nothing if there is no service."""
    form = f'value[separator="|"]({",".join(fields)})'
    listed = f"run services list --region={REGION} --filter=metadata.name={SERVICE}"
    return [value for line in ask(f"{listed} --format='{form}'") for value in line.split("|")]


service = Resource(
    "service",
    ask=lambda: show_service("metadata.name"),
    delete=f"run services delete {{}} --region={REGION} --quiet",
    wanted=(SERVICE,),
    label="service {}",
    made_by="release",
    apis=("run",),
)


def tagged(tag: str) -> list[str]:
    """The digest of the image with this tag."""
    return ask(f"{IMAGES} --include-tags --filter=tags={tag} --format='value(version)'")
