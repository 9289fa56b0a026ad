"""What tests of sources share: settings with small limits, and no long waits between tries."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from models import sources
from models.errors import ModelError
from models.settings import ModelSettings
from models.sources import transfer

Fetch = Callable[..., sources.Fetched | None]
Refused = Callable[..., str]


@pytest.fixture(autouse=True)
def _short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transfer, "WAITS_SECONDS", (0.02, 0.02))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The folder that models are fetched into; it is not there yet."""
    return tmp_path / "fetched"


@pytest.fixture
def fetch(folder: Path) -> Fetch:
    """`sources.fetch` into the folder, which has only whole files afterwards."""

    def call(uri: object, known: str = "", **settings: Any) -> sources.Fetched | None:
        fetched = sources.fetch(str(uri), folder, known=known, settings=ModelSettings(**settings))
        assert not [*folder.glob(".fetch-*")]
        return fetched

    return call


@pytest.fixture
def refused(fetch: Fetch, folder: Path) -> Refused:
    """The sentence with which a fetch is refused; it leaves nothing in the folder."""

    def call(uri: object, known: str = "", **settings: Any) -> str:
        before = sorted(folder.glob("*"))
        with pytest.raises(ModelError) as error:
            fetch(uri, known, **settings)
        assert sorted(folder.glob("*")) == before
        said = str(error.value)
        assert "\n" not in said
        return said

    return call
