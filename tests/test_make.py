"""The Makefile, with the real make: what a newcomer types, and what they get wrong."""

from __future__ import annotations

import os
import re
import runpy
import shutil
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from api.settings import Settings

ROOT = Path(__file__).parent.parent
MAKEFILES = [ROOT / "Makefile", ROOT / "google-cloud.mk", *(ROOT / "google-cloud").glob("*.mk")]


@pytest.fixture
def make(tmp_path: Path) -> object:
    """Run make in a copy of the Makefile's folder, where nothing is installed."""
    for name in ("Makefile", "google-cloud.mk", "example.env"):
        shutil.copy(ROOT / name, tmp_path)
    shutil.copytree(ROOT / "google-cloud", tmp_path / "google-cloud")

    def run(
        *arguments: str, env: str | None = None, **environ: str
    ) -> subprocess.CompletedProcess[str]:
        if env is not None:
            (tmp_path / ".env").write_bytes(env.encode())
        return subprocess.run(
            ["make", *arguments], cwd=tmp_path, env=os.environ | environ,
            capture_output=True, text=True, check=False, timeout=60,
        )  # fmt: skip

    return run


def test_make_alone_lists_every_target_in_groups(make) -> None:
    out = make().stdout
    listed = {
        line.split()[0].replace("\033[36m", "")
        for line in out.splitlines()
        if line.startswith("  ")
    }
    texts = "".join(path.read_text() for path in MAKEFILES)
    assert listed == set(re.findall(r"^([\w-]+):.* ## ", texts, re.MULTILINE))
    assert len(listed) > 50
    groups = [line for line in out.splitlines() if line and not line.startswith("  ")]
    assert groups == [
        "Here", "A model, from data to a release", "In a container", "Release", "Develop",
        "Google Cloud: set up, once", "Google Cloud: ship", "Google Cloud: look",
        "Google Cloud: change", "Google Cloud: access", "Google Cloud: away",
        "Google Cloud: by itself, on a push or a schedule", "Google Cloud: by GitHub Actions",
        "Vertex AI, for comparison", "Google Cloud: workers for tasks",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "line",
    [
        'PORT="9001"', "PORT='9001'", "PORT=$HOME", "PORT=`id`", "PORT=a\\b", "PORT=9001 # a port",
        "PORT= 9001", "PORT=9001 ", "PORT=90\t01", "# 9001 is the port \\", "PORT =9001", "export PORT=9001", "port=9001", "PORT", "PORT=9001\r",
    ],
)  # fmt: skip
def test_a_line_of_env_that_tools_read_differently_is_refused_by_its_number(
    make, line: str
) -> None:
    result = make("help", env=f"# fine\n\nMODEL_PATH=a.joblib\n{line}\n")
    assert result.returncode != 0
    assert ".env, line 4: expected KEY=value" in result.stderr
    assert "9001" not in result.stderr


def test_a_plain_env_is_read_and_the_command_line_beats_it(make) -> None:
    env = "# a comment\nPORT=9001\n\nMODEL_PATH=some folder/a=b.joblib\nMODEL_SHA256=\n"
    probe = "--eval=probe: ; @echo $(PORT) $$PORT $$MODEL_PATH"
    assert make(probe, "probe", env=env).stdout == "9001 9001 some folder/a=b.joblib\n"
    assert make(probe, "probe", "PORT=9002", env=env).stdout == "9002 9002 some folder/a=b.joblib\n"


def test_a_container_is_told_every_setting_that_is_not_its_own(make) -> None:
    own = {"host", "port", "model_path", "k_service", "google_cloud_project", "sm_model_dir"}
    # OS_PORT says it.
    own |= {"published_port"}
    # The model is baked while the image is built.
    own |= {"bake_seconds"}
    # Its tasks are in a volume of its own, and the addresses of brokers have passwords.
    own |= {"data_dir", "celery_broker_url", "celery_backend_url"}
    # Vertex AI sets these, and an emulator's address is for tests.
    own |= {"aip_health_route", "aip_predict_route", "aip_storage_uri"}
    own |= {"gce_metadata_host", "storage_emulator_host"}
    # It is the model of a build, unless FETCH_AT=start.
    own |= {"model_uri"}
    # These open a source or are secret, and no command line shows them.
    own |= {f"mlflow_tracking_{name}" for name in ("token", "username", "password")}
    own |= {"wandb_api_key", "wandb_base_url", "prediction_key", "alert_url"}
    told = {
        field.name.upper() for field in msgspec.structs.fields(Settings) if field.name not in own
    }
    probe = "--eval=probe: ; @echo $(SETTINGS)"
    assert set(make(probe, "probe").stdout.split()) == told
    assert set(make(probe, "probe", "FETCH_AT=start").stdout.split()) == told | {"MODEL_URI"}


