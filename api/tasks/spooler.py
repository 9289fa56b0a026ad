"""Tasks on one machine: uWSGI's spooler brings chunks to processes of the service itself.

The store is the truth, and a spool file is only a hint of two ids: whoever starts the service puts
every chunk again that is not done. While a spooler does a chunk it holds a lock on its spool file,
which the kernel takes back when the process ends: another one begins the chunk at once.
"""

from __future__ import annotations

import logging
import os
import sys
from pathlib import Path
from typing import Any

from api.settings import Settings
from api.tasks.store import SqliteStore
from api.tasks.task import Queue, Store

log = logging.getLogger("api")

# The folders of spool files, by priority: uWSGI looks into the first one first.
PRIORITIES: dict[Queue, str] = {"small": "0", "large": "5", "training": "9"}
# Between two looks for spool files that nobody told of.
LOOK_SECONDS = 1


def folder(settings: Settings) -> Path | None:
    """The folder of tasks in DATA_DIR, made if it is not there; None where no tasks are kept.

    Raises OSError if it cannot be written.
    """
    data = settings.data_folder
    if data is None or settings.celery_broker_url:
        return None
    tasks = data / "tasks"
    for each in PRIORITIES.values():
        (tasks / "spool" / each).mkdir(parents=True, exist_ok=True)
    return tasks


def store(settings: Settings) -> Store:
    """The store in DATA_DIR; raises OSError."""
    tasks = folder(settings)
    assert tasks is not None  # noqa: S101  (whoever asks has looked)
    return SqliteStore(tasks, most=settings.max_tasks, durable=settings.durable == "true")


def arguments(settings: Settings) -> list[str]:
    """The options of uWSGI for the spoolers; none where no tasks are kept."""
    try:
        tasks = folder(settings)
    except OSError as error:
        log.warning("no tasks are taken: DATA_DIR cannot be written (%s)", error.strerror)
        return []
    if tasks is None:
        return []
    return [
        # uWSGI reads this one before the folder.
        *("--spooler-processes", str(settings.task_workers)),
        *("--spooler", str(tasks / "spool")),
        "--spooler-ordered",
        "--spooler-quiet",
        *("--spooler-frequency", str(LOOK_SECONDS)),
        # Own code may name files relative to the folder in which the service was started.
        *("--spooler-chdir", os.getcwd()),  # noqa: PTH109
        *("--spooler-import", "api.tasks.spooling"),
    ]


def is_there() -> bool:
    """Whether this process runs under uWSGI with a spooler."""
    uwsgi: Any = sys.modules.get("uwsgi")
    return bool(uwsgi and "spooler" in getattr(uwsgi, "opt", {}))


def put(task_id: str, number: int, queue: Queue) -> None:
    """Put a chunk; raises OSError if the disk has no room for its hint."""
    uwsgi: Any = sys.modules["uwsgi"]
    hint = {b"task": task_id.encode(), b"chunk": str(number).encode()}
    hint[b"priority"] = PRIORITIES[queue].encode()
    if not uwsgi.spool(hint):
        raise OSError("the folder of tasks takes no more files")
