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
from tests.bench.disturbance import TICKS
from tests.bench.peers import Peer
from tests.bench.process import Server, ServerError

SCRIPT = Path(__file__).with_name("wrk.lua")
SETTLE_SECONDS = 20
WARM_UP_SECONDS = 1
# In half a second, of 100 a second and core: a server that waits uses less, one that loads more.
IDLE_TICKS = 4


@dataclass(frozen=True)
class Load:
    """So many connections, each sending one request after the other, of so many rows."""

    connections: int
    rows: int

    def __str__(self) -> str:
        """What it is called in messages."""
        return f"connections: {self.connections}, rows a request: {self.rows}"


ALONE, SIXTEEN, SIXTY_FOUR = Load(1, 1), Load(16, 1), Load(64, 1)
BULK, HUGE = Load(4, 1024), Load(2, 10_000)
LOADS = (ALONE, SIXTEEN, SIXTY_FOUR, BULK, HUGE)


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
    # Until the client had sent it, for 99 of 100.
    sent: float


def settle(server: Server) -> None:
    """Wait until all its processes have started, which shows in that they do nothing."""
    deadline = time.monotonic() + SETTLE_SECONDS
    before = -IDLE_TICKS - 1
    while (now := server.cpu_ticks()) - before > IDLE_TICKS and time.monotonic() < deadline:
        before = now
        time.sleep(0.5)


def measure(server: Server, peer: Peer, known: Known, load: Load, seconds: int) -> Speed:
    """Check one answer against what the estimator predicts, warm up, and measure for `seconds`.

    Raises ServerError at any answer that is not the right one, and at any lost connection.
    """
    body, end = checked(server, peer, known.first(load.rows), str(load))
    files = [server.log.with_suffix(".body"), server.log.with_suffix(".answer")]
    files[0].write_bytes(body)
    files[1].write_bytes(end)
    url = f"http://127.0.0.1:{server.port}{peer.path}"
    _wrk(url, load, files, WARM_UP_SECONDS)
    before = server.cpu_ticks()
    counts = _wrk(url, load, files, seconds)
    cpu = (server.cpu_ticks() - before) / TICKS
    return Speed(
        requests=counts["requests"] / counts["microseconds"] * 1e6,
        p50=counts["p50"] / 1000,
        p99=counts["p99"] / 1000,
        cpu=cpu / (counts["requests"] * load.rows) * 1e6,
        memory=server.memory(),
    )


def measure_paced(server: Server, peer: Peer, known: Known, rate: float, seconds: int) -> Latency:
    """Send `rate` requests a second, of one row each, for `seconds`.

    Raises ServerError at any answer that is not the right one, and at any lost connection.
    """
    what = f"{rate:,.0f} requests/s"
    body, end = checked(server, peer, known.first(1), what)
    head = (
        f"POST {peer.path} HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    asked = pace.Asked(server.port, head.encode() + body, end)
    paced = pace.ask(asked, rate, seconds, WARM_UP_SECONDS / 2)
    if paced.wrong:
        raise ServerError(f"{what}: {len(paced.wrong)} failed, the first: {paced.wrong[0]}")
    if len(paced.answered) < 2:
        raise ServerError(f"{what}: too few for a latency")
    times = quantiles(paced.answered, n=100)
    return Latency(rate, times[49], times[98], quantiles(paced.sent, n=100)[98])


def _wrk(url: str, load: Load, files: list[Path], seconds: int) -> dict[str, int]:
    options = ["-t1", f"-c{load.connections}", f"-d{seconds}s", f"--timeout={ANSWER_SECONDS}s"]
    result = subprocess.run(
        ["wrk", *options, "-s", SCRIPT, url, "--", *files],
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
