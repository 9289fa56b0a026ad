"""Train beside the chunks of a process: a training takes long, and small tasks go on."""

from __future__ import annotations

import logging
import threading

from api.tasks.work import Worker

log = logging.getLogger("api")


class Trainer:
    """Does trainings in a thread of this process, one at a time."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker
        self._thread = threading.Thread()

    def begin(self, task_id: str) -> bool:
        """Begin a training, unless it is under way; False while another one is."""
        if self._thread.is_alive():
            return self._thread.name == task_id
        self._thread = threading.Thread(
            target=self._train, args=(task_id,), name=task_id, daemon=True
        )
        self._thread.start()
        return True

    def _train(self, task_id: str) -> None:
        # It imports the library of training, which most processes never need.
        from api.tasks import training

        try:
            training.work(self._worker, task_id, 0)
        except OSError as error:
            # Its chunk is not done, and put again within a minute.
            log.error("a training has to wait: %s", error)  # noqa: TRY400
