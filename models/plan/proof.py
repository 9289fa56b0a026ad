"""Prove that a plan answers as its estimator does, and measure how much faster."""

from __future__ import annotations

import logging
import timeit
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec
import numpy as np

from . import proof_rows, work
from .compare import Left, Runs, RunsOneRow, compare, cpu_seconds, samples
from .errors import Difference, brief
from .format import Plan
from .run import Interpreter, Rows
from .signature import Signature

log = logging.getLogger(__name__)

# The numbers of rows for which the speed is measured.
SPEEDS = (1, 64, 1024)
# With fewer rows answered nothing is proven.
MIN_ROWS_COMPARED = 1_000
# A measured call is repeated for this time, three times; a call that takes longer than
# MAX_REPEATED_SECONDS is measured once.
MEASURED_SECONDS = 0.01
MAX_REPEATED_SECONDS = 0.2
# CPU time for the rows of one method.
MAX_SECONDS = 20.0


class Proof(msgspec.Struct, frozen=True, kw_only=True):
    """The comparison of one method: the rows compared and the largest relative difference.

    By the number of rows in a call: `microseconds` of the plan's call, and how many times as fast
    as scikit-learn that is.
    """

    rows: int
    difference: float
    microseconds: dict[int, float]
    faster: dict[int, float]


def part_of(parts: int) -> Left:  # noqa: ARG001
    """The limit of time for each of so many comparisons."""
    return cpu_seconds(MAX_SECONDS)


def verify(
    plan: Plan,
    estimator: Any,
    rows: Rows | None = None,
    *,
    card: Mapping[str, Any] | None = None,
    part: Callable[[int], Left] = part_of,
    say: Callable[[str], None] = lambda _: None,
) -> tuple[Plan, dict[str, Proof]]:
    """The plan without the methods that differ, and the proofs of the others.

    `estimator` is fitted, or an object with `run(method, rows)`. The ranges in a model's `card`
    tell likely numbers. `part(n)` gives the limit of time for one of n parts of the work, `say` is
    told what is done.
    """
    own = estimator if hasattr(estimator, "run") else _Estimator(estimator, plan.signature)
    reasons = dict(plan.fallback)
    try:
        runs = Interpreter(plan)
        batches = proof_rows.batches(plan, card or {}) if plan.methods else []
    except Exception as error:
        log.debug("no rows to prove the plan with", exc_info=True)
        reasons |= dict.fromkeys(plan.methods, f"its plan cannot be tried ({brief(error)})")
        return msgspec.structs.replace(plan, methods={}, fallback=reasons), {}
    if rows is not None:
        batches.insert(1, rows)
    return prove_methods(plan, own, runs, batches, reasons, part, say)


def prove_methods(
    plan: Plan,
    own: Runs,
    runs: Interpreter,
    batches: Sequence[Rows],
    reasons: dict[str, str],
    part: Callable[[int], Left],
    say: Callable[[str], None],
) -> tuple[Plan, dict[str, Proof]]:
    """The plan without the methods that differ, whose reasons are added, and all proofs."""
    proofs: dict[str, Proof] = {}
    for place, method in enumerate(plan.methods):
        say(f"comparing {method}")
        limit = part(2 * (len(plan.methods) - place))
        try:
            proofs[method] = prove(method, own, runs, batches, limit)
        except Difference as difference:
            reasons[method] = str(difference)
        except Exception as error:
            log.debug("%s cannot be compared", method, exc_info=True)
            reasons[method] = f"it cannot be compared ({brief(error)})"
    plan = msgspec.structs.replace(
        plan,
        methods={method: value for method, value in plan.methods.items() if method in proofs},
        fallback=reasons,
        batched=tuple(method for method in proofs if work.is_batched(plan, method)),
    )
    return prove_one_rows(plan, runs, proofs, batches, part, say)


