"""The card of a model: facts that the estimator does not hold, as JSON beside its joblib file."""

from __future__ import annotations

import datetime as dt
import hashlib
import math
import platform
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import msgspec
import numpy as np
import pandas as pd
import sklearn
from sklearn.base import is_regressor

from models.files import write_file

# Training rows in a card, with which explanations compare a row.
BACKGROUND_ROWS = 50
# The most frequent values of a column are counted, but for long texts.
MAX_COUNTED_VALUES = 100
MAX_TEXT_CHARACTERS = 200
QUANTILES = {"min": 0.0, "quartile_1": 0.25, "median": 0.5, "quartile_3": 0.75, "max": 1.0}
# The bins of numbers and dates have a tenth of the rows each; a value that more rows have, and each
# of so few values, has a bin of its own.
MAX_OWN_BINS = PARTS = 10
DECILES = [n / PARTS for n in range(1, PARTS)]


def write_card(
    model_path: Path,
    estimator: Any,
    rows: pd.DataFrame | None,
    *,
    target: str,
    metrics: Mapping[str, int | float],
    answers: pd.Series[Any] | None = None,
    background_rows: int = BACKGROUND_ROWS,
    more: Mapping[str, Any] = MappingProxyType({}),
) -> Path:
    """Write `latest.json` for `latest.joblib`.

    `rows` are the rows it was fitted on, shape (n_samples, n_features): see `of_rows`; None if they
    are not known. `answers` are the labels it was fitted on, for the share of each class, or the
    numbers, for their statistics. `more` is what else goes into the card.
    """
    with model_path.open("rb") as file:
        version = hashlib.file_digest(file, "sha256").hexdigest()
    card = {
        "sha256": version,
        "created": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
        "estimator": type(estimator).__name__,
        "target": target,
        "classes": np.asarray(getattr(estimator, "classes_", [])).tolist(),
        "metrics": metrics,
        **(of_rows(rows, background_rows) if rows is not None else {}),
        "versions": {
            "python": platform.python_version(),
            "scikit-learn": sklearn.__version__,
            "numpy": np.__version__,
        },
    }
    if answers is not None:
        card |= of_answers(answers, is_class=not is_regressor(estimator))
    return save(model_path, card | dict(more))


def of_rows(rows: pd.DataFrame, background_rows: int) -> dict[str, Any]:
    """The part of a card about training rows.

    It holds the dtype and the statistics of each feature, an example (the first row with the
    fewest missing values), and the background: `background_rows` random rows, with which
    explanations compare a row. If that is 0, no row goes into the card: the example has medians
    and most frequent values, and explanations compare with rows made of the statistics.
    """
    # argmin gives the first of the rows with the fewest missing values.
    best = int(rows.isna().sum(axis=1).to_numpy().argmin())
    example = rows.iloc[[best]] if background_rows else typical(rows)
    return {
        "example": dict(zip(rows.columns, values(example)[0], strict=True)),
        "features": {name: describe(rows[name]) for name in rows},
        "background": background(rows, background_rows),
    }


def of_answers(answers: pd.Series[Any], *, is_class: bool) -> dict[str, Any]:
    """The part of a card about the known answers: the shares of classes, or what numbers are."""
    if is_class:
        return {"class_shares": shares(answers)}
    # Predicted numbers are hardly ever equal to a frequent one.
    return {"target_values": describe(answers, own_bins=False)} if _is_number(answers) else {}


def save(model_path: Path, card: Mapping[str, Any]) -> Path:
    """Write a card beside its model, and give its path."""
    path = model_path.with_suffix(".json")
    encoded = msgspec.json.encode(card, enc_hook=lambda value: value.item())
    write_file(path, msgspec.json.format(encoded, indent=2) + b"\n")
    return path


def describe(column: pd.Series[Any], *, own_bins: bool = True) -> dict[str, Any]:
    """The training statistics of one feature: its pandas dtype, missing values, distribution.

    The dtype of objects that are dates without a time is called "date". Numbers and times have a
    range, quartiles and bins, numbers also mean and standard deviation; categories are listed in
    their order; other values are counted. With `own_bins` frequent numbers have bins of their own.
    """
    known = column.dropna()
    dates = column.dtype == object and pd.api.types.infer_dtype(known) == "date"
    facts: dict[str, Any] = {
        "dtype": "date" if dates else str(column.dtype),
        "count": len(known),
        "missing": len(column) - len(known),
    }
    if isinstance(column.dtype, pd.CategoricalDtype):
        facts["categories"] = [plain(value) for value in column.cat.categories]
        facts["ordered"] = bool(column.cat.ordered)
    elif pd.api.types.is_datetime64_any_dtype(column):
        if len(known):
            points = known.quantile(list(QUANTILES.values()), interpolation="nearest")
            facts |= dict(zip(QUANTILES, map(plain, points), strict=True))
            facts["bins"] = bins(
                known, known.quantile(DECILES, interpolation="nearest"), own=own_bins
            )
        return facts
    elif _is_number(column):
        numbers = known.astype(np.float64)
        numbers = numbers[np.isfinite(numbers)]
        found = {name: float(numbers.quantile(part)) for name, part in QUANTILES.items()}
        found |= {"mean": float(numbers.mean()), "std": float(numbers.std())}
        if len(numbers):
            facts["bins"] = bins(numbers, numbers.quantile(DECILES), own=own_bins)
        return facts | {name: value for name, value in found.items() if math.isfinite(value)}
    return facts | counted(known)


