"""Models that are sent to the service: each is checked in a process of its own, then it serves.

What becomes of an upload is in a file, `uploads/ID.json` in the folder of the store, so that every
process can tell it. Whoever works on one holds a lock of the kernel, which ends with its process.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import fcntl
import hashlib
import logging
import re
import secrets
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import IO

import msgspec

from api.answers import Upload
from api.errors import Conflict
from api.monitor import metrics
from models import candidate
from models.candidate import Served, Verdict
from models.errors import CallError, ModelError
from models.files import write_file
from models.settings import ModelSettings

log = logging.getLogger("api")

ID = re.compile(r"[0-9a-f]{16}", re.ASCII)
# The service tells the state of this number of uploads, the newest ones.
MAX_KEPT = 100
# Whoever asks for the state of an upload holds the lock for a moment.
LOCK_SECONDS = 0.5
ENDED = "the process that checked it has ended, so that nothing came of it: send it again"

# Gives an accepted model to the service; raises ModelError or CallError if it cannot.
Take = Callable[[Verdict, Path], None]


class Uploads:
    """The uploads in the folder of a store."""

    def __init__(self, store: Path) -> None:
        self._folder = store / "uploads"

    @contextlib.contextmanager
    def receive(self) -> Iterator[Incoming]:
        """A context for one upload, the only one of all processes.

        Its files are removed at the end, unless `Incoming.check` goes on with it. Raises Conflict
        while there is another one.
        """
        self._folder.mkdir(mode=0o700, exist_ok=True)
        lock = (self._folder / ".lock").open("w")
        if not _acquire(lock, fcntl.LOCK_EX):
            lock.close()
            raise Conflict("Another model is being received or checked: send this one later.")
        self._tidy()
        incoming = Incoming(self._folder, lock)
        try:
            yield incoming
        finally:
            if not incoming.is_checked:
                incoming.close()

    def find(self, name: str) -> Upload | None:
        """What became of an upload; None if there is no such one, or none any more."""
        if not ID.fullmatch(name):
            return None
        place = self._folder / f"{name}.json"
        try:
            upload = msgspec.json.decode(place.read_bytes(), type=Upload)
            if upload.state in ("staged", "checking"):
                with (self._folder / ".lock").open("r") as lock:
                    if _acquire(lock, fcntl.LOCK_SH, 0):
                        # Read once more: it may have come to its end in between.
                        upload = msgspec.json.decode(place.read_bytes(), type=Upload)
                        if upload.state in ("staged", "checking"):
                            upload = _refused(upload, "process", ENDED)
        except FileNotFoundError:
            return None
        return upload

    def _tidy(self) -> None:
        """Remove the files of uploads whose process ended, and what is said of the oldest."""
        for path in self._folder.iterdir():
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
        told = sorted(self._folder.glob("*.json"), key=lambda path: path.stat().st_mtime)
        for path in told[: -MAX_KEPT + 1]:
            path.unlink()


class Incoming:
    """One upload: its file is written piece by piece, then checked."""

    def __init__(self, folder: Path, lock: IO[str]) -> None:
        self.id = secrets.token_hex(8)
        self.is_checked = False
        self._state = folder / f"{self.id}.json"
        self._lock = lock
        self._own = folder / self.id
        self._own.mkdir(mode=0o700)
        self.path = self._own / "sent"
        self._file = self.path.open("wb")
        self._hash = hashlib.sha256()
        self._bytes = 0

    def take(self, piece: bytes) -> None:
        """Add a piece of the file."""
        self._hash.update(piece)
        self._bytes += len(piece)
        self._file.write(piece)

    def end(self) -> str:
        """Close the file, which has all pieces, and give its SHA-256 in hexadecimal digits."""
        self._file.close()
        return self._hash.hexdigest()

    def check(
        self,
        served: Served,
        settings: ModelSettings,
        accept: frozenset[str],
        take: Take,
    ) -> Upload:
        """Begin to check the file, in a thread, and give what is known of it by now.

        `take` is called if it is accepted.
        """
        self.is_checked = True
        upload = self._staged()
        self._tell(upload)

        def work() -> None:
            last = upload
            try:
                last = self._work(upload, served, settings, accept, take)
            except Exception as error:
                log.exception("upload %s: its check failed", self.id)
                last = _refused(
                    upload, "process", f"our fault, the log has it: {type(error).__name__}"
                )
            finally:
                with contextlib.suppress(OSError):
                    self._tell(last)
                self.close()

        # Not a thread that the end of the process waits for.
        threading.Thread(target=work, daemon=True, name=f"upload {self.id}").start()
        return upload

    def _staged(self) -> Upload:
        return Upload(
            id=self.id,
            state="staged",
            step="",
            reason="",
            kind="",
            sha256=self._hash.hexdigest(),
            bytes=self._bytes,
            began=dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
            version="",
            plan_only=False,
            changes=[],
        )

    def _work(
        self,
        upload: Upload,
        served: Served,
        settings: ModelSettings,
        accept: frozenset[str],
        take: Take,
    ) -> Upload:
        """Check the file, and give it to the service; what came of it."""
        replace = msgspec.structs.replace

        def say(step: str) -> None:
            self._tell(replace(upload, state="checking", step=step))

        folder = self._own / "checked"
        folder.mkdir()
        verdict = candidate.check(
            self.path,
            folder,
            served=served,
            settings=settings,
            hostile=True,
            accept=accept,
            say=say,
        )
        metrics.count_candidate(verdict.kind or "accepted")
        found = replace(
            upload,
            step=verdict.step,
            version=verdict.version,
            plan_only=verdict.plan_only,
            changes=list(verdict.changes),
        )
        if verdict.kind:
            log.warning("upload %s is refused (%s): %s", self.id, verdict.kind, verdict.reason)
            return _refused(found, verdict.kind, verdict.reason)
        say("activate")
        return self._given(replace(found, step="activate"), partial(take, verdict, folder))

    def _given(self, found: Upload, take: Callable[[], None]) -> Upload:
        """What came of giving an accepted model to the service."""
        try:
            take()
        except (ModelError, CallError) as error:
            log.warning("upload %s is not taken: %s", self.id, error)
            return _refused(found, "activate", str(error))
        return msgspec.structs.replace(found, state="active")

    def _tell(self, upload: Upload) -> None:
        write_file(self._state, msgspec.json.encode(upload))

    def close(self) -> None:
        """Remove the files, and let the next upload begin."""
        self._file.close()
        shutil.rmtree(self._own, ignore_errors=True)
        self._lock.close()


def _refused(upload: Upload, kind: str, reason: str) -> Upload:
    return msgspec.structs.replace(upload, state="refused", kind=kind, reason=reason)


def _acquire(lock: IO[str], how: int, seconds: float = LOCK_SECONDS) -> bool:
    """Whether the lock was free within so many seconds, and is held now."""
    end = time.monotonic() + seconds
    while True:
        try:
            fcntl.flock(lock, how | fcntl.LOCK_NB)
            return True
        except BlockingIOError:
            if time.monotonic() > end:
                return False
            time.sleep(0.01)
