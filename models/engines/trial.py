"""Call a function in a child process, which may fail, crash or hang.

A library with a thread pool of its own (OpenMP in LightGBM, XGBoost and PyTorch) starts it at its
first call, and threads do not outlive a fork: a child that is forked after that call waits for them
for ever. So the service calls no estimator before it forks, and a child uses one thread.
"""

from __future__ import annotations

import logging
import multiprocessing
import signal
import warnings
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any, TypeVar

from threadpoolctl import threadpool_limits

log = logging.getLogger("models")

T = TypeVar("T")

# Time for a child that has answered to end.
END_SECONDS = 5.0


class TrialError(Exception):
    """The child process gave no result; the message says why."""


def apart(function: Callable[[], T], seconds: float) -> T:
    """Call `function` in a forked child process; its result must be picklable.

    Raises TrialError if `function` raises or crashes, or takes longer than `seconds`.
    """
    context = multiprocessing.get_context("fork")
    receiver, sender = context.Pipe(duplex=False)
    child = context.Process(target=send, args=(function, sender))
    with warnings.catch_warnings():
        # Python 3.12 warns of a fork beside threads: the service has none yet.
        warnings.simplefilter("ignore", DeprecationWarning)
        child.start()
    sender.close()
    try:
        if not receiver.poll(seconds):
            child.kill()
            raise TrialError(f"it took longer than {seconds:g} seconds")
        result, reason = receiver.recv()
    except EOFError:
        child.join(END_SECONDS)
        raise TrialError(_ending(child.exitcode)) from None
    finally:
        receiver.close()
        child.join(END_SECONDS)
        child.kill()
        child.join()
    if reason:
        raise TrialError(reason)
    return result  # type: ignore[no-any-return]


def send(function: Callable[[], Any], sender: Connection) -> None:
    """Send the result of `function` to the parent, or the reason why there is none.

    Warnings are ignored: there would be thousands, on made-up values.
    """
    try:
        # A notebook may have called a library that started its threads.
        with warnings.catch_warnings(), threadpool_limits(1):
            warnings.simplefilter("ignore")
            result = function()
        sender.send((result, ""))
    except Exception as error:
        log.debug("what was tried in a process apart failed", exc_info=True)
        sender.send((None, f"it raised {type(error).__name__}"))


def _ending(status: int | None) -> str:
    """How a process ended; a negative status is that of a signal."""
    if status is not None and status < 0:
        return f"it died of {signal.Signals(-status).name}"
    return f"it ended with the status {status}"
