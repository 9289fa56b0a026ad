"""The versions of a model that a folder keeps, and which of them serves.

Each version is `NAME-VERSION.joblib` with its card and its plan; VERSION is the beginning of the
file's SHA-256. `active.json` names the version that serves, and the one before it. All is written
under one lock, and each file at once or not at all.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import fcntl
import hashlib
import logging
import os
import re
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from models.errors import ModelError
from models.files import DIGITS, PLAN, plan_path, read_card, sync, version_of

log = logging.getLogger("models")

MODEL, CARD = ".joblib", ".json"
ACTIVE, SOURCE, LOCK = "active.json", "source.json", ".versions.lock"
POLL_SECONDS = 0.01

T = TypeVar("T")


class Active(msgspec.Struct, frozen=True, kw_only=True):
    """Which version serves: `active.json`.

    `number` grows with each swap. `before` is the version that served before, "" if there was none.
    `base` is the SHA-256 of the file at MODEL_PATH at that time: another file there is newer.
    """

    number: int
    version: str
    before: str = ""
    since: str = ""
    base: str = ""


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """What was last found at a source: `source.json`.

    `reason` says why the version at this revision was refused, "" if it was taken.
    """

    uri: str
    revision: str
    version: str = ""
    reason: str = ""


class Version(msgspec.Struct, frozen=True, kw_only=True):
    """One version in a store.

    `path` is its joblib file, or its plan where the store has no joblib file of it. `plan` is the
    SHA-256 of its plan, "" if it has none; `added` is the time at which it came, in ISO 8601.
    """

    version: str
    path: Path
    plan: str = ""
    added: str = ""
    origin: str = ""
    card: dict[str, Any] = {}

    @property
    def release(self) -> str:
        """The release version that its card names, as 1.2.0; "" if it names none."""
        return str(self.card.get("release") or "")


class Store:
    """The versions in `folder` of the model that is called `name`."""

    def __init__(self, folder: Path, name: str) -> None:
        self.folder = folder
        self._name = name

    @contextlib.contextmanager
    def locked(self, seconds: float) -> Iterator[None]:
        """Keep all other processes from changing the store.

        Raises TimeoutError if another one changes it for longer than these seconds.
        """
        with (self.folder / LOCK).open("w") as file:
            end = time.monotonic() + seconds
            while True:
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    if time.monotonic() > end:
                        raise TimeoutError from None
                    time.sleep(POLL_SECONDS)
            yield

    def active(self) -> Active | None:
        """Which version serves; None before the first swap. Raises ModelError."""
        return _read(self.folder / ACTIVE, Active)

    def seen(self) -> Seen | None:
        """What was last found at the source; None if nothing was. Raises ModelError."""
        return _read(self.folder / SOURCE, Seen)

    def remember(self, seen: Seen) -> None:
        """Remember what was found at the source."""
        _write(self.folder / SOURCE, msgspec.json.encode(seen))

    def versions(self) -> list[Version]:
        """All versions, the newest first."""
        found = {}
        for path in self.folder.glob(f"{self._name}-*{CARD}"):
            stem = path.name.removesuffix(CARD)
            if len(stem) != len(self._name) + 1 + DIGITS:
                continue
            with contextlib.suppress(ModelError):
                if version := self._version(stem):
                    found[version.version] = version
        return sorted(found.values(), key=lambda each: each.added, reverse=True)

    def find(self, version: str) -> Version:
        """The version whose SHA-256 begins with these digits, or whose release this is (1.2.0).

        Raises ModelError if there is none, or more than one.
        """
        start = version[:DIGITS].lower()
        # A client may send anything: only digits become the name of a file.
        whole = re.fullmatch(f"[0-9a-f]{{{DIGITS}}}", start)
        if whole and (known := self._version(f"{self._name}-{start}")):
            # A swap waits for this: it reads no other card.
            kept = [known]
        else:
            kept = self.versions()
        found = [each for each in kept if version and each.version.startswith(version.lower())]
        found += [each for each in kept if version and each.release == version]
        if len(found) == 1:
            return found[0]
        have = ", ".join(each.version[:DIGITS] for each in kept) or "none"
        how = "several versions begin" if found else "no version begins"
        raise ModelError(f"{how} with {version!r}: this service has {have}")

    def add(
        self,
        version: str,
        files: Path,
        *,
        origin: str = "",
    ) -> Version:
        """Take a version into the store, and give it.

        `files` is the path of its joblib file, with card and plan beside it if there are any, or of
        its plan, with the card. They are copied. `origin` says where the version came from.
        Raises OSError if there is no room, and ModelError if a file cannot be read.
        """
        stem = f"{self._name}-{version[:DIGITS]}"
        plan = files if files.name.endswith(PLAN) else plan_path(files)
        beside = files.with_name(files.name.removesuffix(PLAN) + CARD)
        card = read_card(beside if files is plan else files.with_suffix(CARD), version)
        stored: dict[str, Any] = {"added": _now(), "origin": origin}
        if plan.exists():
            stored["plan"] = hashlib.sha256(plan.read_bytes()).hexdigest()
            _copy(plan, self.folder / f"{stem}{PLAN}")
        if files is not plan:
            _copy(files, self.folder / f"{stem}{MODEL}")
        card = {"sha256": version} | card | {"stored": stored}
        # Last: a version without a card is no version yet.
        text = msgspec.json.format(msgspec.json.encode(card), indent=2)
        _write(self.folder / f"{stem}{CARD}", text + b"\n")
        return self.find(version)

    def adopt(self, path: Path) -> Version:
        """Take the model at MODEL_PATH into the store, if it is not there yet.

        Raises ModelError if it cannot be read, OSError if there is no room.
        """
        version = version_of(path)
        with contextlib.suppress(ModelError):
            return self.find(version)
        return self.add(version, path, origin=str(path))

    def activate(self, version: str, *, number: int = 0, base: str = "") -> Active:
        """Write that this version serves from now on; `number` and `base` as in `Active`."""
        new = self.prepare(version, number=number, base=base)
        self.commit()
        return new

    def prepare(self, version: str, *, number: int = 0, base: str = "") -> Active:
        """Write all that `commit` makes true: `number` and `base` are as in `Active`."""
        old = self.active()
        before = old.version if old else ""
        if old and before == version:
            before = old.before
        new = Active(
            number=number or (old.number + 1 if old else 1),
            version=version,
            before=before,
            since=_now(),
            base=base,
        )
        prepared = _beside(self.folder / ACTIVE)
        prepared.write_bytes(msgspec.json.encode(new))
        sync(prepared)
        return new

    def commit(self) -> None:
        """Have the version that was prepared serve from now on."""
        path = self.folder / ACTIVE
        _beside(path).replace(path)
        sync(self.folder)

    def remove_old(self, keep: int) -> list[str]:
        """Remove the oldest versions until `keep` are left, and give the removed ones.

        The active version, and the one before it, always stay.
        """
        active = self.active()
        needed = {active.version, active.before} if active else set()
        kept = self.versions()
        spare = [each for each in kept if each.version not in needed]
        room = max(0, keep - (len(kept) - len(spare)))
        for old in spare[room:]:
            stem = f"{self._name}-{old.version[:DIGITS]}"
            for suffix in (CARD, MODEL, PLAN):
                (self.folder / f"{stem}{suffix}").unlink(missing_ok=True)
        return [old.version for old in spare[room:]]

    def _version(self, stem: str) -> Version | None:
        """The version with these names of files; None if one of them is missing."""
        card = _read(self.folder / f"{stem}{CARD}", dict[str, Any]) or {}
        version, stored = card.get("sha256", ""), card.get("stored")
        if not (isinstance(version, str) and isinstance(stored, dict)):
            return None
        path = self.folder / f"{stem}{MODEL}"
        plan = self.folder / f"{stem}{PLAN}"
        if not path.exists():
            path = plan
        if not path.exists() or not version.startswith(stem[-DIGITS:]):
            return None
        return Version(
            version=version,
            path=path,
            plan=stored.get("plan", ""),
            added=stored.get("added", ""),
            origin=stored.get("origin", ""),
            card=card,
        )


def folder_for(path: Path, given: str = "") -> Path:
    """The folder of the store: the given one, else that of MODEL_PATH, else a temporary one.

    The temporary one, for a file system that is only read, ends with the machine or the container.
    Raises ModelError if the given one cannot be written.
    """
    if given:
        place = Path(given)
        try:
            place.mkdir(parents=True, exist_ok=True)
            _try(place)
        except OSError as error:
            raise ModelError(
                f"MODEL_STORE={given} cannot be written ({error.strerror}): name a folder that "
                "this user may write, or leave MODEL_STORE out"
            ) from None
        return place
    try:
        _try(path.parent)
    except OSError:
        return _temporary(path)
    return path.parent


def _temporary(path: Path) -> Path:
    """A folder for versions of the model at `path`, which only this user may write."""
    name = hashlib.sha256(str(path.absolute()).encode()).hexdigest()[:DIGITS]
    place = Path(tempfile.gettempdir()) / f"models-{os.getuid()}-{name}"
    place.mkdir(mode=0o700, exist_ok=True)
    facts = place.lstat()
    if facts.st_uid != os.getuid() or facts.st_mode & 0o077:
        raise ModelError(f"{place} is somebody else's folder: set MODEL_STORE to one of your own")
    return place


def _try(folder: Path) -> None:
    """Raise OSError if no file can be written into a folder."""
    with tempfile.TemporaryFile(dir=folder):
        pass


def _copy(source: Path, target: Path) -> None:
    """Copy a file at once or not at all; the copy is on the disk when this returns."""
    if target.exists() and os.path.samestat(source.stat(), target.stat()):
        return
    shutil.copyfile(source, _beside(target))
    _keep(target)


def _write(path: Path, content: bytes) -> None:
    _beside(path).write_bytes(content)
    _keep(path)


def _beside(path: Path) -> Path:
    """Where a file is written before it gets its name."""
    return path.with_name(f"{path.name}.new")


def _keep(path: Path) -> None:
    """Give a file that was written beside it its name, once it is on the disk."""
    sync(_beside(path))
    _beside(path).replace(path)
    sync(path.parent)


def _read(path: Path, kind: type[T]) -> T | None:
    """The content of a file of JSON; None if there is no file."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=kind)
    except FileNotFoundError:
        return None
    except (OSError, UnicodeError, msgspec.DecodeError) as error:
        raise ModelError(f"{path} cannot be read ({error}): mend or delete it") from None


def _now() -> str:
    return dt.datetime.now(dt.UTC).isoformat(timespec="microseconds")
