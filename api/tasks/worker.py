"""A worker: a process of Celery that does chunks, and looks after what nobody else does.

`python -m api worker` starts it, and so does `celery --app api.tasks.celery worker`.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
import time
import warnings
from pathlib import Path
from typing import NoReturn

from celery import signals
from celery.exceptions import Reject, SecurityWarning
from celery.worker import state

from api import boot
from api.app import load
from api.monitor.telemetry import configure_logging
from api.server import process as server
from api.service import Service
from api.settings import Settings, add_file, misspelt
from api.tasks import celery
from api.tasks.desk import NoTasks
from api.tasks.models import Models
from api.tasks.redis_store import RedisStore
from api.tasks.task import QUEUES, Queue
from api.tasks.work import Worker
from models.errors import ModelError, brief
from models.files import DIGITS
from models.settings import SettingsError

log = logging.getLogger("api")

# Celery warns root of pickles, which no message may be here.
warnings.simplefilter("ignore", SecurityWarning)

NO_BROKER = (
    "a worker needs CELERY_BROKER_URL, as amqp://user:password@host:5672// for RabbitMQ, or "
    "redis://host:6379/0; without it the service does its tasks itself"
)
# A chunk of a large task lets small tasks pass, until the worker has done none for so long.
PATIENCE_SECONDS = 2.0
# Between two tries of a chunk for which the store, the broker or the disk was not there.
PAUSE_SECONDS = 1.0
# The broker gives the chunk to another worker after so many tries.
MAX_TRIES = 60
# Between two looks for chunks that no message brings.
LOOK_SECONDS = 2.0
# Between two removals of what is expired.
TIDY_SECONDS = 60.0


class Process:
    """The work of one process: the chunks that messages bring, and looks in between."""

    def __init__(self, store: RedisStore, worker: Worker, ttl: float) -> None:
        self._store = store
        self._worker = worker
        self._ttl = ttl
        self._training = threading.Thread()
        self._chunk: tuple[str, int] | None = None
        self._last_large = 0.0
        self._tidied = 0.0

    def take(self, task_id: str, number: int, queue: Queue) -> None:
        """Do a chunk; where the store or the disk is not there, wait for it.

        Raises Reject where that takes too long, or the worker has to stop.
        """
        if queue == "large" and self._lets_pass(task_id, number):
            return
        if queue == "training":
            self._train(task_id)
            return
        self._chunk = task_id, number
        try:
            for _ in range(MAX_TRIES):
                if self._is_done(task_id, number):
                    return
                time.sleep(PAUSE_SECONDS)
                if state.should_stop is not None:
                    break
        finally:
            self._chunk = None
        raise Reject("the chunk could not be done", requeue=True)

    def _is_done(self, task_id: str, number: int) -> bool:
        """Do a chunk; False where the store, the broker or the disk is not there."""
        try:
            self._worker.work(task_id, number)
        except OSError as error:
            log.error("a task has to wait: %s", error)  # noqa: TRY400
            return False
        return True

    def _train(self, task_id: str) -> None:
        """Train in a thread, since small tasks go on meanwhile; one training at a time.

        Should this process die, another one begins the training once it is missed.
        """
        if not self._training.is_alive():
            self._training = threading.Thread(
                target=self._is_done, args=(task_id, 0), name=task_id, daemon=True
            )
            self._training.start()

    def _lets_pass(self, task_id: str, number: int) -> bool:
        """Put a chunk of a large task behind others if small tasks wait; False if it is next."""
        now = time.monotonic()
        try:
            if now - self._last_large < PATIENCE_SECONDS and celery.waiting("small"):
                celery.put(task_id, number, "large")
                return True
        except OSError as error:
            log.warning("small tasks may have to wait: %s", error)
        self._last_large = now
        return False

    def look(self) -> None:
        """Hold what is under way, remove what is expired, and put again what is missed.

        A chunk is missed where the broker has lost its message, or gives it back late.
        """
        if self._chunk is not None:
            self._store.hold(*self._chunk)
        if self._training.is_alive():
            self._store.hold(self._training.name, 0)
        if time.monotonic() - self._tidied > TIDY_SECONDS:
            self._tidied = time.monotonic()
            self._store.expire(self._ttl)
        # Else they may wait for their turn.
        if not any(map(celery.waiting, QUEUES)):
            for task, number in self._store.missed():
                celery.put(task.id, number, task.queue)

    def look_forever(self) -> None:
        """Look again and again."""
        while True:
            time.sleep(min(LOOK_SECONDS, self._ttl))
            try:
                self.look()
            except OSError as error:
                log.error("tasks cannot be looked after: %s", error)  # noqa: TRY400


_process: list[Process] = []


def process() -> Process:
    """The work of this process, which has begun."""
    return _process[0]


def begin() -> None:
    """Load the model, and be ready to take chunks; a sentence ends a process that cannot."""
    if _process:
        return
    try:
        settings, service = _load()
        store = celery.store(settings)
        models = Models(service, settings)
    except (ModelError, SettingsError) as error:
        sys.exit(f"error: {error}")
    except NoTasks as error:
        sys.exit(f"error: {error.detail}")
    except OSError as error:
        sys.exit(f"error: DATA_DIR cannot be written ({error.strerror})")
    except Exception as error:
        # The code of users runs while a model is loaded.
        log.debug("the model cannot be loaded", exc_info=True)
        sys.exit(
            f"error: the model cannot be loaded ({brief(error)}): LOG_LEVEL=debug shows where that "
            "comes from"
        )
    _process.append(
        Process(store, Worker(store, celery.put, models, settings), settings.result_ttl)
    )
    hello = (
        f"{service.model.kind} from {service.model.path} (version "
        f"{service.model.version[:DIGITS]}) does the tasks of "
        f"{celery.app.connection_for_read().as_uri()}"
    )

    def greet(**_: object) -> None:
        print(hello, flush=True)  # noqa: T201
        threading.Thread(target=process().look_forever, daemon=True).start()

    signals.worker_ready.connect(greet, weak=False)


def _load() -> tuple[Settings, Service]:
    """The settings of the environment and of .env, and the model."""
    if Path(".env").exists():
        add_file(os.environ, Path(".env"))
    settings = Settings.from_env(os.environ)
    configure_logging(
        json=bool(settings.k_service),
        project=settings.google_cloud_project,
        level=settings.log_level,
    )
    if not settings.celery_broker_url:
        raise SettingsError(NO_BROKER)
    server.share_one_heap()
    for problem in misspelt(os.environ):
        log.warning(problem)
    with boot.frozen():
        if not settings.keeps_versions:
            return settings, load(settings)
        from api import keeping

        return settings, keeping.begin(settings)[1]


def main() -> NoReturn:
    """Be a worker until a signal ends it."""
    begin()
    worker = celery.app.Worker(
        hostname=f"worker-{os.getpid()}@%h",
        quiet=True,
        without_mingle=True,
        without_gossip=True,
        without_heartbeat=True,
    )
    worker.start()
    sys.exit(worker.exitcode)
