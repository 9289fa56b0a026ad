"""What ordinary requests get beside clients that hold connections, send slowly, or ask for much."""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from multiprocessing import get_context
from statistics import quantiles

from tests.bench import answer, load, pace
from tests.bench.answer import Known
from tests.bench.environment import Environment
from tests.bench.loads import CLOSED_64, HUGE
from tests.bench.peers import Peer
from tests.bench.process import Server

MODEL = "penguins"
NAMES = ("ours", "ours-old", "fastapi")
IDLE, SLOW = 200, 64
# Where in its request a slow sender is: the first bytes that it sends at once.
HEAD = b"POST /predict HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Slow: "
BODY = HEAD + b"1\r\nContent-Type: application/json\r\nContent-Length: 600\r\n\r\n"
BYTE_SECONDS = 1.0
# So long the company is there before the others are measured.
AHEAD_SECONDS = 2.5
# What part of its highest rate the ordinary clients ask a server for.
SHARE = 0.25
# A p99 takes more requests than a rate.
TIMES_AS_LONG = 2
GIVE_UP_SECONDS = 5.0
NOBODY, SLOW_BODY, SLOW_HEAD, LARGE = (
    "nobody",
    f"{IDLE} idle, {SLOW} slow in the body",
    f"{IDLE} idle, {SLOW} slow in the head",
    f"one that sends {HUGE.rows:,} rows at a time",
)


@dataclass(frozen=True)
class Others:
    """What ordinary requests at a fixed rate got: milliseconds, and how many got no answer."""

    p50: float
    p99: float
    unanswered: int
    sent: int

    @classmethod
    def ask(cls, asked: pace.Asked, rate: float, seconds: float) -> Others:
        """Send `rate` requests a second for `seconds`."""
        return cls.of([pace.ask(asked, rate, seconds, load.PACED_WARM_UP_SECONDS, GIVE_UP_SECONDS)])

    @classmethod
    def of(cls, several: Sequence[pace.Paced]) -> Others:
        """What was not answered took at least as long as was waited for it."""
        answered = [each for paced in several for each in paced.answered]
        unanswered = sum(len(paced.wrong) for paced in several)
        times = quantiles(answered + [GIVE_UP_SECONDS * 1000] * unanswered, n=100)
        return cls(times[49], times[98], unanswered, len(answered) + unanswered)


@dataclass(frozen=True)
class Beside:
    """The same ordinary requests beside nobody and beside each company."""

    rate: float
    others: dict[str, Others]


def measure(peer: Peer, where: Environment, known: Known, seconds: int) -> Beside:
    """Start the server, ask it at a quarter of its highest rate, alone and beside each company.

    Raises ServerError if it does not start or answers wrongly when alone.
    """
    server = Server(peer, where, MODEL)
    try:
        answer.wait_for_first_answer(server, peer, known.first(1))
        load.settle(server)
        load.warm_up(server, peer, known)
        rate = SHARE * load.measure(server, peer, known, CLOSED_64, seconds).requests
        asked = load.request(server, peer, known, "ordinary requests", kept=False)
        lasting = seconds * TIMES_AS_LONG
        large = json.dumps(peer.body(known.first(HUGE.rows).rows)).encode()
        others = {NOBODY: Others.ask(asked, rate, lasting)}
        with company(_ask_again_and_again, server.port, peer.path, large):
            others[LARGE] = Others.ask(asked, rate, lasting)
        for name, beginning in ((SLOW_BODY, BODY), (SLOW_HEAD, HEAD)):
            with company(_stay, server.port, beginning):
                others[name] = Others.ask(asked, rate, lasting)
        return Beside(rate, others)
    finally:
        server.stop()


@contextlib.contextmanager
def company(clients: Callable[..., None], *arguments: object) -> Iterator[None]:
    """Clients in a process of their own, which is there for some time before and then all along."""
    process = get_context("fork").Process(target=clients, args=arguments, daemon=True)
    process.start()
    try:
        time.sleep(AHEAD_SECONDS)
        yield
    finally:
        process.kill()
        process.join()


def _ask_again_and_again(port: int, path: str, body: bytes) -> None:
    while True:
        connection = http.client.HTTPConnection("127.0.0.1", port)
        connection.request("POST", path, body, {"Content-Type": "application/json"})
        connection.getresponse().read()
        connection.close()


def _stay(port: int, beginning: bytes) -> None:
    """Idle connections, and some that send `beginning` and then a byte a second.

    Whoever is thrown out comes again.
    """
    people = [Person(port, b"") for _ in range(IDLE)]
    people += [Person(port, beginning) for _ in range(SLOW)]
    while True:
        for each in people:
            each.go_on()
        time.sleep(BYTE_SECONDS)


class Person:
    """One who holds a connection."""

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
