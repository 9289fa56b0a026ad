"""What hostile bodies cost this server, and what ordinary requests get beside them."""

from __future__ import annotations

import http.client
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import cycle, islice
from multiprocessing import get_context
from multiprocessing.connection import Connection

from tests.bench import answer, load, pace
from tests.bench.answer import ANSWER_SECONDS, Known
from tests.bench.beside import GIVE_UP_SECONDS, MODEL, SHARE, Others
from tests.bench.environment import Environment
from tests.bench.loads import CLOSED_64
from tests.bench.peers import OURS
from tests.bench.process import Server, ServerError
from tests.hostile import HOSTILE, Hostile

BODIES, CLIENTS = 400, 4
SECONDS_WITHOUT = 5
# Ordinary requests are sent in such pieces for as long as hostile ones are.
PIECE_SECONDS = 2
SAMPLE_SECONDS = 0.03


@dataclass(frozen=True)
class Sent:
    """A hostile body: seconds to its answer, and whether it was the right one."""

    name: str
    seconds: float
    right: bool


@dataclass(frozen=True)
class Hostility:
    """Ordinary requests without and beside hostile bodies, and what became of these."""

    rate: float
    without: Others
    beside: Others
    sent: list[Sent]
    # Bytes that all processes had more at a time.
    memory: int


def measure(where: Environment, known: Known, seconds: int) -> Hostility:
    """Start the server, ask it at a part of its highest rate, alone and beside 400 hostile bodies.

    Raises ServerError if it does not start, or answers wrongly when alone.
    """
    bodies = [(each, each.body) for each in islice(cycle(HOSTILE), BODIES)]
    server = Server(OURS, where, MODEL)
    try:
        answer.wait_for_first_answer(server, OURS, known.first(1))
        load.settle(server)
        load.warm_up(server, OURS, known)
        rate = SHARE * load.measure(server, OURS, known, CLOSED_64, seconds).requests
        asked = load.request(server, OURS, known, "ordinary requests", kept=False)
        without = Others.ask(asked, rate, SECONDS_WITHOUT)
        here, there = get_context("fork").Pipe(duplex=False)
        hostile = get_context("fork").Process(
            target=_send, args=(there, server, bodies), daemon=True
        )
        hostile.start()
        pieces = []
        while hostile.is_alive():
            pieces.append(pace.ask(asked, rate, PIECE_SECONDS, 0, GIVE_UP_SECONDS))
        if not here.poll():
            raise ServerError("the hostile clients ended without a word")
        sent, memory = here.recv()
        return Hostility(rate, without, Others.of(pieces), sent, memory)
    finally:
        server.stop()


def _send(results: Connection, server: Server, bodies: Sequence[tuple[Hostile, bytes]]) -> None:
    """Send all bodies from several clients, each on a connection of its own; watch the memory."""
    before = most = server.resident()
    with ThreadPoolExecutor(CLIENTS) as executor:
        sent = [executor.submit(_ask, server.port, *each) for each in bodies]
        while not all(each.done() for each in sent):
            most = max(most, server.resident())
            time.sleep(SAMPLE_SECONDS)
    results.send(([each.result() for each in sent], most - before))


def _ask(port: int, hostile: Hostile, body: bytes) -> Sent:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=ANSWER_SECONDS)
    started = time.perf_counter()
    try:
        connection.request("POST", hostile.path, body, hostile.all_headers)
        response = connection.getresponse()
        response.read()
        right = response.status == hostile.status
    except (OSError, http.client.HTTPException):
        right = False
    finally:
        connection.close()
    return Sent(hostile.name, time.perf_counter() - started, right)
