"""Measure all servers in turns: `python -m tests.bench --rounds 3 --seconds 1`."""

from __future__ import annotations

import argparse
import contextlib
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from tests.bench import (
    answer,
    beside,
    container,
    cores,
    curves,
    environment,
    hostility,
    load,
    peers,
    plot,
    readme,
    report,
    scaling,
)
from tests.bench.disturbance import Disturbance
from tests.bench.loads import HALF_KEPT
from tests.bench.process import Server, ServerError
from tests.bench.results import Results, Round

PARTS = ("speed", "latency", "cores", "beside", "hostile", "container")
# At half load, so that there are enough requests for a p99.9.
HALF_LOAD_SECONDS = 3


def main() -> None:
    """Make the environments, run the rounds, print and write the results."""
    options = parse(sys.argv[1:])
    # As an exception it comes past the lines that stop the server.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("error: ended by a signal"))
    if shutil.which("wrk") is None:
        sys.exit("error: wrk is not installed; it comes from Debian's package wrk")
    try:
        # The penguins of all servers are trained in ours.
        environment.make(peers.OURS)
        environments = {
            name: environment.make(peers.ALL[name])
            for name in options.only
            if name in needed(options.parts)
        }
    except (OSError, subprocess.SubprocessError) as error:
        sys.exit(f"error: an environment could not be made: {error}")
    results = Results(environments, options.models, options.rounds, options.seconds)
    print(f"Of {len(cores.MACHINE)} cores, {cores.ONE_CORE}.", flush=True)
    os.sched_setaffinity(0, cores.ONE_CORE.client)
    for number in range(options.rounds):
        # Another server comes first each time, so that none has the same neighbours always.
        names = options.only[number:] + options.only[:number]
        run(results, names, number, options.parts)
    if "cores" in options.parts:
        measure_cores(results)
    if "hostile" in options.parts and peers.OURS.name in options.only:
        with noted(results, peers.OURS.name, f"{beside.MODEL} beside hostile bodies"):
            where = environments[peers.OURS.name]
            known = answer.Known(**environment.answers(where, beside.MODEL))
            results.hostility = hostility.measure(where, known, options.seconds)
    if "container" in options.parts and peers.OURS.name in options.only:
        start_containers(results)
    write(results, options.out)
    if results.failures:
        sys.exit("error: " + "; ".join(results.sentences()))


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """The options, checked."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3, help="how often each server is started")
    parser.add_argument("--seconds", type=int, default=1, help="how long each load lasts")
    parser.add_argument("--only", default=",".join(peers.ALL), help="servers, with commas between")
    models = ",".join(peers.MODELS)
    parser.add_argument("--models", default=models, help="models, with commas between")
    parser.add_argument("--parts", default=",".join(PARTS), help="parts, with commas between")
    parser.add_argument("--out", type=Path, help="a folder; bench/ if not everything is measured")
    options = parser.parse_args(arguments)
    known_names = {"only": tuple(peers.ALL), "models": peers.MODELS, "parts": PARTS}
    whole = True
    for name, known in known_names.items():
        chosen = getattr(options, name).split(",")
        if unknown := [each for each in chosen if each not in known]:
            parser.error(f"--{name}: {', '.join(unknown)} is not one of {', '.join(known)}")
        setattr(options, name, chosen)
        whole &= set(chosen) == set(known)
    if min(options.rounds, options.seconds) < 1:
        parser.error("--rounds and --seconds must be 1 or more")
    if options.out is None:
        options.out = Path(__file__).parent if whole else environment.BENCH
    return options


def needed(parts: Sequence[str]) -> set[str]:
    """The servers that these parts measure."""
    if not {"speed", "latency"}.isdisjoint(parts):
        return set(peers.ALL)
    several = {"cores": scaling.LOADS, "beside": beside.NAMES}
    return {peers.OURS.name}.union(*(several.get(part, ()) for part in parts))


def run(results: Results, names: Sequence[str], number: int, parts: Sequence[str]) -> None:
    """One round of the parts in which servers are measured one after the other."""
    print(f"round {number + 1}", flush=True)
    seconds = results.seconds
    if "speed" in parts or "latency" in parts:
        for model in results.models:
            for name in (each for each in names if model in peers.ALL[each].models):
                with noted(results, name, model):
                    results.add(name, model, measure(results, name, model, parts))
    if "beside" in parts:
        for name in (each for each in names if each in beside.NAMES):
            with noted(results, name, f"{beside.MODEL} beside others"):
                peer, where = peers.ALL[name], results.environments[name]
                known = answer.Known(**environment.answers(where, beside.MODEL))
                once = beside.measure(peer, where, known, seconds)
                results.beside.setdefault(name, []).append(once)


def measure_cores(results: Results) -> None:
    """All rounds of the servers that are measured side by side."""
    for count in cores.COUNTS:
        with noted(results, "side by side", f"{scaling.MODEL} on {count} of the cores"):
            measured = scaling.measure(results.environments, count, results.rounds, results.seconds)
            for case, speed in measured:
                results.scaling.setdefault(case, []).append(speed)


@contextlib.contextmanager
def noted(results: Results, name: str, what: str) -> Iterator[None]:
    """Note a failure, which ends nothing else."""
    print(f"{what}: {name}", flush=True)
    try:
        yield
    except (ServerError, OSError, subprocess.SubprocessError) as error:
        results.failures[name, what] = str(error)
        print(f"failed: {error}", flush=True)


def measure(results: Results, name: str, model: str, parts: Sequence[str]) -> Round:
    """Start the server, measure it under each load, stop it.

    Raises ServerError if it does not start, or at any wrong answer.
    """
    peer, where, seconds = peers.ALL[name], results.environments[name], results.seconds
    known = answer.Known(**environment.answers(where, model))
    paces = peer.paces if "latency" in parts and model == peers.PACED_MODEL else ()
    needed = {pace.highest for pace in paces}
    loads = peer.loads if "speed" in parts else [each for each in peer.loads if each in needed]
    server = Server(peer, where, model)
    try:
        start = answer.wait_for_first_answer(server, peer, known.first(1))
        load.settle(server)
        load.warm_up(server, peer, known)
        others = Disturbance(server)
        speeds = {each: load.measure(server, peer, known, each, seconds) for each in loads}
        latencies = {}
        for pace in paces:
            asked = load.request(server, peer, known, "a fixed rate", kept=pace.kept)
            rate = pace.share * speeds[pace.highest].requests
            lasting = seconds * (HALF_LOAD_SECONDS if pace.share == HALF_KEPT.share else 1)
            latencies[pace] = load.measure_paced(asked, rate, lasting)
        return Round(start, speeds, latencies, others.cores())
    finally:
        server.stop()


def start_containers(results: Results) -> None:
    """Build and start the images of this server, or note why not."""
    ours = results.environments[peers.OURS.name]
    known = answer.Known(**environment.answers(ours, container.MODEL))
    try:
        results.images = container.measure(ours, known, results.rounds)
    except container.NotMeasuredError as error:
        results.no_images = str(error)
        print(f"containers are left out: {error}", flush=True)


def write(results: Results, folder: Path) -> None:
    """Print the report, and write it and its pictures into the folder; a whole run, the README."""
    folder.mkdir(parents=True, exist_ok=True)
    text = report.markdown(results)
    (folder / "results.md").write_text(text)
    if results.measured:
        (folder / "results.svg").write_text(plot.svg(results))
    if latencies := results.latencies():
        (folder / "latency.svg").write_text(curves.svg(latencies))
    if folder == Path(__file__).parent:
        readme.update(results)
    print(text)


if __name__ == "__main__":
    main()
