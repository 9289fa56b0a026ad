"""The source of the model is followed: what is new and good takes over, and nothing else does."""

from __future__ import annotations

import contextlib
import json
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from api import follow, keeping
from api.follow import UNDER_WAY, Follower
from api.settings import Settings
from models.errors import ModelError
from models.files import version_of
from models.versions import Store
from tests.test_serving import Server, serving
from tests.test_swap import OFFSET, ROWS, Models, following, linear, pair

__all__ = ["pair"]

WIDE = np.arange(30.0).reshape(10, 3)


class Followed:
    """A service in this process that follows `source`; `look` looks there once."""

    def __init__(self, folder: Path, **settings: Any) -> None:
        self.source = folder / "source" / "model.joblib"
        given = Settings(
            model_path=str(folder / "latest.joblib"),
            model_uri=str(self.source),
            model_store=str(folder / "store"),
            model_refresh_seconds=0.01,
            processes=1,
            **settings,
        )
        self.settings = given
        self.swap, _ = keeping.begin(given)
        self.follower = Follower(self.swap, given)
        self.store: Store = self.swap.store

    def put(self, path: Path) -> None:
        """Put another model at the source, as people do: at once."""
        put(self.source, path)

    def look(self) -> str:
        with following(self.swap):
            self.follower.look()
        # A request would do so.
        self.swap.look()
        return self.swap.version


def put(source: Path, path: Path) -> None:
    source.parent.mkdir(exist_ok=True)
    new = source.with_name("new")
    shutil.copyfile(path, new)
    new.replace(source)


@pytest.fixture(scope="module")
def begun(pair: Models, tmp_path_factory: pytest.TempPathFactory) -> Followed:
    """A service that has begun with `one`: its check takes seconds."""
    folder = tmp_path_factory.mktemp("begun")
    put(folder / "source" / "model.joblib", pair.one)
    return Followed(folder)


@pytest.fixture
def followed(begun: Followed, tmp_path: Path, pair: Models) -> Followed:
    """The same service in another place, with a store of its own."""
    shutil.copytree(begun.store.folder, tmp_path / "store")
    put(tmp_path / "source" / "model.joblib", pair.one)
    return Followed(tmp_path)


def test_the_model_is_fetched_checked_and_baked_before_the_start(
    begun: Followed, pair: Models
) -> None:
    followed = begun
    version = version_of(pair.one)
    assert followed.swap.version == version
    kept = followed.store.find(version)
    assert kept.origin == str(followed.source)
    assert kept.plan != ""
    assert not list(followed.store.folder.glob(f"{UNDER_WAY}*"))


def test_what_is_new_takes_over(followed: Followed, pair: Models) -> None:
    followed.put(pair.other)
    assert followed.look() == version_of(pair.other)
    active = followed.store.active()
    assert active is not None
    assert (active.version, active.before) == (version_of(pair.other), version_of(pair.one))


