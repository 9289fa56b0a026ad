"""Run a function in a child of this process, which tells how the child ended."""

from __future__ import annotations

import os
import pickle
import signal
import time
from collections.abc import Callable
from typing import Any, TypeVar

from api.tasks.embedded import end_with
from models.waiting import readable

BLOCK_BYTES = 1024 * 1024

T = TypeVar("T")


class ChildDied(Exception):
    """The child ended before it had a result; the message says how."""


def run(function: Callable[[], T], seconds: float) -> T:
    """The result of a function that a child calls, or what it raises there.

    The child ends with this process. Raises ChildDied if it ends without a result, or takes longer
    than these seconds.
    """
    reading, writing = os.pipe()
    parent = os.getpid()
    pid = os.fork()
    if not pid:
        os.close(reading)
        _be_child(function, writing, parent)
    os.close(writing)
    try:
        sent = _receive(reading, pid, seconds)
    finally:
        os.close(reading)
        _, status = os.waitpid(pid, 0)
    if sent is None:
        raise ChildDied(f"it took over {seconds:g} seconds")
    try:
        # Only this module's child writes there.
        found, raised = pickle.loads(sent)  # noqa: S301
    except (EOFError, pickle.UnpicklingError):
        raise ChildDied(_ended(status)) from None
    if raised is not None:
        raise raised
    return found  # type: ignore[no-any-return]


def _receive(descriptor: int, pid: int, seconds: float) -> bytes | None:
    """All that the child sends; None, and the child is ended, if it takes too long."""
    end = time.monotonic() + seconds
    parts: list[bytes] = []
    while True:
        left = end - time.monotonic()
        if left <= 0 or not readable(descriptor, left):
            os.kill(pid, signal.SIGKILL)
            return None
        part = os.read(descriptor, BLOCK_BYTES)
        if not part:
            return b"".join(parts)
        parts.append(part)


def _be_child(function: Callable[[], Any], writing: int, parent: int) -> None:
    """Call the function, send its result or its exception, and end."""
    try:
        end_with(parent)
        try:
            sent = pickle.dumps((function(), None))
        except Exception as error:
            sent = pickle.dumps((None, _plain(error)))
        with os.fdopen(writing, "wb") as file:
            file.write(sent)
    finally:
        os._exit(0)


def _plain(error: Exception) -> Exception:
    """An exception that can be sent."""
    try:
        pickle.loads(pickle.dumps(error))  # noqa: S301
    except Exception:
        return RuntimeError(f"{type(error).__name__}: {error}")
    return error


def _ended(status: int) -> str:
    """How a process ended, in words, by its status of `os.waitpid`."""
    if not os.WIFSIGNALED(status):
        return f"it ended with the status {os.waitstatus_to_exitcode(status)}"
    number = os.WTERMSIG(status)
    name = signal.Signals(number).name if number in signal.valid_signals() else f"signal {number}"
    reason = ", as the kernel does where memory is short" if number == signal.SIGKILL else ""
    return f"{name} ended it{reason}"
