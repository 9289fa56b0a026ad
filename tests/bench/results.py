"""What was measured: rounds of each server with each model, and their medians."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median

from tests.bench.environment import Environment
from tests.bench.load import ALONE, SIXTY_FOUR, Load, Speed
from tests.bench.peers import RIVALS


@dataclass(frozen=True)
class Round:
    """One start of one server with one model: seconds, bytes and speeds."""

    start: float
    memory: int
    speeds: Mapping[Load, Speed]
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
    failures: dict[str, str] = field(default_factory=dict)

    def add(self, name: str, model: str, once: Round) -> None:
        """Keep one round."""
        self.measured.setdefault((name, model), []).append(once)

    def median(self, name: str, model: str, value: Value) -> float | None:
        """The median over the rounds; None for a server that failed in any of them."""
        rounds = self.measured.get((name, model), [])
        return median(map(value, rounds)) if rounds and name not in self.failures else None

    def sentences(self) -> list[str]:
        """One sentence on each failure."""
        return [f"{name} failed, {what}" for name, what in self.failures.items()]

    def goals(self) -> Iterator[Goal]:
        """Tell of each goal: this server against the best peer, or against the usual one."""
        for model, wanted in (("forest", 1.5), ("pipeline", 1.6)):
            known = {name: self.median(name, model, rate) or 0.0 for name in RIVALS}
            best = max(known, key=lambda name: known[name])
            what = f"{model}, requests/s at 64 connections, against the best peer ({best})"
            yield from self._goal(what, model, best, rate, wanted)
        for what, value in (
            ("p50 alone", alone),
            ("start to first answer", start),
            ("memory", memory),
        ):
            for model in self.models:
                against = f"{model}, {what}, against Flask + uWSGI as usually written"
                yield from self._goal(against, model, "flask", value, 1)

    def _goal(
        self, what: str, model: str, other: str, value: Value, wanted: float
    ) -> Iterator[Goal]:
        """One goal, or none if one of the two was not measured."""
        ours, theirs = self.median("ours", model, value), self.median(other, model, value)
        if ours is not None and theirs:
            pairs = zip(self.measured["ours", model], self.measured[other, model], strict=True)
            ratios = [value(one) / value(two) for one, two in pairs]
            yield Goal(what, ours / theirs, min(ratios), max(ratios), wanted)


@dataclass(frozen=True)
class Goal:
    """A ratio of this server to another, its range over the rounds, and what it must be."""

    what: str
    ratio: float
    lowest: float
    highest: float
    wanted: float

    @property
    def at_least(self) -> bool:
        """Whether more is better: what is to be beaten is above 1, what may not be worse is 1."""
        return self.wanted > 1

    @property
    def met(self) -> bool:
        """Whether the ratio is what it must be."""
        return self.ratio >= self.wanted if self.at_least else self.ratio <= self.wanted


def rate(once: Round) -> float:
    """Requests/s at 64 connections."""
    return once.speeds[SIXTY_FOUR].requests


def alone(once: Round) -> float:
    """Milliseconds to an answer, for half of all requests, when one connection asks."""
    return once.speeds[ALONE].p50


def start(once: Round) -> float:
    """Seconds from the start of the process to the first right answer."""
    return once.start


def memory(once: Round) -> float:
    """Bytes after the load."""
    return once.memory
