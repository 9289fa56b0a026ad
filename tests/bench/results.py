"""What was measured: rounds of each server with each model, and their medians."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median

from tests.bench.container import Image
from tests.bench.environment import Environment
from tests.bench.load import ALONE, BULK, HUGE, SIXTY_FOUR, Latency, Load, Speed
from tests.bench.peers import ALL

# At which parts of the highest rate latency is measured.
SHARES = (0.1, 0.25, 0.5, 0.75, 0.9)
HALF = 0.5


@dataclass(frozen=True)
class Round:
    """One start of one server with one model."""

    # Seconds from the start of the process to the first right answer.
    start: float
    speeds: Mapping[Load, Speed]
    # At each part of the highest rate, if that was measured.
    latencies: Mapping[float, Latency]
    # Cores that other programs kept busy meanwhile.
    disturbance: float


Value = Callable[[Round], float]


@dataclass
class Results:
    """All rounds, and what went wrong."""

    environments: Mapping[str, Environment]
    models: Sequence[str]
    rounds: int
    seconds: int
    measured: dict[tuple[str, str], list[Round]] = field(default_factory=dict)
    failures: dict[tuple[str, str], str] = field(default_factory=dict)
    images: Mapping[str, Image] = field(default_factory=dict)
    # Why there are no images.
    no_images: str = "it was not asked for"

    def add(self, name: str, model: str, once: Round) -> None:
        """Keep one round."""
        self.measured.setdefault((name, model), []).append(once)

    def servers(self, model: str) -> list[str]:
        """Those that take this model."""
        return [name for name in self.environments if model in ALL[name].models]

    def of(self, name: str, model: str, value: Value) -> list[float]:
        """A figure in each round; none for a server that failed in any of them."""
        failed = (name, model) in self.failures
        return [] if failed else [value(once) for once in self.measured.get((name, model), [])]

    def median(self, name: str, model: str, value: Value) -> float | None:
        """The median over the rounds; None for a server that failed in any of them."""
        values = self.of(name, model, value)
        return median(values) if values else None

    def latencies(self) -> dict[str, list[Latency]]:
        """Of each server for which that was measured, the medians at each part of its rate."""
        return {
            name: [self._latency(rounds, share) for share in SHARES]
            for (name, _), rounds in self.measured.items()
            if rounds[0].latencies
        }

    def _latency(self, rounds: Sequence[Round], share: float) -> Latency:
        known = [once.latencies[share] for once in rounds]
        return Latency(
            rate=median(each.rate for each in known),
            p50=median(each.p50 for each in known),
            p99=median(each.p99 for each in known),
            sent=median(each.sent for each in known),
        )

    def sentences(self) -> list[str]:
        """One sentence on each failure."""
        return [
            f"{name} failed with {model}: {what}" for (name, model), what in self.failures.items()
        ]


def rate(once: Round) -> float:
    """Requests/s at 64 connections."""
    return once.speeds[SIXTY_FOUR].requests


def alone(once: Round) -> float:
    """Milliseconds to an answer, for half of all requests, when one connection asks."""
    return once.speeds[ALONE].p50


def bulk(once: Round) -> float:
    """Rows/s where a request has 1,024."""
    return once.speeds[BULK].requests * BULK.rows


def huge(once: Round) -> float:
    """Rows/s where a request has 10,000."""
    return once.speeds[HUGE].requests * HUGE.rows


def cost(once: Round) -> float:
    """Seconds of CPU for a million predictions at 64 connections."""
    return once.speeds[SIXTY_FOUR].cpu


def start(once: Round) -> float:
    """Seconds from the start of the process to the first right answer."""
    return once.start


def memory(once: Round) -> float:
    """Bytes after the requests of 1,024 rows."""
    return once.speeds[BULK].memory


def tail(once: Round) -> float:
    """How many times its p50 the p99 is at half the highest rate; only where that was measured."""
    return once.latencies[HALF].p99 / once.latencies[HALF].p50
