"""Fit what a function builds on rows with known answers, and hold some of them out."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import PurePath
from typing import Any, NamedTuple

import msgspec
import pandas as pd
from sklearn.base import is_classifier

from models.errors import brief
from models.evaluation.words import percent
from models.training import search, split, table, texts
from models.training.data import Data
from models.training.evaluate import default_metric
from models.training.facts import Unusable
from models.training.function import Result
from models.training.recipe import TABLE, Recipe
from models.training_rows import columns_of

Build = Callable[[Any, Any], Any]
Learn = Callable[[Build, Data, Recipe, search.Say], Result]
# The texts of more warnings than these say no more.
MAX_WARNINGS = 3
# Of rows with few different values, some are equal by chance.
MAX_EQUAL = 0.1


class _Parts(NamedTuple):
    """An estimator that is not fitted, and the places of the rows that are, and are not, fitted."""

    estimator: Any
    fit: split.Places
    held: split.Places
    classes: bool


def learn(build: Build, data: Data, recipe: Recipe, say: search.Say) -> Result:
    """The fitted estimator, and its facts: the rows it was fitted on and those held out.

    Raises Unusable.
    """
    said = list(data.said)
    if recipe.function == TABLE:
        data, passed = usable(data)
        said += passed
    parts = _build(build, data, recipe)
    if recipe.function == TABLE and parts.classes:
        said += _numbered(data.answers)
    said += _twice(data, parts)
    metric = recipe.metric or default_metric(parts.estimator)
    folds = split.folds(data, parts.fit, recipe, classes=parts.classes) if recipe.folds else []
    if len(folds) != recipe.folds:
        said.append(
            f"there are {len(folds)} folds of the {recipe.folds} in FOLDS: a class, or the groups, "
            "have no rows for more"
            if folds
            else "there is no cross-validation: too few rows, or too few of a class or a group"
        )
    estimator = parts.estimator
    validated: list[search.Validated] = []
    if folds and recipe.search:
        estimator, validated = search.choose(estimator, data, folds, metric, recipe.search, say)
    elif folds and metric:
        validated = [search.validate(estimator, data, folds, metric, say)]
    say(f"fitting {len(parts.fit):,} rows")
    rows, answers = data.rows.iloc[parts.fit], data.answers.iloc[parts.fit]
    said += fit(estimator, rows, answers)
    return Result(
        estimator,
        {
            "rows": rows,
            "answers": answers,
            "test_rows": data.rows.iloc[parts.held],
            "test_answers": data.answers.iloc[parts.held],
            "test_others": data.others.iloc[parts.held],
            "metric": metric,
            "target": recipe.target,
            "training": facts(data, recipe)
            | {"held_out": recipe.held_out}
            | _validation(recipe, validated),
            "said": said,
        },
    )


def usable(data: Data) -> tuple[Data, list[str]]:
    """The data with the columns that a first model of any table takes, and sentences on others."""
    used = table.features(data.rows)
    passed = [name for name in columns_of(data.rows) if name not in used]
    if not passed:
        return data, []
    others = pd.concat([data.others, data.rows[passed]], axis=1)
    kept = msgspec.structs.replace(data, rows=data.rows[used], others=others)
    said = [f"the model passes over {', '.join(passed)}: dates, or texts of many values"]
    said += [
        f"the column {name} is text, as {example!r}: write plain numbers if it is a quantity"
        for name in passed
        if (example := texts.quantity_as_text(data.rows[name]))
    ]
    return kept, said


def _twice(data: Data, parts: _Parts) -> list[str]:
    """A sentence on rows held out that are equal to rows fitted on, if they are many."""
    every = pd.concat([data.rows, data.answers], axis=1)
    try:
        known = pd.util.hash_pandas_object(every, index=False)
    except TypeError:
        # As of lists.
        return []
    share = known.iloc[parts.held].isin(known.iloc[parts.fit]).mean()
    said = (
        f"{percent(share)} of the rows held out are equal to rows that are fitted on: if rows "
        "stand twice in the data, the scores of new rows are lower"
    )
    return [said] if share > MAX_EQUAL else []


def _numbered(answers: pd.Series[Any]) -> list[str]:
    """A sentence on whole numbers that are taken as classes, and may be quantities."""
    said = (
        f"the {answers.nunique()} different whole numbers of {answers.name} are taken as classes: "
        "if they are quantities, name a function in TRAIN that builds a regression"
    )
    is_plain = not pd.api.types.is_integer_dtype(answers) or answers.nunique() == 2
    return [] if is_plain else [said]


def _build(build: Build, data: Data, recipe: Recipe) -> _Parts:
    """Split, and build; classes that are seen only by the estimator are split once more."""
    classes = table.has_classes(data.answers)
    while True:
        fit, held = split.hold_out(data, recipe, classes=classes)
        rows, answers = data.rows.iloc[fit], data.answers.iloc[fit]
        estimator = built(build, rows, answers, recipe)
        if classes or not is_classifier(estimator):
            return _Parts(estimator, fit, held, classes=is_classifier(estimator))
        classes = True


def built(build: Build, rows: Any, answers: Any, recipe: Recipe) -> Any:
    """What the function builds for these rows, with the recipe's seed. Raises Unusable."""
    # The frame may be a view, and the function may write into it.
    estimator = build(rows.copy(), answers.copy())
    if not (hasattr(estimator, "fit") and hasattr(estimator, "get_params")):
        raise Unusable(
            f"TRAIN={recipe.function} gave {type(estimator).__name__}: expected an estimator of "
            "scikit-learn that is not fitted"
        )
    _seed(estimator, recipe.seed)
    return estimator


def _seed(estimator: Any, seed: int) -> None:
    """Set each random_state that is not set, so that a training can be repeated bit for bit."""
    open_ones = {
        name: seed
        for name, value in estimator.get_params().items()
        if value is None and name.split("__")[-1] == "random_state"
    }
    if open_ones:
        estimator.set_params(**open_ones)


def fit(estimator: Any, rows: Any, answers: Any) -> list[str]:
    """Fit, and give the first warnings as sentences. Raises Unusable."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            estimator.fit(rows, answers)
        except Exception as error:
            raise Unusable(f"the model cannot be fitted: {brief(error)}") from None
    warned = dict.fromkeys(str(each.message).partition("\n")[0] for each in caught)
    return [f"the fit warns: {text}" for text in list(warned)[:MAX_WARNINGS]]


def facts(data: Data, recipe: Recipe) -> dict[str, Any]:
    """Which data a model was trained on, and how, for its card."""
    return {
        "function": recipe.function,
        "data": _public(data.source),
        "sha256": data.sha256,
        "rows": len(data.rows),
        "rows_without_answer": data.left_out,
        "seed": recipe.seed,
        **{name: getattr(recipe, name) for name in ("group", "time") if getattr(recipe, name)},
    }


def _public(source: str) -> str:
    """An address or a relative path; of others the name of the file.

    The folders of the machine that trains are nobody's concern.
    """
    path = PurePath(source)
    is_inside = not path.is_absolute() and ".." not in path.parts
    return source if "://" in source or is_inside else path.name


def _validation(recipe: Recipe, validated: list[search.Validated]) -> dict[str, Any]:
    """The scores of a cross-validation, for the card."""
    found: dict[str, Any] = {}
    if validated:
        best = max(validated, key=lambda each: each.mean)
        found["cross_validation"] = msgspec.to_builtins(best)
    if recipe.search:
        found["search"] = [
            {"parameters": each.parameters, "mean": each.mean, "std": each.std}
            for each in validated
        ]
    return found
