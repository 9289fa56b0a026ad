"""The results as Markdown: how it was measured, a table for each model, the goals."""

from __future__ import annotations

import platform
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

from tests.bench import goals, sections
from tests.bench.cells import NONE, row, with_spread
from tests.bench.columns import ALONE, MEGA, MORE, RATES, SUMMARY, VCPU_SECOND, Columns
from tests.bench.cores import MACHINE, ONE_CORE
from tests.bench.loads import KEPT_1, KEPT_16
from tests.bench.peers import ALL, PROCESSES
from tests.bench.results import Results, Value

TITLES = {
    "pipeline": "Pipeline: imputer, scaler, logistic regression",
    "forest": "Random forest of 100 trees",
    "penguins": "Penguins: numbers and categories, imputed, scaled, encoded, logistic regression",
}


def markdown(results: Results) -> str:
    """The whole report, of the parts that were asked for."""
    parts = ["# This server and its peers", how(results)]
    if results.measured:
        parts += ["## In short", summary(results), "![The same as a plot](results.svg)"]
        for model in results.models:
            parts += [f"## {TITLES[model]}"]
            parts += [table(results, model, columns) for columns in (RATES, ALONE, MORE)]
    if known := results.latencies():
        parts += ["## Latency against the load", sections.latency(known)]
    if results.scaling:
        parts += ["## More cores", sections.cores(results)]
    if results.beside:
        parts += ["## Beside others", sections.company(results)]
    if results.hostility:
        parts += ["## Beside hostile bodies", sections.hostile(results.hostility)]
    if results.images or results.no_images:
        parts += ["## In a container", sections.containers(results)]
    parts += ["## Goals", reached(results), "## Set-ups", setups(results)]
    if results.failures:
        parts += ["## Failed", "\n".join(f"- {line}" for line in results.sentences())]
    return "\n\n".join(parts) + "\n"


def how(results: Results) -> str:
    """When, where and how it was measured."""
    day = datetime.now(UTC).date().isoformat()
    return (
        f"Measured on {day} on {processor()}, {platform.system()} {platform.release()}, Python "
        f"{platform.python_version()}. Of {len(MACHINE)} cores, {ONE_CORE}. Medians of "
        f"{results.rounds} rounds of {results.seconds} s a load, with half the range of the rounds "
        "behind ±; in each round the servers take turns. The pipeline and the forest know 30 "
        "numbers a row (breast cancer data), the penguins 4 numbers and 2 categories, some of them "
        "missing; one row a request unless it says 1,024, which 4 connections send, or 10,000, "
        "which 2 do. `wrk` checks status and predictions of every answer, and one wrong answer or "
        "lost connection fails the server with that model. "
        "A closed connection carries one request that asks to close it; a kept one carries as many "
        "as the server lets it. Times to an answer leave out the opening of a connection. "
        "A round trip of 1 ms is added by counting: a closed connection pays two, one of them to "
        "open it, and a kept one pays one. "
        f"Every server has {PROCESSES} workers, keeps no log of requests, and runs with "
        "`OMP_NUM_THREADS` and `OPENBLAS_NUM_THREADS` at 1, because the workers share the core. "
        "Start is from the start of the process to the first right answer. Memory is the PSS of "
        "all processes, one load after the other. Installed is the size of site-packages, "
        "compiled as pip does it. "
        "CPU-seconds are what all processes of the server used, in the kernel too, at 64 "
        f"connections; the price is theirs in Cloud Run, {VCPU_SECOND:f} dollars for a second of "
        "one vCPU (tier 1 regions, billed by request, as of 2025), if instances are kept busy. "
        + disturbance(results)
    )


def disturbance(results: Results) -> str:
    """How much other programs had of the machine."""
    before = f"The load average was {results.load_average:.2f} before. "
    shares = [once.disturbance for rounds in results.measured.values() for once in rounds]
    if not shares:
        return before
    return (
        f"{before}Other programs kept {median(shares):.2f} cores busy meanwhile, {max(shares):.2f} at "
        "worst; a line where they had many is not to be compared with one where they had few."
    )


def processor() -> str:
    """The name of the CPU."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def summary(results: Results) -> str:
    """One line of medians for each server that keeps connections, over several models."""
    lines = [row(["", *(heading for _, heading, _, _ in SUMMARY)])]
    lines.append(row(["---"] + ["---:"] * len(SUMMARY)))
    for name in results.environments:
        if {KEPT_1, KEPT_16}.isdisjoint(ALL[name].loads):
            continue
        medians = [results.median(name, model, value) for model, _, value, _ in SUMMARY]
        cells = [
            NONE if each is None else form.format(each)
            for each, (*_, form) in zip(medians, SUMMARY, strict=True)
        ]
        lines.append(row([ALL[name].title, *cells]))
    return "\n".join(lines)


def table(results: Results, model: str, columns: Columns) -> str:
    """One line for each server for which any of it was measured, or that it failed."""

    def cell(name: str, value: Value, form: str) -> str:
        if (name, model) in results.failures:
            return "failed"
        return with_spread(results.of(name, model, value), form)

    heads = ["server", *(heading for heading, _, _ in columns)]
    lines = [row(heads), row(["---"] + ["---:"] * len(columns))]
    for name in results.servers(model):
        cells = [cell(name, value, form) for _, value, form in columns]
        if set(cells) != {NONE}:
            lines.append(row([ALL[name].title, *cells]))
    return "\n".join(lines)


def reached(results: Results) -> str:
    """Each goal, and how near it is."""
    lines = [row(["goal", "wanted", "median", "in each round", ""])]
    lines.append(row(["---", "---:", "---:", "---:", "---"]))
    for goal in goals.reached(results):
        wanted = f"{'≥' if goal.at_least else '≤'} {goal.bound:.3g} {goal.unit}".rstrip()
        span = f"{min(goal.rounds):.2f} to {max(goal.rounds):.2f}"
        met = "met" if goal.met else "not met"
        lines.append(row([goal.what, wanted, f"{goal.reached:.2f}", span, met]))
    return "\n".join(lines)


def setups(results: Results) -> str:
    """How each server was set up, and with which versions."""
    lines = [row(["server", "set-up", "versions", "installed MB"])]
    lines.append(row(["---", "---", "---", "---:"]))
    for name, where in results.environments.items():
        versions = ", ".join(f"{package} {version}" for package, version in where.versions.items())
        size = f"{where.size() / MEGA:,.0f}"
        lines.append(row([ALL[name].title, ALL[name].setup, versions, size]))
    return "\n".join(lines)
