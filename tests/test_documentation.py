"""What there is to use is written down, and each link of the docs leads somewhere."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from flask.testing import FlaskClient
from ruamel.yaml import YAML

from api import create_app
from api.feedback.notes import MAX_KEPT_ROWS
from api.http.route import Routes, Site
from api.protocols import feedback
from api.server import shutdown
from api.settings import Settings
from tests.checkout import ROOT
from tests.tables import check_table
from tests.test_serving import Server, serving

OPERATIONS = ROOT / "docs" / "operations.md"
DOCUMENTS = sorted(
    path
    for pattern in (
        "*.md",
        "docs/**/*.md",
        "examples/*.md",
        ".github/*.md",
        "tests/google_cloud/*.md",
    )
    for path in ROOT.glob(pattern)
)
# A new pod of Kubernetes gets requests for a while after it was told to end.
ENDPOINT_SECONDS = 5


def rows(*lines: tuple[str, ...]) -> str:
    head, *body = [
        "| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines
    ]
    return "\n".join([head, "|" + "---|" * len(lines[0]), *body])


def test_every_setting_is_in_the_docs_as_example_env_has_it() -> None:
    found: list[tuple[str, ...]] = []
    said: list[str] = []
    for line in (ROOT / "example.env").read_text().splitlines():
        if setting := re.fullmatch(r"# ([A-Z][A-Z0-9_]*)=(.*)", line):
            found.append(
                (f"`{setting[1]}`", f"`{setting[2]}`" if setting[2] else "", " ".join(said))
            )
        said = [*said, line[2:]] if line.startswith("# ") and not setting else []
    check_table("settings", rows(("setting", "default", ""), *found), OPERATIONS)
    named = {row[0].strip("`") for row in found}
    assert {field.name.upper() for field in msgspec.structs.fields(Settings)} <= named


def test_every_target_is_in_the_docs_as_make_help_has_it() -> None:
    out = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True)
    found, group = [], ""
    for line in re.sub(r"\x1b\[\d*m", "", out.stdout).splitlines():
        if line and not line.startswith(" "):
            group = line
        elif line:
            name, _, said = line.strip().partition(" ")
            found.append((group, f"`{name}`", said.strip()))
    check_table("targets", rows(("", "target", ""), *found), OPERATIONS)


def test_every_endpoint_is_in_the_docs_as_openapi_has_it(penguins_path: Path) -> None:
    settings = Settings(model_path=str(penguins_path), admin_keys=f"admin:{'0' * 64}")
    answer = create_app(settings).test_client().get("/openapi.json")
    document: Any = answer.json
    version = answer.headers["X-Model-Version"]
    found = [
        (f"`{verb.upper()} {path.replace(version, 'VERSION')}`", operation["summary"])
        for path, operations in document["paths"].items()
        for verb, operation in operations.items()
        if verb in ("get", "post", "put")
    ]
    check_table("endpoints", rows(("", ""), *found), ROOT / "docs" / "api.md")


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_link_to_a_file_or_a_heading_leads_there(path: Path) -> None:
    text = re.sub(r"```.*?```", "", path.read_text(), flags=re.DOTALL)
    for link in re.findall(r"\]\(([^)\s]+)\)|src=\"([^\"]+)\"", text):
        target, _, heading = (link[0] or link[1]).partition("#")
        if target.startswith("https://"):
            continue
        place = (path.parent / target).resolve() if target else path
        assert place.exists(), target
        if heading:
            assert heading in headings(place), f"{target}#{heading}"


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_file_that_is_named_is_there(path: Path) -> None:
    named = re.findall(r"`((?:api|models|tests|google-cloud)/[\w./-]*)`", path.read_text())
    # Files of the user's own, and those that make writes.
    own = re.compile(
        r"models/(latest\..*|steps(\.py|/)|requirements\.txt|(sales|houses)\.py|data|NAME-VERSION\..*)"
    )
    # A name without its ending stands for all of that name.
    missing = [name for name in named if not own.fullmatch(name) and not [*ROOT.glob(f"{name}*")]]
    assert missing == []


def test_each_refusal_of_a_truth_is_in_the_docs() -> None:
    page = (ROOT / "docs" / "api.md").read_text().partition("## What is true of a prediction")[2]
    known = {"select": "", "feedback": "yes"}
    said: dict[str, set[int]] = {name: set() for name in known}
    for line in re.findall(r"^\| \d.*$", page.partition("\n## ")[0], re.MULTILINE):
        _, statuses, _, of_post, _ = (cell.strip() for cell in line.split("|"))
        for name, cell in known.items():
            said[name] |= {*map(int, statuses.split(","))} if cell in of_post else set()
    site = Site(None, Settings(), Routes(), None)  # type: ignore[arg-type]
    listed = {route.name: {*route.errors} for route in feedback.routes(site)}
    assert said == listed


def test_the_docs_say_how_many_rows_are_kept_of_a_request() -> None:
    for name in ("docs/api.md", "docs/learning.md", "example.env"):
        text = " ".join((ROOT / name).read_text().replace("\n#", "").split())
        assert re.search(rf"{MAX_KEPT_ROWS:,} rows of a task", text), name


def headings(path: Path) -> set[str]:
    """The anchors that GitHub gives to the headings of a document."""
    text = re.sub(r"```.*?```", "", path.read_text(), flags=re.DOTALL)
    return {
        re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")
        for heading in re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    }


def test_every_page_of_the_docs_can_be_reached_from_the_readme() -> None:
    known, new = set(), {ROOT / "README.md"}
    while new:
        path = new.pop()
        known.add(path)
        links = re.findall(r"\]\(([^)#\s]+\.md)", path.read_text())
        new |= {(path.parent / link).resolve() for link in links} - known
    assert set(DOCUMENTS) - known <= {ROOT / ".github" / "pull_request_template.md"}


# What the docs show


def test_the_readme_s_commands_of_a_model_that_learns_can_be_pasted(server: Server) -> None:
    section = (ROOT / "README.md").read_text().partition("## A model that learns")[2]
    (block,) = re.findall(r"```sh\n(.*?)```", section.partition("\n## ")[0], re.DOTALL)
    commands = re.findall(r"^curl .*(?:\n    .*)*", block, re.MULTILINE)
    said: list[str] = []
    for command in commands:
        words = re.sub("[0-9a-f]{32}", said[0][-32:] if said else "", command)
        words = words.replace("localhost:8080", f"localhost:{server.port}")
        done = subprocess.run(
            ["sh", "-c", words.replace("curl ", "curl --fail -s ", 1)],
            capture_output=True, text=True, check=True, timeout=30,
        ).stdout  # fmt: skip
        said.append("".join(re.findall(r"(?i)X-Prediction-Id: (\w+)", done)) or done)
    assert len(said) == 4
    assert '"label":"Gentoo","predicted":"Adelie","correct":false' in said[1]


@pytest.fixture(scope="module")
def server(example: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(
        tmp_path_factory.mktemp("shown"), traced=False, MODEL_PATH=example, PROCESSES=1
    ) as server:
        yield server


def shown() -> Iterator[tuple[str, str]]:
    """Each command that asks the example model, and the answer that the docs show for it."""
    for name in ("README.md", "docs/api.md", "docs/clients.md", "docs/explanations.md"):
        for block in re.findall(r"```console\n(.*?)```", (ROOT / name).read_text(), re.DOTALL):
            for part in re.split(r"^\$ ", block, flags=re.MULTILINE):
                # A command goes on in the lines after a backslash, a pipe or an open quote.
                lines = part.splitlines(keepends=True)
                ends = (n for n in range(1, len(lines) + 1) if is_whole("".join(lines[:n])))
                if "localhost:8080" in part and "make" not in part:
                    n = next(ends)
                    yield "".join(lines[:n]), "".join(lines[n:])


def is_whole(command: str) -> bool:
    return not command.rstrip().endswith(("\\", "|")) and command.count("'") % 2 == 0


def without_id(text: str) -> Any:
    answer = json.loads(text)
    answer.pop("request_id", None)
    return answer


@pytest.mark.parametrize(("command", "answer"), [*shown()], ids=lambda text: text[:60])
def test_a_command_of_the_docs_gets_the_answer_that_stands_below_it(
    server: Server, command: str, answer: str
) -> None:
    command = command.replace("localhost:8080", f"localhost:{server.port}")
    got = subprocess.run(
        ["sh", "-c", command], cwd=ROOT, capture_output=True, text=True, check=True, timeout=30
    ).stdout
    if answer.startswith("{"):
        close(without_id(got), without_id(answer))
    else:
        assert got.split() == answer.split()


def close(one: Any, other: Any) -> None:
    """Numbers may differ in their last digits between processors."""
    if isinstance(one, dict):
        assert one.keys() == other.keys()
    if isinstance(one, dict | list):
        pairs = (
            zip(one, other, strict=True)
            if isinstance(one, list)
            else ((one[k], other[k]) for k in one)
        )
        for pair in pairs:
            close(*pair)
    elif isinstance(one, float):
        assert one == pytest.approx(other, rel=1e-9, abs=1e-9)
    else:
        assert one == other


def test_the_python_of_the_docs_prints_what_its_comment_says(
    server: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    (code,) = re.findall(r"```python\n(.*?)```", (ROOT / "docs/api.md").read_text(), re.DOTALL)
    exec(code.replace("localhost:8080", f"localhost:{server.port}"), {})
    assert capsys.readouterr().out.strip() == code.rpartition("# ")[2].strip()


def test_the_readme_has_the_lines_that_the_tests_of_the_wheel_run() -> None:
    blocks = re.findall(r"```python\n.*?```", (ROOT / "README.md").read_text(), re.DOTALL)
    assert blocks[-1] in (ROOT / "docs" / "plan-format.md").read_text()


def test_the_sizes_of_the_images_are_those_that_the_bench_measured() -> None:
    results = (ROOT / "tests" / "bench" / "results.md").read_text()
    found = re.findall(
        r"^. (\w+) image, less its base image .* MB . ([0-9.]+)", results, re.MULTILINE
    )
    sizes = {kind: f"{float(size):.0f}" for kind, size in found}
    usual, slim = sizes["usual"], sizes["slim"]
    decision = ROOT / "docs" / "decisions" / "0003-no-pickle-in-a-plan.md"
    assert f"{slim} MB beyond the base instead of {usual}" in decision.read_text()
    assert f"takes {usual} MB beyond its base" in OPERATIONS.read_text()
    assert f"a plan runs every method: {slim} MB" in OPERATIONS.read_text()


# The files that run the image elsewhere


def dockerfile(instruction: str) -> str:
    (found,) = re.findall(rf"^{instruction} (.*)$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    return str(found)


def known_settings(names: set[str]) -> set[str]:
    return names & {field.name.upper() for field in msgspec.structs.fields(Settings)}


def test_the_compose_file_is_valid_and_fits_the_image() -> None:
    path = ROOT / "docs" / "compose.yaml"
    check = Path(sys.executable).parent / "check-jsonschema"
    schema = ("--builtin-schema", "vendor.compose-spec")
    subprocess.run([check, *schema, path], capture_output=True, check=True)
    (service,) = YAML(typ="safe").load(path)["services"].values()
    assert (path.parent / service["build"]["context"] / "Dockerfile").exists()
    assert [port.rpartition(":")[2] for port in service["ports"]] == [dockerfile("EXPOSE")]
    assert (service["read_only"], service["tmpfs"], service["cap_drop"]) == (
        True,
        ["/tmp"],
        ["ALL"],
    )
    assert int(service["stop_grace_period"].removesuffix("s")) > shutdown.GRACE_SECONDS
    assert known_settings(set(service["environment"])) == set(service["environment"])


def test_the_kubernetes_manifest_fits_the_image_and_the_service(penguins: FlaskClient) -> None:
    deployment, service = YAML(typ="safe").load_all(ROOT / "docs" / "kubernetes.yaml")
    pod = deployment["spec"]["template"]
    (container,) = pod["spec"]["containers"]
    labels = pod["metadata"]["labels"].items()
    assert deployment["spec"]["selector"]["matchLabels"].items() <= labels
    assert service["spec"]["selector"].items() <= labels
    (port,) = container["ports"]
    assert str(port["containerPort"]) == dockerfile("EXPOSE")
    assert service["spec"]["ports"][0]["targetPort"] == port["name"]
    for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
        asked = container[probe]["httpGet"]
        assert asked["port"] == port["name"]
        assert penguins.get(asked["path"]).status_code == 200
    grace = pod["spec"]["terminationGracePeriodSeconds"]
    assert grace > ENDPOINT_SECONDS + shutdown.GRACE_SECONDS
    assert (
        f"time.sleep({ENDPOINT_SECONDS})"
        in container["lifecycle"]["preStop"]["exec"]["command"][-1]
    )
    security = pod["spec"]["securityContext"]
    assert f"{security['runAsUser']}:{security['runAsGroup']}" == dockerfile("USER")
    environment = {variable["name"]: variable["value"] for variable in container["env"]}
    assert known_settings(set(environment)) == set(environment)
    assert environment["PROCESSES"] == container["resources"]["limits"]["cpu"]
