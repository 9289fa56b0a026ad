"""One large request at a time in each process: read, run if it can be run at once, and written.

What many of them need together would add up, and stay with the process for good. As Python runs
one thread at a time, there is little to gain from doing them together. Whoever has to wait for the
model leaves the turn to the next.
"""

from __future__ import annotations

import threading

from api.errors import Busy
from api.http import deadlines

_lock = threading.Lock()
_owner = 0


def take(timeout: float) -> None:
    """Wait until no other thread has the turn, and have it.

    Raises Busy once the request has taken longer than `timeout`, in seconds.
    """
    global _owner  # noqa: PLW0603
    if not _lock.acquire(timeout=deadlines.left(deadlines.end(timeout))):
        raise Busy(f"Other large requests have taken over {timeout:g} seconds.")
    _owner = threading.get_ident()


def leave() -> None:
    """Let the next one have the turn, if this thread has it: before it waits for anything."""
    global _owner  # noqa: PLW0603
    if _owner == threading.get_ident():
        _owner = 0
        _lock.release()
