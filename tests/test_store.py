"""The folder of versions: what it keeps, finds and removes, and what it says where it cannot."""

from __future__ import annotations

import hashlib
import json
import time
from pathlib import Path

import joblib
import msgspec
import pytest
from sklearn.dummy import DummyRegressor

from models.baking import bake
from models.engines.choose import load
from models.errors import ModelError
from models.versions import Active, Seen, Store, Version, folder_for


@pytest.fixture
def store(tmp_path: Path) -> Store:
    folder = tmp_path / "store"
    folder.mkdir()
    return Store(folder, "model")


def saved(folder: Path, constant: float) -> Path:
    """The file of a model that answers this constant."""
    path = folder / f"{constant}.joblib"
    joblib.dump(DummyRegressor().fit([[0.0]], [constant]), path)
    return path


def add(store: Store, folder: Path, constant: float) -> Version:
    path = saved(folder, constant)
    return store.add(hashlib.sha256(path.read_bytes()).hexdigest(), path, origin="here")


def names(store: Store) -> set[str]:
    return {path.name for path in store.folder.iterdir() if not path.name.startswith(".")}


def test_a_version_is_found_by_the_release_of_its_card(store: Store, tmp_path: Path) -> None:
    path = saved(tmp_path, 1)
    path.with_suffix(".json").write_text('{"release": "1.2.0"}')
    version = hashlib.sha256(path.read_bytes()).hexdigest()
    store.add(version, path)
    add(store, tmp_path, 2)
    assert store.find("1.2.0").version == version
    with pytest.raises(ModelError, match="no version begins with '1.2.1'"):
        store.find("1.2.1")


def test_a_version_has_its_file_its_card_and_its_plan(store: Store, tmp_path: Path) -> None:
    path = saved(tmp_path, 1)
    bake(path)
    version = hashlib.sha256(path.read_bytes()).hexdigest()
    added = store.add(version, path, origin="gs://bucket/model.joblib")
    stem = f"model-{version[:12]}"
    assert names(store) == {f"{stem}.joblib", f"{stem}.json", f"{stem}.plan.npz"}
    assert added.path == store.folder / f"{stem}.joblib"
    assert added.origin == "gs://bucket/model.joblib"
    digest = hashlib.sha256((store.folder / f"{stem}.plan.npz").read_bytes()).hexdigest()
    assert added.plan == digest
    # The card keeps all that it said before.
    assert added.card["plan"]["predict"]["rows"] > 0
    model = load(added.path, added.version, "plan", plan_sha256=added.plan)
    assert model.predict([[0.0]]).tolist() == [1]


def test_a_plan_can_stand_alone(store: Store, tmp_path: Path) -> None:
    path = saved(tmp_path, 1)
    bake(path)
    version = hashlib.sha256(path.read_bytes()).hexdigest()
    plan = path.with_suffix(".plan.npz")
    path.unlink()
    added = store.add(version, plan)
    assert added.path.name == f"model-{version[:12]}.plan.npz"
    assert added.card["sha256"] == version
    assert load(added.path, version, plan_sha256=added.plan).predict([[0.0]]).tolist() == [1]


@pytest.mark.parametrize(
    ("version", "plan", "words"),
    [
        ("f" * 64, "", "belongs to another model"),
        ("", "f" * 64, "MODEL_SHA256 is set, and the plan"),
    ],
)
def test_a_plan_alone_is_served_only_if_it_is_the_one(
    store: Store, tmp_path: Path, version: str, plan: str, words: str
) -> None:
    path = saved(tmp_path, 1)
    bake(path)
    with pytest.raises(ModelError, match=words):
        load(path.with_suffix(".plan.npz"), version, plan_sha256=plan)


def test_a_plan_alone_must_have_a_method(tmp_path: Path) -> None:
    from models.baking import leave

    path = saved(tmp_path, 1)
    leave(path, "it takes too long")
    with pytest.raises(ModelError, match="has no method, and its joblib file is not here"):
        load(path.with_suffix(".plan.npz"))


def test_the_newest_version_comes_first(store: Store, tmp_path: Path) -> None:
    added = [add(store, tmp_path, constant).version for constant in (1, 2, 3)]
    assert [each.version for each in store.versions()] == added[::-1]


def test_a_version_is_found_by_its_first_digits(store: Store, tmp_path: Path) -> None:
    first, _ = add(store, tmp_path, 1), add(store, tmp_path, 2)
    for digits in (4, 11, 12, 40, 64):
        assert store.find(first.version[:digits]) == first
    assert store.find(first.version[:20].upper()) == first


@pytest.mark.parametrize("asked", ["", "0123456789ab", "zz"])
def test_an_unknown_version_is_told_with_those_that_are_there(
    store: Store, tmp_path: Path, asked: str
) -> None:
    with pytest.raises(ModelError, match="no version begins with .*: this service has none"):
        store.find(asked)
    known = add(store, tmp_path, 1).version
    with pytest.raises(ModelError, match=f"this service has {known[:12]}$"):
        store.find(asked)


def test_digits_that_several_versions_begin_with_are_refused(store: Store, tmp_path: Path) -> None:
    found: dict[str, str] = {}
    constant = 0
    while True:
        version = add(store, tmp_path, constant).version
        if other := found.get(version[0]):
            break
        found[version[0]] = version
        constant += 1
    with pytest.raises(ModelError, match="several versions begin with"):
        store.find(other[0])


def test_the_file_at_the_model_path_becomes_a_version_once(store: Store, tmp_path: Path) -> None:
    path = saved(tmp_path, 1)
    first = store.adopt(path)
    assert first.origin == str(path)
    assert store.adopt(path) == first


