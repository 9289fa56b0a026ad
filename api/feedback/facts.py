"""The records of feedback: predictions that are kept, selections, and counts by the hour."""

from __future__ import annotations

import hashlib
import random
import time
from collections.abc import Iterable
from typing import Any

import msgspec
import numpy as np

HOUR_SECONDS = 3600
# Of an id: milliseconds since 1970 and random bits, as in a UUID of version 7, RFC 9562.
TIME_DIGITS = 12
ID_DIGITS = 32
INFINITE = ("Infinity", "-Infinity")


class Prediction(msgspec.Struct, frozen=True, kw_only=True):
    """One row that was answered, and its answer.

    `inputs` are plain values in the order of the signature's features: None where a value is
    missing or its feature is in PREDICTION_DROP, a text "hmac:..." where it is in PREDICTION_HASH.
    `label` is the class or the number that was predicted. `ranked` are the probabilities in the
    order of the model's classes, where the method gave them. `owner` is the name of the API key.
    `at` is in seconds since 1970, in UTC.
    """

    id: str
    row: int
    at: float
    version: str
    owner: str
    method: str
    inputs: list[Any]
    label: Any
    ranked: list[float] | None = None


class Selection(msgspec.Struct, frozen=True, kw_only=True):
    """The truth of one prediction as somebody told it, or None for none of the classes.

    `id` and `row` are those of the prediction, or of a task's row. `predicted` is its label, and
    `version` that of the model that predicted it; both are empty while nobody knows them.
    `is_number` says that the label is a value and no class.
    """

    id: str
    row: int
    at: float
    label: Any
    owner: str = ""
    predicted: Any = None
    version: str = ""
    is_number: bool = False


class Hour(msgspec.Struct, frozen=True, kw_only=True):
    """Counts of one hour for one version of the model.

    `hour` is the number of the hour since 1970, `answers` the number of rows that were answered.
    `layout` names what `counts` mean (`models.drift`): counts of several layouts are never added.
    """

    hour: int
    version: str
    layout: str
    answers: int
    counts: np.ndarray


def as_known(label: Any, known: Iterable[Any]) -> Any:
    """The first known label that equals this one: 1.0 and True equal 1; else the label itself."""
    return next((each for each in known if each == label), label)


def is_number(predicted: Any) -> bool:
    """Whether a model without classes predicted a number: NaN and the infinities are kept as words.

    Clusters are whole numbers, and none.
    """
    return predicted is None or isinstance(predicted, float) or predicted in INFINITE


def new_id(at: float | None = None) -> str:
    """An id of a prediction made `at` these seconds since 1970, as 32 hexadecimal digits."""
    milliseconds = int((time.time() if at is None else at) * 1000)
    return f"{milliseconds:012x}7{random.getrandbits(76):019x}"


def id_of_task(task_id: str, created: float) -> str:
    """The id under which the rows of a task are kept, which was created at this time."""
    digest = hashlib.sha256(task_id.encode()).hexdigest()
    return f"{int(created * 1000):012x}8{digest[: ID_DIGITS - TIME_DIGITS - 1]}"


def time_of(prediction_id: str) -> float:
    """When the prediction of this id was made, in seconds since 1970."""
    return int(prediction_id[:TIME_DIGITS], 16) / 1000
