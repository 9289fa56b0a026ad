"""Measure all servers in turns: `python -m tests.bench --rounds 3 --seconds 1`."""

from __future__ import annotations

import argparse
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.bench import answer, container, curves, environment, load, peers, plot, report
from tests.bench.disturbance import Disturbance
from tests.bench.environment import Environment
from tests.bench.process import Server, ServerError
from tests.bench.results import SHARES, Results, Round

PARTS = ("latency", "container")


def main() -> None:
    """Make the environments, run the rounds, print and write the results."""
    options = parse(sys.argv[1:])
    # As an exception it comes past the lines that stop the server.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("error: ended by a signal"))
    if shutil.which("wrk") is None:
        sys.exit("error: wrk is not installed; it comes from Debian's package wrk")
    try:
        # The penguins of all servers are trained in ours.
        ours = environment.make(peers.OURS)
        environments = {name: environment.make(peers.ALL[name]) for name in options.only}
    except (OSError, subprocess.SubprocessError) as error:
        sys.exit(f"error: an environment could not be made: {error}")
    results = Results(environments, options.models, options.rounds, options.seconds)
    for number in range(options.rounds):
        for model in options.models:
            # Another server comes first each time, so that none has the same neighbours always.
            for name in options.only[number:] + options.only[:number]:
                if model in peers.ALL[name].models and (name, model) not in results.failures:
                    run(results, name, model, number, paced="latency" not in options.skip)
    if "container" not in options.skip and "ours" in options.only:
        start_containers(results, ours)
    options.out.mkdir(parents=True, exist_ok=True)
    text = report.markdown(results)
    (options.out / "results.md").write_text(text)
    (options.out / "results.svg").write_text(plot.svg(results))
    if latencies := results.latencies():
        (options.out / "latency.svg").write_text(curves.svg(latencies))
    print(text)
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
    parser.add_argument("--skip", default="", help=f"{' or '.join(PARTS)}, with commas between")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent, help="a folder")
    options = parser.parse_args(arguments)
    known_names = {"only": tuple(peers.ALL), "models": peers.MODELS, "skip": PARTS}
    for name, known in known_names.items():
        chosen = getattr(options, name).split(",") if getattr(options, name) else []
        if unknown := [each for each in chosen if each not in known]:
            parser.error(f"--{name}: {', '.join(unknown)} is not one of {', '.join(known)}")
        setattr(options, name, chosen)
    if min(options.rounds, options.seconds) < 1:
        parser.error("--rounds and --seconds must be 1 or more")
    return options


def run(results: Results, name: str, model: str, number: int, *, paced: bool) -> None:
    """Measure one server with one model once; a failure is noted and ends nothing else."""
    print(f"round {number + 1}, {model}: {name}", end=" ", flush=True)
    paced = paced and model == peers.PACED_MODEL and name in peers.PACED
    try:
        once = measure(
            peers.ALL[name], results.environments[name], model, results.seconds, paced=paced
        )
    except (ServerError, OSError, subprocess.SubprocessError) as error:
        results.failures[name, model] = str(error)
        print(f"failed: {error}", flush=True)
    else:
        results.add(name, model, once)
        rate = once.speeds[load.SIXTY_FOUR].requests
        print(f"{rate:,.0f}/s, other programs on {once.disturbance:.2f} cores", flush=True)


def measure(
    peer: peers.Peer, where: Environment, model: str, seconds: int, *, paced: bool
) -> Round:
    """Start the server, measure it under each load, stop it."""
    known = answer.Known(**environment.answers(where, model))
    server = Server(peer, where, model)
    try:
        start = answer.wait_for_first_answer(server, peer, known.first(1))
        load.settle(server)
        others = Disturbance(server)
        speeds = {each: load.measure(server, peer, known, each, seconds) for each in load.LOADS}
        highest = speeds[load.SIXTY_FOUR].requests
        latencies = {
            share: load.measure_paced(server, peer, known, share * highest, seconds)
            for share in (SHARES if paced else ())
        }
        return Round(start, speeds, latencies, others.cores())
    finally:
        server.stop()


def start_containers(results: Results, ours: Environment) -> None:
    """Build and start the images of this server, or note why not."""
    known = answer.Known(**environment.answers(ours, container.MODEL))
    try:
        results.images = container.measure(ours, known, results.rounds)
    except container.NotMeasuredError as error:
        results.no_images = str(error)
        print(f"containers are left out: {error}", flush=True)


if __name__ == "__main__":
    main()
