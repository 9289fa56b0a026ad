"""Scores of slices: rows that share a value of a column, or a quarter of its numbers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np
import pandas as pd

from models import card as cards
from models.evaluation import bootstrap, metrics
from models.evaluation.facts import Answers, Kind, Score, Unmeasurable
from models.evaluation.parts import Slice
from models.rows.words import some

# A column of more different numbers is cut at its quartiles.
MAX_VALUES = 10
# Of a text column, the rows of rarer values are one slice.
MAX_TEXTS = 20
# A bootstrap of fewer rows tells no interval.
MIN_ROWS = 20
MISSING, OTHERS = "(missing)", "(others)"
NAMES: dict[Kind, tuple[str, ...]] = {
    "classifier": ("accuracy", "log_loss"),
    "regressor": ("mean_absolute_error", "root_mean_squared_error"),
    "clusterer": ("silhouette",),
    "outliers": ("outlier_share", "roc_auc"),
}


def slices(answers: Answers, frame: pd.DataFrame, columns: Sequence[str]) -> list[Slice]:
    """The slices of each column of `frame`, which has the n rows of `answers`.

    Raises Unmeasurable if there is no such column.
    """
    for name in columns:
        if name not in frame:
            raise Unmeasurable(
                f"SLICES={name}: the data has no such column; it has {some(list(frame))}"
            )
    return [
        _slice(answers, name, value, where)
        for name in dict.fromkeys(columns)
        for value, where in parts(frame[name])
    ]


def parts(column: pd.Series[Any]) -> list[tuple[str, np.ndarray]]:
    """The slices of a column: their names, and the rows in them, as booleans of shape (n,)."""
    if _is_number(column):
        # No quartile lies beyond an infinite number.
        column = column.mask(column.abs() == math.inf)
    known = column.dropna()
    if _is_number(column) and known.nunique() > MAX_VALUES:
        cut = pd.qcut(column, 4, duplicates="drop")
        codes = cut.cat.codes.to_numpy()
        names = [_range(column, codes == i) for i in range(len(cut.cat.categories))]
    else:
        texts = known.map(cards.text)
        counts = texts.value_counts()
        names = list(counts.index[:MAX_TEXTS])
        names = sorted(names, key=float) if _is_number(column) else sorted(names)
        places = {name: i for i, name in enumerate(names)}
        if len(counts) > MAX_TEXTS:
            names.append(OTHERS)
        codes = np.full(len(column), -1)
        codes[column.notna().to_numpy()] = [places.get(text, MAX_TEXTS) for text in texts]
    found = [(name, codes == i) for i, name in enumerate(names)]
    missing = [(MISSING, codes < 0)] if (codes < 0).any() else []
    return [part for part in found if part[1].any()] + missing


def _is_number(column: pd.Series[Any]) -> bool:
    return pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column)


def _range(column: pd.Series[Any], where: np.ndarray) -> str:
    low, high = (f"{number:.6g}" for number in (column[where].min(), column[where].max()))
    return low if low == high else f"{low} to {high}"


def _slice(answers: Answers, column: str, value: str, where: np.ndarray) -> Slice:
    names = NAMES[answers.kind]
    found = bootstrap.scores(_take(answers, where), names)
    if where.sum() < MIN_ROWS:
        # That of a share is computed, not drawn.
        found = {
            name: score if name == "accuracy" else Score(value=score.value)
            for name, score in found.items()
        }
    rest = {} if where.all() else bootstrap.scores(_take(answers, ~where), names)
    worse = [name for name in found if name in rest and _is_worse(answers.kind, name, found, rest)]
    return Slice(column=column, value=value, rows=int(where.sum()), scores=found, worse=worse)


def _take(answers: Answers, where: np.ndarray) -> Answers:
    """The answers to some of the rows."""
    names = ("truth", "predictions", "probabilities", "scores", "places", "rows", "inputs")
    given = {name: getattr(answers, name) for name in names}
    taken = {name: each[where] for name, each in given.items() if each is not None}
    return msgspec.structs.replace(answers, **taken)


def _is_worse(kind: Kind, name: str, found: dict[str, Score], rest: dict[str, Score]) -> bool:
    """Whether a score is worse than that of the other rows by more than chance.

    The interval of the difference of independent scores is made of theirs: Zou and Donner (2008),
    doi 10.1002/sim.3095.
    """
    a, b = found[name], rest[name]
    if a.low is None or a.high is None or b.low is None or b.high is None:
        return False
    difference = a.value - b.value
    better = metrics.metric_of(kind, name).better
    if better == "higher":
        return difference + math.hypot(a.high - a.value, b.value - b.low) < 0
    return better == "lower" and difference - math.hypot(a.value - a.low, b.high - b.value) > 0
