"""Find the kinds of value that a model takes in columns of which nothing else tells.

Nothing tells what a step of somebody's own makes of a column but to try it.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from models.signature import composition
from models.signature.integers import told_apart
from models.signature.trials import (
    ASSIGNED,
    DATES,
    KINDS,
    NUMBERS,
    TEXTS,
    VALUES,
    Trials,
    alike,
    assigned,
    put,
    with_facts,
    words_of,
)
from models.signature.types import Feature, Signature, plain_rows

# Calls of the model until it takes a row, where no kind suits all columns.
MAX_BASE_CALLS = 1000
# Values of each kind that are tried while columns are given different kinds.
MAX_MIXED_VALUES = 3
# Calls of the model to find what each column takes.
MAX_CALLS = 3000

OTHER_ZONE = "datetime64[ns, Asia/Kolkata]"
# A date as pandas makes a text of it.
DATE_TEXT = re.compile(r"\d{4}-\d\d-\d\d( \d\d:\d\d:\d\d.*)?|NaT", re.ASCII)

Words = dict[str, list[Any]]


def tell(
    trials: Trials,
    signature: Signature,
    unknown: Sequence[int],
    start: Any,
    example: Sequence[Any] | None,
) -> Signature:
    """The signature with the kinds of the `unknown` columns, whose values keep their types.

    `start` is a row that the model takes as it is, or None; `example` a training row, or None. The
    `example` of the result is None if the model takes no row.
    """
    words = words_of(trials.estimator)
    opened = [j for j in unknown if signature.features[j].kind == "any"]
    features = list(signature.features)
    base = _base(trials, signature, opened, words, start, example)
    if base is None:
        return msgspec.structs.replace(signature, example=None)
    signature, row = base
    tellable = _tellable(trials.estimator, words)
    for j in opened:
        kinds = {kind for kind in tellable if _takes(trials, signature, row, j, kind, words)}
        if trials.calls >= MAX_CALLS:
            break
        features[j] = _concluded(features[j], kinds)
        if features[j].kind == "any" and kinds & DATES and _are_dates(words["string"]):
            features[j] = msgspec.structs.replace(features[j], kind="datetime")
            row = put(row, [j], VALUES["datetime"][0])
        zoned = "datetime in UTC" in kinds and not kinds & {"datetime", "string"}
        if zoned and _is_one_zone(trials, signature, row, j):
            features[j] = msgspec.structs.replace(features[j], **ASSIGNED["datetime in UTC"])
    numbers = [j for j in unknown if features[j].kind == "number"]
    sent = told_apart(trials, signature, row, numbers, words["integer"], MAX_CALLS)
    for j in numbers:
        features[j] = msgspec.structs.replace(features[j], sent=j in sent)
    found = msgspec.structs.replace(signature, features=tuple(features))
    row = _likely(trials, found, row, words)
    return msgspec.structs.replace(found, example=row if trials.accepts(found, row) else None)


def _tellable(estimator: Any, words: Words) -> list[str]:
    """The kinds that a model's acceptance tells something of.

    To encoders that know no text, every text is an unknown category.
    """
    encodes = any(hasattr(each, "categories_") for each in composition.parts(estimator))
    knows_text = words["string"][0] not in VALUES["string"]
    if knows_text or not encodes or composition.holds_own_code(estimator):
        return list(KINDS)
    return [kind for kind in KINDS if kind not in TEXTS]


def _are_dates(words: Sequence[str]) -> bool:
    """Whether all words that encoders know are dates which pandas made a text of."""
    known = [word for word in words if word not in VALUES["string"]]
    return bool(known) and all(map(DATE_TEXT.fullmatch, known))


def _base(
    trials: Trials,
    signature: Signature,
    unknown: Sequence[int],
    words: Words,
    start: Any,
    example: Sequence[Any] | None,
) -> tuple[Signature, Any] | None:
    """A row that the model takes, and the signature that says of which kinds it is."""
    if not unknown:
        return None if start is None else (signature, start)
    if start is not None and start is not example:
        return assigned(signature, dict.fromkeys(unknown, "number")), start
    plain = [*([example] if example is not None else []), *plain_rows(signature)]
    for kinds in _assignments(trials.estimator, signature, unknown):
        if trials.calls > MAX_BASE_CALLS:
            break
        trial = assigned(signature, kinds)
        turns = max(len(words[kind]) for kind in kinds.values())
        if len(set(kinds.values())) > 1:
            turns = min(turns, MAX_MIXED_VALUES)
        for turn in range(turns):
            row = list(plain[turn % len(plain)])
            if turn or example is None:
                for j, kind in kinds.items():
                    row[j] = words[kind][turn % len(words[kind])]
            if trials.accepts(trial, tuple(row)):
                return trial, tuple(row)
    return None


def _assignments(
    estimator: Any, signature: Signature, unknown: Sequence[int]
) -> Iterable[dict[int, str]]:
    """Kinds for the unknown columns: one for all, one for each step, one for each column."""
    known = set(unknown)
    groups = [
        [j for j in columns if j in known]
        for _, columns in composition.own_code(estimator, range(len(signature.features)))
    ]
    groups = [list(group) for group in dict.fromkeys(map(tuple, groups)) if group]
    kinds = KINDS[:-1]
    for kind in kinds:
        yield dict.fromkeys(unknown, kind)
    for chosen in itertools.product(kinds, repeat=len(groups)):
        yield dict.fromkeys(unknown, "number") | {
            j: kind for group, kind in zip(groups, chosen, strict=True) for j in group
        }
    # Numbers beside texts first: among flags and dates, a table may be taken for another reason.
    for among in (("number", "string"), kinds):
        for chosen in itertools.product(among, repeat=len(unknown)):
            yield dict(zip(unknown, chosen, strict=True))


def _takes(trials: Trials, signature: Signature, row: Any, j: int, kind: str, words: Words) -> bool:
    """Whether the model takes a value of this kind in column j of a row."""
    if kind == {int: "integer", float: "number"}.get(type(row[j])):
        return True
    if kind in DATES and not signature.frame:
        return False
    trial = assigned(signature, {j: kind})
    return any(trials.accepts(trial, put(row, [j], value)) for value in words[kind])


def _concluded(feature: Feature, kinds: set[str]) -> Feature:
    """A column for which the model takes these kinds of values."""
    if "string" in kinds:
        alone = kinds <= {"string", "text of a date"}
        return msgspec.structs.replace(feature, kind="string" if alone else "any")
    if kinds & DATES and ("text of a date" in kinds or not kinds & NUMBERS):
        return msgspec.structs.replace(feature, kind="datetime")
    if kinds & NUMBERS and not kinds & DATES:
        return msgspec.structs.replace(feature, kind="number", sent=False)
    return msgspec.structs.replace(feature, kind="boolean" if kinds == {"boolean"} else "any")


def _likely(trials: Trials, signature: Signature, row: Any, words: Words) -> tuple[Any, ...]:
    """The row, with values that encoders know in the columns whose kind is not known."""
    known = [words[kind][0] for kind in ("integer", "string") if words[kind][0] not in VALUES[kind]]
    for j, feature in enumerate(signature.features):
        if feature.sent and feature.kind == "any":
            rows = (put(row, [j], value) for value in known)
            row = next((each for each in rows if trials.accepts(signature, each)), row)
    return tuple(row)


def _is_one_zone(trials: Trials, signature: Signature, row: Any, j: int) -> bool:
    """Whether the model answers an instant in column j alike whatever its time zone is."""
    facts = ASSIGNED["datetime in UTC"]
    for value in VALUES["datetime in UTC"]:
        here, there = (
            trials.answer(with_facts(signature, j, **given), put(row, [j], value))
            for given in (facts, {**facts, "dtype": OTHER_ZONE})
        )
        if here is None or there is None or not alike(here, there):
            return False
    return True
