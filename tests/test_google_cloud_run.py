"""Cloud Run of the small Google Cloud, under the real gcloud and the real docker client."""

from __future__ import annotations

import collections
import concurrent.futures
import http.client
import json
import re
import subprocess
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

import joblib
import pytest

from tests.checkout import NAME, docker, sleeper
from tests.google_cloud import Cloud, container, log_filter, run_spec, tools
from tests.google_cloud.cloud import PERSON, PROJECT
from tests.google_cloud.front import MAX_BODY, Split
from tests.google_cloud.identity import caller
from tests.google_cloud.instances import Fleet
from tests.google_cloud.logging import structured
from tests.google_cloud.run import Services
from tests.google_cloud.run_service import Service
from tests.test_rejections import GOOD

REGION = "europe-west1"
RUNTIME = f"runtime@{PROJECT}.iam.gserviceaccount.com"
READY = "httpGet.path=/ready,httpGet.port=8080,periodSeconds=1,timeoutSeconds=1,failureThreshold=60"
HELLO = 'print(\'I do not listen\'); print(\'{"severity": "ERROR", "message": "lost"}\')'
# What is built on the service's own image, by the name of its tag.
BROKEN = {
    "deaf": f'ENTRYPOINT ["python", "-uc", {json.dumps(HELLO + "; import time; time.sleep(99)")}]',
    "gone": f'ENTRYPOINT ["python", "-uc", {json.dumps(HELLO + "; raise SystemExit(3)")}]',
    "slow": "COPY latest.joblib models/latest.joblib\nRUN rm -f models/latest.json",
}
Done = subprocess.CompletedProcess[str]


def ask(
    url: str, token: str | None = None, body: Any = None, **headers: str
) -> tuple[int, Any, bytes]:
    """Status, headers and body of one answer, whatever the status is."""
    data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json", **headers})
    if token is not None:
        request.add_header("Authorization", f"Bearer {token}")
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, answer.headers, answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.headers, error.read()


class Site:
    """The small Google Cloud with the images in it, and a person with gcloud."""

    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud
        self.host = f"{cloud.registry_host}/{PROJECT}/images"
        self.env = cloud.environment() | {
            "CLOUDSDK_CORE_PROJECT": PROJECT,
            "CLOUDSDK_RUN_REGION": REGION,
        }
        self.digests: dict[str, str] = {}

    def gcloud(self, *arguments: str, fails: bool = False) -> Done:
        result = subprocess.run(
            ["gcloud", *arguments],
            env=self.env, capture_output=True, text=True, check=False, timeout=120,
        )  # fmt: skip
        assert (result.returncode != 0) == fails, result.stdout[-2000:] + result.stderr[-2000:]
        return result

    def docker(self, *arguments: str, stdin: str | None = None) -> None:
        subprocess.run(
            ["docker", *arguments],
            env=self.env, input=stdin, capture_output=True, text=True, check=True, timeout=120,
        )  # fmt: skip

    def deploy(self, name: str, *arguments: str, image: str = "good", fails: bool = False) -> Done:
        return self.gcloud(
            "run", "deploy", name, f"--image={self.host}/app@{self.digests[image]}",
            f"--service-account={RUNTIME}", "--memory=512Mi", "--cpu=1", f"--startup-probe={READY}",
            *arguments, fails=fails,
        )  # fmt: skip

    def service(self, name: str) -> Service:
        return self.cloud.part(Services).get(REGION, name)

    def fleet(self, name: str) -> Fleet:
        """The instances of the latest revision that is ready."""
        service = self.service(name)
        fleet = service.revisions[service.latest_ready].fleet
        assert fleet
        return fleet

    def token(self, name: str, person: str = PERSON) -> str:
        return self.cloud.identity.identity_token(caller(person), self.service(name).front.url)

    def predict(self, name: str, tag: str | None = None) -> Any:
        service = self.service(name)
        url = service.tags[tag].url if tag else service.front.url
        status, _, body = ask(f"{url}/predict", self.token(name), GOOD)
        return json.loads(body) if status == 200 else status

    def serving(self, name: str) -> dict[str, int]:
        """The percentages as gcloud shows them."""
        shown = self.gcloud("run", "services", "describe", name, "--format=json").stdout
        traffic = json.loads(shown)["status"]["traffic"]
        return {one["revisionName"]: one["percent"] for one in traffic if one.get("percent")}

    def entries(self, text: str) -> list[Any]:
        """Log entries as gcloud reads them; they come a moment later than they are written."""
        ends = time.monotonic() + 5
        found: list[Any] = []
        while not found and time.monotonic() < ends:
            found = json.loads(self.gcloud("logging", "read", text, "--format=json").stdout)
        return found


