"""The results as Markdown: how it was measured, a table for each model, the goals."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

from tests.bench.load import BULK, LOADS, Load
from tests.bench.peers import ALL
from tests.bench.results import Results, Round, memory, start

MEGA = 1e6
HEADINGS = (
    "server",
    "requests/s: 1 connection",
    "16",
    "64",
    "p50 ms: 1",
    "16",
    "64",
    "p99 ms: 1",
    "16",
    "64",
    "rows/s at 1,024 rows a request",
    "start s",
    "memory MB",
    "installed MB",
    "cores others used",
)


def markdown(results: Results) -> str:
    """The whole report."""
    parts = ["# This server and its peers", how(results), "![The same as a plot](results.svg)"]
    for model in results.models:
        parts += [f"## {TITLES[model]}", table(results, model)]
    parts += ["## Goals", goals(results), "## Set-ups", setups(results)]
    if results.failures:
        parts += ["## Failed", "\n".join(f"- {line}" for line in results.sentences())]
    return "\n\n".join(parts) + "\n"


TITLES = {
    "pipeline": "Pipeline: imputer, scaler, logistic regression",
    "forest": "Random forest of 100 trees",
}


def how(results: Results) -> str:
    """When, where and how it was measured."""
    day = datetime.now(UTC).date().isoformat()
    return (
        f"Measured on {day} on {processor()}, {os.cpu_count()} cores shared with `wrk`, "
        f"{platform.system()} {platform.release()}, Python {platform.python_version()}. "
        f"Medians of {results.rounds} rounds of {results.seconds} s a load; in each round the "
        "servers take turns. The models know 30 numbers a row (breast cancer data); one row a "
        "request unless it says 1,024, which 4 connections send. `wrk` checks status and "
        "predictions of every answer, and one wrong answer or lost connection fails the server. "
        "Every server has at most two workers, keeps no log of requests, and runs with "
        "`OMP_NUM_THREADS` and `OPENBLAS_NUM_THREADS` at 1, because the workers share the cores. "
        "Start is from the start of the process to the first right answer. Memory is the PSS of "
        "all processes after the load. Installed is the size of site-packages, compiled as pip "
        "does it. Times to an answer leave out the opening of a connection. " + disturbance(results)
    )


def disturbance(results: Results) -> str:
    """How much other programs had of the machine."""
    shares = [once.disturbance for rounds in results.measured.values() for once in rounds]
    if not shares:
        return ""
    return (
        f"Other programs kept {median(shares):.2f} cores busy meanwhile, {max(shares):.2f} at "
        "worst; a line where they had many is not to be compared with one where they had few."
    )


def processor() -> str:
    """The name of the CPU."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def table(results: Results, model: str) -> str:
    """One line for each server."""
    lines = [row(HEADINGS), row(["---"] + ["---:"] * (len(HEADINGS) - 1))]
    lines += [line(results, name, model) for name in results.environments]
    return "\n".join(lines)


def line(results: Results, name: str, model: str) -> str:
    """The medians of one server, or that it failed."""

    def cell(value: Callable[[Round], float], form: str = ",.0f") -> str:
        number = results.median(name, model, value)
        return "failed" if number is None else format(number, form)

    def per_load(attribute: str, form: str) -> list[str]:
        def of(load: Load) -> Callable[[Round], float]:
            return lambda once: getattr(once.speeds[load], attribute)

        return [cell(of(load), form) for load in LOADS if load is not BULK]

    return row(
        [
            ALL[name].title,
            *per_load("requests", ",.0f"),
            *per_load("p50", ".2f"),
            *per_load("p99", ".2f"),
            cell(lambda once: once.speeds[BULK].requests * BULK.rows),
            cell(start, ".2f"),
            cell(lambda once: memory(once) / MEGA),
            f"{results.environments[name].size() / MEGA:,.0f}",
            cell(lambda once: once.disturbance, ".2f"),
        ]
    )


def goals(results: Results) -> str:
    """Each goal with its ratio."""
    lines = [row(["goal", "wanted", "ratio of medians", "in each round", ""])]
    lines.append(row(["---", "---:", "---:", "---:", "---"]))
    for goal in results.goals():
        wanted = f"{'≥' if goal.at_least else '≤'} {goal.wanted:.1f}"
        span = f"{goal.lowest:.2f} to {goal.highest:.2f}"
        met = "met" if goal.met else "not met"
        lines.append(row([goal.what, wanted, f"{goal.ratio:.2f}", span, met]))
    return "\n".join(lines)


def setups(results: Results) -> str:
    """How each server was set up, and with which versions."""
    lines = [row(["server", "set-up", "versions"]), row(["---"] * 3)]
    for name, where in results.environments.items():
        versions = ", ".join(f"{package} {version}" for package, version in where.versions.items())
        lines.append(row([ALL[name].title, ALL[name].setup, versions]))
    return "\n".join(lines)


def row(cells: list[str] | tuple[str, ...]) -> str:
    """One line of a table."""
    return f"| {' | '.join(cells)} |"
