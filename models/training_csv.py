"""Training rows from a CSV, in the types that pandas reads, and what it reads as something else."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pandas as pd

from models.rows import DELIMITERS
from models.rows.names import plain_name
from models.rows.words import some
from models.text.dialect import MISSING

Words = Mapping[str, Collection[str]]
NO_WORDS: Words = MappingProxyType({})
MISSING_CELLS = MISSING | {""}
CODE = r"0\d+"
# A number of thousands and smaller ones, with points between groups of three digits.
GROUPED = r"\s*[-+]?(?:[1-9]\d{0,2}\.\d{3}|\d{1,3})\s*"
# In fewer numbers than these, all may have three decimals by accident.
MIN_GROUPED = 20


def read_csv(
    path: Path,
    max_rows: int,
    names: Collection[str] = (),
    texts: Collection[str] = (),
    words: Words = NO_WORDS,
) -> pd.DataFrame:
    """Read the first rows of a CSV, split at the delimiter that finds most of the columns `names`.

    `texts` are columns that stay text even if they look like numbers; `words` are values of a
    column that stay text even if they look missing, as NA. Raises OSError or ValueError.
    """
    headers = {sep: list(pd.read_csv(path, sep=sep, nrows=0).columns) for sep in DELIMITERS}
    known = {plain_name(name) for name in names}

    def fit(sep: str) -> tuple[int, int]:
        header = headers[sep]
        return sum(plain_name(name) in known for name in header), len(header)

    sep = max(DELIMITERS, key=fit)
    _check_header(path, sep)
    plain_texts = set(map(plain_name, texts))
    dtypes = {name: str for name in headers[sep] if plain_name(name) in plain_texts}
    options: dict[str, Any] = {"sep": sep, "nrows": max_rows, "dtype": dtypes, "low_memory": False}
    if words:
        missing = {
            name: list(MISSING_CELLS.difference(words.get(name, ()))) for name in headers[sep]
        }
        options |= {"keep_default_na": False, "na_values": missing}
    rows = pd.DataFrame(pd.read_csv(path, **options))
    if rows.iloc[:, -1].isna().all():
        # Where each line ends with a delimiter, pandas takes the first column for an index.
        options |= {"usecols": range(len(headers[sep])), "index_col": False}
        rows = pd.DataFrame(pd.read_csv(path, **options))
    if sep != "," and any(_has_decimal_commas(rows[name]) for name in rows if name not in dtypes):
        rows = pd.DataFrame(pd.read_csv(path, **options, decimal=","))
    return rows


def _check_header(path: Path, sep: str) -> None:
    """Raise ValueError for a name that stands twice: pandas would number the second one."""
    header = pd.read_csv(path, sep=sep, header=None, nrows=1, dtype=str)
    names = header.iloc[0].dropna()
    if twice := list(dict.fromkeys(names[names.duplicated()])):
        raise ValueError(f"it has the column {some(twice)} twice: rename one of the two")


def as_texts(path: Path, max_rows: int, frame: pd.DataFrame) -> pd.DataFrame:
    """The cells of the CSV from which a frame was read, as texts."""
    names = list(map(str, frame.columns))
    texts = read_csv(path, max_rows, names, names, dict.fromkeys(names, MISSING_CELLS))
    texts.columns = frame.columns
    return texts


def whole(frame: pd.DataFrame) -> list[str]:
    """The columns that were read as whole numbers; a column with gaps is one of floats."""
    return [name for name in map(str, frame.columns) if _is_whole(frame[name])]


def _is_whole(column: pd.Series[Any]) -> bool:
    known = column.dropna()
    if pd.api.types.is_float_dtype(known):
        return len(known) < len(column) and bool((known == known.round()).all())
    return pd.api.types.is_integer_dtype(known)


def codes(texts: pd.DataFrame, frame: pd.DataFrame) -> list[str]:
    """The columns that were read as whole numbers, and of which a value is 01 or the like.

    A zero in front is a part of a code, and no number has it.
    """
    return [name for name in whole(frame) if texts[name].str.strip().str.fullmatch(CODE).any()]


def maybe_grouped(frame: pd.DataFrame) -> list[str]:
    """The columns of floats whose points may separate thousands, as in 1.234 and 987."""
    return [name for name in map(str, frame.columns) if _may_be_grouped(frame[name])]


def _may_be_grouped(column: pd.Series[Any]) -> bool:
    if not pd.api.types.is_float_dtype(column):
        return False
    known = column.dropna().abs()
    parts = known[known % 1 > 0]
    if len(parts) < MIN_GROUPED or known.max() >= 1000 or parts.min() < 1:
        return False
    return bool(((parts * 1000).round() / 1000 == parts).all())


def grouped(texts: pd.DataFrame, name: str) -> str:
    """The first number of a column with a point that may separate thousands; "" if none may."""
    known = texts[name][texts[name].str.strip() != ""]
    is_grouped = known.str.fullmatch(GROUPED).all()
    return str(known[known.str.contains(".", regex=False)].iloc[0]).strip() if is_grouped else ""


def missing_words(texts: pd.DataFrame, frame: pd.DataFrame, name: str) -> dict[str, int]:
    """The texts in a column that pandas reads as missing, as NA, and how often each."""
    known = texts[name][frame[name].isna().to_numpy()].str.strip()
    return {str(word): int(n) for word, n in known.value_counts().items() if word}


def _has_decimal_commas(column: pd.Series[Any]) -> bool:
    known = column.dropna()
    if not len(known) or not pd.api.types.is_string_dtype(known):
        return False
    return bool(known.astype(str).str.fullmatch(r"\s*[-+]?\d*,?\d+([eE][-+]?\d+)?\s*").all())
