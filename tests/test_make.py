"""The Makefile, with the real make: what a newcomer types, and what they get wrong."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import msgspec
import pytest

from api.settings import Settings

ROOT = Path(__file__).parent.parent
TARGETS = {
    "help", "install", "lock", "train", "card", "bake", "fetch-model", "run", "test", "lint", "format", "bench",
    "build-image", "run-container", "stop-container", "logs-container",
    "check-gcp-login", "enable-apis", "create-repository", "create-service-account", "add-roles",
    "create-config", "create-key", "setup", "doctor", "conf-docker-for-gcp", "image-to-gcp", "deploy",
    "release", "list-cloud-run", "describe-service", "url", "predict", "logs", "list-gcp-images",
    "open", "deploy-canary", "promote", "rollback", "allow-public", "allow-private", "allow-invoker",
    "delete-deployment", "delete-latest-gcp-image", "delete-key", "delete-service-account", "destroy",
    "deploy-vertex", "predict-vertex", "delete-vertex", "create-trigger", "delete-trigger",
    "create-schedule", "delete-schedule", "create-github-identity", "delete-github-identity",
    "check-tag", "dist", "github-release",
}  # fmt: skip


@pytest.fixture
def make(tmp_path: Path) -> object:
    """Run make in a copy of the Makefile's folder, where nothing is installed."""
    for name in ("Makefile", "google-cloud.mk"):
        shutil.copy(ROOT / name, tmp_path)

    def run(*arguments: str, env: str | None = None) -> subprocess.CompletedProcess[str]:
        if env is not None:
            (tmp_path / ".env").write_bytes(env.encode())
        return subprocess.run(
            ["make", *arguments], cwd=tmp_path, capture_output=True, text=True, check=False
        )

    return run


def test_make_alone_lists_every_target_in_groups(make) -> None:
    out = make().stdout
    listed = {
        line.split()[0].replace("\033[36m", "")
        for line in out.splitlines()
        if line.startswith("  ")
    }
    assert listed == TARGETS
    groups = [line for line in out.splitlines() if line and not line.startswith("  ")]
    assert groups == [
        "Here", "In a container", "Release", "Develop",
        "Google Cloud: set up, once", "Google Cloud: ship", "Google Cloud: look",
        "Google Cloud: change", "Google Cloud: access", "Google Cloud: away",
        "Vertex AI, for comparison", "Google Cloud: by itself, on a push or a schedule",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "line",
    [
        'PORT="9001"', "PORT='9001'", "PORT=$HOME", "PORT=`id`", "PORT=a\\b", "PORT=9001 # a port",
        "PORT= 9001", "PORT=9001 ", "PORT =9001", "export PORT=9001", "port=9001", "PORT", "PORT=9001\r",
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
    # The model is baked while the image is built.
    own |= {"bake_seconds"}
    # Vertex AI sets these, and an emulator's address is for tests.
    own |= {"aip_health_route", "aip_predict_route", "aip_storage_uri"}
    own |= {"gce_metadata_host", "storage_emulator_host"}
    told = {
        field.name.upper() for field in msgspec.structs.fields(Settings) if field.name not in own
    }
    assert set(make("--eval=probe: ; @echo $(SETTINGS)", "probe").stdout.split()) == told


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
