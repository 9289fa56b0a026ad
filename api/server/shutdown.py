"""Stop the service without losing a request.

uWSGI alone drops every connection that the kernel has accepted and no thread has taken up. So a
thread of the master receives the signals instead of uWSGI: it refuses new connections, waits until
the accepted ones are taken up, and then lets uWSGI end its workers.
"""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import socket
import sys
import threading
import time
from functools import partial

from api.server import process
from api.tasks import embedded

log = logging.getLogger("api")

# docker, systemd and Cloud Run send SIGTERM, a terminal sends SIGINT for Ctrl-C, and SIGQUIT.
STOP = {signal.SIGTERM, signal.SIGINT, signal.SIGQUIT}
# This signal tells uWSGI's master to end its workers: see uwsgi.ini.
END_WORKERS = signal.SIGUSR2
# docker and Cloud Run kill a container that has not ended 10 seconds after SIGTERM.
GRACE_SECONDS = 9.0
# A connection whose handshake had begun reaches the backlog in this time.
HANDSHAKE_SECONDS = 0.25
# Threads have the rest of GRACE_SECONDS to answer the requests that they have taken up.
DRAIN_SECONDS = 5.0
POLL_SECONDS = 0.01
ROUSE_SECONDS = 0.05
# A fork of a worker that takes longer has failed.
FORK_SECONDS = 10
# Missing in Python's module socket; source: asm-generic/socket.h of Linux.
SO_BINDTOIFINDEX = 62
# No network interface has this index.
NO_INTERFACE = 2**31 - 1


def obey() -> None:
    """End this process when it is told to, as long as it is not the master.

    The first process of a container would take no notice of SIGTERM.
    """
    for number in STOP:
        signal.signal(number, lambda *_: sys.exit(0))


def watch() -> None:
    """Have a thread of this process, which becomes the master, receive the signals from now on.

    SIGHUP ends the service if the terminal that it was started in is closed, and does nothing else.
    """
    ends_with_terminal = signal.getsignal(signal.SIGHUP) != signal.SIG_IGN and has_terminal()
    signal.pthread_sigmask(signal.SIG_BLOCK, {*STOP, signal.SIGHUP, END_WORKERS})
    threading.Thread(target=_wait, args=(ends_with_terminal,), daemon=True).start()
    _end_where_forks_fail()


def has_terminal() -> bool:
    """Whether this process has a controlling terminal; it loses one that is closed."""
    try:
        os.close(os.open(os.ctermid(), os.O_RDWR | os.O_NOCTTY))
    except OSError:
        return False
    return True


def _end_where_forks_fail() -> None:
    """Have SIGALRM end the service, as uwsgi.ini has it, if a worker cannot be forked.

    uWSGI holds the GIL for ever after that: no thread of the master runs any more.
    """
    master = os.getpid()

    def alarm(seconds: int) -> None:
        if os.getpid() == master:
            signal.alarm(seconds)

    os.register_at_fork(before=partial(alarm, FORK_SECONDS), after_in_parent=partial(alarm, 0))


def _wait(ends_with_terminal: bool) -> None:  # noqa: FBT001
    signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    while signal.sigwait({*STOP, signal.SIGHUP}) == signal.SIGHUP:
        if ends_with_terminal and not has_terminal():
            break
        log.warning("SIGHUP changes nothing: restart the service to load another model or setting")
    _end()


def _end() -> None:
    started = time.monotonic()
    process.ENDING[0] = 1
    refuse_connections(process.listener())
    time.sleep(HANDSHAKE_SECONDS)
    while process.untaken_connections() and time.monotonic() < started + DRAIN_SECONDS:
        time.sleep(POLL_SECONDS)
    # uWSGI waits for the processes of tasks; the next service goes on with these.
    embedded.end()
    main = threading.main_thread().ident or 0
    while time.monotonic() < started + GRACE_SECONDS:
        # The first one ends the workers; the others rouse uWSGI, which looks once a second whether
        # they have ended.
        signal.pthread_kill(main, END_WORKERS)
        time.sleep(ROUSE_SECONDS)
    log.warning("requests under way were cut off after %g seconds", GRACE_SECONDS)
    kill_workers()


def give_up() -> None:
    """End the master and its workers at once, with the status 1."""
    kill_workers()
    os._exit(1)


def kill_workers() -> None:
    """Kill the workers that still run."""
    for pid in process.workers():
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def refuse_connections(listener: socket.socket | None) -> None:
    """Let the kernel refuse new connections to `listener`, where it can.

    The kernel does not find a listener that is bound to another interface. Handshakes that have
    begun go on. gVisor, macOS and Linux before 5.7 cannot do this: they accept connections until
    the workers have ended.
    """
    with contextlib.suppress(OSError):
        if listener is not None:
            listener.setsockopt(socket.SOL_SOCKET, SO_BINDTOIFINDEX, NO_INTERFACE)
