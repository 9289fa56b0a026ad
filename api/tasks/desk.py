"""Where a process of the service hands tasks in, and asks for them."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterator
from http import HTTPStatus
from typing import NamedTuple

from api.errors import Problem
from api.settings import Settings
from api.tasks.task import Put, Store

NO_BROKER = (
    "This service takes no tasks: set CELERY_BROKER_URL and CELERY_BACKEND_URL in SECRETS, for "
    "Cloud Run's own disk ends with each instance, and run workers with make deploy-worker."
)


class NoTasks(Problem):
    """The service takes no tasks, or cannot take them now."""

    status = HTTPStatus.SERVICE_UNAVAILABLE

    def __init__(self, detail: str) -> None:
        super().__init__(detail, Retry_After="5")


class Desk(NamedTuple):
    """The store of tasks, and what puts their chunks."""

    store: Store
    put: Put


@contextlib.contextmanager
def asked() -> Iterator[None]:
    """Ask the store: where it cannot be reached or has no room, NoTasks says so."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        raise NoTasks(f"Tasks cannot be kept now ({reason}): try again later.") from None


def desk(settings: Settings) -> Desk:
    """The desk of this process; raises NoTasks if the service takes none."""
    if not settings.celery_broker_url:
        from api.tasks import embedded

        if settings.data_folder is None:
            raise NoTasks(NO_BROKER)
        embedded.check()
    return _made(settings)


@functools.cache
def _made(settings: Settings) -> Desk:
    if settings.celery_broker_url:
        from api.tasks import celery

        return Desk(celery.store(settings), celery.put)
    from api.tasks import embedded

    return Desk(embedded.store(settings), embedded.hall.put)
