"""Follow the source of the model: what is new there is fetched and checked, and takes over."""

from __future__ import annotations

import fcntl
import logging
import random
import shutil
import tempfile
import time
from pathlib import Path

import msgspec

from api.errors import Problem
from api.monitor import metrics
from api.settings import Settings
from api.swap import Swap
from models import candidate, sources
from models.candidate import Served
from models.errors import ModelError
from models.files import DIGITS
from models.versions import Seen, Store, Version

log = logging.getLogger("api")

FOLLOWING = ".following.lock"
# The names of folders in the store that hold an unfinished fetch or check begin so.
UNDER_WAY = ".new-"
# One process looks at the source for all; processes look at slightly different times.
JITTER = 0.1
# A source that cannot be reached is told of once in so many seconds.
WARNING_SECONDS = 60.0


class Refused(ModelError):
    """A new model is not served; the message says why."""


def newest(store: Store, settings: Settings, served: Served | None) -> tuple[Version, Seen] | None:
    """The version that the source has now, checked and in the store; None if there is no other.

    `served` is the contract of the model that is served now. Whoever serves the version remembers
    what was seen. Raises Refused, ModelError if nothing could be fetched, and OSError.
    """
    uri = settings.source
    seen = store.seen()
    known = seen.revision if seen and seen.uri == sources.shown(uri) else ""
    with tempfile.TemporaryDirectory(prefix=UNDER_WAY, dir=store.folder) as temporary:
        fetched_to, checked = Path(temporary) / "fetched", Path(temporary) / "checked"
        fetched_to.mkdir()
        checked.mkdir()
        fetched = sources.fetch(uri, fetched_to, known=known, settings=settings)
        if fetched is None:
            return None
        seen = Seen(uri=sources.shown(uri), revision=fetched.revision, version=fetched.sha256)
        if kept := _kept(store, fetched.sha256):
            return kept, seen
        verdict = candidate.check(
            fetched.model,
            checked,
            served=served,
            settings=settings,
            accept=frozenset(filter(None, settings.model_accept.split(","))),
        )
        metrics.count_candidate(verdict.kind or "accepted")
        if verdict.reason:
            store.remember(msgspec.structs.replace(seen, reason=verdict.reason))
            raise Refused(f"the model at {sources.shown(uri)} is not served: {verdict.reason}")
        return store.add(verdict.version, checked / verdict.file, origin=sources.shown(uri)), seen


def _kept(store: Store, version: str) -> Version | None:
    try:
        return store.find(version)
    except ModelError:
        return None


class Follower:
    """Looks at the source every MODEL_REFRESH_SECONDS, in one process of the service."""

    def __init__(self, swap: Swap, settings: Settings) -> None:
        self._swap = swap
        self._settings = settings
        self._warned = -WARNING_SECONDS

    def watch(self) -> None:
        """Look for ever, once no other process does; in a thread of each process."""
        store = self._swap.store
        with (store.folder / FOLLOWING).open("w") as file:
            # Whoever follows dies with its lock.
            fcntl.flock(file, fcntl.LOCK_EX)
            for left in store.folder.glob(f"{UNDER_WAY}*"):
                shutil.rmtree(left, ignore_errors=True)
            while True:
                seconds = self._settings.model_refresh_seconds
                time.sleep(seconds * random.uniform(1 - JITTER, 1 + JITTER))  # noqa: S311
                self.look()

    def look(self) -> None:
        """Have the newest version of the source take over, if there is another one."""
        try:
            self._look()
        except (ModelError, Problem) as error:
            self._warn(str(error), always=isinstance(error, (Refused, Problem)))
        except OSError as error:
            self._warn(f"{error.filename} cannot be written ({error.strerror})")
        except Exception:
            log.exception("the source of the model cannot be followed")

    def _look(self) -> None:
        swap = self._swap
        found = newest(swap.store, self._settings, swap.served())
        if found is None:
            return
        version, seen = found
        active = swap.store.active()
        base = "" if self._settings.is_fetched else version.version
        known = active and (active.base if base else active.version)
        # A rollback, or an upload, holds until there is another file at MODEL_PATH.
        if version.version != known:
            try:
                swap.activate(version, base=base)
            except Problem as error:
                swap.store.remember(msgspec.structs.replace(seen, reason=error.detail))
                raise
        swap.store.remember(seen)

    def _warn(self, reason: str, *, always: bool = False) -> None:
        now = time.monotonic()
        if always or now - self._warned > WARNING_SECONDS:
            self._warned = self._warned if always else now
            serves = self._swap.version[:DIGITS]
            log.warning("%s; the version %s serves on", reason.rstrip("."), serves)
