"""Ask a server once, and check that it answers what the estimator itself predicts."""

from __future__ import annotations

import http.client
import json
import time
from dataclasses import dataclass
from itertools import cycle, islice
from typing import Any, Protocol

from tests.bench.peers import Peer, Rows
from tests.bench.process import ServerError

START_SECONDS = 120
ANSWER_SECONDS = 20


@dataclass(frozen=True)
class Known:
    """Rows to send and what the estimator itself predicts for them."""

    rows: Rows
    predictions: list[Any]

    def first(self, number: int) -> Known:
        """The first of them, again from the start where there are not so many."""
        rows, predictions = (
            list(islice(cycle(each), number)) for each in (self.rows, self.predictions)
        )
        return Known(rows, predictions)


class Listener(Protocol):
    """What answers on a port: a server, or one in a container."""

    @property
    def port(self) -> int:
        """On this machine."""

    @property
    def started(self) -> float:
        """When, by `time.perf_counter`."""

    def check_alive(self) -> None:
        """Raise ServerError if it has ended."""


def post(server: Listener, peer: Peer, body: bytes) -> tuple[int, bytes]:
    """Send one request; raises OSError or HTTPException if no answer comes."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=ANSWER_SECONDS)
    try:
        connection.request("POST", peer.path, body, {"Content-Type": "application/json"})
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


def wait_for_first_answer(server: Listener, peer: Peer, known: Known) -> float:
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


def checked(server: Listener, peer: Peer, known: Known, what: str) -> tuple[bytes, bytes]:
    """The request of these rows, and what every answer to it ends with: one answer is checked."""
    body = json.dumps(peer.body(known.rows)).encode()
    status, answer = post(server, peer, body)
    if status != http.HTTPStatus.OK:
        raise ServerError(f"{what}: status {status}: {answer[:200]!r}")
    _compare(peer, answer, known)
    return body, answer[answer.index(peer.marker.encode()) :]


def _compare(peer: Peer, answer: bytes, known: Known) -> None:
    try:
        predictions = peer.read(json.loads(answer))
    except (ValueError, LookupError, TypeError):
        predictions = None
    if predictions != known.predictions:
        raise ServerError(f"other predictions than the estimator's own: {answer[:200]!r}")
