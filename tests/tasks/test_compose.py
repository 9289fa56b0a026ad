"""The service with its workers, RabbitMQ and Redis in containers, as make up starts them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest
from ruamel.yaml import YAML

from api.server import shutdown
from api.settings import Settings
from api.tasks.celery import PACKAGE
from tests.test_serving import ROOT

COMPOSE = ROOT / "compose.yaml"


@pytest.fixture(scope="module")
def services() -> Any:
    return YAML(typ="safe").load(COMPOSE)["services"]


def test_the_compose_file_is_valid() -> None:
    check = Path(sys.executable).parent / "check-jsonschema"
    command = [str(check), "--builtin-schema", "vendor.compose-spec", str(COMPOSE)]
    subprocess.run(command, capture_output=True, check=True)


@pytest.mark.parametrize("name", ["api", "worker"])
def test_service_and_workers_are_one_image_with_one_set_of_settings(
    services: Any, name: str
) -> None:
    service, known = services[name], {f.name.upper() for f in msgspec.structs.fields(Settings)}
    assert set(service["environment"]) <= known
    assert service["image"] == "${IMAGE:-machine-learning-api}"
    assert (service["read_only"], service["cap_drop"]) == (True, ["ALL"])
    assert int(service["stop_grace_period"].removesuffix("s")) > shutdown.GRACE_SECONDS


def test_only_the_service_has_a_port_and_redis_writes_before_it_answers(services: Any) -> None:
    assert [name for name, service in services.items() if "ports" in service] == ["api"]
    words = services["redis"]["command"]
    options = dict(zip(words[1::2], words[2::2], strict=True))
    assert (options["--appendonly"], options["--appendfsync"]) == ("yes", "always")


def test_an_image_without_celery_is_told_the_line_to_add() -> None:
    command = ["make", "--eval=probe: ; @echo '$(CELERY)'", "probe"]
    said = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert said.stdout.strip() == PACKAGE
