"""The five fields of cron mean what celery takes them to mean."""

from __future__ import annotations

import datetime as dt
import re

import pytest
from celery.schedules import ParseException, crontab_parser
from hypothesis import given
from hypothesis import strategies as st

from api.feedback.cron import FIELDS, read


def parts(low: int, high: int) -> st.SearchStrategy[str]:
    """Parts of one field: *, a value, a range, each perhaps with a step; some are wrong."""
    values = st.integers(low, high + 1)
    ranges = st.tuples(values, values).map(lambda pair: f"{pair[0]}-{pair[1]}")
    steps = st.sampled_from(["", "", "/1", "/7"])
    return st.one_of(
        st.tuples(st.sampled_from(["*"]), steps).map("".join),
        values.map(str),
        st.tuples(ranges, steps).map("".join),
    )


@pytest.mark.parametrize("place", range(4))
@given(data=st.data())
def test_a_field_has_the_values_that_celery_finds(place: int, data: st.DataObject) -> None:
    _, low, high, _ = FIELDS[place]
    field = ",".join(data.draw(st.lists(parts(low, high), min_size=1, max_size=3)))
    text = " ".join(field if i == place else "*" for i in range(5))
    try:
        expected = crontab_parser(high - low + 1, low).parse(field)
    except (ParseException, ValueError):
        with pytest.raises(ValueError, match="expected"):
            read(text)
        return
    if any(int(a) > int(b) for a, b in pairs(field)):
        # Celery's ranges go round.
        with pytest.raises(ValueError, match=f"expected {low} to {high}"):
            read(text)
        return
    found = read(text)
    assert [found.minutes, found.hours, found.days, found.months][place] == expected


def pairs(field: str) -> list[list[str]]:
    return [part.partition("/")[0].split("-") for part in field.split(",") if "-" in part]


@pytest.mark.parametrize(
    ("text", "time", "is_at"),
    [
        ("0 3 * * *", "2026-11-29T03:00", True),
        ("0 3 * * *", "2026-11-29T03:01", False),
        # 2026-11-29 is a Sunday.
        ("* * * * 0", "2026-11-29T12:00", True),
        ("* * * * 7", "2026-11-29T12:00", True),
        ("* * * * SUN", "2026-11-29T12:00", True),
        ("* * * * mon-fri", "2026-11-29T12:00", False),
        ("* * * nov *", "2026-11-29T12:00", True),
        ("* * 1 * sun", "2026-11-29T12:00", True),
        ("* * 29 * mon", "2026-11-29T12:00", True),
        ("* * 1 * mon", "2026-11-29T12:00", False),
        ("* * */2 * mon", "2026-11-29T12:00", False),
        ("5/20 * * * *", "2026-11-29T12:45", True),
    ],
)
def test_a_time_is_one_of_those_meant(text: str, time: str, *, is_at: bool) -> None:
    assert read(text).is_at(dt.datetime.fromisoformat(time)) == is_at


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("* * * *", "it has 4 fields: expected five fields, as 0 3 * * 1 for Mondays at 3:00 UTC"),
        ("@daily", "it has 1 fields: expected five fields"),
        ("61 * * * *", "the minute is '61': expected 0 to 59"),
        ("* 5-3 * * *", "the hour is '5-3': expected 0 to 23"),
        ("*/0 * * * *", "the minute is '*/0': expected 0 to 59"),
        ("* * * * noon", "the day of the week is 'noon': expected five fields"),
        ("* * 1,,2 * *", "the day of the month is '': expected five fields"),
        ("0 0 30 2 *", "no day is like this: expected a day that its month has"),
    ],
)
def test_what_is_no_time_is_told(text: str, words: str) -> None:
    with pytest.raises(ValueError, match=re.escape(words)):
        read(text)
