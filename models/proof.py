"""Prove that a plan answers as scikit-learn does: on many rows, on edges, alone and in company."""

from __future__ import annotations

import contextlib
import logging
import timeit
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, Protocol

import msgspec
import numpy as np

from api.engines import Engine, Rows, Single
from api.engines.plan import INPUT, Plan, PlanEngine
from api.errors import brief
from api.signature import Feature, Signature, plain_rows
from models import texts
from models.bound import Bound

log = logging.getLogger("api")

ROWS = 10_000
SINGLES = 100
BATCHES = (2, 7, 64)
# A sum that runs in another order differs by no more than this, as a part of the largest number.
TOLERANCE = 5e-12
MISSING = 0.05
UNKNOWN = 0.02
# Not refused at the door, but perhaps by the model: too large for single precision, and for more.
EXTREMES = (3.5e38, -3.5e38, 1e200, -1e200, 1.7e308, -1.7e308, 5e-324)
SPEEDS = (1, 64, 1024)
# Of more features it is not found out which numbers they may be.
MAX_TRIED_FEATURES = 1_000
# By these it is found out between which numbers a feature must be.
TRIED_NUMBERS = (-1e6, -3.0, -1.0, -0.5, 0.0, 1e-3, 0.5, 1.0, 3.0, 1e6)
# Fewer rows are made where they have very many values, but never too few for a proof.
MAX_VALUES = 20_000_000
MIN_ROWS = 1_200
# With fewer rows answered nothing is proven.
MIN_ROWS_COMPARED = 1_000
# The numbers of one batch of texts, as if it were no sparse table.
MAX_CELLS_OF_A_BATCH = 20_000_000
# A call is measured for so many seconds, three times; one that takes longer is not repeated.
MEASURED_SECONDS = 0.01
DEAR_SECONDS = 0.2
# A batch is tried with one row first, then with so many times as many as before.
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
    """Compare one method on all batches, or as many as there is time for, and measure it.

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
    """The rows that all engines answer in a second, which is tried with few of them first."""
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
    if first > DEAR_SECONDS:
        return first
    often = max(1, int(MEASURED_SECONDS / first))
    return min(timer.repeat(3, often)) / often


def batches(plan: Plan, card: Mapping[str, Any]) -> list[Rows]:
    """The rows to compare on: many together, some alone, some in small company, and extremes."""
    signature = plan.signature
    generator = np.random.default_rng(0)
    known = texts.vocabularies(plan)
    rows: list[Any] = [*plain_rows(signature)]
    if signature.example is not None and signature.form != "mapping":
        rows.append(tuple(signature.example))
    if signature.form == "mapping":
        rows = texts.mappings(known, ROWS, generator)
        table: Rows = rows
    elif signature.numeric:
        others = np.column_stack(generated(plan, card, generator))
        table = np.concatenate([pack(signature, rows), others])
    else:
        table = [*rows, *zip(*generated(plan, card, generator, known), strict=True)]
    # So many that their numbers have room in memory.
    size = max(SPEEDS[-1], MAX_CELLS_OF_A_BATCH // max([1, *(len(each.terms) for each in known)]))
    found = [table[i : i + size] for i in range(0, len(table), size)]
    found += [table[i : i + 1] for i in range(SINGLES)]
    found += [table[i * size : (i + 1) * size] for size in BATCHES for i in range(3)]
    numbers = [i for i, feature in enumerate(signature.features) if is_number(feature)]
    for i in numbers[:50]:
        for extreme in EXTREMES:
            row: list[Any] = list(rows[0])
            row[i] = extreme
            found.append(pack(signature, [tuple(row)]))
    return found


def pack(signature: Signature, rows: list[Any]) -> Rows:
    """Rows as a request's come to the engine."""
    return np.array(rows, dtype=np.float64) if signature.numeric else rows


def thresholds(plan: Plan) -> dict[int, np.ndarray]:
    """Where trees that see the rows as they are sent turn, for each feature."""
    found: dict[int, np.ndarray] = {}
    for step in plan.steps:
        if step.operation in ("walk", "walk_shallow") and step.inputs == (INPUT,):
            features = plan.arrays[step.settings["features"]["array"]]
            values = plan.arrays[step.settings["thresholds"]["array"]].ravel()
            turning = np.isfinite(values)
            features, values = features[turning], values[turning]
            order = np.argsort(features, kind="stable")
            each, starts = np.unique(features[order], return_index=True)
            parts = np.split(values[order], starts[1:])
            # Of trees that never turn there is one part, which is empty.
            found |= dict(zip(each.tolist(), map(np.unique, parts), strict=False))
    return found


