"""The cells into which the values of one feature, or the answers of a model, are counted."""

from __future__ import annotations

import contextlib
import itertools
import math
from collections import Counter
from collections.abc import Iterable
from functools import cached_property
from typing import Any, Literal

import msgspec
import numpy as np

from models.drift.facts import Facts, below, seconds
from models.signature.types import Feature, is_missing

# Categories that have a cell of their own; the cell of all others is behind theirs.
MAX_LISTED = 50
# The types of values that numpy converts to the numbers that they are.
NUMBERS = frozenset({float, int, bool, type(None)})


class Column(msgspec.Struct, frozen=True, kw_only=True, dict=True):
    """The cells of one feature, and how many training rows are in each.

    Numbers have a cell below `edges[0]`, one above each edge, and the last above `edges[-1]`; the
    first and the last edge are the range in training, the others quantiles; a value that many
    training rows have is between an edge just below it and one at it. Dates are numbers: seconds
    since 1970, in UTC. Categories have a cell for each text in `values`, and one for all
    others. Two more cells are for missing and for unknown values. `trained` counts the training
    rows in each of these cells, and is None where they are not known. A value is unknown if it is
    none of `known`, where all that are known are listed. A hidden column has no cells.
    """

    name: str
    kind: Literal["number", "date", "category"]
    edges: tuple[float, ...] = ()
    values: tuple[str, ...] = ()
    known: tuple[Any, ...] | None = None
    trained: tuple[int, ...] | None = None
    float32: bool = False
    hidden: bool = False

    @property
    def size(self) -> int:
        """The number of cells."""
        if self.hidden:
            return 0
        return (len(self.values) if self.kind == "category" else len(self.edges)) + 3

    @cached_property
    def lows(self) -> tuple[float, ...]:
        """The largest number that is not above each edge; the range begins with its first edge."""
        first = [math.nextafter(edge, -math.inf) for edge in self.edges[:1]]
        return (*first, *self.edges[1:])

    @cached_property
    def alone(self) -> frozenset[int]:
        """Which edges begin a cell of one value only: the next edge."""
        pairs = enumerate(itertools.pairwise(self.edges))
        return frozenset(
            i
            for i, (low, high) in pairs
            if low == below(high, float32=self.float32) or (i == 0 and low == high)
        )

    @cached_property
    def _cells(self) -> dict[Any, int]:
        """The cell of each known value."""
        found: dict[Any, int] = {}
        for value in self.known or ():
            found.update(dict.fromkeys(_keys(value), self.size - 3))
        for i, text in enumerate(self.values):
            found.update(dict.fromkeys(_keys(text), i))
        return found

    def count(self, values: Iterable[Any]) -> np.ndarray:
        """How many of plain values are in each cell, shape (size,)."""
        given = list(values)
        if self.kind == "number" and self.known is None and NUMBERS.issuperset(map(type, given)):
            with contextlib.suppress(OverflowError):
                return np.bincount(self.cells(np.array(given, np.float64)), minlength=self.size)
        counts = np.zeros(self.size, np.int64)
        try:
            pairs: Iterable[tuple[Any, int]] = Counter(given).items()
        except TypeError:
            pairs = ((value, 1) for value in given)
        find = self._cell if self.kind == "category" else self._cell_of_number
        for value, times in pairs:
            counts[find(value)] += times
        return counts

    def cells(self, numbers: np.ndarray) -> np.ndarray:
        """The cell of each number."""
        if self.float32:
            with np.errstate(over="ignore"):
                numbers = numbers.astype(np.float32).astype(np.float64)
        found = np.searchsorted(np.array(self.lows), numbers)
        found[np.isnan(numbers)] = self.size - 2
        return found

    def _cell(self, value: Any) -> int:
        """The cell of a value, as a category."""
        try:
            if is_missing(value):
                return self.size - 2
            found = self._cells.get(value)
        except (TypeError, ValueError):
            # A list, or an array.
            return self.size - 1
        if found is None:
            return self.size - (3 if self.known is None else 1)
        return found

    def _cell_of_number(self, value: Any) -> int:
        """The cell of a value as a number or a date: one that is neither is unknown."""
        try:
            if is_missing(value):
                return self.size - 2
            is_text = isinstance(value, str)
            if is_text and self.kind != "date":
                return self.size - 1
            number = seconds(value) if is_text else float(value)
        except (TypeError, ValueError, OverflowError):
            return self.size - 1
        if self.known is not None and number not in self._cells:
            return self.size - 1
        return int(self.cells(np.array([number]))[0])


def _keys(value: Any) -> list[Any]:
    """All forms in which a value may be sent."""
    text = str(value)
    if text in ("True", "False"):
        return [text, value, text == "True"]
    try:
        return [text, value, float(text)]
    except ValueError:
        return [text, value]


def column_of(feature: Feature, card: Any, *, float32: bool) -> Column:
    """The cells of one feature, by what the card tells of its training rows."""
    facts = Facts.read(card)
    short = feature.kind != "datetime" and (float32 or feature.dtype == "float32")
    edges, bins = facts.bins_of(float32=short)
    trained = _all(bins, facts.missing)
    if feature.kind == "datetime":
        return Column(name=feature.name, kind="date", edges=edges, trained=trained)
    if edges or (feature.kind == "number" and feature.categories is None and not facts.counts):
        known = feature.categories
        return Column(
            name=feature.name,
            kind="number",
            edges=edges,
            # Of many numbers some are new in each sample: these are counted by their size.
            known=known if known and len(known) <= MAX_LISTED else None,
            trained=trained,
            float32=short,
        )
    return _category(feature.name, feature.categories, facts)


def _category(name: str, known: tuple[Any, ...] | None, facts: Facts) -> Column:
    counts = facts.counts or {}
    listed = list(counts or map(str, known or ()))[:MAX_LISTED]
    if known is None and counts and len(counts) == facts.distinct:
        known = tuple(counts)
    trained = None
    if facts.count is not None:
        own = [counts.get(text, 0) for text in listed]
        trained = (*own, max(facts.count - sum(own), 0), facts.missing, 0)
    return Column(name=name, kind="category", values=tuple(listed), known=known, trained=trained)


def output_of(classes: list[Any] | None, card: dict[str, Any]) -> Column:
    """The cells of the answers: labels, or numbers."""
    if classes is None:
        facts = Facts.read(card.get("target_values"))
        edges, bins = facts.bins_of()
        return Column(name="", kind="number", edges=edges, trained=_all(bins, facts.missing))
    shares, rows = card.get("class_shares"), _rows(card)
    listed = tuple(map(str, classes[:MAX_LISTED]))
    trained = None
    if isinstance(shares, dict) and rows:
        counts = [round(shares.get(text, 0) * rows) for text in listed]
        trained = (*counts, max(rows - sum(counts), 0), 0, 0)
    return Column(name="", kind="category", values=listed, known=tuple(classes), trained=trained)


def _rows(card: dict[str, Any]) -> int:
    """How many rows a card was made of; 0 if it does not tell."""
    features = card.get("features")
    facts = [Facts.read(each) for each in features.values()] if isinstance(features, dict) else []
    rows = [each.count + each.missing for each in facts if each.count is not None]
    metrics = card.get("metrics")
    fitted = metrics.get("rows_fitted") if isinstance(metrics, dict) else None
    return fitted if isinstance(fitted, int) else max(rows, default=0)


def _all(bins: tuple[int, ...], missing: int) -> tuple[int, ...] | None:
    """The training rows in all cells: none was below or above its range."""
    return (0, *bins, 0, missing, 0) if bins else None
