"""The rows on which a plan is compared: likely ones, thresholds, extremes."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np

from . import text_samples
from .format import INPUT, Plan
from .run import Interpreter, Rows
from .signature import Feature, Signature, plain_rows

ROWS = 10_000
ONE_ROW_BATCHES = 100
# The largest batch has at least as many rows as the largest for which speed is measured.
MIN_BATCH_ROWS = 1024
BATCH_ROWS = (2, 7, 64)
MISSING_SHARE = 0.05
UNKNOWN_SHARE = 0.02
# Numbers that pass validation and that the model may reject: beyond float32, near float64's limit.
EXTREMES = (3.5e38, -3.5e38, 1e200, -1e200, 1.7e308, -1.7e308, 5e-324)
# Domains are not searched for models with more features.
MAX_TRIED_FEATURES = 1_000
# These numbers are tried to find the domain of a feature.
TRIED_NUMBERS = (-1e6, -3.0, -1.0, -0.5, 0.0, 1e-3, 0.5, 1.0, 3.0, 1e6)
# The most generated values; but never fewer rows than a proof needs.
MAX_VALUES = 20_000_000
MIN_ROWS = 1_200
# The most numbers of one batch of texts, counted as a dense table.
MAX_CELLS_OF_A_BATCH = 20_000_000


def batches(plan: Plan, card: Mapping[str, Any]) -> list[Rows]:
    """Batches of many rows, of one row, of a few rows, and of rows with extreme numbers."""
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
    # The numbers of a batch must fit into memory.
    size = max(
        MIN_BATCH_ROWS, MAX_CELLS_OF_A_BATCH // max([1, *(len(each.terms) for each in known)])
    )
    found = [table[i : i + size] for i in range(0, len(table), size)]
    found += [table[i : i + 1] for i in range(ONE_ROW_BATCHES)]
    found += [table[i * size : (i + 1) * size] for size in BATCH_ROWS for i in range(3)]
    numbers = [i for i, feature in enumerate(signature.features) if is_number(feature)]
    for i in numbers[:50]:
        for extreme in EXTREMES:
            row: list[Any] = list(rows[0])
            row[i] = extreme
            found.append(pack(signature, [tuple(row)]))
    return found


def pack(signature: Signature, rows: list[Any]) -> Rows:
    """Rows in the form of a request."""
    return np.array(rows, dtype=np.float64) if signature.numeric else rows


def thresholds(plan: Plan) -> dict[int, np.ndarray]:
    """The thresholds of the trees that see the request's rows, by feature."""
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
            # For trees without splits there is one part, which is empty.
            found |= dict(zip(each.tolist(), map(np.unique, parts), strict=False))
    return found


def domains(plan: Plan) -> dict[int, tuple[float, float]]:
    """The lowest and the highest number that the plan accepts, for each bounded feature.

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
    """Whether a feature is a number without categories."""
    return feature.kind == "number" and not feature.categories


def generated(
    plan: Plan,
    card: Mapping[str, Any],
    generator: np.random.Generator,
    known: Sequence[text_samples.Vocabulary] = (),
) -> list[Any]:
    """Columns of likely values, thresholds and their neighbors, missing and unknown values."""
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
        gaps = generator.random(count) < MISSING_SHARE if feature.missing else ()
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
    """Known values of one feature, and a few unknown ones."""
    known = list(feature.categories or (("a", "b") if feature.kind == "string" else (True, False)))
    values = [known[i] for i in generator.integers(len(known), size=count)]
    if feature.unknown == "passed":
        for i in np.flatnonzero(generator.random(count) < UNKNOWN_SHARE):
            values[i] = f"not {values[i]}" if isinstance(values[i], str) else 987_654_321
    return values


def within(
    values: np.ndarray, low: float, high: float, generator: np.random.Generator
) -> np.ndarray:
    """The numbers; those outside `low` to `high` are replaced by random ones inside."""
    others = generator.uniform(low, min(high, low + 1000.0), len(values))
    return np.where((values >= low) & (values <= high), values, others)


def numbers(
    facts: Mapping[str, Any], turns: np.ndarray, count: int, generator: np.random.Generator
) -> np.ndarray:
    """Numbers near those of training, larger and smaller, integers, and next to thresholds."""
    low, high = facts.get("min"), facts.get("max")
    # The range of a date is text.
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
        # All of them, if there are enough rows, at random places.
        places = generator.permutation(count)[: len(near)]
        values[places] = generator.permutation(near)[: len(places)]
    return values
