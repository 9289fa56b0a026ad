"""A model in a file or a folder of this machine: what is new in it, and what is refused."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from models import sources
from models.errors import ModelError
from models.settings import ModelSettings
from models.sources import files
from tests.sources.conftest import Fetch, Refused


@pytest.fixture
def volume(tmp_path: Path) -> Path:
    """A folder as a mounted volume has it: a model and its card."""
    volume = tmp_path / "volume"
    volume.mkdir()
    (volume / "penguins.joblib").write_bytes(b"a model")
    (volume / "penguins.json").write_bytes(b"{}")
    return volume


@pytest.mark.parametrize(
    "uri",
    [
        lambda volume: volume,
        lambda volume: volume / "penguins.joblib",
        lambda volume: f"{volume}/",
        lambda volume: (volume / "penguins.joblib").as_uri(),
    ],
    ids=["folder", "file", "folder with a slash", "file://"],
)
def test_the_model_of_a_folder_is_copied_with_its_card(
    fetch: Fetch, folder: Path, volume: Path, uri: Callable[[Path], object]
) -> None:
    fetched = fetch(uri(volume))
    assert fetched
    assert fetched.model == folder / "penguins.joblib"
    assert fetched.card == folder / "penguins.json"
    assert fetched.model.read_bytes() == b"a model"
    assert fetched.sha256 == hashlib.sha256(b"a model").hexdigest()
    assert sorted(folder.iterdir()) == [fetched.model, fetched.card]


def test_nothing_new_is_copied_again(fetch: Fetch, folder: Path, volume: Path) -> None:
    first = fetch(volume)
    assert first
    first.model.unlink()
    assert fetch(volume, first.revision) is None
    assert not first.model.exists()


def replace(volume: Path) -> None:
    (volume / "new").write_bytes(b"b model")
    (volume / "new").rename(volume / "penguins.joblib")


def overwrite(volume: Path) -> None:
    (volume / "penguins.joblib").write_bytes(b"b model")


def add_another_card(volume: Path) -> None:
    (volume / "penguins.json").write_bytes(b'{"sha256": ""}')


def rename_another_to_latest(volume: Path) -> None:
    (volume / "latest.joblib").write_bytes(b"a model")


@pytest.mark.parametrize("change", [replace, overwrite, add_another_card, rename_another_to_latest])
def test_what_changes_in_the_folder_is_new(
    fetch: Fetch, volume: Path, change: Callable[[Path], None]
) -> None:
    first = fetch(volume)
    assert first
    change(volume)
    second = fetch(volume, first.revision)
    assert second
    assert second.revision != first.revision
    assert fetch(volume, second.revision) is None


def test_the_same_revision_of_another_source_is_new(fetch: Fetch, volume: Path) -> None:
    first = fetch(volume)
    assert first
    assert fetch(volume / "penguins.joblib", first.revision)


def test_the_card_of_an_older_model_goes_with_it(fetch: Fetch, volume: Path) -> None:
    first = fetch(volume)
    assert first
    assert first.card
    (volume / "penguins.json").unlink()
    second = fetch(volume, first.revision)
    assert second
    assert second.card is None
    assert not first.card.exists()


def test_a_file_that_is_written_meanwhile_is_read_again(
    fetch: Fetch, volume: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    states = iter(["before", "", "while", "", "after", "", "after", ""])
    monkeypatch.setattr(files, "_state", lambda path: next(states))
    fetched = fetch(volume)
    assert fetched
    assert fetched.revision.endswith("#after")


def test_a_file_that_is_always_written_is_refused(
    refused: Refused, volume: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    states = iter(range(100))
    monkeypatch.setattr(files, "_state", lambda path: str(next(states)))
    said = refused(volume)
    assert said == f"{volume} is written while it is read: replace it by a rename, with mv"


def test_a_model_of_another_sha256_is_refused(refused: Refused, volume: Path) -> None:
    said = refused(volume, model_sha256="0a" * 32)
    assert said.endswith(f", but MODEL_SHA256 says {'0a' * 32}")


def test_a_model_that_is_too_large_is_refused(refused: Refused, volume: Path) -> None:
    said = refused(volume, max_model_bytes=6)
    assert said == (
        f"{volume} has more than MAX_MODEL_BYTES=6: raise it if this is the model that you mean"
    )


REFUSED = [
    ("none", "there is no file {volume}/none: put the model there"),
    ("empty", "there is no file {volume}/empty/model.joblib: put the model there"),
    ("pipe", "{volume}/pipe is no file: name a file, or a folder with one in it"),
    ("several", "{volume}/several must have one *.joblib, or one that is called latest.joblib"),
    ("loop", "cannot read {volume}/loop (Too many levels of symbolic links): let it be read"),
]


@pytest.mark.parametrize(("name", "sentence"), REFUSED)
def test_a_folder_without_a_model_is_one_sentence(
    refused: Refused, volume: Path, name: str, sentence: str
) -> None:
    (volume / "empty").mkdir()
    (volume / "several").mkdir()
    (volume / "several" / "a.joblib").touch()
    (volume / "several" / "b.joblib").touch()
    os.mkfifo(volume / "pipe")
    (volume / "loop").symlink_to("loop")
    assert refused(volume / name).startswith(sentence.format(volume=volume))


def test_a_folder_that_takes_no_files_is_one_sentence(volume: Path, refused: Refused) -> None:
    with pytest.raises(ModelError) as error:
        sources.fetch(str(volume), volume / "penguins.joblib", settings=ModelSettings())
    assert str(error.value).startswith(
        f"cannot write the model of {volume} to {volume}/penguins.joblib (File exists): "
    )


def test_a_full_disk_is_one_sentence(
    refused: Refused, volume: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("hashlib.sha256", type("", (), {"update": full}))
    assert "(No space left on device): it must be a folder" in refused(volume)


def test_a_name_that_is_taken_by_a_folder_is_one_sentence(
    refused: Refused, folder: Path, volume: Path
) -> None:
    (folder / "penguins.joblib").mkdir(parents=True)
    (volume / "penguins.json").unlink()
    assert refused(volume).startswith(f"cannot write the model of {volume} to {folder} (Is a dir")


def test_what_a_killed_process_left_is_removed(fetch: Fetch, folder: Path, volume: Path) -> None:
    for name, age in (("old", 1300), ("new", 60)):
        left = folder / f".fetch-{name}"
        left.mkdir(parents=True)
        os.utime(left, (left.stat().st_mtime - age,) * 2)
    sources.fetch(str(volume), folder, settings=ModelSettings())
    assert [path.name for path in folder.glob(".fetch-*")] == [".fetch-new"]