def test_an_old_python_is_told_what_is_needed(make, tmp_path: Path) -> None:
    (tmp_path / "requirements-dev.lock").touch()
    result = make("install", "PYTHON=false")
    assert result.returncode != 0
    assert "Python 3.11 or newer is needed: set PYTHON" in result.stderr


def test_docker_is_asked_for_where_it_is_needed(make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere.sock")
    for target in ("build-image", "run-container", "stop-container", "logs-container"):
        result = make(target)
        assert result.returncode != 0
        assert "docker does not answer: install it and start it" in result.stderr


def test_a_container_that_is_not_there_is_not_stopped_but_named(make, stand_ins: Path) -> None:
    (stand_ins / "docker").write_text('#!/bin/sh\n[ "$1" = ps ]\n')
    said = make("stop-container", "CONTAINER=mine").stderr
    assert "There is no container mine: make run-container starts one" in said


def test_make_easter_says_it_with_a_penguin(make) -> None:
    said = make("easter").stdout
    assert "(o>" in said
    assert "fish" in said


def variables(prefix: str) -> set[str]:
    """The variables in those of the Makefile's lists that the names of `prefix` are of."""
    probe = subprocess.run(
        ["make", f"--eval=probe: ; @echo $({prefix})", "probe"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return set(probe.stdout.split())


KNOWN, TEXTS = variables("KNOWN"), variables("TEXTS")
# What recipes, and make itself, never look at, but only the service.
SERVICE = {field.name.upper() for field in msgspec.structs.fields(Settings)}
SERVICE -= {"PORT", "MODEL_URI"}
MARK = "touch {mark}"
HOSTILE = {
    "commands": f"x; {MARK} | {MARK} & {MARK}",
    "backticks": f"x`{MARK}`",
    "double quotes": f'x"; {MARK}; echo "y',
    "single quotes": f"x'; {MARK}; echo 'y",
    "a line": f"x\n{MARK}\n",
    "a substitution": f"$({MARK})",
    "a function of make": f"$(shell {MARK})",
    "a blank": "x y",
}


def test_every_variable_that_recipes_use_is_known() -> None:
    text = "".join(path.read_text() for path in MAKEFILES)
    used = set(re.findall(r"\$[({]([A-Z][A-Z0-9_]*[A-Z0-9])(?![A-Z0-9_])", text))
    assigned = set(re.findall(r"^(?:[\w %-]+: )?([A-Z][A-Z0-9_]*) :?=", text, re.MULTILINE))
    assigned |= set(re.findall(r"\beval ([A-Z]+) \+?=", text))
    of_make = {"MAKE", "MAKEFILE_LIST", "MAKECMDGOALS"}
    # Those that the shell has of the person, in quotes.
    of_shell = {"DOCKER_CONFIG", "HOME"}
    assert used - assigned - of_make - of_shell <= KNOWN


@pytest.mark.parametrize("name", sorted((TEXTS | SERVICE) - {"MODEL_SHA256"}))
def test_a_variable_of_any_text_stands_in_no_recipe(name: str) -> None:
    text = "".join(path.read_text() for path in MAKEFILES)
    # Whether it is set, and what it is or ends with, can be asked.
    asked = rf"\$\((?:if |filter-out python3,|filter %\.csv,)\$\({name}\)"
    assert f"$({name})" not in re.sub(asked, "", text)
    assert f"${{{name}}}" not in text


@pytest.mark.parametrize("name", sorted(KNOWN - TEXTS - SERVICE))
def test_a_value_that_is_no_word_is_refused(make, tmp_path: Path, name: str) -> None:
    mark = tmp_path / "mark"
    allowed = {"a blank"} if name in {"SCHEDULE", "IMPERSONATED", "AS_DEPLOYER"} else set()
    for kind in HOSTILE.keys() - allowed:
        result = make("help", f"{name}={HOSTILE[kind].format(mark=mark)}")
        assert result.returncode == 2, kind
        assert f"{name} (command line): expected " in result.stderr, kind
    said = make("help", **{name: HOSTILE["a function of make"].format(mark=mark)}).stderr
    assert f"{name} (environment): expected " in said
    assert f"{name} (.env): expected " in make("help", env=f"{name}=x; touch {mark}\n").stderr
    assert not mark.exists()


def test_values_that_are_wrong_are_named_at_once(make) -> None:
    said = make("help", "IMAGE=a;b", "PORT=http", "SLIM=yes", env="GCP_REGION=Mars 1\n").stderr
    assert said.partition("*** ")[2] == (
        "PORT (command line): expected a whole number, as in PORT=8080\n"
        "SLIM (command line): expected true or false\n"
        "GCP_REGION (.env): expected lower-case letters, digits and - only, as in GCP_REGION=europe-west1\n"
        "IMAGE (command line): expected lower-case letters, digits and - . _ / : only, as in "
        "IMAGE=my-project.  Stop.\n"
    )


# Each of these reads one of the variables that may be any text.
TARGETS_OF_TEXTS = [
    "install", "train", "card", "bake", "run", "test", "bench", "build-image", "run-container",
    "predict", "predict-vertex", "allow-public",
]  # fmt: skip


@pytest.fixture
def stand_ins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Programs that recipes run, which take anything and say what they were given."""
    folder = tmp_path / "tools"
    (tmp_path / ".venv/bin").mkdir(parents=True)
    folder.mkdir()
    for name in ("docker", "gcloud", "curl", "my python", "../.venv/bin/python", "../.venv/bin/coverage"):  # fmt: skip
        (folder / name).write_text(f"#!/bin/sh\nprintf '<%s>' \"$@\" >>'{tmp_path}/said'; echo x\n")
        (folder / name).chmod(0o755)
    (tmp_path / "models").mkdir()
    for name in ("latest.joblib", "latest.json"):
        (tmp_path / "models" / name).touch()
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    return folder


@pytest.mark.parametrize("kind", HOSTILE)
@pytest.mark.parametrize("place", ["command line", "environment"])
def test_a_value_that_is_any_text_is_never_run(
    make, stand_ins: Path, tmp_path: Path, kind: str, place: str
) -> None:
    mark = tmp_path / "mark"
    texts = {
        name: HOSTILE[kind].format(mark=f"{mark}-{name}")
        for name in TEXTS - {"PYTHON", "MODEL_SHA256"}
    } | {"PYTHON": str(stand_ins / "my python")}
    common = ["GCP_PROJECT_ID=p", "-k", *TARGETS_OF_TEXTS]
    if place == "command line":
        result = make(*common, *(f"{name}={value}" for name, value in texts.items()))
    else:
        result = make(*common, **texts)
    assert not list(tmp_path.glob("mark*"))
    if "$" in HOSTILE[kind]:
        assert "expected a value without a dollar" in result.stderr
        return
    said = (tmp_path / "said").read_text()
    for name in ("MODEL_PATH", "DATA", "TARGET", "BACKGROUND"):
        assert f"<{texts[name]}>" in said, name


@pytest.mark.parametrize(
    ("given", "headers"),
    [
        ([], ["Authorization: Bearer x"]),
        (["API_KEYS=alice:1", "API_KEY=k1"], ["Authorization: Bearer x", "X-Api-Key: k1"]),
        (["API_KEYS=alice:1"], []),
    ],
)
def test_a_locked_service_is_sent_the_key_beside_the_token(
    make, stand_ins: Path, tmp_path: Path, given: list[str], headers: list[str]
) -> None:
    (stand_ins / "curl").write_text(f"#!/bin/sh\ncat >>'{tmp_path}/headers'\n")
    listed = '*"services list"*) echo "machine-learning-api http://x" ;; (*) echo x ;;'
    (stand_ins / "gcloud").write_text(f'#!/bin/sh\ncase "$*" in ({listed} esac\n')
    named = ["GCP_PROJECT_ID=p", "GCP_CONFIG=", f"PYTHON={stand_ins / 'my python'}"]
    result = make(*named, "predict", *given)
    sent = tmp_path / "headers"
    found = sent.read_text().split("\n") if sent.exists() else []
    assert list(dict.fromkeys(filter(None, found))) == headers
    assert ("API_KEY is not set, and the service has API_KEYS" in result.stderr) == (not headers)


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_python_that_is_none_is_not_run_as_a_command(
    make, stand_ins: Path, tmp_path: Path, kind: str
) -> None:
    mark = tmp_path / "mark"
    result = make("-k", *TARGETS_OF_TEXTS, f"PYTHON={HOSTILE[kind].format(mark=mark)}")
    assert result.returncode == 2
    assert not mark.exists()


@pytest.mark.parametrize("target", ["deploy", "create-trigger", "create-github-identity"])
def test_a_setting_that_gcloud_is_told_is_a_word(make, stand_ins: Path, target: str) -> None:
    named = ["GCP_PROJECT_ID=p", "GITHUB_REPOSITORY=a/b", "-n", target]
    for kind in ("commands", "single quotes", "a line", "a blank"):
        result = make(*named, f"MODEL_NAME={HOSTILE[kind].format(mark='x')}")
        assert "MODEL_NAME: expected letters, digits and" in result.stderr, kind
    assert "MODEL_NAME=a.b" in make(*named, "MODEL_NAME=a.b").stdout


def test_a_container_is_told_settings_by_name_so_that_their_values_are_no_code(
    make, stand_ins: Path
) -> None:
    said = make("-n", "run-container", "MODEL_NAME=x; y", "SLIM=false").stdout
    assert "--env MODEL_NAME " in said
    assert "x; y" not in said


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("PROT=9001", "make PROT=...: there is no variable PROT: did you mean PORT?"),
        ("CLOUDRUN_MEMORY=2Gi", "did you mean CLOUD_RUN_MEMORY?"),
        ("SAMPEL=row.json", "did you mean SAMPLE?"),
        ("VENV=x; y", "VENV (command line): expected letters, digits and"),
        ("OWN=$(shell id)", "OWN (command line): expected letters, digits and"),
        ("a;b=c d", "a;b (command line): expected letters, digits and"),
    ],
)
def test_a_name_on_the_command_line_that_misspells_one_or_could_be_code_is_refused(
    make, tmp_path: Path, given: str, said: str
) -> None:
    (tmp_path / "models").mkdir()
    shutil.copy(ROOT / "models/names.py", tmp_path / "models")
    result = make("help", given)
    assert result.returncode == 2
    assert said in result.stderr
    assert make("help", "OWN=a/b.c").returncode == 0


def test_what_is_said_of_names_needs_no_make(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / ".env").write_text("# PROT=1\nPROT=2\nDATABASE=x\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["names", "PORT", "HOST", "--given", "HOTS", "VENV"])
    monkeypatch.delitem(sys.modules, "models.names")
    runpy.run_module("models.names", run_name="__main__")
    assert capsys.readouterr().out == (
        ".env, line 2: there is no variable PROT: did you mean PORT? "
        "If it is your own code's, rename it\n"
        "make HOTS=...: there is no variable HOTS: did you mean HOST? "
        "If it is your own code's, rename it\n"
    )


def test_a_name_in_env_is_refused_if_it_misspells_one_and_let_in_if_not(
    make, tmp_path: Path
) -> None:
    (tmp_path / "models").mkdir()
    shutil.copy(ROOT / "models/names.py", tmp_path / "models")
    said = make("help", env="PORT=9001\nCLOUDRUN_MEMORY=2Gi\n").stderr
    assert (
        ".env, line 2: there is no variable CLOUDRUN_MEMORY: did you mean CLOUD_RUN_MEMORY?" in said
    )
    assert make("help", env="DATABASE_URL=x; y\n").returncode == 0
    said = make("help", env="SHELL=/bin/false\n").stderr
    assert ".env: SHELL is a variable of make itself, which .env cannot set" in said
