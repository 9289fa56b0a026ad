"""What the tests share: a service around any estimator, and the rule that nothing is skipped."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import hypothesis
import joblib
import msgspec
import pytest
from flask.testing import FlaskClient

from api import create_app
from api.settings import Settings
from models import train

# The same examples in every run: what is covered may not depend on chance.
hypothesis.settings.register_profile("same", derandomize=True, deadline=None)
hypothesis.settings.load_profile("same")

Serve = Callable[..., FlaskClient]

# The tests run under make, with whatever .env says; what they start must not.
for field in msgspec.structs.fields(Settings):
    os.environ.pop(field.name.upper(), None)
for name in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL", "MAKEOVERRIDES"):
    os.environ.pop(name, None)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--no-skips", action="store_true", help="a skipped test is a failure")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Any:
    report = yield
    if report.skipped and item.config.getoption("--no-skips"):
        report.outcome = "failed"
        report.longrepr = f"skipped, which --no-skips forbids: {report.longrepr}"
    return report


@pytest.fixture
def serve(tmp_path: Path) -> Serve:
    """Save an estimator as a bare joblib file and build the service around it."""

    def build(estimator: Any, card: bytes | None = None, **settings: Any) -> FlaskClient:
        path = tmp_path / "latest.joblib"
        joblib.dump(estimator, path)
        if card is not None:
            path.with_suffix(".json").write_bytes(card)
        return create_app(Settings(model_path=str(path), **settings)).test_client()

    return build


@pytest.fixture(scope="session")
def penguins_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The example model, trained once, with its card."""
    path = tmp_path_factory.mktemp("models") / "latest.joblib"
    train.train(path)
    return path


@pytest.fixture(scope="session")
def penguins(penguins_path: Path) -> FlaskClient:
    """The service around the example model."""
    return create_app(Settings(model_path=str(penguins_path))).test_client()
