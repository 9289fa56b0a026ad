"""Prove that a plan answers as scikit-learn does: on many rows, on edges, alone and in company."""

from __future__ import annotations

import contextlib
import logging
import timeit
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import msgspec
import numpy as np

from models.bound import Bound
from models.engines import Engine, Rows, Single
from models.errors import brief
from models.plan.run import PlanEngine

log = logging.getLogger("models")

# A sum in another order of its terms differs by at most this part of the largest number.
TOLERANCE = 5e-12
SPEEDS = (1, 64, 1024)
# With fewer rows answered nothing is proven.
MIN_ROWS_COMPARED = 1_000
# Calls are repeated for so many seconds, three times; a call that takes longer than the second
# number is measured once.
MEASURED_SECONDS = 0.01
MAX_REPEATED_SECONDS = 0.2
# The rate is measured with one row first, then each time with so many times as many rows.
GROWTH = 32


class Runs(Protocol):
    """The part of an engine that is compared."""

    def run(self, method: str, rows: Rows) -> Any:
        """Call one method of the estimator; n rows give n results, in their order."""


class Difference(Exception):
    """The plan does not answer as scikit-learn does; the message says where."""


class Proof(msgspec.Struct, frozen=True, kw_only=True):
    """What was compared for one method: how many rows, the largest difference, as a part of the
    largest number, the microseconds that the plan takes for so many rows, and how many times as
    fast it is as scikit-learn.
    """

    rows: int
    difference: float
    microseconds: dict[int, float]
    faster: dict[int, float]


@np.errstate(all="ignore")  # the largest numbers overflow, in both
def prove(
    method: str, own: Engine, plan: Engine, batches: Sequence[Rows], limit: Bound | None = None
) -> Proof:
    """Compare one method on all batches, or on as many as time allows, and measure its speed.

    Raises Difference if they differ, or too few rows can be compared.
    """
    limit = limit or Bound()
    difference, rows, most = compare(method, own, plan, batches, limit)
    if rows < MIN_ROWS_COMPARED:
        if limit.left() <= 0:
            raise Difference(f"{limit.seconds:.1g} seconds were enough for {rows} rows only")
        raise Difference(f"scikit-learn answered only {rows} of the rows that were tried")
    times = {
        count: [1e6 * seconds(method, engine, most[:count]) for engine in (own, plan)]
        for count in SPEEDS
    }
    return Proof(
        rows=rows,
        difference=difference,
        microseconds={count: mine for count, (_, mine) in times.items()},
        faster={count: theirs / mine for count, (theirs, mine) in times.items()},
    )


def prove_alone(
    method: str, plan: PlanEngine, found: Proof, batches: Sequence[Rows], limit: Bound | None = None
) -> Proof | None:
    """The proof with the speed of one row done with Python's own numbers.

    None if that cannot be done, or gives other results than the plan's arrays; or none, where the
    values have a shape that nobody thought of.
    """
    single = plan.single(method)
    if single is None:
        return None
    rows = batches[0][:1]
    row = samples(rows)[0]
    try:
        compare(method, plan, Alone(single), batches, limit or Bound())
        if kinds([single(row)]) != kinds(plan.run(method, rows).tolist()):
            return None
        gain = found.microseconds[1] / (1e6 * best(lambda: single(row)))
    except Exception:
        # What cannot be compared is left to the plan's arrays.
        return None
    return msgspec.structs.replace(
        found,
        microseconds=found.microseconds | {1: found.microseconds[1] / gain},
        faster=found.faster | {1: found.faster[1] * gain},
    )


def kinds(value: Any) -> Any:
    """What a plain result is made of, which says how JSON writes it."""
    return list(map(kinds, value)) if isinstance(value, list) else type(value)


class Alone:
    """Answers each row of a batch as if it had come alone."""

    def __init__(self, single: Single) -> None:
        self._single = single

    def run(self, method: str, rows: Rows) -> Any:  # noqa: ARG002
        """One result a row."""
        return np.array([self._single(row) for row in samples(rows)])


def samples(rows: Rows) -> list[Sequence[Any]]:
    """Rows as JSON has them."""
    if isinstance(rows, np.ndarray):
        return [[None if np.isnan(v) else v for v in row] for row in rows.tolist()]
    return rows


@np.errstate(all="ignore")
def compare(
    method: str, own: Runs, plan: Runs, batches: Sequence[Rows], limit: Bound | None = None
) -> tuple[float, int, Rows]:
    """The largest difference of two engines' answers, how many rows, and the largest batch.

    Raises Difference if they are not alike.
    """
    limit = limit or Bound()
    difference, rows, most = 0.0, 0, batches[0][:0]
    # The first has nearly all rows; a model that is slow is not called hundreds of times more.
    waiting = list(reversed(batches))
    rows_a_second = rate(method, (own, plan), batches[0], limit)
    while waiting and (not rows or limit.left() > 0):
        batch = waiting.pop()
        batch = batch[: max(1, int(rows_a_second * limit.left()))]
        try:
            expected = own.run(method, batch)
        except Exception:
            _check_refused(method, plan, batch)
            if len(batch) > 1:
                # Perhaps for the sake of one row.
                waiting += [batch[len(batch) // 2 :], batch[: len(batch) // 2]]
            elif limit.left() <= 0:
                break
            continue
        try:
            given = plan.run(method, batch)
        except ValueError as error:
            raise Difference(f"the plan refuses a row that scikit-learn answers: {error}") from None
        except Exception as error:
            log.debug("the plan fails in %s", method, exc_info=True)
            raise Difference(f"the plan fails on a row ({brief(error)})") from None
        difference = max(difference, distance(expected, given))
        rows += len(batch)
        most = max(most, batch, key=len)
    return difference, rows, most


def rate(method: str, engines: Sequence[Runs], batch: Rows, limit: Bound) -> float:
    """How many rows all engines together answer in a second, measured on few rows first."""
    size = 1
    while True:
        before = limit.left()
        for engine in engines:
            with contextlib.suppress(Exception):
                engine.run(method, batch[:size])
        found = size / max(before - limit.left(), 1e-6)
        if size * GROWTH > len(batch) or size * GROWTH > found * limit.left():
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
    """The largest difference of two results, as a part of the largest number in each column."""
    if isinstance(expected, (list, tuple)):
        return max(distance(a, b) for a, b in zip(expected, given, strict=True))
    expected, given = (x.toarray() if hasattr(x, "toarray") else x for x in (expected, given))
    if expected.shape != given.shape:
        raise Difference(f"the shape is {given.shape}, not {expected.shape}")
    if expected.dtype == object and given.dtype.kind == "f":
        # Numbers beside a column that no step looks at.
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


def seconds(method: str, engine: Engine, rows: Rows) -> float:
    """How long a call takes, at best."""
    return best(lambda: engine.run(method, rows))


def best(call: Callable[[], Any]) -> float:
    """The shortest of several times, in seconds."""
    timer = timeit.Timer(call)
    first = max(timer.timeit(1), 1e-7)
    if first > MAX_REPEATED_SECONDS:
        return first
    often = max(1, int(MEASURED_SECONDS / first))
    return min(timer.repeat(3, often)) / often
