"""Put a server under load, by `wrk` or at a fixed rate; every answer is checked."""

from __future__ import annotations

import json
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import quantiles

from tests.bench import pace
from tests.bench.answer import ANSWER_SECONDS, Known, checked
from tests.bench.cores import ONE_CORE, Cores, pinned
from tests.bench.disturbance import TICKS
from tests.bench.loads import HUGE, KEPT_16, Load
from tests.bench.peers import Peer
from tests.bench.process import Server, ServerError

SCRIPT = Path(__file__).with_name("wrk.lua")
SETTLE_SECONDS = 20
WARM_UP_SECONDS = 1
PACED_WARM_UP_SECONDS = 0.3
# In half a second, of 100 a second and core: a server that waits uses less, one that loads more.
IDLE_TICKS = 4


@dataclass(frozen=True)
class Speed:
    """What one load gave: answers a second, and the time to an answer in milliseconds."""

    requests: float
    p50: float
    p99: float
    # Seconds of CPU, of all the server's processes, for a million predictions.
    cpu: float
    # Bytes of memory right after it.
    memory: int


@dataclass(frozen=True)
class Latency:
    """What requests at a fixed rate gave: milliseconds from when each was due to its answer."""

    rate: float
    p50: float
    p99: float
    p999: float
    # Until the client had sent it, for 99 of 100.
    sent: float


def settle(server: Server) -> None:
    """Wait until all its processes have started, which shows in that they do nothing."""
    deadline = time.monotonic() + SETTLE_SECONDS
    before = -IDLE_TICKS - 1
    while (now := server.cpu_ticks()) - before > IDLE_TICKS and time.monotonic() < deadline:
        before = now
        time.sleep(0.5)


def warm_up(server: Server, peer: Peer, known: Known) -> None:
    """Load all its processes once, so that what is made at the first requests is there."""
    measure(server, peer, known, KEPT_16 if KEPT_16 in peer.loads else peer.loads[0], 1)


def measure(
    server: Server,
    peer: Peer,
    known: Known,
    load: Load,
    seconds: int,
    cores: Cores = ONE_CORE,
) -> Speed:
    """Check one answer against what the estimator predicts, and measure for `seconds`.

    Raises ServerError at any answer that is not the right one, and at any lost connection.
    """
    body, end = checked(server, peer, known.first(load.rows), str(load))
    files = [server.log.with_suffix(".body"), server.log.with_suffix(".answer")]
    files[0].write_bytes(body)
    files[1].write_bytes(end)
    url = f"http://127.0.0.1:{server.port}{peer.path}"
    # A peer may take a second for one request of so many rows.
    lasting = seconds * 2 if load is HUGE else seconds
    threads = min(load.connections, len(cores.client))
    before = server.cpu_ticks()
    with pinned(cores.client):
        counts = _wrk(url, load, [f"-t{threads}"], files, lasting)
    cpu = (server.cpu_ticks() - before) / TICKS
    return Speed(
        requests=counts["requests"] / counts["microseconds"] * 1e6,
        p50=counts["p50"] / 1000,
        p99=counts["p99"] / 1000,
        cpu=cpu / (counts["requests"] * load.rows) * 1e6,
        memory=server.memory(),
    )


def request(server: Server, peer: Peer, known: Known, what: str, *, kept: bool) -> pace.Asked:
    """The request of one row that is sent at a fixed rate; one answer is checked."""
    body, end = checked(server, peer, known.first(1), what)
    close = "" if kept else "Connection: close\r\n"
    head = (
        f"POST {peer.path} HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\n{close}"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return pace.Asked(server.port, head.encode() + body, end)


def measure_paced(asked: pace.Asked, rate: float, seconds: float) -> Latency:
    """Send `rate` requests a second, of one row each, for `seconds`.

    Raises ServerError at any answer that is not the right one, and at any lost connection.
    """
    what = f"{rate:,.0f} requests/s"
    paced = pace.ask(asked, rate, seconds, PACED_WARM_UP_SECONDS)
    if paced.wrong:
        raise ServerError(f"{what}: {len(paced.wrong)} failed, the first: {paced.wrong[0]}")
    if len(paced.answered) < 2:
        raise ServerError(f"{what}: too few for a latency")
    times = quantiles(paced.answered, n=1000)
    return Latency(rate, times[499], times[989], times[998], quantiles(paced.sent, n=100)[98])


def _wrk(
    url: str, load: Load, options: list[str], files: list[Path], seconds: int
) -> dict[str, int]:
    options += [f"-c{load.connections}", f"-d{seconds}s", f"--timeout={ANSWER_SECONDS}s"]
    ending = [] if load.kept else ["close"]
    result = subprocess.run(
        ["wrk", *options, "-s", SCRIPT, url, "--", *files, *ending],
        capture_output=True,
        text=True,
        check=False,
        timeout=seconds + 2 * ANSWER_SECONDS,
    )
    line, found, sample = result.stdout.rpartition('\n{"requests"')[2].partition("\n")
    if result.returncode or not found:
        raise ServerError(f"{load}: wrk failed: {(result.stderr or result.stdout)[-300:]}")
    counts: dict[str, int] = json.loads('{"requests"' + line)
    if counts["wrong"]:
        raise ServerError(
            f"{load}: {counts['wrong']} of {counts['checked']} answers were wrong, "
            f"the last: {sample.strip()}"
        )
    lost = {name: counts[name] for name in ("connect", "read", "write", "timeout") if counts[name]}
    if lost or not counts["requests"] or counts["checked"] < counts["requests"]:
        raise ServerError(f"{load}: of {counts['requests']} requests some failed: {lost}")
    return counts
