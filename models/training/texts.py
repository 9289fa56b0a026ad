"""Texts of a table that may not mean what pandas takes them for: quantities, numbers, spellings."""

from __future__ import annotations

import re
from typing import Any

import pandas as pd

from models.rows.words import some
from models.training.table import MAX_CLASSES
from models.training_rows import is_text

# A column of more different texts has no categories whose spellings matter.
MAX_SPELLINGS = 100
GROUPS = r"\d{1,3}(?:[.'\s]\d{3})+|\d{1,3}(?:,\d{2,3})+"
# A number with separators, and with a currency or a unit before or behind it. A letter that stands
# directly before a number makes a code of it, as A10.
QUANTITY = re.compile(
    r"\s*[-+]?(?:[^\W\d_]{2,3}\.?\s+|[^\W\d_]{0,3}[^\w\s.,'+-]\s*)?[-+]?"
    rf"(?:(?:{GROUPS})(?:[.,]\d+)?|\d+(?:[.,]\d+)?)(?:\s*[^\s\d]{{1,4}})?\s*"
)
DIGITS = r"\d+"
DECIMAL_COMMA = r"^([-+]?\d*),(\d+)$"
DATE = r"\s*\d{1,4}([./-])\d{1,2}\1\d{1,4}\s*"
# A quantity is written in so many units at most.
MAX_UNITS = 3
# Of a column of numbers, this share of the values may be words.
MAX_WORDS = 0.2


def quantity_as_text(column: pd.Series[Any]) -> str:
    """A text of a column in which all are numbers with separators or a unit; "" of others."""
    if not is_text(column):
        return ""
    known = column.dropna().astype(str)
    if known.nunique() <= MAX_CLASSES or not known.str.fullmatch(QUANTITY).all():
        return ""
    units = known.str.replace(r"[\d.,'\s+-]", "", regex=True).nunique()
    plain = known.str.fullmatch(DIGITS).all() or known.str.fullmatch(DATE).all()
    return "" if plain or units > MAX_UNITS else str(known.iloc[0])


def words_among_numbers(column: pd.Series[Any]) -> str:
    """How many values of a column of numbers are words, and the first; "" if it has none."""
    if not is_text(column):
        return ""
    known = column.dropna().astype(str).str.strip()
    points = known.str.replace(DECIMAL_COMMA, r"\1.\2", regex=True)
    words = known[pd.to_numeric(points, errors="coerce").isna()]
    if not 0 < len(words) <= MAX_WORDS * len(known):
        return ""
    count = "1 value" if len(words) == 1 else f"{len(words):,} values"
    return f"{count} beside numbers, as {words.iloc[0]!r} in row {words.index[0] + 1}"


def spellings(column: pd.Series[Any]) -> str:
    """Texts of a column that differ only in blanks or capitals; "" if there are none."""
    if not is_text(column) or column.nunique() > MAX_SPELLINGS:
        return ""
    texts = sorted(set(column.dropna().astype(str)))
    alike = pd.Series(texts).groupby([" ".join(text.casefold().split()) for text in texts])
    return some([repr(text) for _, same in alike if len(same) > 1 for text in same])
