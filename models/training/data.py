"""The rows of a training, with their known answers."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import msgspec
import pandas as pd

from models import sources
from models.rows.words import some
from models.settings import ModelSettings
from models.sources import shown
from models.training import faults
from models.training.facts import Unusable
from models.training.recipe import TABLE, Recipe
from models.training_rows import (
    MAX_ROWS,
    DataError,
    as_texts,
    codes,
    columns_of,
    missing_words,
    read,
    whole,
)


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
            frame, words = _read(path, recipe.target)
        except DataError as error:
            raise Unusable(str(error)) from None
        with path.open("rb") as file:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    return take(recipe, frame, shown(recipe.data), sha256, words)


def _read(path: Path, target: str) -> tuple[pd.DataFrame, dict[str, int]]:
    """The rows of a file, and how often each text of the target was read as missing.

    Raises DataError.
    """
    frame = read(path)
    has_gaps = target in frame and bool(frame[target].isna().any())
    texts = as_texts(path, frame) if has_gaps or whole(frame) else None
    if texts is None:
        return frame, {}
    if names := codes(texts, frame):
        frame = read(path, texts=names)
    return frame, missing_words(texts, frame, target) if has_gaps else {}


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
    _check_names(recipe, columns, source)
    split = recipe.group or recipe.time
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
    faults.check(recipe, rows, answers, source, "".join(f" ({each})" for each in missing))
    said = [*faults.suspicions(recipe, rows, answers), *missing]
    if len(frame) == MAX_ROWS:
        said.append(f"{source} has more rows: the first {MAX_ROWS:,} are read")
    rest = [name for name in columns if name not in {recipe.target, *columns_of(rows)}]
    passed = frame[rest][known].reset_index(drop=True)
    return Data(
        rows=rows, others=passed, answers=answers, order=order, left_out=left_out, source=source,
        sha256=sha256, said=tuple(said),
    )  # fmt: skip


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
            have = f"it has {some(columns)}"
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
