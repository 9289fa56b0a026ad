"""Compare a candidate with the model that is served now: features, classes, methods, metrics."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping
from typing import Any
from urllib.parse import quote

from models.candidate.facts import Column, Fault, Served
from models.evaluation import gates
from models.rows.words import some

HOW = "to take it all the same, say so by name, as in ?accept={quoted} or MODEL_ACCEPT={names}"


def changes(old: Served, new: Served, accept: Collection[str]) -> tuple[list[str], dict[str, str]]:
    """Sentences on what differs, and of these, by name, the ones for which the new one is refused.

    What `accept` names is no reason.
    """
    said: list[str] = []
    refused: dict[str, str] = {}
    for name, sentence, is_breaking in _differences(old, new):
        said.append(sentence)
        if is_breaking and name not in accept:
            refused.setdefault(name, sentence)
    return said, refused


def check_contract(old: Served, new: Served, accept: Collection[str]) -> list[str]:
    """Sentences on what differs from the model served now.

    Raises Fault if a client of the old model would be refused, or misread, by the new one.
    """
    said, refused = changes(old, new, accept)
    if not refused:
        return said
    names = list(refused)
    kind = names[0] if names[0] in ("classes", "methods") else "features"
    how = HOW.format(quoted=quote(",".join(names), safe=","), names=",".join(names))
    raise Fault(kind, f"{'; '.join(refused.values())}: {how}")


def _differences(old: Served, new: Served) -> Iterator[tuple[str, str, bool]]:
    """The name of each difference, a sentence on it, and whether it breaks clients."""
    if old.form != new.form:
        yield "form", f"the rows were of the form {old.form}, and are {new.form} now", True
        return
    yield from _features(old, new)
    yield from _classes(old.classes, new.classes)
    lost = [method for method in old.methods if method not in new.methods]
    if lost:
        yield "methods", f"the methods {some(lost)} are gone", True
    if added := [method for method in new.methods if method not in old.methods]:
        yield "methods", f"the methods {some(added)} are new", False


def _features(old: Served, new: Served) -> Iterator[tuple[str, str, bool]]:
    before = {column.name: column for column in old.columns}
    now = {column.name: column for column in new.columns}
    for name in before:
        if name not in now:
            yield name, f"the feature {name} is gone", True
    for name, column in now.items():
        if name in before:
            yield from _column(before[name], column)
        elif column.optional:
            yield name, f"the feature {name} is new, and may be null", False
        else:
            yield name, f"the feature {name} is new and required", True
    common = [name for name in before if name in now]
    if common != [name for name in now if name in before]:
        yield (
            "order",
            "the features are in another order, in which a row sent as a list would be misread",
            True,
        )


def _column(old: Column, new: Column) -> Iterator[tuple[str, str, bool]]:
    name = old.name
    if old.kind != new.kind:
        # Each value that was accepted still is, if any value is.
        is_wider = new.kind in ("any", "unused")
        yield name, f"the feature {name} was {old.kind}, and is {new.kind} now", not is_wider
    elif old.dtype != new.dtype:
        yield name, f"the dtype of {name} was {old.dtype or '?'}, is {new.dtype or '?'} now", False
    if old.optional and not new.optional:
        yield name, f"the feature {name} could be null, and is required now", True


def _classes(old: list[Any] | None, new: list[Any] | None) -> Iterator[tuple[str, str, bool]]:
    if old == new:
        return
    if old is None or new is None:
        said = "there were no classes, and are now" if old is None else "there are no classes now"
    elif sorted(map(repr, old)) == sorted(map(repr, new)):
        said = "the classes are in another order, which is that of the probabilities"
    else:
        lost = [repr(label) for label in old if label not in new]
        added = [repr(label) for label in new if label not in old]
        parts = [f"lost {some(lost)}"] if lost else []
        parts += [f"new {some(added)}"] if added else []
        said = f"the classes are others: {', '.join(parts) or 'their types have changed'}"
    yield "classes", said, True


def metrics_of(card: Mapping[str, Any]) -> dict[str, float]:
    """The metrics in a card that are numbers."""
    found = card.get("metrics")
    if not isinstance(found, dict):
        return {}
    return {
        name: float(value)
        for name, value in found.items()
        if isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
    }


def check_metrics(minimum: str, metrics: Mapping[str, float]) -> list[str]:
    """Raise Fault if a metric of the card does not meet MODEL_MIN; a sentence on each it lacks."""
    said = []
    for gate in gates.read(minimum, "MODEL_MIN"):
        name = gate.metric
        if name not in metrics:
            said.append(f"the card has no {name}, of which MODEL_MIN asks {gate}")
        elif not gate.is_met(metrics[name]):
            value = f"{metrics[name]:g}"
            raise Fault("metrics", f"the card says {name} = {value}, and MODEL_MIN asks for {gate}")
    return said
