"""Waiting for a descriptor, whatever its number."""

from __future__ import annotations

import fcntl
import os
import resource
from collections.abc import Iterator

import pytest

from models.waiting import readable

# The first that select.select refuses.
MANY = 1024


@pytest.fixture
def ends() -> Iterator[tuple[int, int]]:
    """The ends of a pipe, of which the one to read from has the number 1,024 or a higher one."""
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = MANY * 2 if limits[1] == resource.RLIM_INFINITY else min(MANY * 2, limits[1])
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(most, limits[0]), limits[1]))
    low, writing = os.pipe()
    reading = fcntl.fcntl(low, fcntl.F_DUPFD_CLOEXEC, MANY)
    os.close(low)
    yield reading, writing
    os.close(reading)
    resource.setrlimit(resource.RLIMIT_NOFILE, limits)


def test_bytes_are_waited_for_behind_a_thousand_open_files(ends: tuple[int, int]) -> None:
    reading, writing = ends
    assert not readable(reading, 0.001)
    os.write(writing, b"!")
    assert readable(reading)
    os.read(reading, 1)
    os.close(writing)
    # The end of the pipe.
    assert readable(reading)
