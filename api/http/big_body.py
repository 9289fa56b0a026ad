"""One big request at a time in each process is read, run and written.

The memory of several big requests would add up, and the process would keep it for good. The GIL
allows one thread at a time, so several big requests at once would not be faster. A request that
has to wait for the model lets the next big request begin.
"""

from __future__ import annotations

import threading

from api.errors import Busy
from api.http import deadlines
from api.http.request import Request

_lock = threading.Lock()
# The thread that holds the lock, by its identifier; 0 if none does.
_owner = 0


def acquire(request: Request, timeout: float) -> None:
    """Wait until no other thread is at work on a big request, and begin with this one.

    Raises Busy once the request has taken longer than `timeout`, in seconds.
    """
    global _owner  # noqa: PLW0603
    if not _lock.acquire(timeout=deadlines.left(deadlines.end(timeout))):
        raise Busy(f"Other large requests have taken over {timeout:g} seconds.")
    _owner = threading.get_ident()
    request.is_big = True


def release() -> None:
    """Let the next big request begin, if this thread is at work on one: before it waits."""
    global _owner  # noqa: PLW0603
    if _owner == threading.get_ident():
        _owner = 0
        _lock.release()
