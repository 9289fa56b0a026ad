"""This server, many threads without keep-alive, and the floor: side by side, on one core and more.

All of them run at once and take turns under the same loads, a second each, so that what slows the
machine slows all of them, and their ratios hold.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from tests.bench import environment, load
from tests.bench.answer import Known, wait_for_first_answer
from tests.bench.cores import split
from tests.bench.environment import Environment
from tests.bench.load import Speed
from tests.bench.loads import CLOSED_16, CLOSED_64, CLOSED_256, KEPT_16, KEPT_256, Load
from tests.bench.peers import ALL, FLOOR, FLOOR_KEPT, OURS, OURS_OLD, PROCESSES
from tests.bench.process import Server

MODEL = "penguins"
LOADS: dict[str, tuple[Load, ...]] = {
    OURS.name: (CLOSED_64, CLOSED_256, KEPT_16, KEPT_256),
    OURS_OLD.name: (CLOSED_16, CLOSED_64),
    FLOOR.name: (CLOSED_64,),
    FLOOR_KEPT.name: (KEPT_16,),
}


@dataclass(frozen=True)
class Case:
    """A server under a load on so many cores."""

    name: str
    load: Load
    count: int


def measure(
    environments: Mapping[str, Environment], count: int, rounds: int, seconds: int
) -> Iterator[tuple[Case, Speed]]:
    """Start those servers of LOADS that are among `environments`, and put each under its loads.

    Each has a process for each core, and at least as many as by default. Raises ServerError if one
    does not start, or at any wrong answer.
    """
    cores = split(count)
    with contextlib.ExitStack() as stack:
        servers = {}
        for name in (each for each in LOADS if each in environments):
            where = environments[name]
            known = Known(**environment.answers(where, MODEL))
            server = Server(ALL[name], where, MODEL, cores=cores, processes=max(PROCESSES, count))
            stack.callback(server.stop)
            servers[name] = server, known
            wait_for_first_answer(server, ALL[name], known.first(1))
            load.settle(server)
            load.warm_up(server, ALL[name], known)
        for _ in range(rounds):
            for name, (server, known) in servers.items():
                for each in LOADS[name]:
                    speed = load.measure(server, ALL[name], known, each, seconds, cores)
                    yield Case(name, each, count), speed