def bins(known: pd.Series[Any], deciles: pd.Series[Any], *, own: bool = True) -> dict[str, Any]:
    """How many values are up to each edge, and how many are above the last.

    Inputs are compared with them (`models.drift`). Edges are the deciles. With `own`, a value that
    a tenth of the rows have gets a bin of its own: an edge that is there twice, of which the first
    counts the values below it. The lowest value needs one edge only.
    """
    often = known.value_counts()
    few = own and len(often) <= MAX_OWN_BINS
    frequent = often[(often * PARTS >= len(known)) | few].index if own else often.index[:0]
    edges = pd.Series(frequent) if few else pd.concat([deciles, pd.Series(frequent)])
    edges = edges.drop_duplicates().sort_values()
    times = 1 + (edges.isin(frequent) & (edges > known.min())).to_numpy()
    values, places = known.sort_values().to_numpy(), edges.to_numpy()
    ends = np.repeat(np.searchsorted(values, places, side="right"), times)
    first_of_two = np.cumsum(times)[times > 1] - 2
    ends[first_of_two] = np.searchsorted(values, places[times > 1], side="left")
    return {
        "edges": [plain(edge) for edge in edges.repeat(times)],
        "counts": np.diff([0, *ends.tolist(), len(values)]).tolist(),
    }


def _is_number(column: pd.Series[Any]) -> bool:
    return pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column)


def counted(known: pd.Series[Any]) -> dict[str, Any]:
    """The number of distinct values, and the counts of the most frequent ones by their text.

    If not all are listed, values that occur once are left out: they may name a person.
    """
    counts = known.astype(object).map(text).value_counts()
    facts: dict[str, Any] = {"distinct": len(counts)}
    if len(counts) > MAX_COUNTED_VALUES:
        counts = counts[counts > 1][:MAX_COUNTED_VALUES]
    listed = {
        str(name): int(n) for name, n in counts.items() if len(str(name)) <= MAX_TEXT_CHARACTERS
    }
    return facts | ({"counts": listed} if listed else {})


def shares(answers: pd.Series[Any]) -> dict[str, float]:
    """The share of each class among known answers, the largest first."""
    found = answers.value_counts(normalize=True)
    return {text(label): float(share) for label, share in found.items()}


def background(rows: pd.DataFrame, count: int) -> list[list[Any]]:
    """Random rows of the training data, with a fixed seed; None is a missing value."""
    return values(rows.sample(min(len(rows), count), random_state=0))


def typical(rows: pd.DataFrame) -> pd.DataFrame:
    """One row with the middle or the most frequent value of each column."""
    return pd.DataFrame({name: _middle(rows[name]) for name in rows})


def _middle(column: pd.Series[Any]) -> pd.Series[Any]:
    known = column.dropna()
    if not len(known):
        return column[:1].reset_index(drop=True)
    if _is_number(column) or pd.api.types.is_datetime64_any_dtype(column):
        known = known.sort_values()
        return known.iloc[[(len(known) - 1) // 2]].reset_index(drop=True)
    names = known.astype(object).map(text)
    most = int((names == names.value_counts().index[0]).to_numpy().argmax())
    return known.iloc[[most]].reset_index(drop=True)


def values(rows: pd.DataFrame) -> list[list[Any]]:
    """The values of rows as plain values for JSON."""
    columns = [[plain(value) for value in rows[name].astype(object)] for name in rows]
    return [list(row) for row in zip(*columns, strict=True)]


def plain(value: Any) -> Any:
    """A plain value for JSON: None if it is missing, ISO 8601 for a time, else its text."""
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, (bool, str)):
        return value
    if isinstance(value, (int, float)):
        return value if math.isfinite(value) else None
    if value is None or value is pd.NA or value is pd.NaT:
        return None
    if isinstance(value, (dt.date, dt.time)):
        return value.isoformat()
    return str(value)


def text(value: Any) -> str:
    """A value as the name of a member in a JSON object."""
    return str(plain(value))
