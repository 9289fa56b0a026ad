"""Wait for what another process writes."""

from __future__ import annotations

import select


def readable(descriptor: int, seconds: float | None = None) -> bool:
    """Wait for bytes or the end of a pipe, for at most so many seconds; False if neither came.

    `select.select` refuses a descriptor from 1,024 on, which a process with that many connections
    or files has.
    """
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return bool(poll.poll(None if seconds is None else seconds * 1000))
