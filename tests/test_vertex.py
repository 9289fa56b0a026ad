"""Vertex AI beside Cloud Run: the real gcloud, and the real container behind an endpoint."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.checkout import docker
from tests.desk import IMAGE, RUNTIME, Desk
from tests.google_cloud.aiplatform import Vertex
from tests.test_rejections import GOOD


@pytest.fixture(scope="module")
def pushed(desk: Desk) -> Desk:
    """A desk whose image is in the registry."""
    desk.make("setup", "build-image", "image-to-gcp")
    return desk


@pytest.fixture(scope="module")
def deployed(pushed: Desk) -> Desk:
    """A desk whose image serves on Vertex AI."""
    done = pushed.make("deploy-vertex", "CONFIRM=yes")
    assert "Next: make predict-vertex" in done.stderr
    return pushed


def answer(done: subprocess.CompletedProcess[str]) -> Any:
    """The JSON that gcloud prints behind the rows that were sent."""
    return json.loads(done.stdout[done.stdout.index("\n{\n") :])


def test_it_says_that_it_costs_money_and_asks_before_it_changes_anything(pushed: Desk) -> None:
    before = pushed.cloud.snapshot()
    result = pushed.make("deploy-vertex", types="no\n", fails=True)
    assert "A n1-standard-2 then runs on Vertex AI and costs money by the hour" in result.stdout
    assert "That was not yes, so nothing was changed" in result.stderr
    assert pushed.cloud.snapshot() == before


def test_an_image_that_was_not_pushed_is_named(pushed: Desk) -> None:
    result = pushed.make("deploy-vertex", "CONFIRM=yes", "IMAGE_TAG=none", fails=True)
    assert f"There is no image {IMAGE}:none in the registry: make release" in result.stderr


def test_where_the_api_is_off_nothing_is_asked_of_it_and_there_is_nothing(pushed: Desk) -> None:
    pushed.cloud.enabled.discard("aiplatform.googleapis.com")
    since = len(pushed.cloud.requests)
    pushed.make("delete-vertex")
    result = pushed.make("predict-vertex", fails=True)
    assert "There is no endpoint machine-learning-api in europe-west1" in result.stderr
    assert not [line for line in pushed.cloud.requests[since:] if "aiplatform" in line.url]


def test_it_runs_the_pushed_digest_as_the_runtime_account(deployed: Desk) -> None:
    (endpoint,) = deployed.cloud.part(Vertex).endpoints.values()
    (model,) = endpoint.shown["deployedModels"]
    assert model["serviceAccount"] == RUNTIME
    assert model["dedicatedResources"]["machineSpec"]["machineType"] == "n1-standard-2"
    (instance,) = endpoint.instances.values()
    assert "@sha256:" in instance.plan.image


def test_deploying_again_changes_nothing(deployed: Desk) -> None:
    before = deployed.cloud.snapshot()
    assert "It is deployed already" in deployed.make("deploy-vertex", "CONFIRM=yes").stdout
    assert deployed.cloud.snapshot() == before


def test_the_example_row_is_answered(deployed: Desk) -> None:
    assert answer(deployed.make("predict-vertex")) == {"predictions": ["Adelie"]}


def test_rows_of_ones_own_are_answered_and_wrong_ones_say_where(
    deployed: Desk, tmp_path: Path
) -> None:
    sample = tmp_path / "rows.json"
    sample.write_text(json.dumps({"instances": [GOOD, GOOD]}))
    said = deployed.make("predict-vertex", f"SAMPLE={sample}")
    assert answer(said) == {"predictions": ["Gentoo"] * 2}
    sample.write_text(json.dumps({"instances": [GOOD | {"island": "Texel"}]}))
    wrong = deployed.make("predict-vertex", f"SAMPLE={sample}", fails=True)
    assert "/island" in wrong.stderr


def test_a_new_image_takes_over_and_deleting_twice_leaves_nothing(deployed: Desk) -> None:
    (endpoint,) = deployed.cloud.part(Vertex).endpoints.values()
    (old,) = endpoint.instances.values()
    deployed.commit()
    deployed.make("build-image", "image-to-gcp")
    deployed.make("deploy-vertex", "CONFIRM=yes")
    (new,) = endpoint.instances.values()
    assert new.plan.image != old.plan.image
    assert list(endpoint.shown["trafficSplit"].values()) == [100]
    deployed.make("delete-vertex")
    deployed.make("delete-vertex")
    assert not deployed.cloud.snapshot()["vertex"]
    for container in (old, new):
        assert not docker("ps", "--all", "--quiet", "--filter", f"name={container.name}").stdout
