"""Learn from what people told of answers: which rows to fit, and which to hold out, by their times.

The newest selections that the active version does not know are held out, so that both versions can
be compared on rows that neither has seen. Where the truth has changed, old rows do harm: models of
all rows, and of ever newer ones, are cross-validated on the newest rows that are not held out.
"""

from __future__ import annotations

import datetime as dt
import math
from typing import NamedTuple

import msgspec
import numpy as np
import pandas as pd
from sklearn.base import is_classifier

from models.training import learn, search, selections
from models.training.data import Data
from models.training.evaluate import default_metric
from models.training.facts import Job, Learnt, Unusable
from models.training.function import Result
from models.training.recipe import TABLE, Recipe
from models.training.selections import Selections
from models.training.split import Places

# Fewer rows tell no two versions apart, and are nothing to learn from.
MIN_HELD, MIN_FITTED = 30, 30
# A third of the new rows is held out; of more than 300, 100 or a tenth: the more of the newest rows
# are held out, the later a model learns of a change.
HELD_PART, LARGE, LARGE_PART = 1 / 3, 100, 0.1
# The newest rows alone are fitted if there are so many, and so many of each class.
MIN_WINDOW, MIN_OF_CLASS = 60, 5
BLOCKS = 5
ALL, ALL_TOLD = "the data and all selections", "all selections"


class _Choice(NamedTuple):
    """Rows that a model may be fitted on: their name in words, and their places."""

    name: str
    places: Places


def learning(job: Job) -> learn.Learn:
    """What a training does with its data where the job has feedback."""

    def do(build: learn.Build, data: Data, recipe: Recipe, say: search.Say) -> Result:
        if recipe.function == TABLE and not recipe.features:
            data, _ = learn.usable(data)
        assert job.feedback is not None  # noqa: S101
        data = selections.fit_to(data, job)
        told = selections.load(job.feedback, job.served, data)
        held = held_out(told.times, job.feedback.until)
        return _learn(build, data, told, held, recipe, say)

    return do


def held_out(times: np.ndarray, until: float) -> int:
    """How many of the newest rows are held out; `times` are in order, in seconds since 1970.

    The active version knows rows up to `until`. Raises Unusable if there are too few rows.
    """
    new = int((times > until).sum())
    more = max(MIN_HELD - new, MIN_HELD + MIN_FITTED - len(times))
    if more > 0:
        told = "is 1 selection" if len(times) == 1 else f"are {len(times)} selections"
        raise Unusable(
            f"there {told}, {new} of them newer than all that the active "
            f"version was trained on: it takes {MIN_HELD} such to compare, and {MIN_FITTED} others "
            f"to learn from. Train again after {more} more"
        )
    return _part(new, max(MIN_HELD, round(new * HELD_PART)))


def _part(count: int, most: int) -> int:
    return min(most, max(LARGE, round(count * LARGE_PART)))


def _learn(
    build: learn.Build,
    data: Data,
    told: Selections,
    held: int,
    recipe: Recipe,
    say: search.Say,
) -> Result:
    """The fitted estimator, and its facts. Raises Unusable."""
    count = len(told.times) - held
    known = _with(data, told, count)
    metric, choices = _choices(build, known, len(data.rows), recipe)
    scores = _scores(build, known, choices, metric, recipe, say)
    chosen = _chosen(choices, scores)
    rows, answers = known.rows.iloc[chosen.places], known.answers.iloc[chosen.places]
    say(f"fitting {len(rows):,} rows")
    estimator = learn.built(build, rows, answers, recipe)
    said = learn.fit(estimator, rows, answers)
    fitted = chosen.places[chosen.places >= len(data.rows)] - len(data.rows)
    learnt = Learnt(
        chosen=chosen.name,
        data_rows=len(chosen.places) - len(fitted),
        selections=len(fitted),
        held_out=held,
        left_out=told.left_out,
        since=_iso(told.times[fitted[0]]),
        until=_iso(told.times[-1]),
        scores={name: float(found.mean()) for name, found in scores.items()},
    )
    return Result(
        estimator,
        {
            "rows": rows,
            "answers": answers,
            "test_rows": told.rows.iloc[count:],
            "test_answers": told.answers.iloc[count:],
            "public_rows": data.rows,
            "metric": metric,
            "target": recipe.target,
            "training": learn.facts(data, recipe) | {"feedback": msgspec.to_builtins(learnt)},
            "said": [*data.said, *said],
        },
    )