def domains(plan: Plan) -> dict[int, tuple[float, float]]:
    """The lowest and the highest number of each feature of which the plan does not take all.

    A logarithm makes no number of a negative one, which the next step refuses.
    """
    signature = plan.signature
    if signature.form != "table" or signature.example is None or not plan.methods:
        return {}
    if len(signature.features) > MAX_TRIED_FEATURES:
        return {}
    engine, method = PlanEngine(plan), next(iter(plan.methods))
    places = [i for i, f in enumerate(signature.features) if is_number(f)]

    def takes(columns: Collection[int], value: float) -> bool:
        row = [value if i in columns else own for i, own in enumerate(signature.example)]
        try:
            engine.run(method, pack(signature, [tuple(row)]))
        except ValueError:
            return False
        return True

    everywhere = set(places)
    odd = [value for value in TRIED_NUMBERS if not takes(everywhere, value)]
    found = {}
    for i in places if odd else ():
        taken = [value for value in TRIED_NUMBERS if value not in odd or takes({i}, value)]
        if taken and len(taken) < len(TRIED_NUMBERS):
            found[i] = taken[0], taken[-1]
    return found


def is_number(feature: Feature) -> bool:
    """Whether it is a number that may be any."""
    return feature.kind == "number" and not feature.categories


def generated(
    plan: Plan,
    card: Mapping[str, Any],
    generator: np.random.Generator,
    known: Sequence[texts.Vocabulary] = (),
) -> list[Any]:
    """Columns of values that are likely, at and next to each threshold, missing, unknown."""
    signature, turns, taken = plan.signature, thresholds(plan), domains(plan)
    numeric = signature.numeric
    facts = card.get("features", {})
    facts = facts if isinstance(facts, dict) else {}
    count = min(ROWS, max(MIN_ROWS, MAX_VALUES // max(1, len(signature.features))))
    columns: list[Any] = []
    for i, feature in enumerate(signature.features):
        own = facts.get(feature.name) or {}
        if is_categorical(feature):
            columns.append(categories(feature, count, generator))
        else:
            values = numbers(own, turns.get(i, np.empty(0)), count, generator)
            columns.append(within(values, *taken[i], generator) if i in taken else values)
        gaps = generator.random(count) < MISSING if feature.missing else ()
        if numeric:
            columns[i][np.flatnonzero(gaps)] = np.nan
            continue
        columns[i] = columns[i] if is_categorical(feature) else columns[i].tolist()
        for place in np.flatnonzero(gaps):
            columns[i][place] = None
    for i in {each.column for each in known if each.column is not None}:
        columns[i] = texts.texts([each for each in known if each.column == i], count, generator)
    return columns


def is_categorical(feature: Feature) -> bool:
    """Whether it has few different values."""
    return bool(feature.categories) or feature.kind in ("string", "boolean")


def categories(feature: Feature, count: int, generator: np.random.Generator) -> list[Any]:
    """Known values of one feature, and a few that are not."""
    known = list(feature.categories or (("a", "b") if feature.kind == "string" else (True, False)))
    values = [known[i] for i in generator.integers(len(known), size=count)]
    if feature.unknown == "passed":
        for i in np.flatnonzero(generator.random(count) < UNKNOWN):
            values[i] = f"not {values[i]}" if isinstance(values[i], str) else 987_654_321
    return values


def within(
    values: np.ndarray, low: float, high: float, generator: np.random.Generator
) -> np.ndarray:
    """The numbers, with others from `low` to `high` in place of those that are not in between."""
    others = generator.uniform(low, min(high, low + 1000.0), len(values))
    return np.where((values >= low) & (values <= high), values, others)


def numbers(
    facts: Mapping[str, Any], turns: np.ndarray, count: int, generator: np.random.Generator
) -> np.ndarray:
    """Numbers around those of training, of other sizes, whole ones, and next to the thresholds."""
    low, high = facts.get("min"), facts.get("max")
    # Dates have a range, too, in text.
    if not isinstance(low, (int, float)) or not isinstance(high, (int, float)):
        low, high = -3.0, 3.0
    if len(turns):
        low, high = min(low, float(turns.min())), max(high, float(turns.max()))
    room = (high - low) or 1.0
    values = generator.uniform(low - room / 2, high + room / 2, count)
    kind = generator.random(count)
    values = np.where(kind < 0.1, np.round(values), values)
    values = np.where(kind > 0.95, values * 10.0 ** generator.integers(-6, 7, count), values)
    if len(turns):
        near = np.concatenate(
            [
                turns,
                np.nextafter(turns, np.float32(np.inf)),
                np.nextafter(turns, np.float32(-np.inf)),
                np.nextafter(turns.astype(np.float64), np.inf),
            ]
        )
        # Every one of them, if there is room, in a random place.
        places = generator.permutation(count)[: len(near)]
        values[places] = generator.permutation(near)[: len(places)]
    return values
