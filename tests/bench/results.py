"""What was measured: rounds of each server with each model, and their medians."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median

from tests.bench.beside import Beside
from tests.bench.container import Image
from tests.bench.environment import Environment
from tests.bench.hostility import Hostility
from tests.bench.load import Latency, Speed
from tests.bench.loads import (
    BULK,
    CLOSED_1,
    CLOSED_64,
    HUGE,
    KEPT_1,
    KEPT_64,
    Load,
    Pace,
)
from tests.bench.peers import ALL
from tests.bench.scaling import Case

# What a round trip across a network adds to an answer: one, and one to connect before it.
ROUND_TRIP_MS, ROUND_TRIPS_KEPT, ROUND_TRIPS_CLOSED = 1.0, 1, 2


@dataclass(frozen=True)
class Round:
    """One start of one server with one model."""

    # Seconds from the start of the process to the first right answer.
    start: float
    speeds: Mapping[Load, Speed]
    # At each part of the highest rate, if that was measured.
    latencies: Mapping[Pace, Latency]
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
    scaling: dict[Case, list[Speed]] = field(default_factory=dict)
    hostility: Hostility | None = None
    beside: dict[str, list[Beside]] = field(default_factory=dict)
    images: Mapping[str, Image] = field(default_factory=dict)
    # Why there are no images, if they were asked for.
    no_images: str = ""
    load_average: float = field(default_factory=lambda: os.getloadavg()[0])

    def add(self, name: str, model: str, once: Round) -> None:
        """Keep one round."""
        self.measured.setdefault((name, model), []).append(once)

    def servers(self, model: str) -> list[str]:
        """Those that take this model."""
        return [name for name in self.environments if model in ALL[name].models]

    def of(self, name: str, model: str, value: Value) -> list[float]:
        """A figure in each round; none if it was not measured, or failed in any of them."""
        if (name, model) in self.failures:
            return []
        try:
            return [value(once) for once in self.measured.get((name, model), [])]
        except KeyError:
            return []

    def median(self, name: str, model: str, value: Value) -> float | None:
        """The median over the rounds; None if there is none."""
        values = self.of(name, model, value)
        return median(values) if values else None

    def latencies(self) -> dict[str, dict[Pace, Latency]]:
        """Of each server for which that was measured, the medians at each part of its rate."""
        return {
            name: {pace: self._latency(rounds, pace) for pace in rounds[0].latencies}
            for (name, _), rounds in self.measured.items()
            if rounds[0].latencies
        }

    def _latency(self, rounds: Sequence[Round], pace: Pace) -> Latency:
        known = [once.latencies[pace] for once in rounds]
        return Latency(
            rate=median(each.rate for each in known),
            p50=median(each.p50 for each in known),
            p99=median(each.p99 for each in known),
            p999=median(each.p999 for each in known),
            sent=median(each.sent for each in known),
        )

    def sentences(self) -> list[str]:
        """One sentence on each failure."""
        return [
            f"{name} failed with {model}: {what}" for (name, model), what in self.failures.items()
        ]


def rate(load: Load) -> Value:
    """Requests/s under this load."""
    return lambda once: once.speeds[load].requests


def p50(load: Load) -> Value:
    """Milliseconds to an answer, for half of all requests."""
    return lambda once: once.speeds[load].p50


def p99(load: Load) -> Value:
    """Milliseconds to an answer, for 99 of 100 requests."""
    return lambda once: once.speeds[load].p99


def far_kept(once: Round) -> float:
    """Milliseconds to an answer over a kept connection, one request alone, 1 ms of round trip."""
    return once.speeds[KEPT_1].p50 + ROUND_TRIPS_KEPT * ROUND_TRIP_MS


def far_closed(once: Round) -> float:
    """The same with a connection for each request, which is opened first."""
    return once.speeds[CLOSED_1].p50 + ROUND_TRIPS_CLOSED * ROUND_TRIP_MS


def bulk(once: Round) -> float:
    """Rows/s where a request has 1,024."""
    return once.speeds[BULK].requests * BULK.rows


def huge(once: Round) -> float:
    """Rows/s where a request has 10,000."""
    return once.speeds[HUGE].requests * HUGE.rows


def cost(once: Round) -> float:
    """Seconds of CPU for a million predictions at 64 closed connections; kept, if none is closed."""
    load = CLOSED_64 if CLOSED_64 in once.speeds else KEPT_64
    return once.speeds[load].cpu


def start(once: Round) -> float:
    """Seconds from the start of the process to the first right answer."""
    return once.start


def memory(load: Load) -> Value:
    """Bytes after this load."""
    return lambda once: once.speeds[load].memory


def tail(pace: Pace) -> Value:
    """How many times its p50 the p99 is at a fixed rate."""
    return lambda once: once.latencies[pace].p99 / once.latencies[pace].p50
