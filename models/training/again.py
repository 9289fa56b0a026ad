"""Train a first model of a table again, with selections, as its card says that it was trained."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from models.errors import ModelError
from models.training import function, learn, table
from models.training.data import Data, load
from models.training.facts import Job, Unusable
from models.training.function import Result
from models.training.recipe import TABLE, Recipe

# The fact of a card that has the parameters which a search chose, once a version has learnt.
SEARCHED = "searched"


def is_table(card: Mapping[str, Any]) -> bool:
    """Whether a card is that of a model which was made of a table without a function of TRAIN."""
    training = card.get("training") or {}
    # No other function is taken from a card: whoever sends one would have it called.
    return training.get("function") == TABLE and bool(card.get("background"))


def learn_again(job: Job, how: learn.Learn) -> Result:
    """What `how` learns with the recipe and the data of the active version's card.

    It learns without the data where they are not there any more. Raises Unusable.
    """
    facts = job.card["training"]
    recipe = Recipe(
        function=TABLE,
        data=facts["data"],
        target=job.card["target"],
        features=tuple(column.name for column in job.served.columns),
        **{name: facts[name] for name in ("seed", "group", "time") if name in facts},
    )
    searched = facts.get(SEARCHED) or (facts.get("cross_validation") or {}).get("parameters") or {}
    classes = job.served.classes is not None

    def made(rows: pd.DataFrame, answers: pd.Series[Any]) -> Any:
        return table.build(rows, answers, classes=classes).set_params(**searched)

    def build(rows: pd.DataFrame, answers: pd.Series[Any]) -> Any:
        return function.call(TABLE, made, rows, answers)

    data = _data(recipe, job)
    result = how(build, data or _nothing(job), recipe, str)
    training = result.facts["training"]
    if searched:
        training[SEARCHED] = searched
    if data is None:
        training["feedback"]["without_data"] = (
            f"{recipe.data}, of which the active version was made, is not there any more, or has "
            "changed"
        )
        result.facts["public_rows"] = _public(job)
    return result


def _data(recipe: Recipe, job: Job) -> Data | None:
    """The rows that the card names, by their SHA-256; None where they are not there any more."""
    try:
        data = load(recipe, job.settings, Path(job.beside))
    except (Unusable, ModelError):
        return None
    return data if data.sha256 == job.card["training"]["sha256"] else None


def _public(job: Job) -> pd.DataFrame:
    """The rows that the active version's card shows, in the types that were fitted."""
    features = job.card["features"]
    names = [column.name for column in job.served.columns]
    rows = pd.DataFrame(job.card["background"], columns=names)
    return rows.astype({name: features[name]["dtype"] for name in names})


def _nothing(job: Job) -> Data:
    """No rows, in the types that were fitted."""
    rows = _public(job).head(0)
    return Data(
        rows=rows, others=rows[[]], answers=pd.Series([], name=job.card["target"], dtype=object),
        order=None, left_out=0, source=job.card["training"]["data"],
        sha256=job.card["training"]["sha256"], said=(),
    )  # fmt: skip
