"""Find the row that an estimator rejects."""

from __future__ import annotations

import logging

from models.engines import Engine, Rows
from models.errors import RowRejected

# An evaluation counts the rows that are refused, and silences this logger.
log = logging.getLogger("models.reject")


def rejection(engine: Engine, method: str, rows: Rows, error: Exception) -> Exception:
    """The first row that the estimator rejects, found by halves; or the error, if it is ours.

    `error` is what the call for all `rows` raised.
    """
    if not engine.refuses(method, error):
        return error
    # Not the sentence: it may quote a value.
    log.warning("%s refused a request's values: %s", method, type(error).__name__)
    start, stop = 0, len(rows)
    while stop - start > 1:
        middle = (start + stop) // 2
        try:
            engine.run(method, rows[start:middle])
            start = middle
        except Exception as refusal:
            error = refusal
            stop = middle
    reason = str(error).partition("\n")[0]
    if isinstance(error, KeyError) or not reason:
        # A KeyError's sentence is nothing but the key.
        reason = f"{type(error).__name__} {reason}".rstrip()
    return RowRejected(start, reason)
