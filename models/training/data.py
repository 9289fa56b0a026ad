"""The rows of a training, with their known answers."""

from __future__ import annotations

import hashlib
import re
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec
import pandas as pd

from models import sources
from models.rows.words import some
from models.settings import ModelSettings
from models.sources import shown
from models.training import faults, options
from models.training.facts import Unusable
from models.training.recipe import TABLE, Recipe
from models.training_csv import codes, grouped, maybe_grouped, missing_words, whole
from models.training_rows import MAX_ROWS, DataError, as_texts, columns_of, is_text, read

# Words for missing values in a larger share of the rows may be a category.
MAX_GAPS = 0.1
# Floats below this number have all whole numbers.
MAX_EXACT = 2**53
# A column without a name, as pandas calls it.
UNNAMED = re.compile(r"Unnamed: \d+")


class Cells(msgspec.Struct, frozen=True, kw_only=True):
    """Other meanings that the cells of a CSV may have than those that were read, by the column.

    `words` counts each text that was read as missing, as NA; `grouped` has a number whose point may
    separate thousands.
    """

    words: Mapping[str, Mapping[str, int]] = {}
    grouped: Mapping[str, str] = {}


NO_CELLS = Cells()


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
            frame, cells = _read(path, recipe.target)
        except DataError as error:
            raise Unusable(str(error)) from None
        with path.open("rb") as file:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    return take(recipe, frame, shown(recipe.data), sha256, cells)


def _read(path: Path, target: str) -> tuple[pd.DataFrame, Cells]:
    """The rows of a file, and what its cells may mean otherwise. Raises DataError.

    Words in a column of numbers are no categories, and are not counted, except in the target.
    """
    frame = read(path)
    gaps = [name for name in columns_of(frame) if frame[name].isna().any()]
    counted = [name for name in gaps if name == target or is_text(frame[name])]
    points = maybe_grouped(frame)
    texts = as_texts(path, frame) if counted or points or whole(frame) else None
    if texts is None:
        return frame, NO_CELLS
    if names := codes(texts, frame):
        frame = read(path, texts=names)
    words = {name: missing_words(texts, frame, name) for name in counted}
    return frame, Cells(words=words, grouped={name: grouped(texts, name) for name in points})


def take(
    recipe: Recipe, frame: pd.DataFrame, source: str, sha256: str = "", cells: Cells = NO_CELLS
) -> Data:
    """The rows and the answers in a frame, whose columns' names are texts. Raises Unusable."""
    columns = columns_of(frame)
    _check_names(recipe, columns, source)
    split = recipe.group or recipe.time
    answers = frame[recipe.target]
    known = answers.notna().to_numpy()
    left_out = int((~known).sum())
    words = cells.words.get(recipe.target, {})
    missing = [_missing(recipe, left_out, words)] if left_out else []
    if not known.any():
        raise Unusable(f"the target {recipe.target} of {source} has no value in any row")
    unnamed = [name for name in columns if _is_left_out(name, recipe)]
    left = {recipe.target, split, *recipe.drop, *unnamed}
    others = [name for name in columns if name not in left]
    rows = frame[list(recipe.features) or others][known]
    answers = _without_gaps(answers[known], left_out)
    order = _order(recipe, frame[split][known]) if split else None
    faults.check(recipe, rows, answers, source, "".join(f" ({each})" for each in missing))
    said = [*faults.suspicions(recipe, rows, answers), *missing, *_passed(unnamed)]
    said += _doubts([recipe.target, *columns_of(rows)], cells, len(rows))
    if len(frame) == MAX_ROWS:
        said.append(f"{source} has more rows: the first {MAX_ROWS:,} are read")
    rest = [name for name in columns if name not in {recipe.target, *columns_of(rows)}]
    return Data(
        rows=rows.reset_index(drop=True),
        others=frame[rest][known].reset_index(drop=True),
        answers=answers.reset_index(drop=True),
        order=None if order is None else order.reset_index(drop=True),
        left_out=left_out,
        source=source,
        sha256=sha256,
        said=tuple(said),
    )


