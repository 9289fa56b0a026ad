"""How often each class was told for predictions of each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from api.content_answers import Confusion

# Of more classes, the most frequent are told.
MAX_LABELS = 50


def confusion(
    classes: Sequence[Any] | None,
    cards: Iterable[dict[str, Any]],
    told: Iterable[tuple[Any, Any, int]],
) -> Confusion | None:
    """The table of what was predicted (rows) and told (columns); the last column is for none.

    `told` are what was predicted, what was told, and how often. The classes in the cards of other
    versions come behind the model's own. All else is left out: an answer of a model without classes
    is nobody's label. None for such a model.
    """
    if classes is None:
        return None
    found = list(told)
    others = [each for card in cards for each in card.get("classes") or ()]
    labels = list({repr(label): label for label in (*classes, *others)}.values())
    often: Counter[str] = Counter()
    for predicted, label, count in found:
        for each in (predicted, label):
            often[repr(each)] += count
    if len(labels) > MAX_LABELS:
        labels.sort(key=lambda each: -often[repr(each)])
        del labels[MAX_LABELS:]
    rows = {repr(label): i for i, label in enumerate(labels)}
    columns = rows | {repr(None): len(labels)}
    counts = np.zeros((len(labels), len(labels) + 1), np.int64)
    for predicted, label, count in found:
        if repr(predicted) in rows and repr(label) in columns:
            counts[rows[repr(predicted)], columns[repr(label)]] += count
    return Confusion([*labels, None], counts.tolist())
