"""The service alone, whose own processes do its tasks: kill them one by one, or all at once."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.test_serving import Server, free_port

LOWEST_PRIORITY = 19
HARMS = 10


class Torn:
    """A service with two workers for tasks, on a port that it keeps when it is started again."""

    def __init__(self, folder: Path, model: Path) -> None:
        self._folder = folder
        self._model = model
        self.port = free_port()
        self._server: Server

    @property
    def harms(self) -> list[Callable[[], None]]:
        """All processes of the service, killed at once and started again, ten times."""
        return [self.kill_all] * HARMS

    def start(self) -> None:
        variables: dict[str, Any] = {
            "MODEL_PATH": self._model,
            "TASK_WORKERS": 2,
            "LOG_LEVEL": "error",
        }
        self._server = Server(self._folder, PORT=self.port, **variables)
        self._server.port = self.port
        self._server.wait()

    def stop(self) -> None:
        if self._server.process.poll() is None:
            self._server.stop()

    def mend(self) -> None:
        """The service starts its workers again itself."""

    def kill_all(self) -> None:
        """Kill the service, and start it again."""
        os.killpg(self._server.process.pid, signal.SIGKILL)
        self._server.process.wait()
        self.start()

    def worker_pids(self) -> list[int]:
        """The service's processes of the lowest priority."""
        return [
            worker
            for child in children(self._server.process.pid)
            for worker in children(child)
            if _nice(worker) == LOWEST_PRIORITY
        ]


def children(parent: int) -> list[int]:
    """The processes that a process has started."""
    found: list[int] = []
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        for task in Path(f"/proc/{parent}/task").iterdir():
            found += map(int, (task / "children").read_text().split())
    return found


def _nice(pid: int) -> int:
    """The priority of a process as nice(1) says it: proc(5)."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return 0
    return int(stat.rpartition(")")[2].split()[16])