def _doubts(names: list[str], cells: Cells, count: int) -> Iterator[str]:
    """Sentences on what the cells of the columns `names` may mean, in `count` rows."""
    target, *features = names
    for name in features:
        words = cells.words.get(name, {})
        if sum(words.values()) > MAX_GAPS * count:
            yield f"{name}: {_read_as_missing(words, 'category')}"
    for name in (target, *features):
        if number := cells.grouped.get(name):
            yield (
                f"{name}: {number} is read with a decimal point; if it separates thousands, write "
                f"{number.replace('.', '')}"
            )


def _is_left_out(name: str, recipe: Recipe) -> bool:
    """Whether a column has no name, and nobody asks for it."""
    named = {recipe.target, recipe.group, recipe.time, *recipe.features, *recipe.drop}
    return UNNAMED.fullmatch(name) is not None and name not in named


def _passed(unnamed: list[str]) -> list[str]:
    said = (
        f"the model does not get {some(unnamed)}, which has no name in the first line: it may be "
        "the index that pandas writes without index=False"
    )
    return [said] if unnamed else []


def _without_gaps(answers: pd.Series[Any], gaps: int) -> pd.Series[Any]:
    """The answers in the type that they have without gaps.

    Beside gaps, truth values are objects in pandas, and whole numbers floats.
    """
    found = answers.infer_objects()
    if not gaps or not pd.api.types.is_float_dtype(found):
        return found
    is_whole = (found == found.round()) & (found.abs() < MAX_EXACT)
    return found.astype("int64") if is_whole.all() else found


def _check_names(recipe: Recipe, columns: list[str], source: str) -> None:
    """Raise Unusable for a column that the recipe names and the rows lack, or have twice."""
    named = {
        "TARGET": (recipe.target,),
        "GROUP": (recipe.group,),
        "TIME": (recipe.time,),
        "FEATURES": recipe.features,
        "DROP": recipe.drop,
    }
    for name, wanted in named.items():
        if missing := [each for each in wanted if each and each not in columns]:
            have = f"it has {some(list(map(options.quoted, columns)))}"
            if name == "TARGET" and {*recipe.target.split(",")} <= {*columns}:
                have = "TARGET is one column; a function that takes nothing can fit several"
            raise Unusable(f"{name}: {source} has no column {some(missing)}: {have}")
    if twice := [name for name in dict.fromkeys(columns) if columns.count(name) > 1]:
        raise Unusable(f"{source} has the column {some(twice)} twice")


def _order(recipe: Recipe, column: pd.Series[Any]) -> pd.Series[Any]:
    """The groups or the times of the rows; raises Unusable."""
    if recipe.group:
        if len(column.unique()) == 1:
            raise Unusable(
                f"GROUP={recipe.group}: all rows have one value, and none could be held out"
            )
        # A missing value is a group as any other is.
        return pd.Series(pd.factorize(column, use_na_sentinel=False)[0], column.index)
    times = column
    if not pd.api.types.is_numeric_dtype(column):
        times = pd.to_datetime(column, format="ISO8601", utc=True, errors="coerce")
        wrong = times.isna() & column.notna()
        if wrong.any():
            bad = column[wrong]
            row, value = bad.index[0] + 1, str(bad.iloc[0])
            raise Unusable(
                f"TIME={recipe.time}: row {row} has {value!r}: expected numbers, or times in ISO "
                "8601, as 2026-11-29"
            )
    if times.isna().any():
        row = times.index[times.isna()][0] + 1
        raise Unusable(f"TIME={recipe.time}: row {row} has none: each row must have a time")
    return times


def _missing(recipe: Recipe, count: int, words: Mapping[str, int]) -> str:
    """A sentence on the rows without an answer, and on the words that pandas reads as none."""
    rows = "1 row has" if count == 1 else f"{count:,} rows have"
    said = f"{rows} no {recipe.target}, and {'is' if count == 1 else 'are'} left out"
    return f"{said}: {_read_as_missing(words, 'class')}" if words else said


def _read_as_missing(words: Mapping[str, int], noun: str) -> str:
    listed = some([f"{word!r} in {number:,}" for word, number in words.items()])
    return f"{listed} is read as missing; if it is a {noun}, give it another name"
