"""The rows of a training, with their known answers, and the faults that spoil a model."""

from __future__ import annotations

import hashlib
import shlex
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import msgspec
import numpy as np
import pandas as pd

from models import sources
from models.card import plain
from models.rows.words import some
from models.settings import ModelSettings
from models.sources import shown
from models.training.facts import Unusable
from models.training.recipe import TABLE, Recipe
from models.training.table import quantity_as_text
from models.training_rows import MAX_ROWS, DataError, codes, columns_of, missing_words, read

# A column of so many values that repeats the classes one to one is a leak, and no accident.
MIN_LEAK_ROWS = 20
EXACT = 1 - 1e-12


class Data(msgspec.Struct, frozen=True, kw_only=True):
    """n rows with their answers.

    `rows` has the shape (n, n_features), `others` the shape (n, n_others): columns that the model
    does not get. `answers` and `order` have the shape (n,): `order` holds the groups or the times
    of the rows, or None. `left_out` rows have no answer, and are not among the n. `source` and
    `sha256` are those of the file, `said` are sentences for people.
    """

    rows: pd.DataFrame
    others: pd.DataFrame
    answers: pd.Series[Any]
    order: pd.Series[Any] | None
    left_out: int
    source: str
    sha256: str
    said: tuple[str, ...]


def load(recipe: Recipe, settings: ModelSettings, beside: Path) -> Data:
    """The rows of a recipe; a relative path may also lie in the folder `beside`.

    Raises Unusable, or ModelError if the file cannot be fetched.
    """
    module = recipe.function.partition(":")[0]
    if not recipe.data or not recipe.target:
        missing = "DATA" if not recipe.data else "TARGET"
        what = "the file of the rows" if missing == "DATA" else "the column of the known answers"
        or_else = f", or write it into {module} as {missing} = ..."
        raise Unusable(
            f"{missing} is not set: name {what}{or_else if recipe.function != TABLE else ''}"
        )
    with tempfile.TemporaryDirectory() as folder:
        path = sources.fetch_data(recipe.data, Path(folder), settings)
        if not path.is_absolute() and not path.exists() and (beside / path).exists():
            path = beside / path
        try:
            frame = read(path)
            if texts := codes(path, frame):
                frame = read(path, texts=texts)
            words = missing_words(path, frame, recipe.target)
        except DataError as error:
            raise Unusable(str(error)) from None
        with path.open("rb") as file:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    return take(recipe, frame, shown(recipe.data), sha256, words)


def take(
    recipe: Recipe,
    frame: pd.DataFrame,
    source: str,
    sha256: str = "",
    words: Mapping[str, int] = MappingProxyType({}),
) -> Data:
    """The rows and the answers in a frame, whose columns' names are texts.

    `words` counts the texts in the target's column that were read as missing, as NA. Raises
    Unusable.
    """
    columns = columns_of(frame)
    split = recipe.group or recipe.time
    named = {"TARGET": (recipe.target,), "GROUP": (recipe.group,), "TIME": (recipe.time,)}
    for name, wanted in (named | {"FEATURES": recipe.features, "DROP": recipe.drop}).items():
        if missing := [each for each in wanted if each and each not in columns]:
            have = f"it has {some(columns)}"
            if name == "TARGET" and {*recipe.target.split(",")} <= {*columns}:
                have = "TARGET is one column; a function that takes nothing can fit several"
            raise Unusable(f"{name}: {source} has no column {some(missing)}: {have}")
    if twice := [name for name in dict.fromkeys(columns) if columns.count(name) > 1]:
        raise Unusable(f"{source} has the column {some(twice)} twice")
    answers = frame[recipe.target]
    known = answers.notna().to_numpy()
    left_out = int((~known).sum())
    missing = [_missing(recipe, left_out, words)] if left_out else []
    if not known.any():
        raise Unusable(f"the target {recipe.target} of {source} has no value in any row")
    others = [name for name in columns if name not in {recipe.target, split, *recipe.drop}]
    rows = frame[list(recipe.features) or others][known].reset_index(drop=True)
    # Truth values beside gaps are objects in pandas.
    answers = answers[known].reset_index(drop=True).infer_objects()
    order = _order(recipe, frame[split][known].reset_index(drop=True)) if split else None
    _check(recipe, rows, answers, source, "".join(f" ({each})" for each in missing))
    said = [*_suspicions(recipe, rows, answers), *missing]
    if len(frame) == MAX_ROWS:
        said.append(f"{source} has more rows: the first {MAX_ROWS:,} are read")
    rest = [name for name in columns if name not in {recipe.target, *columns_of(rows)}]
    passed = frame[rest][known].reset_index(drop=True)
    return Data(
        rows=rows, others=passed, answers=answers, order=order, left_out=left_out, source=source,
        sha256=sha256, said=tuple(said),
    )  # fmt: skip


