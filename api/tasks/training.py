"""Trainings: one at a time, each a task whose result is a new version of the model.

The model is trained in a process of its own (`models.training`), on the data alone or on what
people told of answers as well. The new version is kept beside the active one, and takes over only
if that was asked for and it is better.
"""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import shutil
import time
from collections.abc import Iterator
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from api.answers import TrainingReport
from api.errors import Problem
from api.settings import Settings
from api.tasks import selections
from api.tasks.accept_training import NEWEST
from api.tasks.task import Outcome, Task
from models.candidate.facts import Served, Verdict
from models.errors import CallError, ModelError
from models.files import DIGITS
from models.training import supervise
from models.training.comparison import Comparison
from models.training.facts import STEPS, Job, Trained
from models.versions import Store, Version, folder_for

if TYPE_CHECKING:
    from api.tasks.work import Worker

log = logging.getLogger("api")

# In the folder of the versions: the lock of the training that runs.
RUNNING = ".training.lock"
# The names of folders there that hold an unfinished training begin so.
UNDER_WAY = ".training-"
# In such a folder: the selections.
ROWS = "selections.ndjson"
# A training fails for good once it has ended its process so often.
MAX_DEATHS = 3
LOCK_SECONDS = 10.0
# These versions always stay: the active one, the one before it, and the new one.
NEEDED = 3


class Untrained(Problem):
    """A training has no result; the detail says why."""

    status = HTTPStatus.UNPROCESSABLE_ENTITY


