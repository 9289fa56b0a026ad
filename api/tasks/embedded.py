"""Tasks on one machine: the service has processes of its own for them, and needs nothing else.

A *foreman* is forked from the service before uWSGI starts, with the model loaded, and forks the
workers. Each worker takes the chunk whose turn it is. Where a worker dies, the foreman learns it at
once from the kernel, gives its chunk back, and forks another. uWSGI's own spooler is not used: its
master forks spoolers while another of its threads may hold the GIL, and such a spooler waits for
ever.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import logging
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from api.server import process
from api.settings import Settings
from api.tasks.desk import NoTasks
from models.waiting import readable

if TYPE_CHECKING:
    from api.service import Service
    from api.swap import Swap
    from api.tasks.store import SqliteStore
    from api.tasks.task import Queue

log = logging.getLogger("api")

# A service that has just been killed may hold the folder for so long.
LOCK_SECONDS = 1.0
POLL_SECONDS = 0.02
PR_SET_PDEATHSIG = 1


class Bell:
    """Wakes workers: whoever rings writes a byte to a pipe, which one of them reads."""

    def __init__(self) -> None:
        self._reading, self._writing = os.pipe()
        os.set_blocking(self._reading, False)
        os.set_blocking(self._writing, False)

    def ring(self) -> None:
        """Wake a worker."""
        # Where the pipe is full, there is enough to do.
        with contextlib.suppress(BlockingIOError):
            os.write(self._writing, b"!")

    def wait(self, seconds: float) -> None:
        """Wait until somebody rings, or for so many seconds."""
        if readable(self._reading, seconds):
            # Another worker may have read the byte.
            with contextlib.suppress(BlockingIOError):
                os.read(self._reading, 1)


class Hall:
    """What the processes of a service share for its tasks: the folder, the bell, the foreman.

    `reason` says why no tasks are taken; it is "" where they are.
    """

    def __init__(self) -> None:
        self.bell: Bell | None = None
        self.foreman = 0
        self.reason = "tasks need the server that `python -m api` starts"

    def put(self, _: str, __: int, ___: Queue) -> None:
        """Have a worker look for the chunk."""
        if self.bell is not None:
            self.bell.ring()


hall = Hall()


def end() -> None:
    """End the foreman and its workers: chunks that are not done are begun again by the next."""
    if hall.foreman:
        with contextlib.suppress(ProcessLookupError):
            os.kill(hall.foreman, signal.SIGKILL)


def check() -> None:
    """Raise NoTasks if nobody does the tasks of this service."""
    if not hall.reason and not process.is_running(hall.foreman):
        hall.reason = "the processes that did them have ended: start the service again"
    if hall.reason:
        raise NoTasks(f"This service takes no tasks: {hall.reason}.")


def store(settings: Settings) -> SqliteStore:
    """The store in DATA_DIR; raises OSError if it cannot be written."""
    from api.tasks.store import SqliteStore

    data = settings.data_folder
    assert data is not None  # noqa: S101  (whoever asks has looked)
    return SqliteStore(data / "tasks", most=settings.max_tasks, durable=settings.durable == "true")


def begin(settings: Settings, service: Service, swap: Swap | None) -> None:
    """Fork the foreman, where this service does its tasks itself.

    `swap` has another version of the model take over, where that may happen.
    """
    data = settings.data_folder
    if settings.celery_broker_url or data is None:
        return
    if not settings.task_workers:
        hall.reason = "it has no workers for them: set TASK_WORKERS=1"
        return
    try:
        (data / "tasks").mkdir(parents=True, exist_ok=True)
        lock = _lock(data / "tasks")
    except OSError as error:
        hall.reason = f"DATA_DIR={data} cannot be written ({error.strerror})"
        log.info("no tasks are taken: %s", hall.reason)
        return
    if lock is None:
        hall.reason = f"another service does tasks in DATA_DIR={data}: set another folder"
        log.warning("no tasks are taken: %s", hall.reason)
        return
    bell, parent = Bell(), os.getpid()
    try:
        pid = os.fork()
    except OSError as error:
        hall.reason = f"no process can be started for them ({error.strerror})"
        log.warning("no tasks are taken: %s", hall.reason)
    else:
        if not pid:
            forever(lambda: _oversee(settings, service, swap, bell, parent))
        hall.bell, hall.foreman, hall.reason = bell, pid, ""
    # The foreman alone holds the folder: what survives it for a moment does not.
    os.close(lock)


def _oversee(
    settings: Settings, service: Service, swap: Swap | None, bell: Bell, parent: int
) -> None:
    hall.bell = bell
    # The service itself starts sooner without what tasks need.
    from api.tasks.foreman import Foreman

    Foreman(settings, service, swap, bell, parent).run()


def _lock(folder: Path) -> int | None:
    """A lock on the folder, which ends with the processes that hold it; None if others do."""
    lock = os.open(folder / "foreman.lock", os.O_RDWR | os.O_CREAT, 0o600)
    end = time.monotonic() + LOCK_SECONDS
    while time.monotonic() < end:
        with contextlib.suppress(BlockingIOError):
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return lock
        time.sleep(POLL_SECONDS)
    os.close(lock)
    return None


def forever(run: Callable[[], object]) -> NoReturn:
    """Run, in a child, and never return to what the parent was about to do."""
    try:
        run()
    except BaseException:
        log.exception("tasks cannot be done any more")
    finally:
        os._exit(1)


def end_with(parent: int) -> None:
    """Have the kernel end this process with its parent."""
    with contextlib.suppress(AttributeError):
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)
