"""Train a release version of a model: `python -m models.training.train VERSION`.

`make train` runs this. It writes `models/NAME-VERSION.joblib` with the card, the rows that were
held out and the plan beside it, all of them or none.
"""

from __future__ import annotations

from models import printing

if __name__ == "__main__":
    # While the libraries are imported, too.
    printing.end_quietly()

import argparse
import logging
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pandas as pd

from models import releases
from models.bound import Bound
from models.errors import ModelError
from models.files import plan_path, read_card, version_of
from models.rows.words import some
from models.settings import ModelSettings, SettingsError
from models.training import cards, function, learn, options
from models.training.data import load, take
from models.training.facts import Unusable
from models.training.function import Result
from models.training.recipe import EXAMPLE, TABLE, Recipe
from models.training_rows import columns_of

Say = Callable[[str], object]


class Trained(msgspec.Struct, frozen=True, kw_only=True):
    """A model that was trained: its file, its metrics on held-out rows, and sentences on it.

    `intervals` hold the true value of a metric in 95 % of all samples.
    """

    path: Path
    metrics: dict[str, int | float]
    intervals: cards.Intervals = {}
    said: tuple[str, ...] = ()

    def __str__(self) -> str:
        """The sentences, and a line with the metrics."""
        count = self.metrics.get("rows_held_out", 0)
        scores = [name for name in self.metrics if not name.startswith("rows_")]
        listed = ", ".join(map(self._score, scores)) or "not measured"
        measured = f"{listed}, on {count:,} row{'s' * (count != 1)} held out" if count else listed
        return "\n".join([*(f"note: {each}" for each in self.said), f"{self.path}: {measured}"])

    def _score(self, name: str) -> str:
        said = f"{name.replace('_', ' ')} {_short(self.metrics[name])}"
        if name in self.intervals:
            low, high = map(_short, self.intervals[name])
            said += f" ({low} to {high})"
        return said


def _short(value: float) -> str:
    """A number with four digits, or with all before the point."""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def train(
    build: Callable[..., Any] | str = "",
    *,
    version: str = "",
    name: str = "model",
    data: str | Path | pd.DataFrame = "",
    target: str = "",
    folder: str | Path = releases.FOLDER,
    bake: bool = True,
    **more: Any,
) -> Trained:
    """Train the release `version` of the model `name`, by default the next one, into `folder`.

    `build` is a function of (rows, answers) that gives an estimator, or its name as in TRAIN; a
    linear model of all columns by default. `data` is a file or an address of rows, or a DataFrame,
    `target` its column of known answers; both default to the example's. `more` are the other
    fields of `models.training.recipe.Recipe`, as drop=["id"] and search={"classify__C": [1, 10]}.
    `bake` makes the plan, too.

    Raises Unusable or ModelError with one sentence; then no file is written.
    """
    given = build if callable(build) else None
    named = f"{given.__module__}:{given.__qualname__}" if given else str(build)
    frame = data if isinstance(data, pd.DataFrame) else None
    source = "a DataFrame" if frame is not None else str(data)
    recipe = Recipe(
        function=named or (TABLE if source else EXAMPLE),
        data=source,
        target=target,
        **_checked(more),
    )
    folder = Path(folder)
    release = version.removeprefix("v") or releases.next_release(name, folder)
    path = releases.file_of(name, release, folder)
    if there := [each for each in releases.files_of(path) if each.exists()]:
        raise ModelError(
            f"{there[0]} exists, and a release version never changes: train the next one, VERSION="
            f"{releases.next_release(name, folder)}, or delete its files"
        )
    say = Bound().say
    try:
        found = fit(recipe, folder, say, given, frame)
    finally:
        say("")
    return write(found, path, {"name": name, "release": release}, bake=bake)


def example(path: Path) -> Trained:
    """Train the example model and write it to `path`. Raises Unusable or ModelError."""
    found = fit(Recipe(), path.parent, str)
    return write(found, path, {"name": "model", "release": releases.FIRST})