def _order(recipe: Recipe, column: pd.Series[Any]) -> pd.Series[Any]:
    """The groups or the times of the rows; raises Unusable."""
    if recipe.group:
        if len(column.unique()) == 1:
            raise Unusable(
                f"GROUP={recipe.group}: all rows have one value, and none could be held out"
            )
        # A missing value is a group as any other is.
        return pd.Series(pd.factorize(column, use_na_sentinel=False)[0])
    times = column
    if not pd.api.types.is_numeric_dtype(column):
        times = pd.to_datetime(column, format="ISO8601", utc=True, errors="coerce")
        wrong = (times.isna() & column.notna()).to_numpy()
        if wrong.any():
            row = int(wrong.argmax())
            raise Unusable(
                f"TIME={recipe.time}: row {row} has {str(column.iloc[row])!r}: expected numbers, "
                "or times in ISO 8601, as 2026-11-29"
            )
    if times.isna().any():
        row = int(times.isna().to_numpy().argmax())
        raise Unusable(f"TIME={recipe.time}: row {row} has none: each row must have a time")
    return times


def _missing(recipe: Recipe, count: int, words: Mapping[str, int]) -> str:
    """A sentence on the rows without an answer, and on the words that pandas reads as none."""
    rows = "1 row has" if count == 1 else f"{count:,} rows have"
    said = f"{rows} no {recipe.target}, and {'is' if count == 1 else 'are'} left out"
    if words:
        listed = some([f"{word!r} in {number:,}" for word, number in words.items()])
        said += f": {listed} is read as missing; if it is a class, give it another name"
    return said


def _check(
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
    if pd.api.types.is_float_dtype(answers) and not np.isfinite(answers).all():
        row = int((~np.isfinite(answers)).to_numpy().argmax())
        raise Unusable(f"the target {recipe.target} is infinite in row {row} of {source}")
    if not rows.shape[1]:
        raise Unusable(f"{source} has no column but the target {recipe.target}")
    for name in columns_of(rows):
        if rows[name].isna().all():
            raise Unusable(f"the column {name} has no value in any row: {leave(name)}")
        if pd.api.types.is_float_dtype(rows[name]) and np.isinf(rows[name]).any():
            row = int(np.isinf(rows[name]).to_numpy().argmax())
            raise Unusable(
                f"the column {name} is infinite in row {row}: replace it, or {leave(name)}"
            )
        if _is_equal(rows[name], answers):
            raise Unusable(
                f"the column {name} is equal to the target {recipe.target} in every row, and no "
                f"new row will have it: {leave(name)}"
            )


def leave(name: str) -> str:
    """The advice to leave a column out, as a shell takes it."""
    return f"leave it out with {shlex.quote(f'DROP={name}')}"


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


def _suspicions(recipe: Recipe, rows: pd.DataFrame, answers: pd.Series[Any]) -> Iterator[str]:
    """Sentences on columns that may give the answer away."""
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