def prove_one_rows(
    plan: Plan,
    runs: Interpreter,
    proofs: dict[str, Proof],
    batches: Sequence[Rows],
    part: Callable[[int], Left],
    say: Callable[[str], None],
) -> tuple[Plan, dict[str, Proof]]:
    """The plan with the methods whose one-row form is proven and faster; and all proofs."""
    one_row = []
    for place, method in enumerate(proofs):
        say(f"comparing {method}, one row at a time")
        limit = part(len(proofs) - place)
        if work.is_sooner_in_python(plan, method) and (
            faster := prove_one_row(method, runs, proofs[method], batches, limit)
        ):
            proofs[method] = faster
            one_row.append(method)
    return msgspec.structs.replace(plan, one_row=tuple(one_row)), proofs


class _Estimator:
    """Calls an estimator with the rows of a plan."""

    def __init__(self, estimator: Any, signature: Signature) -> None:
        self._estimator, self._signature = estimator, signature

    def run(self, method: str, rows: Rows) -> Any:
        """Call one method; n rows give n results."""
        result = getattr(self._estimator, method)(self._input(rows))
        return result.to_numpy() if hasattr(result, "to_numpy") else result

    def _input(self, rows: Rows) -> Any:
        if self._signature.form in ("text", "labels"):
            return [row[0] for row in rows]
        if self._signature.form == "mapping" or self._signature.numeric:
            return rows
        if not self._signature.named:
            return np.array(rows, dtype=object)
        import pandas as pd

        features = self._signature.features
        columns = zip(*rows, strict=True)
        return pd.DataFrame(
            {
                feature.name: [feature.null if value is None else value for value in column]
                for feature, column in zip(features, columns, strict=True)
            }
        )


@np.errstate(all="ignore")  # the largest numbers overflow, in both
def prove(
    method: str, own: Runs, plan: Runs, batches: Sequence[Rows], left: Left | None = None
) -> Proof:
    """Compare one method on all batches, or on as many as time allows, and measure its speed.

    Raises Difference if the answers differ, or too few rows can be compared.
    """
    left = left or cpu_seconds(MAX_SECONDS)
    allowed = left()
    difference, rows, largest = compare(method, own, plan, batches, left)
    if rows < MIN_ROWS_COMPARED:
        if left() <= 0:
            raise Difference(f"{max(allowed, 0):.1g} seconds were enough for {rows} rows only")
        raise Difference(f"scikit-learn answered only {rows} of the rows that were tried")
    times = {
        count: [1e6 * seconds(method, engine, largest[:count]) for engine in (own, plan)]
        for count in SPEEDS
    }
    return Proof(
        rows=rows,
        difference=difference,
        microseconds={count: mine for count, (_, mine) in times.items()},
        faster={count: theirs / mine for count, (theirs, mine) in times.items()},
    )


def prove_one_row(
    method: str,
    plan: Interpreter,
    proof: Proof,
    batches: Sequence[Rows],
    left: Left | None = None,
) -> Proof | None:
    """The proof with the speed of one row in Python's own numbers.

    None if a step has no such form, or if its results differ from those of numpy's arrays.
    """
    answer = plan.for_one_row(method)
    if answer is None:
        return None
    rows = batches[0][:1]
    row = samples(rows)[0]
    try:
        compare(method, plan, RunsOneRow(answer), batches, left)
        if kinds([answer(row)]) != kinds(plan.run(method, rows).tolist()):
            return None
        gain = proof.microseconds[1] / (1e6 * best(lambda: answer(row)))
    except Exception:
        # Results of a form that cannot be compared stay with numpy's arrays.
        log.debug("%s has no one-row form that can be compared", method, exc_info=True)
        return None
    return msgspec.structs.replace(
        proof,
        microseconds=proof.microseconds | {1: proof.microseconds[1] / gain},
        faster=proof.faster | {1: proof.faster[1] * gain},
    )


def kinds(value: Any) -> Any:
    """The types in a plain result, which say how JSON writes it."""
    return list(map(kinds, value)) if isinstance(value, list) else type(value)


def seconds(method: str, engine: Runs, rows: Rows) -> float:
    """The shortest of several calls, in seconds."""
    return best(lambda: engine.run(method, rows))


def best(call: Callable[[], Any]) -> float:
    """The shortest time of a call, in seconds."""
    timer = timeit.Timer(call)
    first = max(timer.timeit(1), 1e-7)
    if first > MAX_REPEATED_SECONDS:
        return first
    often = max(1, int(MEASURED_SECONDS / first))
    return min(timer.repeat(3, often)) / often
