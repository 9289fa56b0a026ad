"""An input that is read once, from its beginning to its end, and how far that is."""

from __future__ import annotations

import os
import sys
import time
from typing import BinaryIO

# The progress of a shorter run is not told.
QUIET_SECONDS = 2.0
TELL_SECONDS = 0.5


class Stream:
    """The bytes of a file or a pipe, of which only those of the last read are held."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._start = 0
        self._held = bytearray()

    def read(self, start: int, stop: int) -> bytes:
        """The bytes from `start` to `stop`, fewer at the end; those before `start` are let go."""
        del self._held[: start - self._start]
        self._start = start
        while len(self._held) < stop - start:
            piece = self._file.read(stop - start - len(self._held))
            if not piece:
                break
            self._held += piece
        return bytes(memoryview(self._held)[: stop - start])


class Progress:
    """A line on the terminal that says how many rows are answered."""

    def __init__(self, file: BinaryIO) -> None:
        self._size = os.fstat(file.fileno()).st_size
        self._is_shown = sys.stderr.isatty()
        self._began = self._told = time.monotonic()
        self._line = ""

    def tell(self, rows: int, size: int) -> None:
        """Say that so many rows, and bytes of the input, are done."""
        now = time.monotonic()
        if (
            not self._is_shown
            or now - self._began < QUIET_SECONDS
            or now - self._told < TELL_SECONDS
        ):
            return
        self._told = now
        part = f", {size / self._size:.0%}" if self._size else ""
        self._line = f"{rows:,} rows{part}, {rows / (now - self._began):,.0f} a second"
        print(f"\r{self._line}", end="", file=sys.stderr, flush=True)

    def close(self) -> None:
        """Take the line away."""
        if self._line:
            print(f"\r{' ' * len(self._line)}\r", end="", file=sys.stderr, flush=True)
