"""The loads: how many connections, kept or closed after each answer, and how many rows a request."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Load:
    """So many connections, each sending one request after the other, of so many rows.

    `kept` lets the server keep each connection; else each request asks to close it.
    """

    connections: int
    rows: int = 1
    kept: bool = True

    def __str__(self) -> str:
        """What it is called in messages."""
        return f"connections: {self.kind}, rows a request: {self.rows}"

    @property
    def kind(self) -> str:
        """How many connections, and whether they are kept."""
        return f"{self.connections} {'kept' if self.kept else 'closed'}"


CLOSED_1, CLOSED_16, CLOSED_64, CLOSED_256 = (
    Load(number, kept=False) for number in (1, 16, 64, 256)
)
KEPT_1, KEPT_16, KEPT_64, KEPT_256 = (Load(number) for number in (1, 16, 64, 256))
BULK, HUGE = Load(4, 1024), Load(2, 10_000)
USUAL = (CLOSED_1, CLOSED_64, KEPT_1, KEPT_16, KEPT_64, BULK, HUGE)


@dataclass(frozen=True)
class Pace:
    """A part of the highest rate, sent evenly, whether answers come or not."""

    share: float
    kept: bool = True

    @property
    def highest(self) -> Load:
        """The load that tells the highest rate."""
        return KEPT_64 if self.kept else CLOSED_64


HALF_KEPT, HALF_CLOSED = Pace(0.5), Pace(0.5, kept=False)
CURVE = (Pace(0.1), Pace(0.25), HALF_KEPT, Pace(0.75), Pace(0.9))
