"""Which rows are fitted on, and which are held out: by chance, by groups, or by time."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
from sklearn.model_selection import (
    GroupKFold,
    GroupShuffleSplit,
    KFold,
    StratifiedGroupKFold,
    StratifiedKFold,
    TimeSeriesSplit,
    train_test_split,
)

from models.training.data import Data
from models.training.facts import Unusable
from models.training.recipe import Recipe

Places = np.ndarray[Any, np.dtype[np.intp]]


def hold_out(data: Data, recipe: Recipe, *, classes: bool) -> tuple[Places, Places]:
    """The places of the rows that are fitted on, and of those that are held out.

    `classes` says that the answers are classes, which keep their shares in a split by chance.
    Raises Unusable if the rows do not allow the split.
    """
    places = np.arange(len(data.rows))
    count = round(len(places) * recipe.held_out)
    if not 0 < count < len(places):
        raise Unusable(
            f"HELD_OUT={recipe.held_out:g} of {len(places)} rows leaves none: more rows are needed"
        )
    if classes:
        _check_classes(data.answers, recipe)
    if recipe.time:
        return _by_time(data, count, recipe)
    if recipe.group:
        splitter = GroupShuffleSplit(1, test_size=recipe.held_out, random_state=recipe.seed)
        fit, held = next(splitter.split(places, groups=data.order))
    else:
        try:
            fit, held = train_test_split(
                places,
                test_size=recipe.held_out,
                random_state=recipe.seed,
                stratify=data.answers if classes else None,
            )
        except ValueError as error:
            # Each class has two rows at least.
            enough = math.ceil(100 * data.answers.nunique() / len(places)) / 100
            raise Unusable(
                f"HELD_OUT={recipe.held_out:g} of {len(places)} rows cannot have each class of "
                f"{recipe.target} ({error}): set HELD_OUT={enough:g}, or add rows"
            ) from None
    if classes:
        _check_fitted(data.answers, fit, recipe)
    return fit, held


def _by_time(data: Data, count: int, recipe: Recipe) -> tuple[Places, Places]:
    """The last rows are held out; rows of one time stay together."""
    assert data.order is not None  # noqa: S101
    times = data.order.to_numpy()
    order = np.argsort(times, kind="stable")
    border = times[order[-count]]
    fit, held = order[times[order] < border], order[times[order] >= border]
    if not len(fit):
        raise Unusable(f"TIME={recipe.time}: too many rows have the first time, and none is left")
    _check_fitted(data.answers, fit, recipe)
    return fit, held


def _check_classes(answers: pd.Series[Any], recipe: Recipe) -> None:
    counts = answers.value_counts()
    if alone := [str(label) for label, n in counts.items() if n == 1]:
        raise Unusable(
            f"the class {alone[0]!r} of {recipe.target} has one row, which cannot be both fitted "
            f"on and held out: add rows of it, or remove it{_or_regression(answers)}"
        )


def _or_regression(answers: pd.Series[Any]) -> str:
    if not pd.api.types.is_numeric_dtype(answers) or answers.nunique() == 2:
        return ""
    return "; if these are quantities, name a function in TRAIN that builds a regression"


def _check_fitted(answers: pd.Series[Any], fit: Places, recipe: Recipe) -> None:
    if len(answers.iloc[fit].unique()) == 1:
        raise Unusable(
            f"the rows that are not held out have one value of {recipe.target}: hold out fewer, or "
            "split in another way"
        )


def folds(data: Data, fit: Places, recipe: Recipe, *, classes: bool) -> list[tuple[Places, Places]]:
    """Pairs of places for cross-validation within the rows that are fitted on.

    There are fewer than `folds` where a class or the groups allow no more. Raises Unusable.
    """
    answers = data.answers.iloc[fit]
    groups = data.order.iloc[fit] if data.order is not None and recipe.group else None
    count = recipe.folds
    if classes and groups is None and not recipe.time:
        count = min(count, int(answers.value_counts().min()))
    if groups is not None:
        count = min(count, groups.nunique())
    count = min(count, len(fit) // 2)
    if count < 2:
        if recipe.search:
            raise Unusable("SEARCH chooses by cross-validation, and there are too few rows for it")
        return []
    try:
        pairs = list(_pairs(fit, answers, groups, recipe, count, classes))
    except ValueError as error:
        raise Unusable(f"the rows cannot be cross-validated ({error}): set FOLDS=0") from None
    return [(fit[a], fit[b]) for a, b in pairs]


def _pairs(
    fit: Places,
    answers: pd.Series[Any],
    groups: pd.Series[Any] | None,
    recipe: Recipe,
    count: int,
    classes: bool,  # noqa: FBT001
) -> Iterator[tuple[Places, Places]]:
    if recipe.time:
        # The rows that are fitted on are in the order of their times.
        yield from TimeSeriesSplit(count).split(fit)
        return
    seeded = {"shuffle": True, "random_state": recipe.seed}
    if groups is not None:
        splitter = StratifiedGroupKFold(count, **seeded) if classes else GroupKFold(count)
    else:
        splitter = StratifiedKFold(count, **seeded) if classes else KFold(count, **seeded)
    yield from splitter.split(fit, answers, groups)
