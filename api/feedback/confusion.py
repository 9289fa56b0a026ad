"""How often each class was told for predictions of each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from api.content_answers import Confusion

# Of more classes, the most frequent are told.
MAX_LABELS = 50


def confusion(classes: Sequence[Any] | None, told: Iterable[tuple[Any, Any, int]]) -> Confusion:
    """The table of what was predicted (rows) and told (columns); the last column is for none.

    `told` are what was predicted, what was told, and how often. Classes of other versions of the
    model come behind its own.
    """
    found = list(told)
    labels = list(classes or ())
    known = set(map(repr, labels))
    often: Counter[str] = Counter()
    for predicted, label, count in found:
        for each in (predicted, label):
            often[repr(each)] += count
            if each is not None and repr(each) not in known:
                known.add(repr(each))
                labels.append(each)
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
