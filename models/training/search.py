"""Cross-validate an estimator, and choose among the values of its parameters."""

from __future__ import annotations

import math
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import msgspec
import numpy as np
from sklearn.base import clone
from sklearn.model_selection import ParameterGrid

from models.errors import brief
from models.rows.words import some
from models.training.data import Data
from models.training.facts import Unusable
from models.training.scoring import score
from models.training.split import Places

Say = Callable[[str], object]


class Validated(msgspec.Struct, frozen=True, kw_only=True):
    """The scores of one estimator in cross-validation: one a fold, and of these mean and std."""

    metric: str
    scores: list[float]
    mean: float
    std: float
    parameters: dict[str, Any] = {}


def validate(
    estimator: Any,
    data: Data,
    folds: Sequence[tuple[Places, Places]],
    metric: str,
    say: Say,
) -> Validated:
    """The scores of an estimator on each fold, fitted on the others. Raises Unusable."""
    return _validate(estimator, data, folds, metric, _progress(say, len(folds), "cross-validation"))


def choose(
    estimator: Any,
    data: Data,
    folds: Sequence[tuple[Places, Places]],
    metric: str,
    grid: Mapping[str, list[Any]],
    say: Say,
) -> tuple[Any, list[Validated]]:
    """The estimator with the best parameters of a grid, not fitted, and the scores of all.

    The first of equal scores is chosen. Raises Unusable.
    """
    known = estimator.get_params()
    if unknown := [name for name in grid if name not in known]:
        last = f"{estimator.steps[-1][0]}__" if hasattr(estimator, "steps") else ""
        own = sorted(name for name in known if name.startswith(last))
        raise Unusable(f"SEARCH names {some(unknown)}: expected parameters as {some(own)}")
    if empty := [name for name, values in grid.items() if not values]:
        raise Unusable(f"SEARCH has no value for {some(empty)}")
    candidates = list(ParameterGrid(dict(grid)))
    progress = _progress(say, len(candidates) * len(folds), "search")
    found = []
    for parameters in candidates:
        try:
            tried = clone(estimator).set_params(**parameters)
        except (TypeError, ValueError, AttributeError) as error:
            raise Unusable(f"SEARCH: {parameters} cannot be set ({brief(error)})") from None
        done = _validate(tried, data, folds, metric, progress)
        found.append(msgspec.structs.replace(done, parameters=parameters))
    best = max(range(len(found)), key=lambda i: (found[i].mean, -i))
    return clone(estimator).set_params(**found[best].parameters), found


def _validate(
    estimator: Any,
    data: Data,
    folds: Sequence[tuple[Places, Places]],
    metric: str,
    progress: Iterator[None],
) -> Validated:
    scores = []
    for fit, held in folds:
        next(progress)
        with warnings.catch_warnings():
            # Each fold would repeat what the fit on all rows says.
            warnings.simplefilter("ignore")
            try:
                fitted = clone(estimator).fit(data.rows.iloc[fit], data.answers.iloc[fit])
                found = score(metric, fitted, data.rows.iloc[held], data.answers.iloc[held])
            except Exception as error:
                raise Unusable(
                    f"a fold of the cross-validation cannot be had ({brief(error)}): mend the "
                    "model, or set FOLDS=0"
                ) from None
        if not math.isfinite(found):
            raise Unusable(f"the {metric} of a fold is no number: set FOLDS to fewer, or to 0")
        scores.append(found)
    return Validated(
        metric=metric, scores=scores, mean=float(np.mean(scores)), std=float(np.std(scores))
    )


def _progress(say: Say, count: int, what: str) -> Iterator[None]:
    """Say how far `count` fits are, and how long the rest will take; each `next` begins one."""
    started = time.monotonic()
    done = 0
    while True:
        rest = (time.monotonic() - started) / done * (count - done) if done else 0
        left = f", about {rest:.0f} s left" if rest > 1 else ""
        done += 1
        say(f"{what}: fit {done} of {count}{left}")
        yield
