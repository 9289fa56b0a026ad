"""Ask at a fixed rate, whether answers come or not: the time that a request waits is counted too.

A client that sends its next request when it has its answer, as `wrk` does, asks less while a server
is slow, and so does not see what the clients of a busy server see.
"""

from __future__ import annotations

import contextlib
import gc
import select
import socket
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from itertools import chain
from multiprocessing import get_context
from pathlib import Path

from tests.bench.cores import ONE_CORE

# One process of this client can send twice as many a second.
RATE_OF_ONE = 6_000
# A request that would be one more on its way waits, and its time runs.
MOST_CONNECTIONS = 900
GIVE_UP_SECONDS = 20
CHUNK = 65_536
OK = b"200"
NO_ANSWER = "no answer"
TIMER_SLACK = Path("/proc/self/timerslack_ns")


@dataclass(frozen=True)
class Asked:
    """A request, and what the answer to it must end with."""

    port: int
    request: bytes
    expected: bytes


@dataclass
class Paced:
    """What requests at a fixed rate gave, in milliseconds from the time when each was due."""

    answered: list[float] = field(default_factory=list)
    sent: list[float] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)


def ask(
    asked: Asked,
    rate: float,
    seconds: float,
    warm_up: float,
    give_up: float = GIVE_UP_SECONDS,
) -> Paced:
    """Send `rate` requests a second, evenly spaced, from as many processes as that takes.

    What has no answer `give_up` seconds after the last request was due is counted as wrong.
    """
    processes = min(1 + int(rate / RATE_OF_ONE), len(ONE_CORE.client))
    first = time.perf_counter() + 0.1
    with ProcessPoolExecutor(processes, get_context("fork")) as executor:
        parts = [
            executor.submit(
                _run, asked, first + n / rate, processes / rate, seconds, warm_up, give_up
            )
            for n in range(processes)
        ]
        done = [part.result() for part in parts]
    return Paced(
        list(chain.from_iterable(each.answered for each in done)),
        list(chain.from_iterable(each.sent for each in done)),
        list(chain.from_iterable(each.wrong for each in done)),
    )


def _run(
    asked: Asked, first: float, every: float, seconds: float, warm_up: float, give_up: float
) -> Paced:
    """One process, of one thread, that waits for the clock and for all connections at once."""
    # Else the kernel wakes it up to 0.05 ms late, to do several things at once.
    with contextlib.suppress(OSError):
        TIMER_SLACK.write_text("1")
    gc.disable()
    pacer = Pacer(asked, first + warm_up)
    number, total, due = 0, round((warm_up + seconds) / every), first
    deadline = first + total * every + give_up
    while number < total and (now := time.perf_counter()) < deadline:
        while number < total and (due := first + number * every) <= now and pacer.has_room():
            pacer.send(due)
            number += 1
        pacer.receive(max(0.0, due - time.perf_counter()) if pacer.has_room() else 1.0)
    while pacer.under_way and time.perf_counter() < deadline:
        pacer.receive(1.0)
    pacer.paced.wrong += [NO_ANSWER] * (pacer.under_way + total - number)
    return pacer.paced


@dataclass(slots=True)
class Connection:
    """A socket, and the request on it; none is due on one that is idle."""

    socket: socket.socket
    due: float = 0.0
    answer: bytes = b""
    used: bool = False


class Pacer:
    """All connections of one process; each is used again as long as the server keeps it."""

    def __init__(self, asked: Asked, counted_from: float) -> None:
        """Count what is due from `counted_from` on."""
        self.asked = asked
        self.counted_from = counted_from
        self.paced = Paced()
        self.poll = select.epoll()
        self.connections: dict[int, Connection] = {}
        self.idle: list[Connection] = []
        self.under_way = 0

    def has_room(self) -> bool:
        """Whether one more request may be on its way."""
        return self.under_way < MOST_CONNECTIONS

    def send(self, due: float) -> None:
        """Send the request that is due."""
        connection = self.idle.pop() if self.idle else self._connect()
        connection.due = due
        self.under_way += 1
        self._write(connection)

    def receive(self, seconds: float) -> None:
        """Wait so long for any answer, and take all that are there."""
        # The time that epoll itself can wait is rounded up to milliseconds.
        if select.select([self.poll], [], [], seconds)[0]:
            for number, event in self.poll.poll(0):
                connection = self.connections[number]
                if event & select.EPOLLOUT:
                    self.poll.modify(number, select.EPOLLIN)
                    self._write(connection)
                else:
                    self._read(connection)

    def _connect(self) -> Connection:
        connection = Connection(socket.socket(type=socket.SOCK_STREAM | socket.SOCK_NONBLOCK))
        connection.socket.connect_ex(("127.0.0.1", self.asked.port))
        self.connections[connection.socket.fileno()] = connection
        self.poll.register(connection.socket, select.EPOLLIN)
        return connection

    def _write(self, connection: Connection) -> None:
        try:
            connection.socket.send(self.asked.request)
        except BlockingIOError:
            self.poll.modify(connection.socket, select.EPOLLOUT)
        except OSError:
            self._lost(connection)
        else:
            if connection.due >= self.counted_from:
                self.paced.sent.append((time.perf_counter() - connection.due) * 1000)

    def _read(self, connection: Connection) -> None:
        try:
            data = connection.socket.recv(CHUNK)
        except OSError:
            data = b""
        if not data:
            self._lost(connection)
            return
        answer = connection.answer = connection.answer + data
        if answer[9:12] != OK:
            self.paced.wrong.append(repr(answer[:200]))
        elif not answer.endswith(self.asked.expected):
            return
        elif connection.due >= self.counted_from:
            self.paced.answered.append((time.perf_counter() - connection.due) * 1000)
        self.under_way -= 1
        if b"onnection: close" in answer or answer[9:12] != OK:
            self._close(connection)
        else:
            connection.due, connection.answer, connection.used = 0.0, b"", True
            self.idle.append(connection)

    def _lost(self, connection: Connection) -> None:
        self._close(connection)
        if connection.due == 0:
            self.idle.remove(connection)
            return
        self.under_way -= 1
        # A server may close an idle connection at the moment when it is used again.
        if connection.used and not connection.answer:
            self.send(connection.due)
        else:
            self.paced.wrong.append("the connection was lost")

    def _close(self, connection: Connection) -> None:
        del self.connections[connection.socket.fileno()]
        connection.socket.close()
