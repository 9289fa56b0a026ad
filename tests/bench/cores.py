"""Which cores the server runs on and which the client: disjoint wherever there are two or more."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Collection, Iterator
from dataclasses import dataclass

# Cores that this process may use; read before the client is pinned to some of them.
MACHINE = tuple(sorted(os.sched_getaffinity(0)))
MAX_CLIENT_CORES = 8
# On so many cores the scaling of a server is measured.
COUNTS = tuple(count for count in (1, 2, 4, 8) if count <= len(MACHINE))


@dataclass(frozen=True)
class Cores:
    """The cores of a server and those of its client."""

    server: tuple[int, ...]
    client: tuple[int, ...]

    @property
    def shared(self) -> bool:
        """Whether the client runs on cores of the server too."""
        return not set(self.server).isdisjoint(self.client)

    def __str__(self) -> str:
        """Which cores each has, in words."""
        server, client = (f"{_names(each)}" for each in (self.server, self.client))
        if self.shared:
            return f"the server runs on {server}, the client beside it on {client}"
        return f"the server runs on {server}, the client on {client} of its own"


def split(count: int) -> Cores:
    """The first `count` cores for the server, the last half of all for the client.

    Where these overlap, the client is let loose on all cores.
    """
    server, client = MACHINE[:count], MACHINE[len(MACHINE) // 2 :][-MAX_CLIENT_CORES:]
    return Cores(server, client if set(server).isdisjoint(client) else MACHINE)


ONE_CORE = split(1)


@contextlib.contextmanager
def pinned(cores: Collection[int]) -> Iterator[None]:
    """Let this thread, and the processes that it starts meanwhile, run on these cores only."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def _names(cores: tuple[int, ...]) -> str:
    if len(cores) == 1:
        return f"core {cores[0]}"
    return f"cores {', '.join(map(str, cores))}"