def _with(data: Data, told: Selections, count: int) -> Data:
    """The data, and behind them the `count` oldest selections."""
    rows, answers = [told.rows.iloc[:count]], [told.answers.iloc[:count]]
    # pandas mixes the types of a column without rows with that of the others.
    if len(data.rows):
        rows, answers = [data.rows, *rows], [data.answers, *answers]
    return msgspec.structs.replace(
        data,
        rows=pd.concat(rows, ignore_index=True),
        answers=pd.concat(answers, ignore_index=True),
    )


def _choices(
    build: learn.Build, known: Data, first: int, recipe: Recipe
) -> tuple[str, list[_Choice]]:
    """The metric, and what may be fitted, the most rows first; selections begin at `first`."""
    every = np.arange(len(known.rows))
    estimator = learn.built(build, known.rows, known.answers, recipe)
    choices = [_Choice(ALL if first else ALL_TOLD, every)]
    size = len(every) - first if first else len(every) // 2
    least = known.answers.nunique() if is_classifier(estimator) else 0
    while size >= MIN_WINDOW:
        places = every[-size:]
        counts = known.answers.iloc[places].value_counts() if least else None
        if counts is not None and (counts >= MIN_OF_CLASS).sum() < least:
            break
        choices.append(_Choice(f"the newest {size} selections", places))
        size //= 2
    return recipe.metric or default_metric(estimator), choices


def _scores(
    build: learn.Build,
    known: Data,
    choices: list[_Choice],
    metric: str,
    recipe: Recipe,
    say: search.Say,
) -> dict[str, np.ndarray]:
    """The scores of each choice in blocks of the newest rows, each predicted by all others.

    Choices that cannot be scored are left out. There are none where there is nothing to choose.
    """
    if len(choices) == 1 or not metric:
        return {}
    told = next(choice.places for choice in choices if choice.name != ALL)
    newest = told[-_part(len(told), len(told) // 2) :]
    found = {}
    for choice in choices:
        blocks = [
            (np.setdiff1d(choice.places, block), block) for block in np.array_split(newest, BLOCKS)
        ]
        rows, answers = known.rows.iloc[choice.places], known.answers.iloc[choice.places]
        try:
            estimator = learn.built(build, rows, answers, recipe)
            found[choice.name] = np.array(
                search.validate(estimator, known, blocks, metric, say).scores
            )
        except Unusable:
            # As the log loss, where a block has one class.
            continue
    return found


def _chosen(choices: list[_Choice], scores: dict[str, np.ndarray]) -> _Choice:
    """The choice of most rows that is no worse than the best one, within one standard error.

    The rule of Breiman, Friedman, Olshen and Stone (1984), Classification and Regression Trees.
    """
    if not scores:
        return choices[0]
    best = max(scores.values(), key=lambda found: float(found.mean()))

    def is_good(choice: _Choice) -> bool:
        worse = best - scores[choice.name]
        return bool(worse.mean() <= worse.std(ddof=1) / math.sqrt(BLOCKS))

    good = [choice for choice in choices if choice.name in scores and is_good(choice)]
    return max(good, key=lambda choice: len(choice.places))


def _iso(at: float) -> str:
    """A time in ISO 8601, never before `at`."""
    up = math.ceil(at * 1000) / 1000
    return dt.datetime.fromtimestamp(up, dt.UTC).isoformat(timespec="milliseconds")
