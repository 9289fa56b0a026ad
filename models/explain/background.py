"""The background: the rows with which a row to be explained is compared."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from models.engines import Rows
from models.errors import InvalidRows, Unexplained
from models.rows.check import check
from models.signature.types import Feature, Signature

# More rows would take longer, and change the mean answer little.
MAX_BACKGROUND_ROWS = 100
# Rows that are made up where the card has statistics, and no rows.
MADE_UP_ROWS = 50
QUARTILES = ("min", "quartile_1", "median", "quartile_3", "max")


def read(signature: Signature, card: Mapping[str, Any]) -> Rows:
    """The card's background, or rows drawn from its statistics as if features were independent.

    Raises Unexplained, with advice, if the card has neither, or if its rows do not fit the model.
    """
    samples = card.get("background")
    if not samples:
        samples = _made(signature, card.get("features"))
    if not isinstance(samples, list):
        raise Unexplained(
            "To explain an answer takes rows to compare with, and the model's card has none: "
            "make card DATA=train.csv puts some of the training data into it (with the MODEL_PATH "
            "of make run, if that has one). The card is the JSON file beside the model, with up to "
            f'{MAX_BACKGROUND_ROWS} rows as {{"background": [[...], ...]}}, with their values in '
            "the order of the features."
        )
    chosen = np.linspace(0, len(samples) - 1, min(len(samples), MAX_BACKGROUND_ROWS)).astype(int)
    try:
        return check(signature, [samples[i] for i in chosen], lambda i: f"/background/{i}").rows
    except InvalidRows as error:
        place = error.places[0]
        raise Unexplained(
            f"The background rows of the model's card do not fit the model: {place.pointer}: "
            f"{place.detail}. Make the card anew: make card DATA=train.csv"
        ) from None


def _made(signature: Signature, facts: Any) -> list[Any] | None:
    """Rows in which each feature has the card's quartiles or counts; None if it lacks them."""
    generator = np.random.default_rng(0)
    columns = []
    for feature in signature.features:
        known = facts.get(feature.name) if isinstance(facts, dict) else None
        try:
            values = _values(feature, known) if isinstance(known, dict) else None
        except (TypeError, ValueError):
            return None
        if feature.kind == "unused":
            values = [None if feature.missing else 0] * MADE_UP_ROWS
        if values is None:
            return None
        columns.append([values[i] for i in generator.permutation(MADE_UP_ROWS)])
    return list(zip(*columns, strict=True))


def _values(feature: Feature, known: Mapping[str, Any]) -> list[Any] | None:
    """Values at evenly spaced quantiles of a feature."""
    parts = (np.arange(MADE_UP_ROWS) + 0.5) / MADE_UP_ROWS
    if counts := known.get("counts"):
        # Names in JSON are text: find the value that each stands for.
        kinds = (True, False) if feature.kind == "boolean" else ()
        spelled = {str(value): value for value in feature.categories or kinds}
        sums = np.cumsum(list(counts.values()))
        names = list(counts)
        chosen = [names[i] for i in np.searchsorted(sums / sums[-1], parts)]
        return [spelled.get(name, name) for name in chosen]
    points = [known[name] for name in QUARTILES if known.get(name) is not None]
    if len(points) < len(QUARTILES):
        return None
    if feature.kind == "datetime":
        return [points[int(part * len(points))] for part in parts]
    values: list[float] = np.interp(parts, np.linspace(0, 1, len(points)), points).tolist()
    if not feature.categories or feature.kind != "number":
        return values
    return [min(feature.categories, key=lambda known: abs(known - value)) for value in values]
