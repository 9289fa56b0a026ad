"""One call of the engine for the rows of several requests."""

from __future__ import annotations

import logging
import threading
from typing import Any

import numpy as np

from api.errors import Busy
from models.engines import Engine, Rows, slice_results
from models.engines.reject import rejection

log = logging.getLogger("api")


class Ticket:
    """One request in the queue; its lock is released once it is answered, or has to make a call."""

    __slots__ = ("end", "error", "leads", "lock", "method", "piece", "result", "rows")

    def __init__(self, method: str, rows: Rows, end: float, *, piece: bool = False) -> None:
        self.method = method
        self.rows = rows
        self.end = end
        self.piece = piece
        self.result: Any = None
        self.error: BaseException | None = None
        self.leads = False
        self.lock = threading.Lock()
        self.lock.acquire()


def answer(engine: Engine, tickets: list[Ticket]) -> None:
    """Answer tickets of one method: in one call, or where that fails, each in its own."""
    if len(tickets) > 1:
        try:
            _answer_together(engine, tickets)
            return
        except Exception:
            # One request may have caused it: answer each by itself.
            log.debug("%d requests did not go into one call", len(tickets), exc_info=True)
    for ticket in tickets:
        try:
            ticket.result = engine.run(ticket.method, ticket.rows)
        except Exception as error:
            ticket.error = refusal(engine, ticket.method, ticket.rows, error)


def _answer_together(engine: Engine, tickets: list[Ticket]) -> None:
    rows: Rows
    if isinstance(tickets[0].rows, np.ndarray):
        rows = np.concatenate([ticket.rows for ticket in tickets])
    else:
        rows = [row for ticket in tickets for row in ticket.rows]
    result = engine.run(tickets[0].method, rows)
    start = 0
    for ticket in tickets:
        stop = start + len(ticket.rows)
        ticket.result = slice_results(result, start, stop)
        start = stop


def refusal(engine: Engine, method: str, rows: Rows, error: Exception) -> Exception:
    """RowRejected for the first row that the estimator rejects; or `error`, if it is ours."""
    # Busy is no answer about the row.
    if isinstance(error, Busy):
        return error
    return rejection(engine, method, rows, error)