def _checked(options: dict[str, Any]) -> dict[str, Any]:
    """Options of `train` as a recipe has them. Raises Unusable for one that there is not."""
    own = [name for name in Recipe.__struct_fields__ if name not in ("function", "data", "target")]
    if unknown := [name for name in options if name not in own]:
        raise Unusable(f"train has no option {some(unknown)}; it has {some(own)}")
    found = dict(options)
    for name in {"drop", "features"} & options.keys():
        value = options[name]
        found[name] = (value,) if isinstance(value, str) else tuple(value)
    return found


def fit(
    recipe: Recipe,
    beside: Path,
    say: Say,
    build: Callable[..., Any] | None = None,
    frame: pd.DataFrame | None = None,
    how: learn.Learn = learn.learn,
) -> Result:
    """What a recipe gives: a fitted estimator with its facts; modules may lie in `beside`, too.

    `build` is its function, `frame` its rows, if these are there already. `how` fits what a
    function of rows and answers builds. Raises Unusable or ModelError.
    """
    recipe.check()
    build = build or function.find(recipe.function, beside)
    if function.takes_rows(recipe.function, build):
        recipe = recipe.of_module(sys.modules[build.__module__])
        if frame is None:
            data = load(recipe, ModelSettings.from_env(os.environ), beside)
        else:
            frame = frame.set_axis(columns_of(frame), axis=1).reset_index(drop=True)
            data = take(recipe, frame, recipe.data)

        def built(rows: Any, answers: Any) -> Any:
            return function.call(recipe.function, build, rows, answers)

        return how(built, data, recipe, say)
    if recipe.data or recipe.search:
        raise Unusable(
            f"TRAIN={recipe.function} takes nothing, and reads its own rows: leave DATA and SEARCH "
            "out, or let it take (rows, answers) and give an estimator that is not fitted"
        )
    if how is not learn.learn:
        raise Unusable(
            f"TRAIN={recipe.function} takes nothing, and reads its own rows: to learn from "
            "selections, let it take (rows, answers) and give an estimator that is not fitted"
        )
    return function.read(recipe.function, function.call(recipe.function, build))


def write(found: Result, path: Path, names: dict[str, str], *, bake: bool = False) -> Trained:
    """Write a model, its card, the rows held out, and its plan if asked: all of them or none.

    `names` go into the card. Raises Unusable or ModelError.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".new-", dir=path.parent) as folder:
            new = Path(folder) / path.name
            function.dump(found.estimator, new)
            metrics = cards.save_card(new, found, names)
            cards.save_held_out(new, found)
            if bake:
                _bake(new)
            for place in reversed(releases.files_of(new)):
                if place.exists():
                    place.replace(path.parent / place.name)
    except OSError as error:
        raise ModelError(
            f"{error.filename or path.parent} cannot be written ({error.strerror})"
        ) from None
    card = read_card(path.with_suffix(".json"), version_of(path))
    return Trained(
        path=path,
        metrics=metrics,
        intervals=card["intervals"],
        said=(*found.facts.get("said", ()), *cards.no_better(found, metrics)),
    )


def _bake(path: Path) -> None:
    """Make the plan in a process of its own: there scikit-learn has one thread."""
    command = [sys.executable, "-m", "models.bake", str(path)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    done = subprocess.run(  # noqa: S603
        command, check=False, stdout=subprocess.DEVNULL, env=environment
    )
    if done.returncode or not plan_path(path).exists():
        raise Unusable("the model cannot be served, for the reason above")


def _do(given: argparse.Namespace) -> Trained:
    chosen = options.of_recipe(given)
    if given.to:
        return example(given.to)
    name = releases.name_of(given.name)
    return train(
        given.function,
        version=given.version,
        name=name,
        data=given.data,
        target=given.target,
        **chosen,
    )


def main() -> None:
    """Train what the command line says, and tell how good the model is."""
    # The sentence names the line: a traceback helps whoever asks for it.
    level = logging.DEBUG if os.environ.get("LOG_LEVEL") == "debug" else logging.ERROR
    logging.getLogger("models").setLevel(level)
    try:
        done = _do(options.read(__doc__))
    except (Unusable, ModelError, SettingsError) as error:
        sys.exit(f"error: {error}")
    printing.say(str(done))


if __name__ == "__main__":
    main()
