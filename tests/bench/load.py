"""Ask a server: the first answer in Python, then `wrk`, which checks every answer."""

from __future__ import annotations

import http.client
import json
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.bench.peers import Peer, Rows
from tests.bench.process import Server, ServerError

SCRIPT = Path(__file__).with_name("wrk.lua")
START_SECONDS = 120
ANSWER_SECONDS = 20
SETTLE_SECONDS = 20
WARM_UP_SECONDS = 1
# In half a second, of 100 a second and core: a server that waits uses less, one that loads more.
IDLE_TICKS = 4


@dataclass(frozen=True)
class Known:
    """Rows to send and what the estimator itself predicts for them."""

    rows: Rows
    predictions: list[Any]

    def first(self, number: int) -> Known:
        """The same of the first rows only."""
        return Known(self.rows[:number], self.predictions[:number])


@dataclass(frozen=True)
class Load:
    """So many connections, each sending one request after the other, of so many rows."""

    connections: int
    rows: int

    def __str__(self) -> str:
        """What it is called in messages."""
        return f"connections: {self.connections}, rows a request: {self.rows}"


ALONE, SIXTEEN, SIXTY_FOUR, BULK = Load(1, 1), Load(16, 1), Load(64, 1), Load(4, 1024)
LOADS = (ALONE, SIXTEEN, SIXTY_FOUR, BULK)


@dataclass(frozen=True)
class Speed:
    """What one load gave: answers a second, and the time to an answer in milliseconds."""

    requests: float
    p50: float
    p99: float


def post(server: Server, peer: Peer, body: bytes) -> tuple[int, bytes]:
    """Send one request; raises OSError or HTTPException if no answer comes."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=ANSWER_SECONDS)
    try:
        connection.request("POST", peer.path, body, {"Content-Type": "application/json"})
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


def wait_for_first_answer(server: Server, peer: Peer, known: Known) -> float:
    """Seconds from the start of the process to the first right answer.

    Raises ServerError if it does not come.
    """
    body = json.dumps(peer.body(known.rows)).encode()
    problem = "nothing listens"
    while time.perf_counter() - server.started < START_SECONDS:
        server.check_alive()
        try:
            status, answer = post(server, peer, body)
        except (OSError, http.client.HTTPException) as error:
            problem = repr(error)
        else:
            seconds = time.perf_counter() - server.started
            if status == http.HTTPStatus.OK:
                _compare(peer, answer, known)
                return seconds
            problem = f"status {status}: {answer[:200]!r}"
        time.sleep(0.005)
    raise ServerError(f"no answer within {START_SECONDS} s of its start, last: {problem}")


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
    known = known.first(load.rows)
    body = json.dumps(peer.body(known.rows)).encode()
    status, answer = post(server, peer, body)
    if status != http.HTTPStatus.OK:
        raise ServerError(f"{load}: status {status}: {answer[:200]!r}")
    _compare(peer, answer, known)
    files = [server.log.with_suffix(".body"), server.log.with_suffix(".answer")]
    files[0].write_bytes(body)
    files[1].write_bytes(answer[answer.index(peer.marker.encode()) :])
    url = f"http://127.0.0.1:{server.port}{peer.path}"
    _wrk(url, load, files, WARM_UP_SECONDS)
    return _wrk(url, load, files, seconds)


def _compare(peer: Peer, answer: bytes, known: Known) -> None:
    try:
        predictions = peer.read(json.loads(answer))
    except (ValueError, LookupError, TypeError):
        predictions = None
    if predictions != known.predictions:
        raise ServerError(f"other predictions than the estimator's own: {answer[:200]!r}")


def _wrk(url: str, load: Load, files: list[Path], seconds: int) -> Speed:
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
    counts = json.loads('{"requests"' + line)
    if counts["wrong"]:
        raise ServerError(
            f"{load}: {counts['wrong']} of {counts['checked']} answers were wrong, "
            f"the last: {sample.strip()}"
        )
    lost = {name: counts[name] for name in ("connect", "read", "write", "timeout") if counts[name]}
    if lost or not counts["requests"] or counts["checked"] < counts["requests"]:
        raise ServerError(f"{load}: of {counts['requests']} requests some failed: {lost}")
    rate = counts["requests"] / counts["microseconds"] * 1e6
    return Speed(rate, counts["p50"] / 1000, counts["p99"] / 1000)
