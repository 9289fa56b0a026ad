"""Rows that a service has answered, with the truth that people told, as rows of a training."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path, PurePath
from typing import Any

import msgspec
import numpy as np
import pandas as pd

from models.candidate.facts import Column, Served
from models.rows.words import some
from models.training.data import Data
from models.training.facts import Feedback, Job, Labelled, Unusable
from models.training.recipe import EXAMPLE, TABLE
from models.training_rows import columns_of

# What stands in the place of a value that is in PREDICTION_HASH.
HIDDEN = "hmac:"
# A fit sums up squares of numbers: those of larger ones are infinite.
MAX_NUMBER = 1e150


class Selections(msgspec.Struct, frozen=True, kw_only=True):
    """n rows in the order of their times; those of one time in any order.

    `rows` have the shape (n, n_features), with the columns and dtypes of the data; `answers` and
    `times`, in seconds since 1970, have the shape (n,). `left_out` rows do not fit the contract of
    today, have no value where it wants one, or a number beyond MAX_NUMBER.
    """

    rows: pd.DataFrame
    answers: pd.Series[Any]
    times: np.ndarray
    left_out: int


def load(feedback: Feedback, served: Served, data: Data) -> Selections:
    """The rows of a file of `Labelled` lines. Raises Unusable."""
    lines = Path(feedback.path).read_bytes().splitlines()
    told = [msgspec.json.decode(line, type=Labelled) for line in lines]
    fitting = [row for row in told if _fits(served, row)]
    # The rows of one body have one time, and may be in the order of their labels.
    random.Random(0).shuffle(fitting)  # noqa: S311
    fitting.sort(key=lambda row: row.at)
    columns = {
        column.name: _column(column, [row.inputs[j] for row in fitting], data)
        for j, column in enumerate(served.columns)
    }
    return Selections(
        rows=pd.DataFrame(columns, columns=columns_of(data.rows)),
        answers=_answers([row.label for row in fitting], served, data),
        times=np.array([row.at for row in fitting], np.float64),
        left_out=len(told) - len(fitting),
    )


def fit_to(data: Data, job: Job) -> Data:
    """The data with their columns in the order of the active version's.

    Raises Unusable where the columns are others: the rows that were kept have those of the active
    version.
    """
    if job.served.form != "table":
        raise Unusable("a model of texts does not learn from selections: train it without feedback")
    kept, wanted = [column.name for column in job.served.columns], columns_of(data.rows)
    if {*kept} == {*wanted}:
        return msgspec.structs.replace(data, rows=data.rows[kept])
    differing = []
    if more := [name for name in wanted if name not in kept]:
        differing.append(f"have {some(more)}, which the active version does not take")
    if missing := [name for name in kept if name not in wanted]:
        differing.append(f"lack {some(missing)}, which the active version takes")
    trained = f"TRAIN={job.function}" if job.function else f"TRAIN is not set: {EXAMPLE}"
    own = str((job.card.get("training") or {}).get("function", ""))
    set_it = f"TRAIN={own}" if own not in ("", TABLE, job.function) else "TRAIN=module:function"
    # The example's versions would be refused.
    first = ", or train and activate a version without feedback first" if job.function else ""
    raise Unusable(
        f"{trained} trains on {PurePath(data.source).name}, whose columns "
        f"{', and '.join(differing)}. Set {set_it}, the function that makes the active version, "
        f"and start the service again{first}"
    )


def _fits(served: Served, row: Labelled) -> bool:
    values = [*row.inputs, row.label]
    if any(isinstance(value, (int, float)) and abs(value) > MAX_NUMBER for value in values):
        return False
    return len(row.inputs) == len(served.columns) and all(
        value is not None or column.optional
        for value, column in zip(row.inputs, served.columns, strict=True)
    )


def _column(column: Column, values: Sequence[Any], data: Data) -> pd.Series[Any]:
    """Plain values as a column of the data. Raises Unusable."""
    name, like = column.name, data.rows[column.name]
    if any(isinstance(value, str) and value.startswith(HIDDEN) for value in values):
        raise Unusable(
            f"{name} of the rows that are kept is hidden by PREDICTION_HASH, and cannot be learnt "
            "from: keep it as it is, or let the function of TRAIN leave it out"
        )
    series = pd.Series(values, dtype=object)
    try:
        return _typed(series, like)
    except (ValueError, TypeError):
        # The error has a value in it, and whoever reads logs may not see it.
        raise Unusable(
            f"{name} is {like.dtype} in the data, and the rows that are kept have other values: "
            "train without feedback"
        ) from None


def _typed(values: pd.Series[Any], like: pd.Series[Any]) -> pd.Series[Any]:
    """Plain values with the dtype of the data, unless that has no place for some of them."""
    if isinstance(like.dtype, pd.CategoricalDtype):
        known = like.cat.categories
        new = [value for value in values.dropna().unique() if value not in known]
        return values.astype(pd.CategoricalDtype([*known, *new], like.cat.ordered))
    if pd.api.types.is_datetime64_any_dtype(like):
        zone = getattr(like.dtype, "tz", None)
        times = pd.to_datetime(values, format="ISO8601", utc=zone is not None)
        return times.dt.tz_convert(zone) if zone is not None else times
    if pd.api.types.is_bool_dtype(like) or not pd.api.types.is_numeric_dtype(like):
        whole = values.notna().all() or not pd.api.types.is_bool_dtype(like)
        return values.astype(like.dtype) if whole else values.where(values.notna(), np.nan)
    numbers = values.astype(np.float64)
    # Of Int64 and its like, whose values may be missing.
    kind = getattr(like.dtype, "numpy_dtype", like.dtype)
    if pd.api.types.is_float_dtype(like):
        fits, most = True, float(np.finfo(kind).max)
    else:
        fits, most = bool((numbers == numbers.round()).all()), float(np.iinfo(kind).max)
    return numbers.astype(like.dtype) if fits and not (numbers.abs() > most).any() else numbers


def _answers(labels: Sequence[Any], served: Served, data: Data) -> pd.Series[Any]:
    """What was told, with the types that the answers of the data have."""
    like = data.answers
    if served.classes is None:
        return pd.Series(labels, name=like.name, dtype=np.float64)
    known = {_key(value): value for value in like.unique()}
    found = pd.Series(
        [known.get(_key(label), label) for label in labels], name=like.name, dtype=object
    )
    return (
        found.astype(like.dtype) if {*map(_key, labels)} <= known.keys() else found.infer_objects()
    )


def _key(label: Any) -> tuple[bool, Any]:
    # True equals 1.
    return isinstance(label, (bool, np.bool_)), label
