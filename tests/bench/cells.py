"""What stands in a cell of a table in Markdown, and how cells become lines."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

NONE = "-"


def with_spread(rounds: Sequence[float], form: str) -> str:
    """The median, and half the range in percent of it."""
    if not rounds:
        return NONE
    middle = median(rounds)
    if len(rounds) == 1 or not middle:
        return format(middle, form)
    return f"{middle:{form}} ± {(max(rounds) - min(rounds)) / 2 / middle:.0%}"


def row(cells: list[str] | tuple[str, ...]) -> str:
    """One line of a table."""
    return f"| {' | '.join(cells)} |"
