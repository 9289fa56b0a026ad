"""What a card tells of the training values of one column."""

from __future__ import annotations

import datetime as dt
import itertools
import math
from typing import Any, Self

import msgspec
import numpy as np


class Bins(msgspec.Struct, frozen=True):
    """Edges of a column, and how many training rows are up to each, and above the last.

    An edge that is there twice is a value with a bin of its own: the first of both counts the rows
    below that value.
    """

    edges: list[float | str]
    counts: list[int]


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """The statistics of a column in a card, as far as they are used here."""

    count: int | None = None
    missing: int = 0
    min: float | str | None = None
    quartile_1: float | str | None = None
    median: float | str | None = None
    quartile_3: float | str | None = None
    max: float | str | None = None
    bins: Bins | None = None
    counts: dict[str, int] | None = None
    distinct: int | None = None

    @classmethod
    def read(cls, facts: Any) -> Self:
        """The statistics; none of them where a card has other things in their place."""
        try:
            return msgspec.convert(facts, cls)
        except msgspec.ValidationError:
            return cls()

    def bins_of(self, *, float32: bool = False) -> tuple[tuple[float, ...], tuple[int, ...]]:
        """The range and the edges of numbers or dates, and the training rows between them.

        A bin of one value begins at the number just below it. With `float32` live numbers are
        rounded before they are counted, and so are the edges.
        """
        edges, counts = self._bins()
        if not float32:
            return _split(edges, edges, float32=False), counts
        with np.errstate(over="ignore"):
            rounded = tuple(np.array(edges, np.float32).astype(np.float64).tolist())
        rows = list(counts)
        for i in reversed(range(1, len(rows))):
            # Rounding has left nothing between two edges: these rows are counted in the bin below.
            if rounded[i] == rounded[i + 1] and edges[i] != edges[i + 1]:
                rows[i - 1], rows[i] = rows[i - 1] + rows[i], 0
        return _split(edges, rounded, float32=True), tuple(rows)

    def _bins(self) -> tuple[tuple[float, ...], tuple[int, ...]]:
        """The range and the edges as they are in the card, and the training rows between them."""
        if self.min is None or self.max is None or self.count is None:
            return (), ()
        low, high = _place(self.min), _place(self.max)
        if self.bins is not None:
            return (low, *map(_place, self.bins.edges), high), tuple(self.bins.counts)
        quartiles = [self.quartile_1, self.median, self.quartile_3]
        places = [_place(each) for each in quartiles if each is not None]
        if len(places) < len(quartiles):
            return (), ()
        # A card from before there were bins; quartiles that are equal share an edge.
        edges = sorted(set(places))
        quarters = [sum(place <= edge for place in places) for edge in edges]
        ends = [0, *(round(self.count * each / 4) for each in quarters), self.count]
        return (low, *edges, high), tuple(np.diff(ends).tolist())


def below(number: float, *, float32: bool) -> float:
    """The largest number below one, in the precision in which it is counted."""
    if not float32:
        return math.nextafter(number, -math.inf)
    return float(np.nextafter(np.float32(number), np.float32(-math.inf)))


def _split(
    edges: tuple[float, ...], counted: tuple[float, ...], *, float32: bool
) -> tuple[float, ...]:
    """The edges as they are counted; the first of two equal ones just below the second.

    The ends of the range are not among these: one may be equal to the edge beside it.
    """
    inner = [
        below(place, float32=float32) if edge == after else place
        for place, (edge, after) in zip(counted[1:], itertools.pairwise(edges[1:-1]), strict=False)
    ]
    return (*counted[:1], *inner, *counted[len(inner) + 1 :])


def seconds(text: str) -> float:
    """A date in ISO 8601, in UTC if it has no zone, in seconds since 1970; NaN for NaT."""
    if text == "NaT":
        return math.nan
    date = dt.datetime.fromisoformat(text)
    return (date if date.tzinfo else date.replace(tzinfo=dt.UTC)).timestamp()


def _place(value: Any) -> float:
    return seconds(value) if isinstance(value, str) else float(value)
