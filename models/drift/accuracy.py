"""How good answers were, as far as their truth was told, and whether that is worse than before."""

from __future__ import annotations

import math
from typing import Any, Literal, NamedTuple

from models.evaluation.intervals import Interval, Z, wilson

AccuracyVerdict = Literal["unknown", "too few", "worse", "no difference seen", "better"]
# Fewer selections do not tell how a mean varies.
MIN_SELECTIONS = 30


class Measured(NamedTuple):
    """A metric, the rows it was measured on, and its 95 % interval; None if they do not tell it."""

    rows: int | None
    value: float | None
    low: float | None = None
    high: float | None = None


def share_correct(correct: int, selected: int) -> Measured:
    """The accuracy among selections, with the interval of Wilson."""
    if not selected:
        return Measured(0, None)
    return Measured(selected, correct / selected, *wilson(correct / selected, selected))


def mean_absolute(absolute: float, squared: float, selected: int) -> Measured:
    """The mean absolute error, of sums over selections, with a normal interval from 30 of them."""
    if not selected:
        return Measured(0, None)
    mean = absolute / selected
    if selected < MIN_SELECTIONS:
        return Measured(selected, mean)
    variance = max(squared - selected * mean**2, 0.0) / (selected - 1)
    reach = Z * math.sqrt(variance / selected)
    return Measured(selected, mean, max(mean - reach, 0.0), mean + reach)


def of_card(card: dict[str, Any], metric: str) -> Measured:
    """The metric in a card, as it was measured on the rows held out in training."""
    metrics, intervals = card.get("metrics"), card.get("intervals")
    found = metrics if isinstance(metrics, dict) else {}
    value, rows = found.get(metric), found.get("rows_held_out")
    if not isinstance(value, (int, float)):
        return Measured(None, None)
    number = int(rows) if isinstance(rows, (int, float)) and rows > 0 else None
    ends = _ends(intervals.get(metric) if isinstance(intervals, dict) else None)
    if ends is None and number and metric == "accuracy" and 0 <= value <= 1:
        # Cards of older versions have no intervals.
        ends = wilson(float(value), number)
    return Measured(number, float(value), *(ends or (None, None)))


def _ends(given: Any) -> Interval | None:
    if isinstance(given, (list, tuple)) and len(given) == 2:
        low, high = given
        if isinstance(low, (int, float)) and isinstance(high, (int, float)):
            return float(low), float(high)
    return None


def compare(live: Measured, card: Measured, *, higher_is_better: bool) -> AccuracyVerdict:
    """Whether live answers are worse or better than the card says: surely, or no word of it."""
    if card.low is None or card.high is None:
        return "unknown"
    if live.low is None or live.high is None or (live.rows or 0) < MIN_SELECTIONS:
        return "too few"
    if live.high < card.low:
        return "worse" if higher_is_better else "better"
    if live.low > card.high:
        return "better" if higher_is_better else "worse"
    return "no difference seen"
