"""What one process of the service does for all, beside its requests: each duty at its time."""

from __future__ import annotations

import fcntl
import logging
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from api.feedback.recorder import recorder
from api.settings import Settings

if TYPE_CHECKING:
    from api.service import Service
    from api.swap import Swap

log = logging.getLogger("api")

# Expired rows go this often.
EXPIRE_SECONDS = 600.0
LOOK_SECONDS = 0.5


class Duty(NamedTuple):
    """A function that is called each so many seconds; it may raise OSError."""

    seconds: float
    run: Callable[[], object]


def duties(settings: Settings, service: Service, swap: Swap | None) -> list[Duty]:
    """The duties of a service with these settings; `swap` changes its version, where that may be.

    `service` is that of the version that it began with.
    """
    found = [
        Duty(EXPIRE_SECONDS, lambda: recorder.store.expire(time.time() - settings.prediction_ttl))
    ]
    if settings.learns and swap is not None:
        # Few services do.
        from api.feedback import learning

        if not learning.missing(settings, service.model.signature):
            learner = learning.Learner(settings, recorder.store, swap)
            found.append(Duty(learning.LOOK_SECONDS, learner.look))
    return found


class Keeper:
    """Does duties for ever, in the one process of the service that holds the lock in `folder`."""

    def __init__(self, folder: Path, duties: Sequence[Duty]) -> None:
        self._lock = folder / "keeper.lock"
        self._due = [(0.0, duty) for duty in duties]

    def watch(self) -> None:
        """Do the duties once no other process does; in a thread of each process."""
        with self._lock.open("w") as file:
            # Whoever has it dies with it.
            fcntl.flock(file, fcntl.LOCK_EX)
            while True:
                self.look()
                time.sleep(LOOK_SECONDS)

    def look(self) -> None:
        """Do the duties that are due."""
        now = time.monotonic()
        for i, (due, duty) in enumerate(self._due):
            if now >= due:
                self._due[i] = now + duty.seconds, duty
                self._do(duty)

    def _do(self, duty: Duty) -> None:
        try:
            duty.run()
        except OSError as error:
            log.warning("feedback has to wait: %s", error)
        except Exception:
            log.exception("feedback cannot be looked after")
