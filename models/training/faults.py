"""Faults of a table that spoil a model: what is refused, and what is only said."""

from __future__ import annotations

import math
import shlex
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from models.card import plain
from models.training import options
from models.training.facts import Unusable
from models.training.recipe import Recipe
from models.training.table import MAX_CLASSES
from models.training.texts import quantity_as_text, spellings, words_among_numbers
from models.training_rows import columns_of

# By how much of itself a total may differ from the sum of rounded numbers.
ROUNDED = 1e-4
# In fewer rows than these, a column may say the target in other words by accident.
MIN_LEAK_ROWS = 20
# The correlation of a column that is a linear function of the target.
EXACT = 1 - 1e-12


def check(
    recipe: Recipe, rows: pd.DataFrame, answers: pd.Series[Any], source: str, missing: str
) -> None:
    """Raise Unusable for a table from which nothing can be learnt."""
    if len(answers.unique()) == 1:
        raise Unusable(
            f"the target {recipe.target} is {plain(answers.iloc[0])!r} in every row of {source}: "
            f"there is nothing to learn{missing}"
        )
    if (kind := pd.api.types.infer_dtype(answers)).startswith("mixed"):
        raise Unusable(
            f"the target {recipe.target} of {source} has values of several kinds ({kind}): write "
            "all of them as text, or all as numbers"
        )
    if example := quantity_as_text(answers):
        raise Unusable(
            f"the target {recipe.target} of {source} is text, as {example!r}: write plain numbers, "
            "as 7229.5"
        )
    if answers.nunique() > MAX_CLASSES and (found := words_among_numbers(answers)):
        raise Unusable(
            f"the target {recipe.target} of {source} has {found}: leave such a cell empty, or "
            "write a number"
        )
    if not pd.api.types.is_numeric_dtype(answers):
        _check_kinds(recipe, answers, source)
    if pd.api.types.is_float_dtype(answers) and not np.isfinite(answers).all():
        row = np.flatnonzero(~np.isfinite(answers))[0]
        raise Unusable(
            f"the target {recipe.target} is infinite in row {answers.index[row] + 1} of {source}"
        )
    if _ends_in_total(answers):
        raise Unusable(
            f"the {recipe.target} of the last row of {source} is the sum of all others: remove "
            "this row, which is a total"
        )
    _check_rows(recipe, rows, answers, source)


def _check_rows(recipe: Recipe, rows: pd.DataFrame, answers: pd.Series[Any], source: str) -> None:
    if not rows.shape[1]:
        raise Unusable(f"{source} has no column but the target {recipe.target}")
    for name in columns_of(rows):
        if rows[name].isna().all():
            raise Unusable(f"the column {name} has no value in any row: {leave(name)}")
        if pd.api.types.is_float_dtype(rows[name]) and np.isinf(rows[name]).any():
            row = rows.index[np.isinf(rows[name])][0] + 1
            raise Unusable(
                f"the column {name} is infinite in row {row}: replace it, or {leave(name)}"
            )
        if _is_equal(rows[name], answers):
            raise Unusable(
                f"the column {name} is equal to the target {recipe.target} in every row, and no "
                f"new row will have it: {leave(name)}"
            )


def _check_kinds(recipe: Recipe, answers: pd.Series[Any], source: str) -> None:
    """Raise Unusable where nearly every row has a text, or a time, of its own."""
    kinds = answers.nunique()
    if kinds > max(MAX_CLASSES, len(answers) // 2):
        raise Unusable(
            f"the target {recipe.target} of {source} has {kinds:,} different values in "
            f"{len(answers):,} rows, as {str(answers.iloc[0])!r}: expected numbers, or classes of "
            "several rows each"
        )


def _ends_in_total(answers: pd.Series[Any]) -> bool:
    """Whether the last of many quantities is the sum of all others."""
    if len(answers) < MIN_LEAK_ROWS or not _is_number(answers):
        return False
    *others, last = answers.to_numpy(float)
    total = math.fsum(others)
    return min(others) >= 0 and last > max(others) and math.isclose(total, last, rel_tol=ROUNDED)


def leave(name: str) -> str:
    """The advice to leave a column out, as a shell takes it."""
    if "$" in name:
        return "remove it from the rows, or its dollar, which make does not take"
    return f"leave it out with {shlex.quote(f'DROP={options.quoted(name)}')}"


def _is_equal(column: pd.Series[Any], answers: pd.Series[Any]) -> bool:
    if column.isna().any():
        return False
    if _is_number(column) and _is_number(answers):
        return bool(np.array_equal(column.to_numpy(float), answers.to_numpy(float)))
    return bool((column.astype(str) == answers.astype(str)).all())


def _is_number(column: pd.Series[Any]) -> bool:
    return pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column)


def _is_counter(column: pd.Series[Any]) -> bool:
    """Whether a column has consecutive whole numbers, each of them once."""
    if not pd.api.types.is_integer_dtype(column):
        return False
    return bool(column.max() - column.min() + 1 == len(column) == len(column.unique()))


def suspicions(recipe: Recipe, rows: pd.DataFrame, answers: pd.Series[Any]) -> Iterator[str]:
    """Sentences on columns that may give the answer away, or that are not what they seem."""
    for column in (answers, *(rows[name] for name in columns_of(rows))):
        if alike := spellings(column):
            yield (
                f"some values of {column.name} differ only in blanks or capitals, and are told "
                f"apart: {alike}"
            )
    for name in columns_of(rows):
        if found := words_among_numbers(rows[name]):
            yield (
                f"the column {name} is text, since it has {found}: leave such a cell empty if its "
                "value is missing"
            )
    yield from _leaks(recipe, rows, answers)


def _leaks(recipe: Recipe, rows: pd.DataFrame, answers: pd.Series[Any]) -> Iterator[str]:
    if len(rows) < MIN_LEAK_ROWS:
        return
    for name in columns_of(rows):
        column = rows[name]
        if column.isna().any():
            continue
        if _is_counter(column):
            yield f"the column {name} counts the rows: if it is an id, {leave(name)}"
            continue
        if _is_number(column) and _is_number(answers):
            spread = column.to_numpy(float)
            gives_away = spread.std() > 0 and abs(np.corrcoef(spread, answers)[0, 1]) > EXACT
        else:
            pairs = pd.DataFrame({"a": column.astype(str), "b": answers.astype(str)})
            kinds = len(pairs.drop_duplicates())
            few = kinds * 2 <= len(pairs)
            gives_away = few and kinds == pairs["a"].nunique() == pairs["b"].nunique()
        if gives_away:
            yield (
                f"the column {name} says the target {recipe.target} in other words, in every row: "
                f"if no new row will have it, {leave(name)}"
            )
