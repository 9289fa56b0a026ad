"""The moment by which a request is answered: `TIMEOUT` seconds after it first has to wait.

It is for the request as a whole, however often it waits: for its turn, for the model, and again for
each piece of its rows.
"""

from __future__ import annotations

import time

from api.http.context import current


def end(timeout: float) -> float:
    """When the request of this thread ends at the latest, in monotonic seconds.

    It is `timeout` seconds from the first time on that somebody asks for it.
    """
    latest = time.monotonic() + timeout
    request = current.get()
    if request is None:
        return latest
    if request.deadline is None:
        request.deadline = latest
    return request.deadline


def left(until: float) -> float:
    """The seconds until then, 0 if it is over."""
    return max(0.0, until - time.monotonic())
