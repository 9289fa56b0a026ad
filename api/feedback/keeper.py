"""What one process of the service does for all, beside its requests: each duty at its time."""

from __future__ import annotations

import fcntl
import logging
import threading
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import IO, TYPE_CHECKING, NamedTuple

import msgspec

from api.feedback.recorder import recorder
from api.http.route import Routes, Site
from api.settings import Settings

if TYPE_CHECKING:
    from api.service import Service
    from api.swap import Swap

log = logging.getLogger("api")

# A process that ends waits so long for others, which do the same.
FINISH_SECONDS = 3.0
POLL_SECONDS = 0.02
# Expired rows go this often.
EXPIRE_SECONDS = 600.0
LOOK_SECONDS = 0.5


class Duty(NamedTuple):
    """A function that is called each so many seconds, and one for the end of each process.

    Both may raise OSError.
    """

    seconds: float
    run: Callable[[], object]
    finish: Callable[[], object] | None = None


def duties(settings: Settings, service: Service, swap: Swap | None) -> list[Duty]:
    """The duties of a service with these settings; `swap` changes its version, where that may be.

    `service` is that of the version that it began with.
    """
    found = [Duty(EXPIRE_SECONDS, lambda: recorder.expire(settings.prediction_ttl))]
    if settings.learns and swap is not None:
        # Few services do.
        from api.feedback import learning

        if not learning.missing(settings, service.model.signature):
            learner = learning.Learner(settings, recorder.store, swap)
            found.append(Duty(learning.LOOK_SECONDS, learner.look))
    if settings.alert_url:
        from api.feedback import alerts

        name = settings.k_service or settings.model_name
        site = partial(_site, settings, service, swap)
        teller = alerts.Alerts(recorder.store, settings.alert_url, name, site)
        found.append(Duty(alerts.LOOK_SECONDS, teller.look))
    if settings.feedback_uri:
        from api.feedback.shipping import SHIP_SECONDS, Shipper

        shipper = Shipper(recorder.store, settings, recorder.features)
        found.append(Duty(SHIP_SECONDS, shipper.ship, shipper.finish))
    return found


def say_unused(settings: Settings) -> None:
    """Log which settings do nothing, as nothing is kept of predictions."""
    for name in ("feedback_uri", "alert_url"):
        if getattr(settings, name):
            log.warning("%s is set, and nothing comes of it: %s", name.upper(), recorder.reason)


def _site(settings: Settings, service: Service, swap: Swap | None) -> Site:
    """The service with the version that serves now."""
    model = service.model if swap is None else swap.model
    return Site(msgspec.structs.replace(service, model=model), settings, Routes(), swap)


class Keeper:
    """Does duties for ever, in the one process of the service that holds the lock in `folder`."""

    def __init__(self, folder: Path, duties: Sequence[Duty]) -> None:
        self._lock = folder / "keeper.lock"
        self._due = [(0.0, duty) for duty in duties]
        # Whether this process does the duties, one at a time.
        self._is_chosen = False
        self._doing = threading.Lock()

    def watch(self) -> None:
        """Do the duties once no other process does; in a thread of each process."""
        with self._lock.open("w") as file:
            # Whoever has it dies with it.
            fcntl.flock(file, fcntl.LOCK_EX)
            self._is_chosen = True
            while True:
                self.look()
                time.sleep(LOOK_SECONDS)

    def look(self) -> None:
        """Do the duties that are due."""
        now = time.monotonic()
        for i, (due, duty) in enumerate(self._due):
            if now >= due:
                self._due[i] = now + duty.seconds, duty
                with self._doing:
                    self._do(duty.run)

    def finish(self) -> None:
        """Do at the end of this process what duties have for it, while no other process does."""
        last = [duty.finish for _, duty in self._due if duty.finish]
        if not last:
            return
        end = time.monotonic() + FINISH_SECONDS
        with self._lock.open("w") as file:
            while not (self._is_chosen or _locked(file)):
                if time.monotonic() > end:
                    return
                time.sleep(POLL_SECONDS)
            # The thread may be in the middle of a duty.
            if self._doing.acquire(timeout=FINISH_SECONDS):
                for finish in last:
                    self._do(finish)
                self._doing.release()

    def _do(self, run: Callable[[], object]) -> None:
        try:
            run()
        except OSError as error:
            log.warning("feedback has to wait: %s", error)
        except Exception:
            log.exception("feedback cannot be looked after")


def _locked(file: IO[str]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
