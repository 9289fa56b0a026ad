"""Do one chunk of one task: the only code that workers run, whatever brings them their work."""

from __future__ import annotations

import faulthandler
import logging
from collections.abc import Callable
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from api.errors import Problem, render
from api.service import Service
from api.settings import Settings
from api.tasks import inputs, isolate
from api.tasks.outcome import outcome_of
from api.tasks.task import Lost, Outcome, Put, Store, Task
from models.errors import ModelError, TooLarge
from models.files import DIGITS
from models.text.cut import Chunk

if TYPE_CHECKING:
    from api.swap import Swap

log = logging.getLogger("api")

# A process whose chunk takes so many times TIMEOUT is ended.
PATIENCE = 10
# A chunk fails for good once it has ended so many children, besides the process before.
MAX_DEATHS = 2
MAX_ATTEMPTS = 20
# A chunk for which the disk or the bucket is not there is tried again so often, each second or so.
MAX_TRIES = 600

# The service of the model with this version; raises ModelError if it is not here.
Models = Callable[[str], Service]


class Failed(Problem):
    """A task cannot be done; the detail says why."""

    status = HTTPStatus.INTERNAL_SERVER_ERROR


class Waited(Problem):
    """A task waited for the disk, or for what has its input, and cannot wait for ever."""

    status = HTTPStatus.SERVICE_UNAVAILABLE


class Ended(Problem):
    """A task cannot go on, since what it needs is gone."""

    status = HTTPStatus.GONE


class Worker(NamedTuple):
    """What does chunks: its store, how the next chunk is put, its models, its settings.

    `swap` has a new version take over; None where no process of the service works.
    """

    store: Store
    put: Put
    models: Models
    settings: Settings
    swap: Swap | None = None

    def work(self, task_id: str, number: int) -> None:
        """Do a chunk, unless it is done or its task has ended, and put the chunk behind it.

        Raises OSError where the store or the disk refuses: the chunk has to be put again.
        """
        begun = self.store.begin(task_id, number)
        if begun is not None:
            self.do(*begun)

    def do(self, task: Task, chunk: Chunk) -> None:
        """Do a chunk that was begun, and put the chunk behind it; raises OSError as `work` does."""
        try:
            outcome = self._do(task, chunk)
        except OSError as error:
            if chunk.attempts < MAX_TRIES:
                raise
            self.store.fail(task.id, problem(Waited(f"The task cannot go on: {error}."), task))
        except (Lost, ModelError) as error:
            self.store.fail(task.id, problem(Ended(f"The task cannot go on: {error}."), task))
        except Exception as error:
            self.store.fail(task.id, problem(error, task))
        else:
            self.store.finish(task.id, chunk.number, outcome)

    def _do(self, task: Task, chunk: Chunk) -> Outcome:
        if task.type == "training":
            # Few services train.
            from api.tasks import training

            return training.outcome_of(self, task)
        service = self._service(task.version)
        source = inputs.opened(self.store, task, service, self.settings)
        self._put_next(task, chunk, source)
        patience = PATIENCE * self.settings.timeout
        if chunk.attempts == 1:
            # Written in C: it works also while the model holds the GIL.
            faulthandler.dump_traceback_later(patience, exit=True)
            try:
                return outcome_of(service, task, chunk, source)
            finally:
                faulthandler.cancel_dump_traceback_later()
        # Perhaps the chunk ended the process that ran it before.
        while True:
            try:
                return isolate.run(lambda: outcome_of(service, task, chunk, source), patience)
            except isolate.ChildDied as death:
                log.warning("task %s, chunk %d: %s", task.id, chunk.number, death)
                deaths = self.store.bury(task.id, chunk.number)
                if deaths >= MAX_DEATHS or chunk.attempts > MAX_ATTEMPTS:
                    last = chunk.row + chunk.rows - 1
                    raise Failed(
                        f"The model ended its process {deaths + 1} times on the rows {chunk.row} "
                        f"to {last}: {death}."
                    ) from None

    def _service(self, version: str) -> Service:
        try:
            return self.models(version)
        except ModelError as error:
            raise ModelError(
                f"it was accepted for the version {version[:DIGITS]} of the model, and {error}; "
                "start it again"
            ) from None

    def _put_next(self, task: Task, chunk: Chunk, source: inputs.Input) -> None:
        """Put the chunk behind this one, before this one is done: another worker may take it."""
        if task.is_whole:
            return
        following = source.after(chunk, task.chunk_rows)
        most = self.settings.max_task_rows
        if following is not None and following.row + following.rows > most:
            raise TooLarge(f"The input has over {most} rows, the limit of a task (MAX_TASK_ROWS).")
        if self.store.add(task.id, following) and following is not None:
            self.put(task.id, following.number, "large")
        if following is None:
            inputs.forget()


def problem(error: Exception, task: Task) -> dict[str, Any]:
    """What ended a task, as problem details."""
    found: dict[str, Any] = msgspec.json.decode(render(error, task.id).body)
    return found