def versions_of(settings: Settings) -> Store:
    """The versions that the service keeps; raises ModelError if their folder cannot be written."""
    folder = folder_for(Path(settings.model_path), settings.model_store)
    return Store(folder, settings.model_name)


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Be the only process that trains; what one that was killed has left is removed."""
    with (folder / RUNNING).open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        for left in folder.glob(f"{UNDER_WAY}*"):
            shutil.rmtree(left, ignore_errors=True)
        yield


def outcome_of(worker: Worker, task: Task) -> Outcome:
    """Train, keep the new version, and have it take over if that is asked for and it is better.

    Raises Untrained if there is no new version, ModelError if the active one cannot be loaded.
    """
    try:
        report = _Training(worker, task).run()
    except supervise.Cancelled:
        # The task has ended: nothing more is kept of it.
        return Outcome(rows=0, results=b"", chunk_rows=1)
    return Outcome(rows=0, results=msgspec.json.encode(report), chunk_rows=1)


def _no_better(compared: Comparison, *, surely: bool) -> str:
    """Why the new version is no better; "" if it is.

    A service that learns by itself compares often, and would follow luck sooner or later: there
    the version has to be better `surely`, with the whole interval above 0.
    """
    scores = (
        f"its {compared.metric} is {compared.new_score:g}, that of the active version "
        f"{compared.active_score:g}, on {compared.rows} rows held out"
    )
    if not compared.difference > 0:
        return f"it is not better: {scores}"
    if not surely or (compared.interval and compared.interval[0] > 0):
        return ""
    ends = ""
    if compared.interval:
        low, high = compared.interval
        ends = f": the difference is {low:.2g} to {high:.2g} at 95 %"
    return f"it is not surely better: {scores}, too few to tell{ends}"


class _Training:
    """One training under way."""

    def __init__(self, worker: Worker, task: Task) -> None:
        self._worker = worker
        self._task = task
        self._versions = versions_of(worker.settings)
        self._started = time.monotonic()

    def run(self) -> TrainingReport:
        """The report; raises Cancelled, Untrained, ModelError."""
        folder = self._versions.folder
        with contextlib.suppress(FileNotFoundError):
            if (folder / NEWEST).read_text().strip() == self._task.id:
                with _alone(folder):
                    return self._run()
        raise Untrained(
            "This worker does not have the versions of the service: set MODEL_STORE to one folder "
            "that the service and all workers share, or train where the service runs."
        )

    def _run(self) -> TrainingReport:
        if not self._is_wanted():
            raise supervise.Cancelled
        active = self._versions.active()
        if active is None:
            raise ModelError(f"{self._versions.folder} has no active.json any more")
        served = Served.of(model := self._worker.models(active.version).model)
        place = self._versions.folder / f"{UNDER_WAY}{self._task.id}"
        try:
            trained, verdict = self._train(place, served, model.card)
            self._say("stage")
            version, is_new = self._stage(verdict, place / "checked")
        finally:
            shutil.rmtree(place, ignore_errors=True)
        self._say("activate")
        reason = self._activate(version, trained, served)
        return TrainingReport(
            task_id=self._task.id,
            version=version.version,
            is_new=is_new,
            activated=not reason,
            not_activated=reason,
            active_version=served.version,
            metrics=trained.metrics,
            comparison=trained.compared,
            not_compared=trained.not_compared,
            feedback=trained.learnt,
            changes=list(verdict.changes),
            seconds=round(time.monotonic() - self._started, 3),
        )

    def _train(self, place: Path, served: Served, card: dict[str, Any]) -> tuple[Trained, Verdict]:
        """What a process has trained, with its files in `checked` in the folder `place`.

        Raises Untrained if there is no model.
        """
        settings = self._worker.settings
        job = Job(
            function=settings.train,
            beside=str(Path(settings.model_path).absolute().parent),
            folder=str(place),
            seconds=settings.train_seconds,
            parent=os.getpid(),
            store=str(self._versions.folder),
            name=settings.model_name,
            served=served,
            settings=settings,
            card=card,
        )
        while True:
            place.mkdir()
            if self._task.notes.get("feedback"):
                rows = selections.write(place / ROWS, settings, self._versions, served)
                job = msgspec.structs.replace(job, feedback=rows)
            # Counted before it runs: it may end this process, too.
            runs = self._worker.store.bury(self._task.id, 0)
            found = supervise.run(job, self._say, self._is_wanted)
            if found.trained and found.verdict:
                return found.trained, found.verdict
            if not found.died:
                raise Untrained(f"The training has no result: {found.reason.rstrip('.')}.")
            log.warning("training %s: %s", self._task.id, found.reason)
            if runs >= MAX_DEATHS:
                raise Untrained(
                    f"The training ended its process {runs} times: {found.reason}. Give it more "
                    "memory, or fewer rows."
                )
            shutil.rmtree(place, ignore_errors=True)

    def _say(self, step: str) -> None:
        """Note a step; raises Cancelled if the training is not wanted any more."""
        if not self._is_wanted():
            raise supervise.Cancelled
        done = STEPS.index(step) / len(STEPS)
        self._worker.store.note(self._task.id, {"step": step, "progress": done})

    def _is_wanted(self) -> bool:
        found = self._worker.store.get(self._task.id)
        return found is not None and not found.has_ended

    def _stage(self, verdict: Verdict, checked: Path) -> tuple[Version, bool]:
        """The new version in the store, and whether it was not there before."""
        versions, settings = self._versions, self._worker.settings
        with contextlib.suppress(ModelError):
            return versions.find(verdict.version), False
        try:
            with versions.locked(LOCK_SECONDS):
                found = versions.add(verdict.version, checked / verdict.file, origin="a training")
                versions.remove_old(max(settings.keep_versions, NEEDED))
        except TimeoutError:
            raise Untrained("Another change of the model takes too long: train again.") from None
        except OSError as error:
            reason = error.strerror or str(error)
            raise Untrained(f"The new version cannot be kept ({reason}): make room.") from None
        log.warning("training %s: version %s is kept", self._task.id, found.version[:DIGITS])
        return found, True

    def _activate(self, version: Version, trained: Trained, served: Served) -> str:
        """Have the version take over; "" if it serves then, else why it does not."""
        by_hand = (
            f'POST /model/activate with {{"version": "{version.version[:DIGITS]}"}} has it serve'
        )
        active = self._versions.active()
        if active is not None and active.version == version.version:
            return ""
        if self._task.notes.get("activate") != "if-better":
            return f"it was not asked for: {by_hand}"
        compared = trained.compared
        if compared is None:
            return f"it was not compared with the active version: {trained.not_compared}"
        if reason := _no_better(compared, surely=trained.learnt is not None):
            return reason
        if active is None or active.version != served.version:
            return f"the version that it was compared with is not active any more: {by_hand}"
        if self._worker.swap is None:
            return f"this worker is no process of the service: {by_hand}"
        try:
            self._worker.swap.activate(version)
        except (ModelError, CallError) as error:
            return f"it cannot serve: {error}"
        return ""
