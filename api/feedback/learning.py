"""Train by itself: after so many selections (LEARN_EVERY), or at some times (LEARN_CRON)."""

from __future__ import annotations

import datetime as dt
import logging
from typing import TYPE_CHECKING

import msgspec

from api import learn
from api.errors import Conflict, Problem
from api.feedback import cron
from api.feedback.recorder import recorder
from api.feedback.store import FeedbackStore
from api.settings import Settings
from models.signature.types import Signature

if TYPE_CHECKING:
    from api.swap import Swap

log = logging.getLogger("api")

# Between two looks.
LOOK_SECONDS = 2.0
# The name under which the store notes how many selections the last training knew.
NOTE = "learning"
# Whose trainings these are, where others have the name of an API key.
OWNER = "learning"
MINUTE = dt.timedelta(minutes=1)


def note(store: FeedbackStore) -> None:
    """Note that a training knows all selections of today."""
    store.set_note(NOTE, store.count_selections())


def check(settings: Settings, signature: Signature) -> None:
    """Say in one sentence what keeps a service from learning by itself, if something does."""
    if reason := missing(settings, signature):
        name = "LEARN_EVERY" if settings.learn_every else "LEARN_CRON"
        log.warning("%s is set, and nothing is learnt by itself: %s", name, reason)


def missing(settings: Settings, signature: Signature) -> str:
    """Why a service cannot learn by itself; "" if it can."""
    # Few services train.
    from api.tasks import accept_training

    try:
        accept_training.check_feedback(settings, signature)
    except Problem as problem:
        return problem.detail
    if recorder.mode != "all":
        return recorder.reason
    if settings.celery_broker_url:
        return (
            "no worker of Celery has a version take over. Unset CELERY_BROKER_URL, or start each "
            'training by POST /train/start with {"feedback": true}'
        )
    if settings.data_folder is None:
        return "set DATA_DIR to a folder that this service may write"
    return "" if settings.task_workers else "set TASK_WORKERS=1"


class Learner:
    """Starts trainings: `look` is called each LOOK_SECONDS, in one process of the service."""

    def __init__(self, settings: Settings, store: FeedbackStore, swap: Swap) -> None:
        self._settings = settings
        self._store = store
        self._swap = swap
        self._cron = cron.read(settings.learn_cron) if settings.learn_cron else None
        self._minute = _now()
        self._is_time = False
        self._said = ""
        self._task_id = ""

    def look(self) -> None:
        """Start a training if it is time for one, unless one is under way.

        What came of the last one is said in the log.
        """
        self._tell()
        count = self._store.count_selections()
        new = count - (self._store.note(NOTE) or 0)
        every = self._settings.learn_every
        self._is_time = self._is_time or self._has_come()
        if not (every and new >= every) and not (self._is_time and new):
            # A time at which there is nothing to learn passes.
            self._is_time = False
            return
        try:
            self._task_id = self._start()
        except Conflict:
            # The training that is under way ends.
            return
        except Problem as problem:
            self._say(problem.detail)
            return
        self._is_time = False
        # Also where it fails: the next one comes after as many selections again.
        note(self._store)
        self._say(f"training {self._task_id} learns from {new} new selections")

    def _tell(self) -> None:
        """Say what came of the training under way, once it has ended."""
        from api.tasks.desk import desk

        try:
            store = desk(self._settings).store
        except Problem:
            return
        task = store.get(self._task_id) if self._task_id else None
        if task is None or not task.has_ended:
            return
        self._task_id = ""
        if task.state == "SUCCESS":
            self._say(learn.verdict(msgspec.json.decode(store.results(task.id, 0))))
        else:
            self._say((task.error or {}).get("detail", "the training was cancelled"))

    def _has_come(self) -> bool:
        """Whether LEARN_CRON has a time since the last look."""
        first, self._minute = self._minute, _now()
        if self._cron is None:
            return False
        # Where the clock was set, or the machine slept, a day of it counts.
        minutes = min(int((self._minute - first) / MINUTE), 24 * 60)
        return any(self._cron.is_at(self._minute - i * MINUTE) for i in range(minutes))

    def _start(self) -> str:
        """Hand a training in, and give its id; raises Problem."""
        from api.tasks import accept_training
        from api.tasks.desk import asked, desk

        wanted = accept_training.Asked(activate="if-better", feedback=True)
        with asked():
            task = accept_training.accept(
                self._swap.store,
                desk(self._settings),
                wanted,
                owner=OWNER,
                version=self._swap.version,
                key=None,
            )
        return task.id

    def _say(self, what: str) -> None:
        """Log a sentence, once where it is the same again."""
        if what != self._said:
            self._said = what
            log.warning("learning: %s", what)


def _now() -> dt.datetime:
    return dt.datetime.now(dt.UTC).replace(second=0, microsecond=0)
