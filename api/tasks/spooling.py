"""What runs in a spooler of uWSGI: it does chunks, and looks after what nobody else does.

uWSGI imports this module in each spooler, from the application that it has loaded already.
"""

from __future__ import annotations

import contextlib
import fcntl
import functools
import logging
import os
import re
import signal
import sys
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from api.settings import Settings
from api.tasks import spooler
from api.tasks.models import Models
from api.tasks.task import Store
from api.tasks.trainer import Trainer
from api.tasks.work import Worker

if TYPE_CHECKING:
    from api.swap import Swap

log = logging.getLogger("api")

# A chunk of a large task waits for small tasks for at most so long.
PATIENCE_SECONDS = 5.0
# A worker that finds no room on the disk waits so long.
PAUSE_SECONDS = 1.0
# A task has its spool file at this age.
NEW_SECONDS = 5.0
# Between two removals of what is expired.
TIDY_SECONDS = 60.0


class Quick:
    """Calls the methods of a store in a thread of its own, which keeps its priority.

    uWSGI gives the spooler's first thread the lowest priority, so that requests go first. While
    such a thread waits for a processor it may hold a lock that requests wait for.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._thread = ThreadPoolExecutor(1)
        # A thread gets the priority that its maker has when it starts.
        self.call(int)

    def call(self, function: Callable[..., Any], *args: Any) -> Any:
        """What a function returns or raises."""
        return self._thread.submit(function, *args).result()

    def __getattr__(self, name: str) -> Any:
        """A method of the store."""
        return functools.partial(self.call, getattr(self._store, name))


class Spooling:
    """Does the chunks of spool files in `folder`.

    `ok` has uWSGI remove the file, and `again` has it give the file to a spooler once more.
    """

    def __init__(self, folder: Path, worker: Worker, *, ok: int, again: int) -> None:
        self._small = folder / spooler.PRIORITIES["small"]
        self._worker = worker
        self._ok = ok
        self._again = again
        self._put_off: dict[str, float] = {}
        self._trainer = Trainer(worker)

    def __call__(self, hint: Mapping[bytes | str, bytes]) -> int:
        """Do the chunk that a spool file names; the file stays where that cannot be done now."""
        # uWSGI gives the names of its own as text.
        given = {str(k, "ascii") if isinstance(k, bytes) else k: v for k, v in hint.items()}
        name = str(given["spooler_task_name"])
        if self._waits(given["priority"], name):
            return self._again
        if given["priority"] == spooler.PRIORITIES["training"].encode():
            return self._ok if self._trainer.begin(given["task"].decode()) else self._again
        try:
            self._worker.work(given["task"].decode(), int(given["chunk"]))
        except OSError as error:
            log.error("a task has to wait: %s", error)  # noqa: TRY400
            time.sleep(PAUSE_SECONDS)
            return self._again
        finally:
            # uWSGI looks for files that came meanwhile.
            os.kill(os.getpid(), signal.SIGUSR1)
        self._put_off.pop(name, None)
        return self._ok

    def _waits(self, priority: bytes, name: str) -> bool:
        """Whether a chunk of a large task lets small tasks pass."""
        if priority != spooler.PRIORITIES["large"].encode():
            return False
        with os.scandir(self._small) as files:
            if not any(files):
                return False
        since = self._put_off.setdefault(name, time.monotonic())
        if time.monotonic() - since > PATIENCE_SECONDS:
            return False
        os.kill(os.getpid(), signal.SIGUSR1)
        return True


# uWSGI's form of a dictionary: each text behind its length in two bytes.
HINT = re.compile(rb"task..([0-9a-f]{32})\x05\x00chunk..([0-9]+)", re.DOTALL)


def mend(store: Store, folder: Path, before: float) -> None:
    """Put each chunk of tasks from `before` that is not done and has no spool file.

    The files are gone where the service had no time to write them, or somebody removed them.
    """
    with (folder.parent / "mending.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        hints = [p for each in spooler.PRIORITIES.values() for p in (folder / each).iterdir()]
        waiting = list(store.waiting())
        if len(hints) >= len(waiting):
            return
        known = set()
        for path in hints:
            with contextlib.suppress(FileNotFoundError):
                known.add(_read_hint(path))
        for task, number in waiting:
            if task.created < before and (task.id, number) not in known:
                spooler.put(task.id, number, task.queue)


def _read_hint(path: Path) -> tuple[str, int]:
    """The task and the chunk that a spool file names."""
    found = HINT.search(path.read_bytes())
    return (found[1].decode(), int(found[2])) if found else ("", -1)


def tidy(store: Store, folder: Path, ttl: float) -> None:
    """Remove what is expired, and mend what waits: spool files that are missing or of the future.

    uWSGI waits for the time of a file where the clock was set back.
    """
    store.expire(ttl)
    now = time.time()
    mend(store, folder, now - NEW_SECONDS)
    for priority in spooler.PRIORITIES.values():
        for path in (folder / priority).iterdir():
            with contextlib.suppress(FileNotFoundError):
                if path.stat().st_mtime > now + 1:
                    os.utime(path)


def forever(look: Callable[[], object], seconds: float) -> None:
    """Call a function again and again, with so many seconds in between."""
    while True:
        time.sleep(seconds)
        try:
            look()
        except OSError as error:
            log.error("tasks cannot be looked after: %s", error)  # noqa: TRY400


def begin() -> None:
    """Take spool files in this process."""
    from api.server import wsgi

    uwsgi: Any = sys.modules["uwsgi"]
    settings: Settings = wsgi.settings
    folder = spooler.folder(settings)
    assert folder is not None  # noqa: S101  (else there is no spooler)
    store = spooler.store(settings)
    quick = Quick(store)
    put = functools.partial(quick.call, spooler.put)
    swap = wsgi.answering if settings.keeps_versions else None
    models = Models(wsgi.service, settings)
    worker = Worker(cast("Store", quick), put, models, settings, cast("Swap | None", swap))
    spool = folder / "spool"
    uwsgi.spooler = Spooling(spool, worker, ok=uwsgi.SPOOL_OK, again=uwsgi.SPOOL_RETRY)
    mend(store, spool, time.time())
    look = functools.partial(tidy, store, spool, settings.result_ttl)
    seconds = min(TIDY_SECONDS, settings.result_ttl)
    threading.Thread(target=forever, args=(look, seconds), daemon=True).start()


begin()
