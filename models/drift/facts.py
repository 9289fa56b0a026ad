"""What a card tells of the training values of one column."""

from __future__ import annotations

import datetime as dt
import math
from typing import Any, Self

import msgspec
import numpy as np


class Bins(msgspec.Struct, frozen=True):
    """Quantiles of a column, and how many training rows are up to each, and above the last."""

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

    def bins_of(self) -> tuple[tuple[float, ...], tuple[int, ...]]:
        """The range and the quantiles of numbers or dates, and the training rows between them."""
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


def seconds(text: str) -> float:
    """A date in ISO 8601, in UTC if it has no zone, in seconds since 1970; NaN for NaT."""
    if text == "NaT":
        return math.nan
    date = dt.datetime.fromisoformat(text)
    return (date if date.tzinfo else date.replace(tzinfo=dt.UTC)).timestamp()


def _place(value: Any) -> float:
    return seconds(value) if isinstance(value, str) else float(value)