def test_what_was_not_wholly_added_is_no_version(store: Store, tmp_path: Path) -> None:
    added = add(store, tmp_path, 1)
    added.path.with_suffix(".json").unlink()
    assert store.versions() == []
    added = add(store, tmp_path, 1)
    added.path.unlink()
    assert store.versions() == []


@pytest.mark.parametrize(
    "card",
    [b"{", b'{"sha256": 1}', b'{"sha256": "ff"}', b'{"sha256": "ff", "stored": {}}', b"\xff"],
)
def test_other_files_in_the_folder_are_no_versions(
    store: Store, tmp_path: Path, card: bytes
) -> None:
    (store.folder / "model-0123456789ab.json").write_bytes(card)
    (store.folder / "model-0123456789ab.joblib").write_bytes(b"")
    (store.folder / "model-notes.json").write_bytes(b"{}")
    known = add(store, tmp_path, 1)
    assert store.versions() == [known]


def test_the_version_before_the_active_one_is_remembered(store: Store) -> None:
    assert store.active() is None
    assert store.activate("a", base="x").before == ""
    second = store.activate("b", base="x")
    assert (second.number, second.before) == (2, "a")
    # Activated again, as after a restart.
    assert store.activate("b", number=7, base="y").before == "a"
    active = store.active()
    assert active is not None
    assert (active.number, active.version, active.base) == (7, "b", "y")


def test_what_was_prepared_serves_once_it_is_committed(store: Store) -> None:
    store.activate("a")
    store.prepare("b", number=7)
    assert getattr(store.active(), "version", "") == "a"
    store.commit()
    assert getattr(store.active(), "version", "") == "b"


def test_what_was_seen_at_the_source_is_remembered(store: Store) -> None:
    assert store.seen() is None
    seen = Seen(uri="gs://bucket", revision="1", version="a", reason="too old")
    store.remember(seen)
    assert store.seen() == seen


def test_the_oldest_versions_go_but_never_the_active_one_and_the_one_before(
    store: Store, tmp_path: Path
) -> None:
    added = [add(store, tmp_path, constant).version for constant in range(6)]
    store.activate(added[0])
    store.activate(added[1])
    assert store.remove_old(6) == []
    assert store.remove_old(3) == [added[4], added[3], added[2]]
    assert {each.version for each in store.versions()} >= {added[0], added[1]}
    assert len(store.versions()) == 3


def test_the_newest_of_the_others_stays(store: Store, tmp_path: Path) -> None:
    added = [add(store, tmp_path, constant).version for constant in range(4)]
    store.activate(added[0])
    assert store.remove_old(2) == [added[2], added[1]]
    assert {each.version for each in store.versions()} == {added[0], added[3]}
    assert store.remove_old(2) == []


def test_only_one_changes_the_store_at_a_time(store: Store) -> None:
    with store.locked(0):
        started = time.monotonic()
        with pytest.raises(TimeoutError), store.locked(0.05):
            pass
        assert time.monotonic() - started >= 0.05
    with store.locked(0):
        pass


@pytest.mark.parametrize("content", [b"{", b"[]", b'{"number": 1}'])
def test_a_damaged_file_is_named(store: Store, content: bytes) -> None:
    (store.folder / "active.json").write_bytes(content)
    with pytest.raises(ModelError, match=r"active\.json cannot be read .*: mend or delete it"):
        store.active()


def test_files_are_plain_json(store: Store) -> None:
    store.activate("a", base="b")
    content = json.loads((store.folder / "active.json").read_text())
    assert content.keys() == set(Active.__struct_fields__)
    assert msgspec.json.decode(json.dumps(content), type=Active).version == "a"


def test_the_store_is_the_folder_of_the_model_unless_one_is_given(tmp_path: Path) -> None:
    assert folder_for(tmp_path / "latest.joblib") == tmp_path
    assert folder_for(tmp_path / "latest.joblib", str(tmp_path / "a" / "b")) == tmp_path / "a" / "b"
    assert (tmp_path / "a" / "b").is_dir()


def refuse(*_: object, **__: object) -> None:
    raise PermissionError(13, "Permission denied")


def test_a_given_folder_that_cannot_be_written_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.TemporaryFile", refuse)
    with pytest.raises(
        ModelError, match=r"^MODEL_STORE=.* cannot be written \(Permission denied\)"
    ):
        folder_for(tmp_path / "latest.joblib", str(tmp_path))


def test_a_folder_that_is_only_read_is_replaced_by_one_of_this_user(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.TemporaryFile", refuse)
    monkeypatch.setattr("tempfile.gettempdir", lambda: str(tmp_path))
    place = folder_for(tmp_path / "read-only" / "latest.joblib")
    assert place.parent == tmp_path
    assert place.stat().st_mode & 0o777 == 0o700
    assert folder_for(tmp_path / "read-only" / "latest.joblib") == place
    assert folder_for(tmp_path / "other" / "latest.joblib") != place
    place.chmod(0o777)
    with pytest.raises(ModelError, match="is somebody else's folder: set MODEL_STORE"):
        folder_for(tmp_path / "read-only" / "latest.joblib")


def test_a_file_is_replaced_at_once(store: Store, tmp_path: Path) -> None:
    """Nobody finds a half-written version under its name."""
    first = add(store, tmp_path, 1)
    again = store.add(first.version, first.path, origin="again")
    assert again.origin == "again"
    assert again.path.samefile(first.path)
    assert not list(store.folder.glob("*.new"))
