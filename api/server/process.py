"""Serve the application with uWSGI: the only module that knows which server it is."""

from __future__ import annotations

import contextlib
import ctypes
import functools
import math
import mmap
import os
import socket
import struct
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from api.errors import PHRASES, Answer
from api.monitor import metrics
from api.settings import Settings

# uWSGI's default backlog of 100 would refuse the connections of a burst.
LISTEN = 1024
LEAST_SOCKET_SECONDS = 10
# Threads that have an answer get this time to send it.
FAREWELL_SECONDS = 1.0
# Between two looks whether uWSGI has numbered a process.
NUMBERED_SECONDS = 0.001
M_ARENA_MAX = -8
# The states of a process that has ended, in /proc: proc(5).
ENDED = "ZXx"
PROCESSES = Path("/proc")
SOMAXCONN = Path("/proc/sys/net/core/somaxconn")
# One byte that the master shares with its workers: 1 once the service was told to stop.
ENDING = mmap.mmap(-1, 1)


class AddressError(Exception):
    """The address cannot be listened on; the message says why and what to do."""


def arguments(settings: Settings) -> list[str]:
    """The command line of uWSGI for these settings."""
    try:
        listen = min(LISTEN, int(SOMAXCONN.read_text()))
    except OSError:
        listen = 100
    return [
        "--ini",
        str(Path(__file__).with_name("uwsgi.ini")),
        "--http11-socket",
        f"{settings.host}:{settings.port}",
        "--processes",
        str(settings.processes),
        "--threads",
        str(settings.threads),
        # uWSGI's limit for any wait for a client; the watcher has shorter limits for each kind.
        "--socket-timeout",
        str(math.ceil(max(settings.keep_alive, settings.body_timeout, LEAST_SOCKET_SECONDS))),
        # Above the limit of a body, so that a chunk that is too long gets its answer.
        "--chunked-input-limit",
        str(2 * settings.max_body_bytes),
        "--listen",
        str(listen),
    ]


def share_one_heap() -> None:
    """Let all threads allocate from one heap, where the C library has such a setting.

    glibc gives each thread a heap, and each heap keeps the memory of its largest request: a third
    of the memory of a process. Threads seldom allocate at the same time. Source: mallopt(3).
    """
    with contextlib.suppress(AttributeError):
        ctypes.CDLL(None).mallopt(M_ARENA_MAX, 1)


def check_address(settings: Settings) -> None:
    """Raise AddressError if the address cannot be listened on, before the model is loaded."""
    with socket.socket() as trial:
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            trial.bind((settings.host, settings.port))
        except socket.gaierror:
            raise AddressError(
                f"HOST={settings.host} is no IPv4 address or name of this machine: "
                "set it to 127.0.0.1, or to 0.0.0.0 to let other machines in"
            ) from None
        except OSError as error:
            raise AddressError(
                f"cannot listen on {settings.host}:{settings.port} ({error.strerror}): "
                f"choose another port, as in `make run PORT={settings.port + 1}`"
            ) from None


def untaken_connections() -> int:
    """The number of connections that wait in the kernel for a thread; 0 if it cannot be told.

    Source: `tcpi_unacked` of a listening socket is the length of its queue, tcp(7), Linux.
    """
    waiting = listener()
    if waiting is None:
        return 0
    info = waiting.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 28)
    return int(struct.unpack_from("I", info, 24)[0])


def port() -> int | None:
    """The port of the service; None if it cannot be told."""
    found = listener()
    return None if found is None else int(found.getsockname()[1])


def is_ending() -> bool:
    """Whether the service was told to stop, so that no connection is kept after its answer."""
    return ENDING[0] == 1


def chunk_reader() -> Callable[[], bytes] | None:
    """A function that reads the next chunk of this thread's request; None outside uWSGI.

    It gives b"" after the last chunk, and raises OSError if a chunk does not come or is malformed.
    """
    uwsgi = sys.modules.get("uwsgi")
    return None if uwsgi is None else uwsgi.chunked_read


def connection() -> int:
    """The file descriptor of the request that this thread answers; -1 outside uWSGI."""
    uwsgi = sys.modules.get("uwsgi")
    return -1 if uwsgi is None else int(uwsgi.connection_fd())


def send(descriptor: int, status: str, headers: Iterable[tuple[str, str]], body: bytes) -> None:
    """Write a whole answer, the last on its connection, without uWSGI; `status` as in PEP 3333."""
    lines = [f"HTTP/1.1 {status}", *map(": ".join, headers), "Connection: close", "", ""]
    with contextlib.suppress(OSError):
        os.write(descriptor, "\r\n".join(lines).encode("latin-1") + body)


def send_answer(descriptor: int, answer: Answer) -> None:
    """Write an Answer, the last on its connection, without uWSGI."""
    headers = {**answer.headers, "Content-Length": str(len(answer.body))}
    send(descriptor, f"{answer.status} {PHRASES[answer.status]}", headers.items(), answer.body)


def replace_process(descriptor: int, answer: Answer) -> None:
    """Send `answer` for a stuck thread, let other threads send theirs, and end the process.

    uWSGI's master starts another in its place.
    """
    send_answer(descriptor, answer)
    time.sleep(FAREWELL_SECONDS)
    os._exit(1)


def place() -> int:
    """The place of this process among the processes, the first of which is 0; 0 outside uWSGI.

    uWSGI numbers a process some time after its fork, so that a thread which begins with the fork
    may be earlier: it waits for the number.
    """
    uwsgi = sys.modules.get("uwsgi")
    if uwsgi is None:
        return 0
    while not (number := int(uwsgi.worker_id())):
        time.sleep(NUMBERED_SECONDS)
    return number - 1


def is_running(pid: int) -> bool:
    """Whether there is a process; one that has ended is none, though its parent waits for it."""
    if not (pid and metrics.alive(pid)):
        return False
    try:
        status = (PROCESSES / str(pid) / "stat").read_text()
    except OSError:
        # It has ended in between; or there is no /proc, as on macOS.
        return not PROCESSES.exists()
    # The name before the state may have any characters.
    return status.rpartition(")")[2].split()[0] not in ENDED


def workers() -> list[int]:
    """The pids of the running workers."""
    uwsgi: Any = sys.modules.get("uwsgi")
    if not hasattr(uwsgi, "workers"):
        return []
    return [worker["pid"] for worker in uwsgi.workers() if worker["pid"]]


@functools.cache
def listener() -> socket.socket | None:
    """A duplicate of the socket that uWSGI listens on; None if it is not known."""
    uwsgi: Any = sys.modules.get("uwsgi")
    if not (hasattr(uwsgi, "sockets") and hasattr(socket, "TCP_INFO")):
        return None
    return socket.socket(fileno=os.dup(uwsgi.sockets[0]))