@pytest.fixture(scope="module")
def site(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    if reason := tools.missing():
        pytest.skip(reason)
    images = {"good": NAME} | {tag: f"{NAME}-{tag}" for tag in BROKEN}
    with Cloud(tmp_path_factory.mktemp("cloud")) as cloud:
        try:
            there = Site(cloud)
            folder = tmp_path_factory.mktemp("broken")
            joblib.dump(sleeper(), folder / "latest.joblib")
            (folder / "latest.joblib").chmod(0o644)
            prepare(there, folder, images)
            yield there
        finally:
            for tag in BROKEN:
                docker("rmi", "--force", images[tag])


def prepare(site: Site, folder: Path, images: dict[str, str]) -> None:
    """What is there before the first deployment: APIs, a repository with images, an account."""
    apis = ("run", "artifactregistry", "iam", "logging")
    site.gcloud("services", "enable", *(f"{name}.googleapis.com" for name in apis))
    repository = [f"--location={REGION}", "--repository-format=docker"]
    site.gcloud("artifacts", "repositories", "create", "images", *repository)
    site.gcloud("iam", "service-accounts", "create", "runtime")
    token = site.gcloud("auth", "print-access-token").stdout
    login = ["login", "-u", "oauth2accesstoken", "--password-stdin"]
    site.docker(*login, f"http://{site.cloud.registry_host}", stdin=token)
    for tag, image in images.items():
        if tag in BROKEN:
            (folder / "Dockerfile").write_text(
                f"FROM {NAME}\nUSER 0\n{BROKEN[tag]}\nUSER 65534:65534\n"
            )
            site.docker("build", "--quiet", "--tag", image, str(folder))
        pushed = f"{site.host}/app:{tag}"
        site.docker("tag", image, pushed)
        site.docker("push", "--quiet", pushed)
        site.docker("rmi", pushed)
    listed = site.gcloud(
        "artifacts", "docker", "images", "list", f"{REGION}-docker.pkg.dev/{PROJECT}/images/app",
        "--include-tags", "--format=json",
    ).stdout  # fmt: skip
    site.digests = {one["tags"][0]: one["version"] for one in json.loads(listed)}


def test_a_service_deployed_by_digest_answers_the_example(site: Site) -> None:
    said = site.deploy("plain", "--no-allow-unauthenticated").stderr
    service = site.service("plain")
    assert f"revision [{service.latest_ready}] has been deployed" in re.sub(r"\x1b\[\d*m", "", said)
    assert site.predict("plain") == {"predictions": ["Gentoo"]}
    shown = site.gcloud(
        "run", "revisions", "describe", service.latest_ready, "--format=json"
    ).stdout
    assert json.loads(shown)["status"]["imageDigest"].endswith(f"@{site.digests['good']}")
    for part in ("configurations", "routes"):
        listed = site.gcloud("run", part, "list", "--format=value(metadata.name)").stdout
        assert listed.split() == ["plain"]
    again = site.gcloud("run", "services", "list", "--format=value(name,status.url)").stdout
    assert again.split() == ["plain", service.front.url]


def test_only_who_may_invoke_a_service_gets_an_answer(site: Site) -> None:
    url = site.service("plain").front.url
    other = site.cloud.identity.identity_token(caller(PERSON), "http://elsewhere")
    stranger = site.token("plain", "stranger@example.com")
    for token, status in ((None, 403), ("a.b.c", 401), (other, 401), (stranger, 403)):
        answered, headers, body = ask(f"{url}/ready", token)
        assert answered == status
        assert b"Your client does not have permission" in body
        assert headers.get_content_type() == "text/html"
        assert ("WWW-Authenticate" in headers) == (token is not None)
    binding = ["plain", "--role=roles/run.invoker"]
    for member, token in (("user:stranger@example.com", stranger), ("allUsers", None)):
        change = [*binding, f"--member={member}"]
        site.gcloud("run", "services", "add-iam-policy-binding", *change)
        assert ask(f"{url}/ready", token)[0] == 200
        site.gcloud("run", "services", "remove-iam-policy-binding", *change)
        assert ask(f"{url}/ready", token)[0] == 403


@pytest.mark.parametrize(
    ("image", "probe"),
    [("deaf", READY.replace("=60", "=3")), ("gone", READY), ("gone", None)],
)
def test_a_revision_that_never_gets_ready_fails_the_deployment_and_gets_no_traffic(
    site: Site, image: str, probe: str | None
) -> None:
    before = site.serving("plain")
    flag = f"--startup-probe={probe}" if probe else "--startup-probe="
    said = site.deploy("plain", flag, image=image, fails=True).stderr
    service = site.service("plain")
    revision = service.latest_created
    reason = "failed the configured startup probe checks" if probe else (
        "failed to start and listen on the port defined provided by the PORT=8080 environment "
        "variable within the allocated timeout."
    )  # fmt: skip
    assert (
        f"Revision '{revision}' is not ready and cannot serve traffic. The user-provided container {reason}"
        in said
    )
    assert "Logs for this revision might contain more information." in said
    assert list(before) != [revision]
    assert site.serving("plain") == before
    assert site.predict("plain") == {"predictions": ["Gentoo"]}
    which = f"--log-filter=resource.labels.revision_name={revision}"
    read = site.gcloud("run", "services", "logs", "read", "plain", which).stdout
    assert "I do not listen" in read
    assert "lost" in read


def test_a_revision_of_an_image_that_is_not_there_says_so(site: Site) -> None:
    nothing = f"{site.host}/app@sha256:{'0' * 64}"
    said = site.gcloud("run", "deploy", "plain", f"--image={nothing}", fails=True).stderr
    assert f"Image '{nothing}' not found." in said


def test_a_canary_has_an_address_of_its_own_and_no_traffic(site: Site) -> None:
    site.deploy("canary")
    (first,) = site.serving("canary")
    said = site.deploy(
        "canary", "--no-traffic", "--tag=next", "--update-env-vars=MAX_ROWS=1"
    ).stderr
    service = site.service("canary")
    assert site.serving("canary") == {first: 100}
    assert service.tags["next"].url in said
    rows, token = [GOOD] * 2, site.token("canary")
    assert ask(f"{service.front.url}/predict", token, rows)[0] == 200
    assert ask(f"{service.tags['next'].url}/predict", token, rows)[0] == 413
    url = service.tags["next"].url
    site.gcloud("run", "services", "update-traffic", "canary", "--remove-tags=next")
    with pytest.raises(OSError, match="refused"):
        ask(url)
    site.gcloud("run", "services", "delete", "canary")


class Callers:
    """Four callers who ask without a pause, and count which revision gave which answer."""

    def __init__(self, site: Site, name: str) -> None:
        self.site = site
        self.url = f"{site.service(name).front.url}/predict"
        self.token = site.token(name)
        self.answers: collections.Counter[Any] = collections.Counter()
        self.stop = threading.Event()

    def run(self) -> None:
        while not self.stop.is_set():
            try:
                status, _, body = ask(self.url, self.token, GOOD)
                self.answers[status if status != 200 else body] += 1
            except OSError as error:
                self.answers[repr(error)] += 1
            time.sleep(0.02)

    def __enter__(self) -> Self:
        self.threads = [threading.Thread(target=self.run) for _ in range(4)]
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop.set()
        for thread in self.threads:
            thread.join()


def test_no_request_is_lost_while_traffic_moves_there_and_back(site: Site) -> None:
    site.deploy("moving")
    (first,) = site.serving("moving")
    traffic = ["run", "services", "update-traffic", "moving"]
    with Callers(site, "moving") as callers:
        site.deploy("moving", "--no-traffic", "--tag=next")
        site.gcloud(*traffic, "--to-tags=next=10")
        second = site.service("moving").latest_ready
        assert site.serving("moving") == {first: 90, second: 10}
        site.gcloud(*traffic, "--to-tags=next=100")
        assert site.serving("moving") == {second: 100}
        site.gcloud(*traffic, f"--to-revisions={first}=100")
        site.deploy("moving")
        assert site.serving("moving") == {first: 100}
        site.gcloud(*traffic, "--to-latest")
        assert len({first, second, *site.serving("moving")}) == 3
    assert callers.answers.pop(b'{"predictions":["Gentoo"]}') >= 200
    assert callers.answers == {}


def test_traffic_is_split_by_the_percentages(site: Site) -> None:
    service = site.service("moving")
    first, second = list(service.revisions)[:2]
    split = f"--to-revisions={first}=30,{second}=70"
    site.gcloud("run", "services", "update-traffic", "moving", split)
    for _ in range(50):
        assert site.predict("moving") == {"predictions": ["Gentoo"]}
    text = (
        f'resource.labels.service_name="moving" AND httpRequest.requestUrl="{service.front.url}/predict" '
        "AND httpRequest.status=200"
    )
    latest = site.entries(text)[:50]
    served = collections.Counter(one["resource"]["labels"]["revision_name"] for one in latest)
    assert served == {first: 15, second: 35}
    site.gcloud("run", "services", "delete", "moving")


@pytest.mark.parametrize(
    "shares", [[("a", 100)], [("a", 90), ("b", 10)], [("a", 33), ("b", 33), ("c", 34)]]
)
def test_a_hundred_requests_are_split_exactly(shares: list[tuple[str, int]]) -> None:
    split = Split(shares)
    assert collections.Counter(split.choose() for _ in range(100)) == dict(shares)


@pytest.fixture(scope="module")
def slow(site: Site) -> Site:
    site.deploy("slow", "--timeout=5", "--concurrency=2", "--max-instances=2", image="slow")
    return site


def sleep(site: Site, seconds: float) -> int:
    url = f"{site.service('slow').front.url}/transform"
    return ask(url, site.token("slow"), [[1e6 * seconds]])[0]


def test_requests_under_way_are_answered_when_their_instance_is_told_to_stop(slow: Site) -> None:
    fleet = slow.fleet("slow")
    (old,) = fleet.instances
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        under_way = [pool.submit(sleep, slow, 3)]
        time.sleep(1)
        stopping = pool.submit(fleet.replace)
        time.sleep(0.2)
        later = [pool.submit(sleep, slow, 0.1) for _ in range(4)]
        assert [one.result() for one in [*under_way, *later]] == [200] * 5
        stopping.result()
    assert old not in fleet.instances
    assert docker("container", "inspect", old.name).returncode != 0


def test_as_many_instances_as_requests_need_but_no_more_than_allowed(slow: Site) -> None:
    fleet = slow.fleet("slow")
    with concurrent.futures.ThreadPoolExecutor(6) as pool:
        asked = [pool.submit(sleep, slow, 0.5) for _ in range(6)]
        assert [one.result() for one in asked] == [200] * 6
    with fleet.changed:
        fleet.changed.wait_for(lambda: not fleet.starting, 30)
    assert len(fleet.instances) == 2
    fleet.scale_down()
    assert fleet.instances == []
    assert sleep(slow, 0) == 200
    assert len(fleet.instances) == 1


def test_an_answer_that_takes_too_long_is_504(slow: Site) -> None:
    assert sleep(slow, 7) == 504


def test_a_container_that_is_killed_is_replaced(slow: Site) -> None:
    fleet = slow.fleet("slow")
    killed = list(fleet.instances)
    for instance in killed:
        docker("kill", instance.name)
    assert sleep(slow, 0) == 200
    assert not set(killed) & set(fleet.instances)


def test_an_instance_that_is_not_well_is_replaced_and_one_is_kept_warm(site: Site) -> None:
    ill = "--liveness-probe=httpGet.path=/nowhere,periodSeconds=1,failureThreshold=2"
    site.deploy("ill", "--min-instances=1", ill)
    fleet = site.fleet("ill")
    first = fleet.instances[0]
    with fleet.changed:
        replaced = fleet.changed.wait_for(
            lambda: bool(fleet.instances) and first not in fleet.instances, 60
        )
    assert replaced
    (entry, *_) = site.entries('resource.labels.service_name="ill" AND "LIVENESS"')
    assert "failed 2 times consecutively" in entry["textPayload"]
    site.deploy("ill", "--min-instances=1", "--liveness-probe=")
    fleet = site.fleet("ill")
    fleet.scale_down()
    assert len(fleet.instances) == 1


def test_a_revision_can_be_deleted_once_no_address_leads_to_it(site: Site) -> None:
    old, new = site.service("ill").revisions
    listed = ["run", "revisions", "list", "--service=ill", "--format=value(metadata.name)"]
    assert set(site.gcloud(*listed).stdout.split()) == {old, new}
    said = site.gcloud("run", "revisions", "delete", new, fails=True).stderr
    assert "traffic or a tag leads to it" in said
    site.gcloud("run", "revisions", "delete", old)
    assert site.gcloud(*listed).stdout.split() == [new]


def test_a_body_may_come_in_chunks(site: Site) -> None:
    front = site.service("plain").front
    connection = http.client.HTTPConnection("127.0.0.1", front.server_port, timeout=30)
    headers = {"Authorization": f"Bearer {site.token('plain')}", "Content-Type": "application/json"}
    whole = json.dumps(GOOD).encode()
    for _ in range(2):  # and the connection is kept
        connection.request("POST", "/predict", iter([whole[:9], whole[9:]]), headers)
        assert json.load(connection.getresponse()) == {"predictions": ["Gentoo"]}
    connection.close()


def test_what_the_front_answers_by_itself(site: Site) -> None:
    url, token = site.service("plain").front.url, site.token("plain")
    assert ask(f"{url}/healthz", token)[0] == 404
    assert ask(f"{url}/predict", token, b"x" * (MAX_BODY + 1))[0] == 413
    assert ask(f"{url}/nowhere", token)[1]["X-Request-Id"]


def test_the_limits_of_a_revision_are_those_of_its_container(site: Site) -> None:
    service = site.service("plain")
    fleet = site.fleet(service.name)
    form = "{{.HostConfig.Memory}} {{.HostConfig.NanoCpus}} {{.HostConfig.ReadonlyRootfs}}"
    inspected = docker("inspect", "--format", form, fleet.instances[0].name).stdout.split()
    assert inspected == [str(512 * 1024**2), "1000000000", "true"]
    limits = "/sys/fs/cgroup/memory.max /sys/fs/cgroup/memory/memory.limit_in_bytes"
    seen = docker("exec", fleet.instances[0].name, "sh", "-c", f"cat {limits} 2>/dev/null").stdout
    assert seen.strip() == str(512 * 1024**2)
    env = docker("exec", fleet.instances[0].name, "env").stdout.splitlines()
    assert {f"K_SERVICE={service.name}", f"K_REVISION={service.latest_ready}", "PORT=8080"} <= {
        *env
    }


def test_a_request_and_the_lines_of_its_container_have_one_trace(site: Site) -> None:
    trace = "0123456789abcdef0123456789abcdef"
    url = site.service("plain").front.url
    header = {"traceparent": f"00-{trace}-0123456789abcdef-01"}
    answer = ask(f"{url}/predict", site.token("plain"), GOOD, **header)
    assert answer[1]["X-Cloud-Trace-Context"].startswith(trace)
    (entry,) = site.entries(f'trace="projects/{PROJECT}/traces/{trace}"')
    assert entry["httpRequest"]["status"] == 200
    assert entry["resource"]["labels"]["revision_name"] == site.service("plain").latest_ready


def test_who_may_not_act_as_the_runtime_account_deploys_nothing(site: Site) -> None:
    member = "user:developer@example.com"
    project = ["projects", "add-iam-policy-binding", PROJECT, f"--member={member}"]
    site.gcloud("services", "enable", "cloudresourcemanager.googleapis.com")
    roles = ("run.developer", "artifactregistry.reader", "serviceusage.serviceUsageConsumer")
    for role in (f"roles/{name}" for name in roles):
        site.gcloud(*project, f"--role={role}")
    owner, site.env = site.env, {**site.env, **site.cloud.environment("developer@example.com")}
    try:
        said = site.deploy("theirs", fails=True).stderr
        assert f"Permission 'iam.serviceaccounts.actAs' denied on service account {RUNTIME}" in said
        open_it = ["plain", "--member=allUsers", "--role=roles/run.invoker"]
        denied = site.gcloud("run", "services", "add-iam-policy-binding", *open_it, fails=True)
        assert "run.services.setIamPolicy" in denied.stderr
    finally:
        site.env = owner
    assert (REGION, "theirs") not in site.cloud.part(Services).all


def test_a_change_of_an_old_version_of_a_service_is_a_conflict(site: Site) -> None:
    service = site.service("plain")
    resource = service.as_json() | {}
    resource["metadata"]["resourceVersion"] = "stale"
    path = f"http://{REGION}-run.googleapis.test/apis/serving.knative.dev/v1/namespaces/{PROJECT}/services/plain"
    token = site.cloud.identity.access_token(caller(PERSON))
    request = urllib.request.Request(path, json.dumps(resource).encode(), method="PUT")
    request.add_header("Authorization", f"Bearer {token}")
    proxy = urllib.request.ProxyHandler({"http": f"http://{site.cloud.address}"})
    with pytest.raises(urllib.error.HTTPError) as error:
        urllib.request.build_opener(proxy).open(request, timeout=10)
    with error.value:
        assert json.load(error.value)["error"]["status"] == "ABORTED"


@pytest.mark.parametrize(
    ("flag", "said"),
    [
        ("--set-env-vars=PORT=1", "reserved env names were provided: PORT"),
        ("--cpu=2.5", "must be less than 1, or one of 1, 2, 4, 6, 8"),
        ("--memory=5Gi", "memory must be between 128Mi and 4Gi"),
        ("--startup-probe=httpGet.path=/ready,periodSeconds=2,timeoutSeconds=3", "not greater than periodSeconds"),
        ("--startup-probe=httpGet.path=/ready,periodSeconds=10,failureThreshold=25", "must not exceed 240"),
    ],
)  # fmt: skip
def test_what_cloud_run_would_not_take_is_refused(site: Site, flag: str, said: str) -> None:
    before = site.service("plain").latest_created
    assert said in site.deploy("plain", flag, fails=True).stderr
    assert site.service("plain").latest_created == before


def test_a_deleted_service_leaves_nothing_running(site: Site) -> None:
    for name in [one.name for one in site.cloud.part(Services).all.values()]:
        service = site.service(name)
        site.gcloud("run", "services", "delete", name)
        with pytest.raises(OSError, match="refused"):
            ask(service.front.url)
    ends = time.monotonic() + 20
    while (left := running()) and time.monotonic() < ends:
        time.sleep(0.2)
    assert left == []
    assert site.cloud.snapshot()["run"] == {}


def running() -> list[str]:
    """The containers that the services of this module started."""
    shown = docker("ps", "--all", "--filter", f"label={container.LABEL}", "--format", "{{.Names}}")
    names = shown.stdout.split()
    return [name for name in names if re.match(r"(plain|canary|moving|slow|ill)-\d{5}-", name)]


ENTRY = {
    "severity": "ERROR",
    "timestamp": "2026-11-21T04:00:00.123Z",
    "resource": {"type": "cloud_run_revision", "labels": {"service_name": "a", "location": REGION}},
    "textPayload": "Hello: there",
    "httpRequest": {"status": 503},
    "labels": {"a.b/c": "x"},
}


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("", True),
        ('resource.type = cloud_run_revision \n AND severity >= DEFAULT \n AND timestamp>="2026-11-20T00:00:00Z"', True),
        ("resource.labels.location=(elsewhere OR europe-west1) textPayload:hello", True),
        ("severity=INFO OR severity=error AND httpRequest.status<500", False),
        ("(severity=INFO OR severity=ERROR) httpRequest.status>=500", True),
        ("NOT severity>=ERROR", False),
        ("-severity=INFO", True),
        ('"there"', True),
        ('labels."a.b/c"=x', True),
        ('textPayload=~"^Hel+o"', True),
        ('textPayload!~"^Hel+o"', False),
        ("jsonPayload.message:*", False),
        ("httpRequest.status:*", True),
    ],
)  # fmt: skip
def test_filters_mean_what_they_mean_to_cloud_logging(text: str, *, holds: bool) -> None:
    assert log_filter.read(text)(ENTRY) is holds


