"""The deadline of a request: `TIMEOUT` seconds after the first time that it has to wait.

One deadline holds for the whole request, however often it waits: for another big request, for the
model, and again for each batch of its rows.
"""

from __future__ import annotations

import time

from api.http.request import current


def end(timeout: float) -> float:
    """The deadline of this thread's request, in monotonic seconds.

    The first call of a request sets it to `timeout` seconds from now; later calls return it.
    """
    latest = time.monotonic() + timeout
    request = current.get()
    if request is None:
        return latest
    if request.deadline is None:
        request.deadline = latest
    return request.deadline


def left(until: float) -> float:
    """The seconds that are left until a deadline; 0 once it has passed."""
    return max(0.0, until - time.monotonic())
