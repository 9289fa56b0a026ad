"""The rows on which a plan is compared with scikit-learn: likely ones, thresholds, extremes."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np

from . import text_samples
from .format import INPUT, Plan
from .run import Interpreter, Rows
from .signature import Feature, Signature, plain_rows

ROWS = 10_000
SINGLES = 100
# The largest batch has at least as many rows as the largest for which speed is measured.
MIN_BATCH_ROWS = 1024
BATCHES = (2, 7, 64)
MISSING = 0.05
UNKNOWN = 0.02
# Not refused at the door, but perhaps by the model: too large for single precision, and for more.
EXTREMES = (3.5e38, -3.5e38, 1e200, -1e200, 1.7e308, -1.7e308, 5e-324)
# With more features, `domains` is not tried.
MAX_TRIED_FEATURES = 1_000
# These numbers are tried to find the domain of a feature.
TRIED_NUMBERS = (-1e6, -3.0, -1.0, -0.5, 0.0, 1e-3, 0.5, 1.0, 3.0, 1e6)
# At most so many values are made for all rows, but never fewer rows than a proof needs.
MAX_VALUES = 20_000_000
MIN_ROWS = 1_200
# The numbers of one batch of texts, as if it were no sparse table.
MAX_CELLS_OF_A_BATCH = 20_000_000


def batches(plan: Plan, card: Mapping[str, Any]) -> list[Rows]:
    """The rows to compare on: many together, some alone, some in small company, and extremes."""
    signature = plan.signature
    generator = np.random.default_rng(0)
    known = text_samples.vocabularies(plan)
    rows: list[Any] = [*plain_rows(signature)]
    if signature.example is not None and signature.form != "mapping":
        rows.append(tuple(signature.example))
    if signature.form == "mapping":
        rows = text_samples.mappings(known, ROWS, generator)
        table: Rows = rows
    elif signature.numeric:
        others = np.column_stack(generated(plan, card, generator))
        table = np.concatenate([pack(signature, rows), others])
    else:
        table = [*rows, *zip(*generated(plan, card, generator, known), strict=True)]
    # So many that their numbers have room in memory.
    size = max(
        MIN_BATCH_ROWS, MAX_CELLS_OF_A_BATCH // max([1, *(len(each.terms) for each in known)])
    )
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
    """The lowest and the highest number that the plan takes, for each feature that is bounded.

    The logarithm of a negative number, for example, is NaN, which the next step refuses.
    """
    signature = plan.signature
    if signature.form != "table" or signature.example is None or not plan.methods:
        return {}
    if len(signature.features) > MAX_TRIED_FEATURES:
        return {}
    engine, method = Interpreter(plan), next(iter(plan.methods))
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
    """Whether a feature takes any number, and not only certain categories."""
    return feature.kind == "number" and not feature.categories


def generated(
    plan: Plan,
    card: Mapping[str, Any],
    generator: np.random.Generator,
    known: Sequence[text_samples.Vocabulary] = (),
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
        columns[i] = text_samples.texts(
            [each for each in known if each.column == i], count, generator
        )
    return columns


def is_categorical(feature: Feature) -> bool:
    """Whether a feature has few different values."""
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
    """The numbers, those outside of `low` to `high` replaced by others from that range."""
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