@pytest.mark.parametrize("text", ["severity>=", "(severity=ERROR", "severity>=HIGH", ")"])
def test_a_filter_that_cannot_be_read_is_refused(text: str) -> None:
    with pytest.raises(log_filter.Malformed):
        log_filter.read(text)(ENTRY)


@pytest.mark.parametrize(
    ("line", "entry"),
    [
        ("plain", {"textPayload": "plain"}),
        ("[1]", {"textPayload": "[1]"}),
        ('{"severity": "warning", "message": "m"}', {"severity": "WARNING", "textPayload": "m"}),
        (
            '{"message": "m", "request_id": "1", "logging.googleapis.com/trace": "t"}',
            {"severity": "DEFAULT", "trace": "t", "jsonPayload": {"message": "m", "request_id": "1"}},
        ),
    ],
)  # fmt: skip
def test_lines_become_entries(line: str, entry: dict[str, Any]) -> None:
    assert structured(line) == entry


@pytest.mark.parametrize(
    ("text", "value"), [("1Gi", 2**30), ("500m", 0.5), ("2", 2), ("64M", 64e6)]
)
def test_quantities_are_read_as_kubernetes_writes_them(text: str, value: float) -> None:
    assert run_spec.amount(text, "memory") == value
    with pytest.raises(run_spec.Invalid):
        run_spec.amount("1 GB", "memory")
