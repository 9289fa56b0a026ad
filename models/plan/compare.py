"""Compare a plan's answers with those of its estimator."""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np

from .errors import Difference, brief
from .run import OneRow, Rows

log = logging.getLogger(__name__)

# The largest relative difference that another order of the terms of a sum may cause.
TOLERANCE = 5e-12
# The rate is measured with 1 row, then with GROWTH times as many rows again and again.
GROWTH = 32
# Seconds of CPU time for one comparison without a limit.
MAX_SECONDS = 120

# Gives the seconds that are left.
Left = Callable[[], float]


class Runs(Protocol):
    """An object whose answers are compared."""

    def run(self, method: str, rows: Rows) -> Any:
        """Call one method; n rows give n results, in their order."""


class RunsOneRow:
    """Answers each row of a batch by the one-row form of a plan."""

    def __init__(self, answer: OneRow) -> None:
        self._answer = answer

    def run(self, method: str, rows: Rows) -> Any:  # noqa: ARG002
        """One result a row."""
        return np.array([self._answer(row) for row in samples(rows)])


def samples(rows: Rows) -> list[Sequence[Any]]:
    """Rows as JSON has them: sequences with None for a missing value."""
    if isinstance(rows, np.ndarray):
        return [[None if np.isnan(v) else v for v in row] for row in rows.tolist()]
    return rows


def cpu_seconds(seconds: float) -> Left:
    """What gives the seconds that are left of so many seconds of CPU time."""
    end = time.process_time() + seconds
    return lambda: end - time.process_time()


@np.errstate(all="ignore")
def compare(
    method: str, own: Runs, plan: Runs, batches: Sequence[Rows], left: Left | None = None
) -> tuple[float, int, Rows]:
    """The largest difference of the answers, the number of rows compared, the largest batch.

    Raises Difference if the answers are not alike.
    """
    left = left or cpu_seconds(MAX_SECONDS)
    difference, rows, largest = 0.0, 0, batches[0][:0]
    # Batch 0 has nearly all rows. Hundreds of calls of a slow estimator would take too long.
    waiting = list(reversed(batches))
    rows_per_second = rate(method, (own, plan), batches[0], left)
    while waiting and (not rows or left() > 0):
        batch = waiting.pop()
        batch = batch[: max(1, int(rows_per_second * left()))]
        try:
            expected = own.run(method, batch)
        except Exception:
            _check_refused(method, plan, batch)
            if len(batch) > 1:
                # Perhaps one row is at fault.
                waiting += [batch[len(batch) // 2 :], batch[: len(batch) // 2]]
            elif left() <= 0:
                break
            continue
        difference = max(difference, distance(expected, _answer(method, plan, batch)))
        rows += len(batch)
        largest = max(largest, batch, key=len)
    return difference, rows, largest


def _answer(method: str, plan: Runs, batch: Rows) -> Any:
    try:
        return plan.run(method, batch)
    except ValueError as error:
        raise Difference(f"the plan refuses a row that scikit-learn answers: {error}") from None
    except Exception as error:
        log.debug("the plan fails in %s", method, exc_info=True)
        raise Difference(f"the plan fails on a row ({brief(error)})") from None


def rate(method: str, engines: Sequence[Runs], batch: Rows, left: Left) -> float:
    """The rows per second that all engines together answer, measured on few rows first."""
    size = 1
    while True:
        before = left()
        for engine in engines:
            with contextlib.suppress(Exception):
                engine.run(method, batch[:size])
        found = size / max(before - left(), 1e-6)
        if size * GROWTH > len(batch) or size * GROWTH > found * left():
            return found
        size *= GROWTH


def _check_refused(method: str, plan: Runs, rows: Rows) -> None:
    try:
        plan.run(method, rows)
    except ValueError:
        return
    except Exception as error:
        log.debug("the plan fails in %s", method, exc_info=True)
        raise Difference(f"the plan fails on a row ({brief(error)})") from None
    raise Difference("the plan answers a row that scikit-learn refuses")


def distance(expected: Any, given: Any) -> float:
    """The largest relative difference of two results.

    A difference is divided by its number, or by the median of the column's sizes if that is larger.
    Raises Difference if it exceeds TOLERANCE, or for another shape or label.
    """
    if isinstance(expected, (list, tuple)):
        return max(distance(a, b) for a, b in zip(expected, given, strict=True))
    expected, given = (x.toarray() if hasattr(x, "toarray") else x for x in (expected, given))
    if expected.shape != given.shape:
        raise Difference(f"the shape is {given.shape}, not {expected.shape}")
    if expected.dtype == object and given.dtype.kind == "f":
        # An object array of numbers: beside them was a column that no step uses.
        expected = expected.astype(given.dtype)
    if expected.dtype.kind != "f":
        if not np.array_equal(expected, given):
            raise Difference("a label is another")
        return 0.0
    with np.errstate(all="ignore"):
        same = (expected == given) | (np.isnan(expected) & np.isnan(given))
        gap = np.where(same, 0.0, np.abs(expected - given))
        size = np.where(np.isfinite(expected), np.abs(expected), 0.0)
        scale = np.maximum(size, np.median(size, axis=0) if len(size) else 0.0)
        relative = np.where(gap == 0, 0.0, gap / scale)
    worst = float(np.max(relative, initial=0.0))
    if not worst <= TOLERANCE:
        raise Difference(f"a number differs by {worst:.1e} of its size")
    return worst
