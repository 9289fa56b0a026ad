"""One engine call for all requests that wait.

While a call runs, requests queue; the next call takes the whole queue. There is no timer, so a
single request never waits. A call of scikit-learn takes almost as long for 1 row as for 30, so
batching answers several times as many requests a second.
"""

from __future__ import annotations

import logging
import threading
import time
import weakref
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, NamedTuple

from api.calls import Ticket, answer, refusal
from api.errors import Busy
from api.http import big_body, deadlines
from models.engines import Engine, Rows, concat_results
from models.errors import RowRejected

log = logging.getLogger("api")

# Most rows of one call, so that a large request does not hold the others up for long.
MERGED_ROWS = 1024


class _Call(NamedTuple):
    """A running engine call: its start in monotonic seconds, its tickets, and what `hold` gave."""

    started: float
    tickets: list[Ticket]
    held: Any


class Batcher:
    """Runs methods of a model for many threads, one engine call at a time.

    `max_waiting` bounds how many requests wait in all: those in the queue and those that
    `backlog` counts, which the server has not taken up yet. `timeout`, in seconds, is for all that
    one request waits, and for each call. `observe` is called with the rows of each call and the
    number of requests that wait behind it. Threads wait for a call, and make one, within `aside`.

    If a call runs longer than the timeout, all waiting requests are refused, and `give_up` is
    called with what `hold` returned in the stuck thread. It must end the process: a thread cannot
    be stopped.
    """

    def __init__(
        self,
        engine: Engine,
        *,
        max_waiting: int,
        timeout: float,
        backlog: Callable[[], int] = lambda: 0,
        observe: Callable[[int, int], None] = lambda *_: None,
        hold: Callable[[], Any] = lambda: None,
        give_up: Callable[[Any], None] | None = None,
        aside: AbstractContextManager[Any] | None = None,
    ) -> None:
        self._engine = engine
        # The methods that `run_one` does.
        self.one_row = engine.one_row
        self._aside = aside or nullcontext()
        self._backlog = backlog
        self._max_waiting = max_waiting
        self._timeout = timeout
        self._observe = observe
        self._hold = hold
        self._give_up = give_up
        self._watched = give_up is None
        self._closed = False
        self._call: _Call | None = None
        self._mutex = threading.Lock()
        self._queue: list[Ticket] = []
        self._running = False

    def close(self) -> None:
        """End the thread that watches calls, once there is none; a later call starts another."""
        self._closed = True

    def run(self, method: str, rows: Rows) -> Any:
        """Answer rows of one request with one result a row.

        Raises Busy if too many wait or the wait is too long, RowRejected if the estimator rejects
        the values of a row, and whatever else the engine raises.
        """
        if method in self._engine.concurrent:
            return self._run_at_once(method, rows)
        end = deadlines.end(self._timeout)
        if len(rows) <= MERGED_ROWS or not self._engine.batchable:
            return self._run_in_turn(method, rows, end)
        # Other requests run between two batches of a large one.
        results = []
        for start in range(0, len(rows), MERGED_ROWS):
            try:
                results.append(
                    self._run_in_turn(method, rows[start : start + MERGED_ROWS], end, piece=True)
                )
            except RowRejected as refused:
                raise RowRejected(start + refused.row, refused.reason) from None
        return concat_results(results)

    def run_one(self, method: str, row: Sequence[Any]) -> Any:
        """Answer one row with one result as JSON has it; see `Engine.one_row`.

        Raises RowRejected if the estimator refuses its values.
        """
        self._observe(1, 0)
        try:
            return self.one_row[method](row)
        except Exception as error:
            raise refusal(self._engine, method, [row], error) from None

    def _run_at_once(self, method: str, rows: Rows) -> Any:
        self._observe(len(rows), 0)
        try:
            return self._engine.run(method, rows)
        except Exception as error:
            raise refusal(self._engine, method, rows, error) from None

    def _run_in_turn(self, method: str, rows: Rows, end: float, *, piece: bool = False) -> Any:
        big_body.release()
        if time.monotonic() > end:
            raise self._too_slow()
        ticket = Ticket(method, rows, end, piece=piece)
        if not self._watched:
            # Started by the first request: a thread does not outlive a fork.
            self._watched = True
            try:
                threading.Thread(
                    target=self._watch,
                    args=(weakref.ref(self), min(self._timeout / 4, 1)),
                    daemon=True,
                ).start()
            except RuntimeError:
                # There is no memory for the stack of a thread.
                self._watched = False
                raise MemoryError from None
        with self._mutex:
            if leads := not self._running:
                self._running = True
            elif len(self._queue) + self._backlog() >= self._max_waiting:
                raise Busy(f"{self._max_waiting} requests or more wait for the model.")
            else:
                self._queue.append(ticket)
        with self._aside:
            if not leads:
                self._wait(ticket, end)
            if leads or ticket.leads:
                self._lead(ticket)
        if ticket.error is not None:
            raise ticket.error
        return ticket.result

    def _wait(self, ticket: Ticket, end: float) -> None:
        """Wait until the ticket is answered, or has to make the next call."""
        if ticket.lock.acquire(timeout=deadlines.left(end)):
            return
        with self._mutex:
            if ticket.leads:
                return
            if ticket in self._queue:
                self._queue.remove(ticket)
        raise self._too_slow()

    def _lead(self, ticket: Ticket) -> None:
        """Answer this ticket and those that fit into its call, then let the next one lead."""
        with self._mutex:
            tickets = self._take(ticket)
            waiting = len(self._queue)
        self._observe(sum(len(taken.rows) for taken in tickets), waiting)
        self._call = _Call(time.monotonic(), tickets, self._hold())
        try:
            answer(self._engine, tickets)
        finally:
            self._call = None
            with self._mutex:
                if self._queue:
                    follower = self._next()
                    follower.leads = True
                    follower.lock.release()
                else:
                    self._running = False
            for other in tickets[1:]:
                other.lock.release()

    def _next(self) -> Ticket:
        """Take the next from the queue.

        Of the batches of several large requests, the request that began first goes on: taking turns
        would make all of them late.
        """
        ticket = self._queue.pop(0)
        if ticket.piece:
            pieces = [each for each in self._queue if each.piece]
            older = min(pieces, key=lambda each: each.end, default=ticket)
            if older.end < ticket.end:
                self._queue[self._queue.index(older)] = ticket
                return older
        return ticket

    @staticmethod
    def _watch(reference: weakref.ref[Batcher], seconds: float) -> None:
        """Look every so many seconds for a call that runs too long, while the batcher is in use."""
        is_needed = True
        while is_needed:
            time.sleep(seconds)
            batcher = reference()
            is_needed = batcher is not None and batcher._look()  # noqa: SLF001 - its own thread
            # The thread keeps neither the batcher nor its model while it sleeps.
            del batcher

    def _look(self) -> bool:
        """Give up a call that runs longer than the timeout; False if nobody has to look again."""
        call = self._call
        if call is None or time.monotonic() - call.started <= self._timeout:
            self._watched = not self._closed or call is not None
            return self._watched
        log.error("a call ran for over %g seconds: this process is replaced", self._timeout)
        with self._mutex:
            # No further request may wait.
            self._max_waiting = 0
            left = [*call.tickets[1:], *self._queue]
            self._queue = []
        for ticket in left:
            ticket.error = self._too_slow()
            ticket.lock.release()
        assert self._give_up is not None  # noqa: S101
        self._give_up(call.held)
        return False

    def _too_slow(self) -> Busy:
        return Busy(f"The model gave no answer for {self._timeout:g} seconds.")

    def _take(self, ticket: Ticket) -> list[Ticket]:
        """Take the tickets out of the queue that fit into one call with `ticket`."""
        tickets = [ticket]
        if not self._engine.batchable:
            return tickets
        count = len(ticket.rows)
        left = []
        for other in self._queue:
            if other.method == ticket.method and count + len(other.rows) <= MERGED_ROWS:
                count += len(other.rows)
                tickets.append(other)
            else:
                left.append(other)
        self._queue = left
        return tickets