def test_a_rollback_from_a_followed_file_holds_until_the_file_is_another_one(
    tmp_path: Path, pair: Models, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "latest.joblib"
    put(path, pair.one)
    settings = Settings(model_path=str(path), model_refresh_seconds=0.01, processes=1)
    swap, _ = keeping.begin(settings)
    one, other = version_of(pair.one), version_of(pair.other)
    follower = Follower(swap, settings)

    def look() -> str:
        with following(swap):
            follower.look()
        swap.look()
        return swap.version

    put(path, pair.other)
    assert look() == other
    with following(swap):
        swap.activate(swap.store.find(one))
    # The file is touched, and the service starts again.
    path.touch()
    assert look() == one
    caplog.clear()
    assert keeping.begin(settings)[0].version == one
    assert caplog.text == ""
    put(path, pair.one)
    assert look() == one
    put(path, pair.other)
    assert look() == other


def test_an_upload_before_the_first_look_at_the_file_holds(tmp_path: Path, pair: Models) -> None:
    path = tmp_path / "latest.joblib"
    put(path, pair.one)
    settings = Settings(model_path=str(path), model_refresh_seconds=0.01, processes=1)
    swap, _ = keeping.begin(settings)
    other = version_of(pair.other)
    with following(swap):
        swap.activate(swap.store.add(other, pair.other))
        Follower(swap, settings).look()
    swap.look()
    assert swap.version == other


def test_nothing_new_is_not_fetched_again(
    followed: Followed, pair: Models, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise AssertionError

    monkeypatch.setattr("models.candidate.check", fail)
    assert followed.look() == version_of(pair.one)
    # Not after a restart, either.
    assert keeping.begin(followed.settings)[0].version == version_of(pair.one)


def test_a_version_that_was_here_before_needs_no_check(
    followed: Followed, pair: Models, monkeypatch: pytest.MonkeyPatch
) -> None:
    followed.put(pair.other)
    followed.look()
    monkeypatch.setattr("models.candidate.check", None)
    followed.put(pair.one)
    assert followed.look() == version_of(pair.one)
    # The same file with a new time changes nothing.
    number = getattr(followed.store.active(), "number", 0)
    followed.put(pair.one)
    followed.look()
    assert getattr(followed.store.active(), "number", 0) == number


def test_a_rollback_is_not_undone_until_there_is_something_new(
    followed: Followed, pair: Models
) -> None:
    followed.put(pair.other)
    followed.look()
    with following(followed.swap):
        followed.swap.activate(followed.store.find(version_of(pair.one)))
    assert followed.look() == version_of(pair.one)
    assert keeping.begin(followed.settings)[0].version == version_of(pair.one)


def test_a_model_of_other_features_is_refused_once(
    followed: Followed, pair: Models, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    followed.put(linear(tmp_path / "wide.joblib", 0, WIDE))
    for _ in range(3):
        assert followed.look() == version_of(pair.one)
    assert caplog.text.count("is not served: the feature x2 is new and required") == 1
    assert f"the version {version_of(pair.one)[:12]} serves on" in caplog.text
    seen = followed.store.seen()
    assert seen is not None
    assert "the feature x2" in seen.reason


def test_changes_that_are_accepted_by_name_are_served(
    begun: Followed, tmp_path: Path, pair: Models
) -> None:
    shutil.copytree(begun.store.folder, tmp_path / "store")
    put(tmp_path / "source" / "model.joblib", pair.one)
    followed = Followed(tmp_path, model_accept="x2")
    wide = linear(tmp_path / "wide.joblib", 0, WIDE)
    followed.put(wide)
    assert followed.look() == version_of(wide)


def test_a_source_that_is_away_is_told_once_a_minute(
    followed: Followed, pair: Models, caplog: pytest.LogCaptureFixture
) -> None:
    followed.source.unlink()
    for _ in range(3):
        assert followed.look() == version_of(pair.one)
    assert caplog.text.count("serves on") == 1
    followed.follower._warned -= 61
    followed.look()
    assert caplog.text.count("serves on") == 2
    # It may come back.
    followed.put(pair.other)
    assert followed.look() == version_of(pair.other)


def test_a_version_that_no_process_can_load_is_remembered(
    followed: Followed, pair: Models, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(_: Any) -> Any:
        raise ModelError("it needs more than there is")

    build, followed.swap._build = followed.swap._build, fail
    followed.put(pair.other)
    assert followed.look() == version_of(pair.one)
    assert "it needs more than there is" in caplog.text
    followed.swap._build = build
    assert followed.look() == version_of(pair.one)


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (OSError(28, "No space left on device", "/store"), "/store cannot be written (No space"),
        (ZeroDivisionError(), "the source of the model cannot be followed"),
    ],
)
def test_nothing_ends_the_thread_that_follows(
    followed: Followed,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    error: Exception,
    words: str,
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise error

    monkeypatch.setattr(follow, "newest", fail)
    followed.look()
    assert words in caplog.text


# The start.


def test_a_source_without_a_model_stops_the_start(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="there is no file .*: put the model there"):
        Followed(tmp_path)


def test_a_model_that_is_refused_stops_the_first_start(tmp_path: Path) -> None:
    source = tmp_path / "source" / "model.joblib"
    source.parent.mkdir()
    source.write_text("broken")
    with pytest.raises(ModelError, match="is not served: .* is a text file, not a joblib file"):
        Followed(tmp_path)


def test_a_start_without_the_source_serves_what_was_active(
    followed: Followed, pair: Models, caplog: pytest.LogCaptureFixture
) -> None:
    followed.source.unlink()
    assert keeping.begin(followed.settings)[0].version == version_of(pair.one)
    assert f"the version {version_of(pair.one)[:12]} serves" in caplog.text


def test_a_start_takes_what_is_new(followed: Followed, pair: Models) -> None:
    followed.put(pair.other)
    assert keeping.begin(followed.settings)[0].version == version_of(pair.other)


def test_files_that_contradict_each_other_are_told(followed: Followed) -> None:
    (followed.store.folder / "active.json").unlink()
    with pytest.raises(ModelError, match=r"source\.json is there without active\.json: delete it"):
        keeping.begin(followed.settings)


# The real server.


@contextlib.contextmanager
def following_server(folder: Path, model: Path) -> Iterator[Server]:
    shutil.copyfile(model, folder / "latest.joblib")
    with serving(
        folder, MODEL_PATH=folder / "latest.joblib", MODEL_REFRESH_SECONDS=0.2, PROCESSES=2
    ) as server:
        yield server


def test_a_model_that_is_saved_again_is_served_without_a_restart(
    tmp_path: Path, pair: Models
) -> None:
    # What a process left that died while it was at work.
    (tmp_path / f"{UNDER_WAY}left").mkdir()
    with following_server(tmp_path, pair.one) as server:
        assert server.post("/predict", [[1, 2]]) == {"predictions": [pytest.approx(3)]}
        linear(tmp_path / "latest.joblib", OFFSET, ROWS)
        deadline = time.monotonic() + 60
        while server.post("/predict", [[1, 2]])["predictions"][0] < OFFSET:
            assert time.monotonic() < deadline, server.log.read_text()
            time.sleep(0.05)
        told = server.get("/model/versions")
        assert [each["state"] for each in told["versions"]] == ["active", "before"]
    assert not (tmp_path / f"{UNDER_WAY}left").exists()
    assert json.loads((tmp_path / "active.json").read_text())["version"] == told["active"]
