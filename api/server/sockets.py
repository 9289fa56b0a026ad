"""Connections by their descriptors: looked at, ended on one side, and closed without a loss.

A descriptor may stand for another connection as soon as a thread has closed it. So other threads
than that of the connection work on a duplicate, and compare the inode first.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import select
import socket
import stat
import time
from collections.abc import Iterator
from pathlib import Path

from api.server import process

# A client that is answered before its body was read may go on sending for so long. To close at once
# would reset the connection, and the answer would be lost: RFC 9112, section 9.6.
LINGER_SECONDS = 10.0
LINGER_READ_BYTES = 65_536
DESCRIPTORS = Path("/proc/self/fd")

# Python's socket.shutdown needs a socket object, and making one takes longer than the call. PyDLL
# keeps the GIL: releasing it takes longer than the call.
_shutdown = ctypes.PyDLL(None).shutdown


def close_both(descriptor: int) -> None:
    """End the connection on both sides; bytes that were written before arrive."""
    _shutdown(descriptor, socket.SHUT_RDWR)


def linger(descriptor: int) -> None:
    """End the sending side, and read on until the client has closed the connection, too."""
    _shutdown(descriptor, socket.SHUT_WR)
    deadline = time.perf_counter() + LINGER_SECONDS
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    # The client may reset it.
    with contextlib.suppress(OSError):
        while (left := deadline - time.perf_counter()) > 0 and poll.poll(left * 1000):
            if not os.read(descriptor, LINGER_READ_BYTES):
                return


@contextlib.contextmanager
def copy(descriptor: int, inode: int | None) -> Iterator[int | None]:
    """A duplicate of the descriptor in this context; None if it stands for another socket."""
    try:
        copied = os.dup(descriptor)
    except OSError:
        yield None
        return
    try:
        yield copied if inode_of(copied) == inode else None
    finally:
        os.close(copied)


def end_reading(descriptor: int, inode: int | None) -> None:
    """Let readers of the connection find its end, after the bytes that have already come."""
    with copy(descriptor, inode) as copied:
        if copied is not None:
            _shutdown(copied, socket.SHUT_RD)


def end(descriptor: int, inode: int | None) -> None:
    """Let readers and writers of the connection find its end."""
    with copy(descriptor, inode) as copied:
        if copied is not None:
            _shutdown(copied, socket.SHUT_RDWR)


def inode_of(descriptor: int) -> int | None:
    """The inode of a socket; None if the descriptor is closed, or stands for something else."""
    try:
        facts = os.fstat(descriptor)
    except OSError:
        return None
    return facts.st_ino if stat.S_ISSOCK(facts.st_mode) else None


def others(known: set[int]) -> list[tuple[int, int]]:
    """The descriptors and inodes of all sockets of this process that are not known."""
    try:
        descriptors = {int(path.name) for path in DESCRIPTORS.iterdir()}
    except OSError:  # macOS
        descriptors = set(range(3, 1024))
    pairs = ((descriptor, inode_of(descriptor)) for descriptor in sorted(descriptors - known))
    return [(descriptor, inode) for descriptor, inode in pairs if inode is not None]


def is_client(descriptor: int) -> bool:
    """Whether a client of the service is connected by this descriptor."""
    try:
        copied = os.dup(descriptor)
    except OSError:
        return False
    try:
        connection = socket.socket(fileno=copied)
    except OSError:
        # It is no socket, which would have closed the duplicate.
        os.close(copied)
        return False
    with connection:
        try:
            connection.getpeername()
            name = connection.getsockname()
        except OSError:
            return False
    return isinstance(name, tuple) and name[1] == process.port()
