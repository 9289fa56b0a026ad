"""The processes that do the tasks of a service on one machine: a foreman and its workers."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, cast

from api.feedback.recorder import recorder
from api.service import Service
from api.settings import Settings
from api.tasks.embedded import Bell, end_with, forever, hall, store
from api.tasks.models import Models
from api.tasks.store import SqliteStore
from api.tasks.task import Queue, Store
from api.tasks.work import Worker

if TYPE_CHECKING:
    from api.swap import Swap

log = logging.getLogger("api")

# A worker takes the chunks of the queues from the first of these to the second.
Duty = tuple[Queue, Queue]
CHUNKS: Duty = ("small", "large")
TRAINING: Duty = ("training", "training")

# A service that replaces its last worker has none for a moment.
PATIENCE_LOOKS = 3
# A worker looks for work so often though nobody rings.
LOOK_SECONDS = 1.0
# A worker that finds no room on the disk waits so long.
PAUSE_SECONDS = 1.0
# A worker that ends sooner is not replaced at once.
LEAST_SECONDS = 1.0
# Between two removals of what is expired.
TIDY_SECONDS = 60.0
LOWEST_PRIORITY = 19
# Whoever signals the service may signal all its processes: these end with it.
IGNORED = (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM)


class Foreman:
    """Forks workers for the tasks of a service, and replaces those that die."""

    def __init__(
        self, settings: Settings, service: Service, swap: Swap | None, bell: Bell, parent: int
    ) -> None:
        self._settings = settings
        self._service = service
        self._bell = bell
        self._parent = parent
        self._swap = swap
        # The looks since the service had other processes; None before there were any.
        self._lonely: int | None = None
        # The duty of each worker by its pid, and the monotonic second of its fork.
        self._workers: dict[int, tuple[Duty, float]] = {}

    def run(self) -> NoReturn:
        """Look after the workers and the store, until the service ends."""
        end_with(self._parent)
        for number in IGNORED:
            signal.signal(number, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_SETMASK, {signal.SIGCHLD})
        self._store = store(self._settings)
        # Workers of an earlier service may have claimed chunks, and have ended with it.
        self._store.release()
        tidied = 0.0
        while os.getppid() == self._parent and not self._is_alone():
            for duty in self._missing():
                self._try(partial(self._fork, duty))
            if time.monotonic() - tidied > min(TIDY_SECONDS, self._settings.result_ttl):
                tidied = time.monotonic()
                self._try(partial(self._store.expire, self._settings.result_ttl))
            signal.sigtimedwait({signal.SIGCHLD}, LOOK_SECONDS)
            self._bury()
        os._exit(0)

    def _is_alone(self) -> bool:
        """Whether the service has no workers for requests any more: then it waits for this one."""
        try:
            found = Path(f"/proc/{self._parent}/task/{self._parent}/children").read_text().split()
        except OSError:
            # macOS has no /proc, and some kernels no such file.
            return False
        if len(found) > 1:
            self._lonely = 0
        elif self._lonely is not None:
            self._lonely += 1
        return (self._lonely or 0) > PATIENCE_LOOKS

    def _missing(self) -> list[Duty]:
        """The workers that have to be forked: a training, which takes long, has one of its own."""
        there = [duty for duty, _ in self._workers.values()]
        wanted = [CHUNKS] * self._settings.task_workers
        if self._settings.keeps_versions:
            wanted.append(TRAINING)
        return list((Counter(wanted) - Counter(there)).elements())

    def _fork(self, duty: Duty) -> None:
        parent = os.getpid()
        pid = os.fork()
        if not pid:
            forever(lambda: self._work(duty, parent))
        self._workers[pid] = duty, time.monotonic()

    def _bury(self) -> None:
        """Give back the chunks of workers that have died."""
        for pid in list(self._workers):
            ended, status = os.waitpid(pid, os.WNOHANG)
            if not ended:
                continue
            _, began = self._workers.pop(pid)
            log.warning("worker for tasks (pid %d) %s: another takes its place", pid, _how(status))
            self._try(partial(self._store.release, pid))
            time.sleep(max(0.0, LEAST_SECONDS - (time.monotonic() - began)))

    def _try(self, look: Callable[[], object]) -> None:
        try:
            look()
        except OSError as error:
            log.error("tasks cannot be looked after: %s", error)  # noqa: TRY400

    def _work(self, duty: Duty, parent: int) -> NoReturn:
        """Be a worker: do chunks until the foreman ends."""
        end_with(parent)
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        quick: Any = Quick(store(self._settings))
        if recorder.mode != "off":
            threading.Thread(target=recorder.watch, daemon=True).start()
        os.nice(LOWEST_PRIORITY)
        models = Models(self._service, self._settings)
        worker = Worker(cast("Store", quick), hall.put, models, self._settings, self._swap)
        pid = os.getpid()
        while os.getppid() == parent:
            try:
                begun = quick.claim(pid, *duty)
                if begun is None:
                    self._bell.wait(LOOK_SECONDS)
                else:
                    worker.do(*begun)
            except OSError as error:
                log.error("a task has to wait: %s", error)  # noqa: TRY400
                time.sleep(PAUSE_SECONDS)
                with contextlib.suppress(OSError):
                    quick.release(pid)
        os._exit(0)


def _how(status: int) -> str:
    """How a process ended, by its status of `os.waitpid`."""
    code = os.waitstatus_to_exitcode(status)
    if code >= 0:
        return f"ended with the status {code}"
    return f"was killed by {signal.Signals(-code).name}"


class Quick:
    """Calls the methods of a store in a thread of its own, which keeps its priority.

    The first thread of a worker has the lowest priority, so that requests go first. While such a
    thread waits for a processor it may hold a lock that requests wait for.
    """

    def __init__(self, store: SqliteStore) -> None:
        self._store = store
        self._pid = os.getpid()
        self._thread = ThreadPoolExecutor(1)
        # A thread gets the priority that its maker has when it starts.
        self._call(int)

    def _call(self, function: Callable[..., Any], *args: Any) -> Any:
        if os.getpid() != self._pid:
            # A child that tries a chunk has no such thread.
            return function(*args)
        return self._thread.submit(function, *args).result()

    def __getattr__(self, name: str) -> Any:
        """A method of the store."""
        return partial(self._call, getattr(self._store, name))
