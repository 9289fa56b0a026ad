"""What clients that hold connections, and send slowly or nothing, do to the others."""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass
from multiprocessing import get_context
from statistics import quantiles

from tests.bench import load, pace
from tests.bench.answer import Known, wait_for_first_answer
from tests.bench.environment import Environment
from tests.bench.loads import CLOSED_64
from tests.bench.peers import Peer
from tests.bench.process import Server

MODEL = "penguins"
NAMES = ("ours", "ours-old", "fastapi")
IDLE, SLOW = 200, 64
# Where in its request a slow sender is: the first bytes that it sends at once.
HEAD = b"POST /predict HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Slow: "
BODY = HEAD + b"1\r\nContent-Type: application/json\r\nContent-Length: 600\r\n\r\n"
PLACES = {"body": BODY, "head": HEAD}
BYTE_SECONDS = 1.0
# So long the crowd is there before the others are measured.
AHEAD_SECONDS = 2.5
# What part of its highest rate the others ask a server for.
SHARE = 0.25
GIVE_UP_SECONDS = 5.0


@dataclass(frozen=True)
class Others:
    """What ordinary requests at a fixed rate got: milliseconds, and how many got no answer."""

    p50: float
    p99: float
    unanswered: int
    sent: int


@dataclass(frozen=True)
class Beside:
    """The same ordinary requests without a crowd, and beside one that is slow in each place."""

    rate: float
    without: Others
    beside: dict[str, Others]


def measure(peer: Peer, where: Environment, known: Known, seconds: int) -> Beside:
    """Start the server, ask it at a quarter of its highest rate, alone and beside each crowd.

    Raises ServerError if it does not start or answers wrongly without a crowd.
    """
    server = Server(peer, where, MODEL)
    try:
        wait_for_first_answer(server, peer, known.first(1))
        load.settle(server)
        load.warm_up(server, peer, known)
        rate = SHARE * load.measure(server, peer, known, CLOSED_64, seconds).requests
        asked = load.request(server, peer, known, "ordinary requests", kept=False)
        without = _ask(asked, rate, seconds)
        beside = {}
        for place, beginning in PLACES.items():
            with crowd(server.port, beginning):
                beside[place] = _ask(asked, rate, seconds)
        return Beside(rate, without, beside)
    finally:
        server.stop()


@contextlib.contextmanager
def crowd(port: int, beginning: bytes) -> Iterator[None]:
    """Idle connections, and some that send `beginning` and then a byte a second.

    Whoever is thrown out comes again. They have a process of their own.
    """
    process = get_context("fork").Process(target=_stay, args=(port, beginning), daemon=True)
    process.start()
    try:
        time.sleep(AHEAD_SECONDS)
        yield
    finally:
        process.kill()
        process.join()


def _stay(port: int, beginning: bytes) -> None:
    people = [Person(port, b"") for _ in range(IDLE)]
    people += [Person(port, beginning) for _ in range(SLOW)]
    while True:
        for each in people:
            each.go_on()
        time.sleep(BYTE_SECONDS)


class Person:
    """One of a crowd."""

    def __init__(self, port: int, beginning: bytes) -> None:
        """Connect; whoever has no beginning sends nothing."""
        self.port, self.beginning = port, beginning
        self.has_begun = False
        self._connect()

    def go_on(self) -> None:
        """Send the beginning or one more byte; connect anew if the server has closed."""
        with contextlib.suppress(OSError):
            if self.beginning:
                self.socket.send(b"1" if self.has_begun else self.beginning)
                self.has_begun = True
        try:
            closed = self.socket.recv(65_536) == b""
        except BlockingIOError:
            closed = False
        except OSError:
            closed = True
        if closed:
            self.socket.close()
            self._connect()

    def _connect(self) -> None:
        self.socket = socket.socket(type=socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        self.socket.connect_ex(("127.0.0.1", self.port))
        self.has_begun = False


def _ask(asked: pace.Asked, rate: float, seconds: int) -> Others:
    paced = pace.ask(asked, rate, seconds, load.PACED_WARM_UP_SECONDS, GIVE_UP_SECONDS)
    # What was not answered took at least as long as was waited for it.
    unanswered = len(paced.wrong)
    times = quantiles(paced.answered + [GIVE_UP_SECONDS * 1000] * unanswered, n=100)
    return Others(times[49], times[98], unanswered, len(paced.answered) + unanswered)
