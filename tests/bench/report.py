"""The results as Markdown: how it was measured, a table for each model, the goals."""

from __future__ import annotations

import os
import platform
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

from tests.bench import goals
from tests.bench.columns import MEGA, MORE, ONE_ROW, VCPU_SECOND, Columns
from tests.bench.peers import ALL, PACED_MODEL
from tests.bench.results import SHARES, Results, Value

TITLES = {
    "pipeline": "Pipeline: imputer, scaler, logistic regression",
    "forest": "Random forest of 100 trees",
    "penguins": "Penguins: numbers and categories, imputed, scaled, encoded, logistic regression",
}


def markdown(results: Results) -> str:
    """The whole report."""
    parts = ["# This server and its peers", how(results), "![The same as a plot](results.svg)"]
    for model in results.models:
        parts += [f"## {TITLES[model]}", table(results, model, ONE_ROW)]
        parts += [table(results, model, MORE)]
    parts += ["## Latency against the load", latency(results)]
    parts += ["## In a container", containers(results)]
    parts += ["## Goals", reached(results), "## Set-ups", setups(results)]
    if results.failures:
        parts += ["## Failed", "\n".join(f"- {line}" for line in results.sentences())]
    return "\n\n".join(parts) + "\n"


def how(results: Results) -> str:
    """When, where and how it was measured."""
    day = datetime.now(UTC).date().isoformat()
    return (
        f"Measured on {day} on {processor()}, {os.cpu_count()} cores shared with `wrk`, "
        f"{platform.system()} {platform.release()}, Python {platform.python_version()}. "
        f"Medians of {results.rounds} rounds of {results.seconds} s a load; in each round the "
        "servers take turns. The pipeline and the forest know 30 numbers a row (breast cancer "
        "data), the penguins 4 numbers and 2 categories, some of them missing; one row a "
        "request unless it says 1,024, which 4 connections send, or 10,000, which 2 do. `wrk` "
        "checks status and predictions of every answer, and one wrong answer or lost connection "
        "fails the server with that model. "
        "Every server has at most two workers, keeps no log of requests, and runs with "
        "`OMP_NUM_THREADS` and `OPENBLAS_NUM_THREADS` at 1, because the workers share the cores. "
        "Start is from the start of the process to the first right answer. Memory is the PSS of "
        "all processes, one load after the other; the goals take that after the requests of 1,024 "
        "rows. Installed is the size of site-packages, "
        "compiled as pip does it. Times to an answer leave out the opening of a connection. "
        "CPU-seconds are what all processes of the server used, in the kernel too, at 64 "
        f"connections; the price is theirs in Cloud Run, {VCPU_SECOND:f} dollars for a second of "
        "one vCPU (tier 1 regions, billed by request, as of 2025), if instances are kept busy. "
        + disturbance(results)
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


def table(results: Results, model: str, columns: Columns) -> str:
    """One line for each server, of medians, or that it failed."""

    def cell(name: str, value: Value, form: str) -> str:
        number = results.median(name, model, value)
        return "failed" if number is None else format(number, form)

    heads = ["server", *(heading for heading, _, _ in columns)]
    lines = [row(heads), row(["---"] + ["---:"] * len(columns))]
    for name in results.servers(model):
        cells = [cell(name, value, form) for _, value, form in columns]
        lines.append(row([ALL[name].title, *cells]))
    return "\n".join(lines)


def latency(results: Results) -> str:
    """At each part of each server's highest rate, how long requests took."""
    known = results.latencies()
    if not known:
        return "It was not asked for."
    text = (
        f"Requests of the {PACED_MODEL}, sent evenly at a fixed rate, a part of the rate at 64 "
        "connections, whether answers come or not. Times are from when a request was due to its "
        "answer, and so count all waiting, the opening of a connection, and how late the client "
        "itself was, which the last column tells of. The client shares the cores."
    )
    lines = [
        text,
        "",
        "![Latency against the load](latency.svg)",
        "",
        row(["server", "part", "requests/s", "p50 ms", "p99 ms", "p99 until sent, ms"]),
        row(["---"] + ["---:"] * 5),
    ]
    for name, several in known.items():
        for share, each in zip(SHARES, several, strict=True):
            times = [f"{time:.2f}" for time in (each.p50, each.p99, each.sent)]
            lines.append(row([ALL[name].title, f"{share:.0%}", f"{each.rate:,.0f}", *times]))
    return "\n".join(lines)


def containers(results: Results) -> str:
    """What the images of this server add to their base image, and how soon they answer."""
    if not results.images:
        return f"Left out: {results.no_images}."
    lines = [
        "From `docker run` to the first right answer of the penguins; MB are uncompressed.",
        "",
        row(["image of this server", "start s", "in each round", "MB without the base image"]),
        row(["---"] + ["---:"] * 3),
    ]
    for kind, image in results.images.items():
        starts = f"{min(image.starts):.2f} to {max(image.starts):.2f}"
        middle = f"{median(image.starts):.2f}"
        lines.append(row([kind, middle, starts, f"{image.size / MEGA:,.0f}"]))
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


def row(cells: list[str] | tuple[str, ...]) -> str:
    """One line of a table."""
    return f"| {' | '.join(cells)} |"
