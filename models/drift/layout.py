"""The layout of counts: which number counts what, for one model."""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from functools import cached_property
from typing import Any, Self

import msgspec
import numpy as np

from models.drift.columns import Column, column_of, output_of
from models.model import PER_CLASS, Model
from models.rows.batch import array_of

NAME_DIGITS = 16
# Confidences are added up as whole numbers of this many parts: such sums do not depend on the
# order in which processes add them.
CONFIDENCE_PARTS = 1_000_000


class Layout(msgspec.Struct, frozen=True, kw_only=True, dict=True):
    """What each number of an array of counts stands for.

    The first one counts rows. Those of each column of `features` follow, then those of `output`,
    which is None where answers are not counted; the last two are the answers that told a
    confidence, and the sum of these, in millionths.
    """

    features: tuple[Column, ...]
    output: Column | None

    @classmethod
    def of(cls, model: Model, hidden: Collection[str] = ()) -> Self:
        """The layout for a model, by the statistics in its card.

        Hidden features have no cells, nor those that the model never looks at: a row may lack them.
        """
        signature, card = model.signature, model.card
        facts = card.get("features")
        facts = facts if isinstance(facts, dict) else {}
        features = signature.features if signature.form == "table" else ()
        columns = [
            column_of(each, facts.get(each.name, {}), float32=signature.float32)
            for each in features
        ]
        unseen = {each.name for each in features if each.kind == "unused"}.union(hidden)
        columns = [
            Column(name=each.name, kind=each.kind, hidden=True) if each.name in unseen else each
            for each in columns
        ]
        classes = model.classes
        several = bool(classes) and isinstance(classes[0], list)  # type: ignore[index]
        return cls(features=tuple(columns), output=None if several else output_of(classes, card))

    @cached_property
    def name(self) -> str:
        """A name that no other layout has."""
        return hashlib.sha256(msgspec.json.encode(self)).hexdigest()[:NAME_DIGITS]

    @cached_property
    def size(self) -> int:
        """The number of counts."""
        columns = [*self.features, self.output] if self.output else self.features
        return 3 + sum(column.size for column in columns)

    @cached_property
    def starts(self) -> tuple[int, ...]:
        """Where the counts of each feature begin, and then those of the answers."""
        sizes = [1, *(column.size for column in self.features)]
        return tuple(np.cumsum(sizes).tolist())

    def count(self, method: str, rows: Any, result: Any) -> np.ndarray:
        """Count rows and what a method answered for them, shape (size,), as int64.

        `rows` are an array of shape (n, n_features), or a list of tuples in the order of the
        features. `result` is what the engine answered: labels or numbers, or probabilities of shape
        (n, n_classes). Other results are not counted, their rows are.
        """
        counts = np.zeros(self.size, np.int64)
        counts[0] = len(rows)
        if self._counted and len(rows):
            self._count_features(counts, rows)
        if len(rows):
            self._count_answers(counts, method, result, len(rows))
        return counts

    @cached_property
    def _counted(self) -> list[int]:
        """The places of the features that are not hidden."""
        return [i for i, column in enumerate(self.features) if not column.hidden]

    def _count_features(self, counts: np.ndarray, rows: Any) -> None:
        counted = self._counted
        if len(counted) < len(self.features):
            is_array = isinstance(rows, np.ndarray)
            rows = rows[:, counted] if is_array else [[row[i] for i in counted] for row in rows]
        if self._edges is not None and not isinstance(rows, np.ndarray):
            rows = _array(rows)
        if isinstance(rows, np.ndarray) and rows.dtype.kind in "biuf" and self._edges is not None:
            self._count_array(counts, rows.astype(np.float64, copy=False))
            return
        columns = rows.T.tolist() if isinstance(rows, np.ndarray) else zip(*rows, strict=True)
        for i, values in zip(counted, columns, strict=True):
            start, column = self.starts[i], self.features[i]
            counts[start : start + column.size] += column.count(values)

    def _count_array(self, counts: np.ndarray, rows: np.ndarray) -> None:
        """Count numbers: 10 x faster than one column after another, for few rows."""
        edges, starts, missing = self._edges  # type: ignore[misc]
        if self._short:
            with np.errstate(over="ignore"):
                rows = np.where(self._short, rows.astype(np.float32), rows)
        cells = np.broadcast_to(starts, rows.shape).copy()
        for edge in edges:
            cells += rows > edge
        cells = np.where(np.isnan(rows), missing, cells)
        counts += np.bincount(cells.ravel(), minlength=self.size)

    @cached_property
    def _short(self) -> list[bool]:
        """Which features are rounded to float32; empty if none is."""
        short = [self.features[i].float32 for i in self._counted]
        return short if any(short) else []

    @cached_property
    def _edges(self) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
        """The edges, first and missing cells of all features, if all are numbers."""
        columns = [self.features[i] for i in self._counted]
        if any(column.kind != "number" or column.known is not None for column in columns):
            return None
        edges = np.full((max(len(column.lows) for column in columns), len(columns)), np.inf)
        for j, column in enumerate(columns):
            edges[: len(column.lows), j] = column.lows
        starts = np.array([self.starts[i] for i in self._counted])
        return edges, starts, starts + [column.size - 2 for column in columns]

    def _count_answers(self, counts: np.ndarray, method: str, result: Any, rows: int) -> None:
        output = self.output
        if output is None:
            return
        here = counts[self.starts[-1] : self.starts[-1] + output.size]
        if method == "predict":
            here += output.count(_values(result, rows))
        elif method in PER_CLASS and output.known:
            array = _probabilities(result, rows, len(output.known))
            here += output.count(output.known[i] for i in array.argmax(axis=1).tolist())
            if method != "predict_joint_log_proba":
                most = array.max(axis=1)
                most = np.exp(most) if method == "predict_log_proba" else most
                counts[-2] += len(most)
                counts[-1] += int(np.rint(most.clip(0, 1) * CONFIDENCE_PARTS).sum())


def _array(rows: Any) -> Any:
    """Rows as an array of numbers, if all values are numbers or missing."""
    try:
        return array_of(rows)
    except (TypeError, ValueError, OverflowError):
        return rows


def _values(result: Any, rows: int) -> list[Any]:
    """One plain value for each row; none if there are several, or other things."""
    values = result.tolist() if hasattr(result, "tolist") else result
    if not isinstance(values, (list, tuple)):
        values = [values]
    if len(values) == rows and all(isinstance(each, list) and len(each) == 1 for each in values):
        return [each[0] for each in values]
    if len(values) != rows or any(isinstance(each, (list, tuple, np.ndarray)) for each in values):
        return []
    return list(values)


def _probabilities(result: Any, rows: int, classes: int) -> np.ndarray:
    """The rows of probabilities without NaN, shape (n, n_classes); none of other things."""
    try:
        array = np.asarray(result, dtype=np.float64)
    except (TypeError, ValueError):
        array = np.empty(0)
    if array.size != rows * classes:
        return np.empty((0, classes))
    array = array.reshape(rows, classes)
    return array[~np.isnan(array).any(axis=1)]
