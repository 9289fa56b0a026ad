"""A thread that waits for the model steps aside, and another one accepts connections instead."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from api.server import process

if TYPE_CHECKING:
    from api.server.connections import Connections

log = logging.getLogger("api")


class Aside:
    """A context in which a thread waits for something else than the GIL.

    It does nothing outside uWSGI, where there are no `Connections`.
    """

    def __init__(self) -> None:
        self.connections: Connections | None = None

    def __enter__(self) -> None:
        """Let another thread accept connections."""
        if self.connections is not None:
            self.connections.step_aside()

    def __exit__(self, *_: object) -> None:
        """Count this thread as accepting again."""
        if self.connections is not None:
            self.connections.step_back()


aside = Aside()


def watch_in_processes(watches: Sequence[Callable[[], None]], connections: Connections) -> None:
    """Have a thread call each of these in each process that this one forks, and no other."""
    parent = os.getpid()

    def start() -> None:
        # A worker may fork a child that tries a model out: it needs no watcher.
        if os.getppid() == parent:
            aside.connections = connections
            # Before there are connections: the duplicate shall not get a descriptor of theirs.
            process.listener()
            try:
                for watch in watches:
                    threading.Thread(target=watch, daemon=True).start()
            except RuntimeError as error:
                # uWSGI's master starts another worker, and gives up after several deaths.
                log.error("a process that cannot watch its connections ends: %s", error)  # noqa: TRY400
                os._exit(1)

    os.register_at_fork(after_in_child=start)
