"""The parts of the report that are not one table of servers: latency, cores, company, images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from operator import attrgetter
from statistics import median

from tests.bench import beside, hostility, scaling
from tests.bench.cells import NONE, row, with_spread
from tests.bench.columns import MEGA
from tests.bench.cores import COUNTS, split
from tests.bench.hostility import Hostility
from tests.bench.load import Latency, Speed
from tests.bench.loads import Pace
from tests.bench.peers import ALL, PACED_MODEL, PROCESSES
from tests.bench.results import Results
from tests.bench.scaling import Case

SLOWEST_KINDS = 5


def latency(known: Mapping[str, Mapping[Pace, Latency]]) -> str:
    """At each part of each server's highest rate, how long requests took."""
    text = (
        f"Requests of the {PACED_MODEL}, sent evenly at a fixed rate, a part of the rate at 64 "
        "connections, whether answers come or not. Times are from when a request was due to its "
        "answer, and so count all waiting, the opening of a connection, and how late the client "
        "itself was, which the last column tells of."
    )
    lines = [
        text,
        "",
        "![Latency against the load](latency.svg)",
        "",
        row(
            [
                "server",
                "connections",
                "part",
                "requests/s",
                "p50 ms",
                "p99 ms",
                "p99.9 ms",
                "p99 / p50",
                "p99 until sent, ms",
            ]
        ),
        row(["---", "---"] + ["---:"] * 7),
    ]
    for name, several in known.items():
        for pace, each in several.items():
            times = [f"{time:.2f}" for time in (each.p50, each.p99, each.p999)]
            times += [f"{each.p99 / each.p50:.1f}", f"{each.sent:.2f}"]
            kind = "kept" if pace.kept else "closed"
            lines.append(
                row([ALL[name].title, kind, f"{pace.share:.0%}", f"{each.rate:,.0f}", *times])
            )
    return "\n".join(lines)


def cores(results: Results) -> str:
    """Requests a second and p99 of each server on one core and on more."""
    apart = "; ".join(f"{split(count)}" for count in COUNTS)
    text = (
        f"The {scaling.MODEL}; all servers run at once and take turns. They have a process for "
        f"each core, and at least {PROCESSES}. Requests/s, p99, and CPU for a "
        f"request: {apart}."
    )
    lines = [
        text,
        "",
        row(["server", "connections", *(f"cores: {count}" for count in COUNTS)]),
        row(["---", "---"] + ["---:"] * len(COUNTS)),
    ]
    for name, loads in scaling.LOADS.items():
        for load in loads:
            cells = [_speed(results.scaling.get(Case(name, load, count), [])) for count in COUNTS]
            lines.append(row([ALL[name].title, load.kind, *cells]))
    return "\n".join(lines)


def _speed(rounds: Sequence[Speed]) -> str:
    if not rounds:
        return NONE
    rate = with_spread([each.requests for each in rounds], ",.0f")
    p99, cpu = (median(getattr(each, name) for each in rounds) for name in ("p99", "cpu"))
    return f"{rate}; {p99:.1f} ms; {cpu:.0f} µs"


def company(results: Results) -> str:
    """How ordinary requests fare beside clients that hold connections or ask for much."""
    heads = ["server", "requests/s", "beside", "p50 ms", "p99 ms", "no answer"]
    text = (
        f"Requests of the {beside.MODEL}, each on a connection of its own, sent evenly at "
        f"{beside.SHARE:.0%} of the highest rate, beside nobody and beside others. An idle client "
        "connects and sends nothing; a slow one stops in the head or in the body of its request and "
        "then sends a byte a second; whoever is thrown out comes again. A request without an answer "
        f"{beside.GIVE_UP_SECONDS:.0f} s after the last is counted as one of that time."
    )
    lines = [text, "", row(heads), row(["---", "---:", "---", "---:", "---:", "---:"])]
    for name, rounds in results.beside.items():
        rate = f"{median(each.rate for each in rounds):,.0f}"
        for others in rounds[0].others:
            several = [each.others[others] for each in rounds]
            times = [
                with_spread([each.p50 for each in several], ".2f"),
                with_spread([each.p99 for each in several], ".2f"),
                f"{median(each.unanswered / each.sent for each in several):.1%}",
            ]
            lines.append(row([ALL[name].title, rate, others, *times]))
    return "\n".join(lines)


def hostile(measured: Hostility) -> str:
    """What became of hostile bodies and of ordinary requests beside them."""
    seconds = attrgetter("seconds")
    times = [each.seconds for each in measured.sent]
    slowest = {each.name: each.seconds for each in sorted(measured.sent, key=seconds)}
    last = sorted(slowest, key=lambda name: slowest[name])[-SLOWEST_KINDS:]
    wrong = sorted({each.name for each in measured.sent if not each.right})
    without, others = measured.without, measured.beside
    return (
        f"{len(times)} bodies of at most 100 kB, which unpack to 31 MiB or lie, from "
        f"{hostility.CLIENTS} clients: half of them are refused in {median(times):.2f} s, all in "
        f"{max(times):.2f} s, and all processes have at most {measured.memory / MEGA:,.0f} MB more. "
        f"The slowest kinds: {_list([f'{name} ({slowest[name]:.2f} s)' for name in last])}. "
        f"Kinds that got another answer than they should: {_list(wrong)}. "
        f"Ordinary requests, {measured.rate:,.0f} a second, have a p50 of {without.p50:.2f} ms and a p99 of {without.p99:.2f} ms without "
        f"them, {others.p50:.2f} and {others.p99:.2f} ms beside them, where {others.unanswered} of "
        f"{others.sent:,} got no answer."
    )


def _list(names: Sequence[str]) -> str:
    return ", ".join(names) or "none"


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
