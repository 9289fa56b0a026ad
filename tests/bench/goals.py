"""What this server must reach, each as a ratio within one run or as a plain figure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from statistics import median

from tests.bench.beside import NOBODY, SLOW_BODY, SLOW_HEAD
from tests.bench.cores import split
from tests.bench.loads import (
    BULK,
    CLOSED_16,
    CLOSED_64,
    CLOSED_256,
    HALF_CLOSED,
    HALF_KEPT,
    KEPT_1,
    KEPT_16,
    KEPT_64,
)
from tests.bench.peers import FLOOR, FLOOR_KEPT, MIXED, MODELS, NUMERIC, OURS, OURS_OLD, RIVALS
from tests.bench.results import (
    Results,
    Value,
    bulk,
    far_kept,
    memory,
    p50,
    rate,
    start,
    tail,
)
from tests.bench.scaling import MODEL, Case

MEGA = 1e6
PEER, NOTHING = "the best peer", ""


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


CLOSED_RATE = "requests/s, 64 connections closed"
ALONE = "p50 of one request at a time, kept"
START = "start to first answer"
MEMORY = "memory after requests of 1,024 rows"

WANTED = (
    Wanted("p99 / p50 at half load, closed", tail(HALF_CLOSED), MIXED, NOTHING, 4),
    Wanted("p99 / p50 at half load, kept", tail(HALF_KEPT), MIXED, NOTHING, 4),
    Wanted(ALONE, p50(KEPT_1), MODELS, PEER, 0.12),
    Wanted(ALONE + ", 1 ms of round trip", far_kept, MODELS, PEER, 0.7),
    Wanted("requests/s, 64 connections kept", rate(KEPT_64), ("pipeline",), PEER, 5, at_least=True),
    Wanted("requests/s, 64 connections kept", rate(KEPT_64), ("forest",), PEER, 8, at_least=True),
    Wanted(CLOSED_RATE, rate(CLOSED_64), NUMERIC, FLOOR.name, 0.55, at_least=True),
    Wanted("rows/s at 1,024 rows a request", bulk, MODELS, PEER, 2.5, at_least=True),
    Wanted(START, start, MODELS, PEER, 0.1),
    Wanted(START, start, MODELS, NOTHING, 0.4, unit="s"),
    Wanted(MEMORY, memory(BULK), MODELS, NOTHING, 61, unit="MB", scale=MEGA),
    Wanted(MEMORY, memory(BULK), MODELS, PEER, 1 / 3),
)
# Requests/s of this server on one core, with its load, against those of another with that one's.
SIDE_BY_SIDE = (
    (CLOSED_64, OURS_OLD.name, CLOSED_64, 1.45),
    (KEPT_16, OURS_OLD.name, CLOSED_16, 2),
    (CLOSED_64, FLOOR.name, CLOSED_64, 0.6),
    (KEPT_16, FLOOR_KEPT.name, KEPT_16, 0.6),
)
IMAGE_MEGABYTES = {"slim": 80, "usual": 260}
# What part of n times its rate on one core a server reaches on n, at the best number of connections.
SCALING = 0.8
# How many times its p99 the p99 of ordinary requests is beside slow senders.
BESIDE_SLOW = 2
BESIDE_HOSTILE, HOSTILE_SECONDS, HOSTILE_MEGABYTES = 3, 1, 200


@dataclass(frozen=True)
class Goal:
    """What was wanted, the median that was reached, and what each round reached."""

    what: str
    bound: float
    rounds: list[float]
    at_least: bool = False
    unit: str = ""

    @property
    def reached(self) -> float:
        """The median of the rounds."""
        return median(self.rounds)

    @property
    def met(self) -> bool:
        """Whether the median is what it must be."""
        return self.reached >= self.bound if self.at_least else self.reached <= self.bound


def reached(results: Results) -> Iterator[Goal]:
    """Each goal for which all that it needs was measured."""
    for wanted in WANTED:
        for model in wanted.models:
            yield from _goal(results, wanted, model)
    yield from _side_by_side(results)
    yield from _scaling(results)
    yield from _beside(results)
    yield from _hostile(results)
    for kind, most in IMAGE_MEGABYTES.items():
        if kind in results.images:
            size = results.images[kind].size / MEGA
            yield Goal(f"{kind} image, less its base image", most, [size], unit="MB")


def _goal(results: Results, wanted: Wanted, model: str) -> Iterator[Goal]:
    what = f"{model}, {wanted.what}"
    ours = results.of(OURS.name, model, wanted.value)
    if wanted.against == NOTHING:
        rounds = [value / wanted.scale for value in ours]
    else:
        best = wanted.against == PEER
        other = _best_peer(results, wanted, model) if best else wanted.against
        theirs = results.of(other, model, wanted.value)
        # A server that failed in a round has none at all, so that rounds are compared in pairs.
        rounds = [one / two for one, two in zip(ours, theirs, strict=False)]
        what += f", against {f'{PEER} ({other})' if best else other}"
    if rounds:
        yield Goal(what, wanted.bound, rounds, at_least=wanted.at_least, unit=wanted.unit)


def _best_peer(results: Results, wanted: Wanted, model: str) -> str:
    """The peer with the best median; none if no peer was measured."""
    medians = {name: results.median(name, model, wanted.value) for name in RIVALS}
    known = {name: value for name, value in medians.items() if value is not None}
    choose = max if wanted.at_least else min
    return choose(known, key=lambda name: known[name]) if known else ""


def _side_by_side(results: Results) -> Iterator[Goal]:
    for ours, other, theirs, bound in SIDE_BY_SIDE:
        pairs = [_rates(results, Case(OURS.name, ours, 1)), _rates(results, Case(other, theirs, 1))]
        if rounds := [one / two for one, two in zip(*pairs, strict=False)]:
            what = f"{MODEL} on one core, requests/s, {ours.kind}, against {other}, {theirs.kind}"
            yield Goal(what, bound, rounds, at_least=True)


def _beside(results: Results) -> Iterator[Goal]:
    for company in (SLOW_BODY, SLOW_HEAD) if OURS.name in results.beside else ():
        several = [each.others for each in results.beside[OURS.name]]
        rounds = [others[company].p99 / others[NOBODY].p99 for others in several]
        yield Goal(f"p99 beside {company}, against beside nobody", BESIDE_SLOW, rounds)


def _hostile(results: Results) -> Iterator[Goal]:
    if (measured := results.hostility) is not None:
        slowest = max(each.seconds for each in measured.sent)
        yield Goal("the slowest answer to a hostile body", HOSTILE_SECONDS, [slowest], unit="s")
        grown = measured.memory / MEGA
        yield Goal("more memory for hostile bodies", HOSTILE_MEGABYTES, [grown], unit="MB")
        ratio = measured.beside.p99 / measured.without.p99
        yield Goal("p99 beside hostile bodies, against without", BESIDE_HOSTILE, [ratio])


def _scaling(results: Results) -> Iterator[Goal]:
    """On the most cores beside which the client has its own, against one core."""
    counts = {case.count for case in results.scaling if not split(case.count).shared}
    if len(counts) < 2:
        return
    one, many = (_best(results, count) for count in (min(counts), max(counts)))
    rounds = [most / least / max(counts) for least, most in zip(one, many, strict=False)]
    yield Goal(
        f"requests/s on {max(counts)} cores, a core, against one", SCALING, rounds, at_least=True
    )


def _best(results: Results, count: int) -> list[float]:
    """Requests/s in each round, closed, at the number of connections at which they are most."""
    cases = [Case(OURS.name, load, count) for load in (CLOSED_64, CLOSED_256)]
    rates = [_rates(results, case) for case in cases]
    return max(rates, key=lambda each: median(each) if each else 0.0)


def _rates(results: Results, case: Case) -> list[float]:
    return [each.requests for each in results.scaling.get(case, [])]
