"""What this server must reach, each as a ratio within one run or as a plain figure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from statistics import median

from tests.bench.peers import MODELS, NUMERIC, RIVALS
from tests.bench.results import (
    Results,
    Value,
    alone,
    bulk,
    memory,
    rate,
    start,
    tail,
)

MEGA = 1e6
PEER, FLOOR, NOTHING = "the best peer", "the constant answer", ""


@dataclass(frozen=True)
class Wanted:
    """A figure of this server, with these models, against that of another or against nothing."""

    what: str
    value: Value
    models: tuple[str, ...]
    against: str
    bound: float
    at_least: bool = False
    unit: str = ""
    scale: float = 1


RATE = "requests/s at 64 connections"
ALONE = "p50 of one request at a time"
ROWS = "rows/s at 1,024 rows a request"
START = "start to first answer"
MEMORY = "memory"
TAIL = "p99 / p50 at half the highest rate"

WANTED = (
    Wanted(RATE, rate, ("pipeline",), PEER, 5, at_least=True),
    Wanted(RATE, rate, ("pipeline",), FLOOR, 0.75, at_least=True),
    Wanted(RATE, rate, ("forest",), PEER, 8, at_least=True),
    Wanted(RATE, rate, ("forest",), FLOOR, 0.55, at_least=True),
    Wanted(RATE, rate, ("penguins",), FLOOR, 0.6, at_least=True),
    Wanted(ALONE, alone, ("pipeline",), FLOOR, 1.8),
    Wanted(ALONE, alone, ("forest",), FLOOR, 2.5),
    Wanted(ALONE, alone, NUMERIC, PEER, 0.2),
    Wanted(TAIL, tail, ("pipeline",), NOTHING, 5),
    Wanted(ROWS, bulk, MODELS, PEER, 2.5, at_least=True),
    Wanted(START, start, MODELS, PEER, 0.1),
    Wanted(START, start, MODELS, NOTHING, 0.4, unit="s"),
    Wanted(MEMORY, memory, MODELS, NOTHING, 60, unit="MB", scale=MEGA),
    Wanted(MEMORY, memory, MODELS, PEER, 1 / 3),
)
IMAGE_MEGABYTES = {"slim": 80, "usual": 260}


@dataclass(frozen=True)
class Goal:
    """What was wanted, the median that was reached, and what each round reached."""

    what: str
    bound: float
    reached: float
    rounds: list[float]
    at_least: bool
    unit: str

    @property
    def met(self) -> bool:
        """Whether the median is what it must be."""
        return self.reached >= self.bound if self.at_least else self.reached <= self.bound


def reached(results: Results) -> Iterator[Goal]:
    """Each goal for which all that it needs was measured."""
    for wanted in WANTED:
        for model in wanted.models:
            yield from _goal(results, wanted, model)
    for kind, most in IMAGE_MEGABYTES.items():
        if kind in results.images:
            size = results.images[kind].size / MEGA
            what = f"{kind} image, less its base image"
            yield Goal(what, most, size, [size], at_least=False, unit="MB")


def _goal(results: Results, wanted: Wanted, model: str) -> Iterator[Goal]:
    what = f"{model}, {wanted.what}"
    try:
        ours = results.of("ours", model, wanted.value)
    except KeyError:  # there are no latencies: they were skipped
        return
    if wanted.against == NOTHING:
        rounds = [value / wanted.scale for value in ours]
        middle = median(rounds) if rounds else 0.0
    else:
        other = "floor" if wanted.against == FLOOR else _best_peer(results, wanted, model)
        theirs = results.of(other, model, wanted.value)
        # A server that failed in a round has none at all, so that rounds are compared in pairs.
        rounds = [one / two for one, two in zip(ours, theirs, strict=False)]
        middle = median(ours) / median(theirs) if rounds else 0.0
        what += f", against {wanted.against}" + (f" ({other})" if wanted.against == PEER else "")
    if rounds:
        yield Goal(what, wanted.bound, middle, rounds, at_least=wanted.at_least, unit=wanted.unit)


def _best_peer(results: Results, wanted: Wanted, model: str) -> str:
    """The peer with the best median; none if no peer was measured."""
    medians = {name: results.median(name, model, wanted.value) for name in RIVALS}
    known = {name: value for name, value in medians.items() if value is not None}
    choose = max if wanted.at_least else min
    return choose(known, key=lambda name: known[name]) if known else ""
