"""A file that the processes of the service share, in memory and without a name."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import struct
import tempfile
from collections.abc import Iterator, Mapping

import msgspec

# Where in the file its newest content begins, and its length, both in bytes.
PLACE = struct.Struct("QQ")


class Shared:
    """One encoded entry for each process, in a file that all have from before their fork.

    A process may be killed at any time. So new content goes beside the old, and becomes valid when
    PLACE is written, which is too short to be written in part. The lock is one of processes: their
    threads need a lock of their own.
    """

    def __init__(self) -> None:
        if hasattr(os, "memfd_create"):  # Linux
            self._file = os.memfd_create("metrics")
        else:
            with tempfile.TemporaryFile() as file:
                self._file = os.dup(file.fileno())
        os.pwrite(self._file, PLACE.pack(PLACE.size, 0), 0)

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Keep all other processes away."""
        fcntl.lockf(self._file, fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.lockf(self._file, fcntl.LOCK_UN)

    def read(self) -> dict[str, msgspec.Raw]:
        """The entry of each process, by its name."""
        start, length = PLACE.unpack(os.pread(self._file, PLACE.size, 0))
        content = os.pread(self._file, length, start)
        return msgspec.msgpack.decode(content, type=dict[str, msgspec.Raw]) if content else {}

    def write(self, entries: Mapping[str, msgspec.Raw]) -> None:
        """Replace all entries, at once or not at all. Raises OSError if there is no memory."""
        content = msgspec.msgpack.encode(entries)
        start, length = PLACE.unpack(os.pread(self._file, PLACE.size, 0))
        new = PLACE.size if PLACE.size + len(content) <= start else start + length
        if os.pwrite(self._file, content, new) < len(content):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        os.pwrite(self._file, PLACE.pack(new, len(content)), 0)
