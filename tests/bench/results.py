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

    def median(self, name: str, model: str, value: Callable[[Round], float]) -> float | None:
        """The median over the rounds; None for a server that failed in any of them."""
        rounds = self.measured.get((name, model), [])
        return median(map(value, rounds)) if rounds and name not in self.failures else None

    def sentences(self) -> list[str]:
        """One sentence on each failure."""
        return [f"{name} failed, {what}" for name, what in self.failures.items()]

    def goals(self) -> Iterator[Goal]:
        """The goals that can be judged: this server against the best peer, or the usual one."""
        for model, wanted in (("forest", 1.5), ("pipeline", 1.6)):
            ours = self.median("ours", model, rate)
            rates = {name: self.median(name, model, rate) for name in RIVALS}
            known = {name: value for name, value in rates.items() if value is not None}
            if ours is not None and known:
                best = max(known, key=lambda name: known[name])
                what = f"{model}, requests/s at 64 connections, against the best peer ({best})"
                yield Goal(what, ours / known[best], wanted, at_least=True)
        for what, value in (
            ("p50 alone", alone),
            ("start to first answer", start),
            ("memory", memory),
        ):
            for model in self.models:
                ours = self.median("ours", model, value)
                usual = self.median("flask", model, value)
                if ours is not None and usual is not None:
                    against = "against Flask + uWSGI as usually written"
                    yield Goal(f"{model}, {what}, {against}", ours / usual, 1, at_least=False)


@dataclass(frozen=True)
class Goal:
    """A ratio of this server to another, and what it must be."""

    what: str
    ratio: float
    wanted: float
    at_least: bool

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
