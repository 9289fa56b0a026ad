"""The service with workers of Celery, on RabbitMQ or Redis."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal

from tests.brokers import Broker, RabbitMQ, Redis
from tests.test_serving import BOUND, ROOT, Server

WORKERS = 3
# A worker that still loads its model obeys late.
STOP_SECONDS = 10
READY = "does the tasks"


class Torn:
    """A Stage: the service, its workers, their broker, and the Redis of their records."""

    def __init__(
        self,
        folder: Path,
        model: Path,
        *,
        broker: Literal["rabbitmq", "redis"],
        workers: int = WORKERS,
    ) -> None:
        self._folder = folder
        self._count = workers
        self.redis = Redis(folder / "redis")
        self.broker: Broker = RabbitMQ(folder / "rabbitmq") if broker == "rabbitmq" else self.redis
        self.variables: dict[str, Any] = {
            "MODEL_PATH": str(model),
            "CELERY_BROKER_URL": self.broker.url,
            "CELERY_BACKEND_URL": self.redis.url,
            "DATA_DIR": str(folder / "data"),
            "PROCESSES": "1",
        }
        self.workers: list[subprocess.Popen[bytes]] = []

    @property
    def harms(self) -> Sequence[Callable[[], None]]:
        """What to do to brokers in between: each is killed, and started again, once."""
        return [each.restart for each in {self.redis, self.broker}]

    def start(self) -> None:
        """Start everything; returns once the service answers and a worker is there."""
        for each in {self.redis, self.broker}:
            each.start()
        self.server = Server(self._folder, **self.variables)
        self.port = self.server.port
        self.server.wait()
        self.mend()
        deadline = time.monotonic() + BOUND
        while len(self.worker_pids()) < self._count:
            assert time.monotonic() < deadline, self.said()
            time.sleep(0.05)

    def stop(self) -> None:
        """End everything, so that no process is left."""
        for worker in self.workers:
            worker.terminate()
        for worker in self.workers:
            with contextlib.suppress(subprocess.TimeoutExpired):
                worker.wait(STOP_SECONDS)
            worker.kill()
            worker.wait()
        with contextlib.suppress(AttributeError):
            self.server.stop()
        for each in {self.redis, self.broker}:
            each.stop()

    def worker_pids(self) -> list[int]:
        """The processes that do chunks now, or wait for one."""
        pids = [worker.pid for worker in self.workers if worker.poll() is None]
        return [pid for pid in pids if READY in self._log(pid).read_text()]

    def said(self) -> str:
        """What all workers have said."""
        return "".join(path.read_text() for path in self._folder.glob("worker-*.log"))

    def _log(self, pid: int) -> Path:
        return self._folder / f"worker-{pid}.log"

    def mend(self) -> None:
        """Start a worker again where one was killed."""
        self.workers = [worker for worker in self.workers if worker.poll() is None]
        while len(self.workers) < self._count:
            new = self._folder / "worker.log"
            with new.open("wb") as log:
                worker = subprocess.Popen(
                    [sys.executable, "-m", "api", "worker"],
                    cwd=self._folder,
                    env={**os.environ, "PYTHONPATH": str(ROOT), **self.variables},
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                )
            new.rename(self._log(worker.pid))
            self.workers.append(worker)

    def end_worker(self, number: int = 0) -> int:
        """Tell a worker to stop; gives its exit status."""
        self.workers[number].send_signal(signal.SIGTERM)
        return self.workers[number].wait(BOUND)
