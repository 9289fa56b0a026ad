"""The state of a swap, in memory that all processes of the service share."""

from __future__ import annotations

import mmap
import os
import struct
from collections.abc import Iterator
from typing import NamedTuple

# Numbers of 8 bytes: a process reads and writes one at once.
WORD = struct.calcsize("Q")
STAGED, ACTIVE, LAST = 0, 1, 2
HEAD_WORDS = 3
PID, READY, FAILED = 0, 1, 2
SLOT_WORDS = 3
REASON_BYTES = 1024
# A SHA-256 in hexadecimal digits.
VERSION_BYTES = 64


class Slot(NamedTuple):
    """One process: its pid, 0 before its first, and the number of the swap it is ready for.

    `failed` is the number of the swap that it cannot follow.
    """

    pid: int
    ready: int
    failed: int


class Board:
    """The number of the swap that is `staged`, of the one that is `active`, and of each process.

    `version` is the one that is staged: it is that of a number as long as the number is above the
    active one.
    No number is used twice. Every process has a bell, a pipe: `ring` wakes all of them.
    """

    def __init__(self, processes: int, active: int) -> None:
        words = HEAD_WORDS + processes * SLOT_WORDS
        self._memory = mmap.mmap(-1, words * WORD + VERSION_BYTES + REASON_BYTES)
        self._words = memoryview(self._memory)[: words * WORD].cast("Q")
        self._version = words * WORD
        self._reason = self._version + VERSION_BYTES
        self._bells = [os.pipe() for _ in range(processes)]
        for _, bell in self._bells:
            # A bell that rings already needs no second push.
            os.set_blocking(bell, False)
        self._words[LAST] = self.staged = self.active = active

    @property
    def staged(self) -> int:
        """The number of the swap for which the processes get ready."""
        return self._words[STAGED]

    @staged.setter
    def staged(self, number: int) -> None:
        self._words[STAGED] = number

    @property
    def active(self) -> int:
        """The number of the swap after which every request is answered."""
        return self._words[ACTIVE]

    @active.setter
    def active(self, number: int) -> None:
        self._words[ACTIVE] = number

    @property
    def version(self) -> str:
        """The version that is staged."""
        raw = self._memory[self._version : self._version + VERSION_BYTES]
        return raw.rstrip(b"\0").decode()

    def stage(self, number: int, version: str) -> None:
        """Have all processes get ready for a version."""
        raw = version.encode().ljust(VERSION_BYTES, b"\0")
        self._memory[self._version : self._version + VERSION_BYTES] = raw
        self.staged = number
        self.ring()

    def next_number(self, above: int) -> int:
        """A number that no swap had, above this one."""
        self._words[LAST] = max(self._words[LAST], above) + 1
        return self._words[LAST]

    @property
    def reason(self) -> str:
        """Why a process cannot follow the staged swap."""
        raw = self._memory[self._reason : self._reason + REASON_BYTES]
        return raw.rstrip(b"\0").decode(errors="replace")

    @reason.setter
    def reason(self, text: str) -> None:
        raw = text.encode()[:REASON_BYTES]
        self._memory[self._reason : self._reason + REASON_BYTES] = raw.ljust(REASON_BYTES, b"\0")

    def slots(self) -> Iterator[Slot]:
        """What each process says of itself."""
        for start in range(HEAD_WORDS, len(self._words), SLOT_WORDS):
            yield Slot(*self._words[start : start + SLOT_WORDS])

    def enter(self, place: int) -> None:
        """Take the place of this process, the first of which is 0."""
        start = HEAD_WORDS + place * SLOT_WORDS
        self._words[start + READY] = self._words[start + FAILED] = 0
        self._words[start + PID] = os.getpid()

    def say_ready(self, place: int, number: int) -> None:
        """Say that this process is ready for a swap."""
        self._words[HEAD_WORDS + place * SLOT_WORDS + READY] = number

    def say_failed(self, place: int, number: int, reason: str) -> None:
        """Say that this process cannot follow a swap, and why."""
        self.reason = reason
        self._words[HEAD_WORDS + place * SLOT_WORDS + FAILED] = number

    def ring(self) -> None:
        """Wake all processes."""
        for _, bell in self._bells:
            try:
                os.write(bell, b"!")
            except BlockingIOError:
                continue

    def bell(self, place: int) -> int:
        """The descriptor that this process reads from when the bell rings."""
        return self._bells[place][0]
