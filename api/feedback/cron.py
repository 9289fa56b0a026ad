"""Times in the five fields of cron: minute, hour, day of the month, month, day of the week; UTC."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable

import msgspec

EXPECTED = "five fields, as 0 3 * * 1 for Mondays at 3:00 UTC"
MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
# The name, the first and the last value of each field, and names of values from the first on.
FIELDS: tuple[tuple[str, int, int, tuple[str, ...]], ...] = (
    ("minute", 0, 59, ()),
    ("hour", 0, 23, ()),
    ("day of the month", 1, 31, ()),
    ("month", 1, 12, MONTHS),
    ("day of the week", 0, 7, DAYS),
)
PART = re.compile(r"(?:\*|(\w+)(?:-(\w+))?)(?:/(\d+))?", re.ASCII)
# A 29th of February comes once in so many days at least, but for 2100.
LEAP_DAYS = 1461


class Cron(msgspec.Struct, frozen=True, kw_only=True):
    """The times that an expression means.

    A day counts if its day of the month or of the week does, where both are given: crontab(5).
    """

    minutes: frozenset[int]
    hours: frozenset[int]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]
    either: bool

    def is_at(self, time: dt.datetime) -> bool:
        """Whether the minute of a time counts."""
        return time.minute in self.minutes and time.hour in self.hours and self._is_on(time)

    def _is_on(self, day: dt.date) -> bool:
        by_date, by_week = day.day in self.days, day.isoweekday() % 7 in self.weekdays
        is_day = by_date or by_week if self.either else by_date and by_week
        return is_day and day.month in self.months

    @property
    def is_ever(self) -> bool:
        """Whether there is such a time: there is no 30th of February."""
        first = dt.date(2024, 1, 1)
        return any(self._is_on(first + dt.timedelta(days=day)) for day in range(LEAP_DAYS))


def read(text: str) -> Cron:
    """The times of an expression; raises ValueError with a sentence."""
    given = text.split()
    if len(given) != len(FIELDS):
        raise ValueError(f"it has {len(given)} fields: expected {EXPECTED}")
    minutes, hours, days, months, weekdays = (
        frozenset(_values(field, *limits)) for field, limits in zip(given, FIELDS, strict=True)
    )
    found = Cron(
        minutes=minutes,
        hours=hours,
        days=days,
        months=months,
        weekdays=frozenset(day % 7 for day in weekdays),
        either=not given[2].startswith("*") and not given[4].startswith("*"),
    )
    if not found.is_ever:
        raise ValueError("no day is like this: expected a day that its month has")
    return found


def _values(field: str, name: str, low: int, high: int, words: tuple[str, ...]) -> Iterable[int]:
    """The values of one field; raises ValueError."""
    for part in field.split(","):
        found = PART.fullmatch(part)
        if found is None:
            raise ValueError(f"the {name} is {part!r}: expected {EXPECTED}")
        first, last, step = found.groups()
        names = {word: low + i for i, word in enumerate(words)}
        try:
            start = _number(first, names) if first else low
            stop = _number(last, names) if last else high if step or not first else start
        except ValueError:
            raise ValueError(f"the {name} is {part!r}: expected {EXPECTED}") from None
        if not low <= start <= stop <= high or step == "0" * len(step or "x"):
            raise ValueError(f"the {name} is {part!r}: expected {low} to {high}")
        yield from range(start, stop + 1, int(step or 1))


def _number(text: str, names: dict[str, int]) -> int:
    return names[text.lower()] if text.lower() in names else int(text)
