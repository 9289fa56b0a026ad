"""What the process of a training is told, and what it tells: plain data as JSON."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any

import msgspec

from models.candidate.facts import Served, Verdict
from models.settings import ModelSettings
from models.training.comparison import Comparison

# The steps of a training, in their order; `check` is that of each new version.
STEPS = ("train", "evaluate", "check", "stage", "activate")


class Unusable(Exception):
    """The training has no result that can be used; the message is one sentence."""


class Labelled(msgspec.Struct, frozen=True, array_like=True):
    """One row, as a line of JSON: `at` is in seconds since 1970, `inputs` as in the contract."""

    at: float
    label: Any
    inputs: list[Any]


class Feedback(msgspec.Struct, frozen=True, kw_only=True):
    """The selections that a training learns from.

    `path` is a file of lines of JSON, each a `Labelled`. The active version knows
    those of predictions up to `until`, in seconds since 1970.
    """

    path: str
    until: float


class Learnt(msgspec.Struct, frozen=True, kw_only=True):
    """What a model that learnt from selections was fitted on.

    It was fitted on `data_rows` rows of the data and the `selections` newest selections but the
    `held_out` ones, which are newer than these and than all that the active version knows. `since`
    and `until` are the times of the predictions of the oldest one that it was fitted on, and of the
    newest one held out, in ISO 8601. `left_out` selections do not fit the contract of today.
    `chosen` says in words what it was fitted on, and `scores` has the mean score of each choice
    in cross-validation on the newest rows. `without_data` says why it was fitted on no data, "" if
    that was its choice.
    """

    chosen: str
    data_rows: int
    selections: int
    held_out: int
    left_out: int
    since: str
    until: str
    scores: dict[str, float]
    without_data: str = ""


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """What the process is told.

    `function` is TRAIN, "" where it is not set, `beside` the folder of MODEL_PATH. The process may
    leave files in `folder`, which it removes if it is ended. It ends with the process `parent`, and
    after `seconds` of training. `store` and `name` are those of `models.versions.Store`, `served`
    the contract of the active version, and `card` its card. `feedback` is None where it trains on
    the data alone.
    """

    function: str
    beside: str
    folder: str
    seconds: float
    parent: int
    store: str
    name: str
    served: Served
    settings: ModelSettings
    card: Mapping[str, Any] = {}
    feedback: Feedback | None = None


class Trained(msgspec.Struct, frozen=True, kw_only=True):
    """What was trained and evaluated: `model.joblib` and its card lie in the folder of the job.

    `compared` is None where the versions could not be compared, for the reason `not_compared`;
    `unusable` says why there is no model. `learnt` is None without feedback.
    """

    unusable: str = ""
    metrics: dict[str, int | float] = {}
    compared: Comparison | None = None
    not_compared: str = ""
    learnt: Learnt | None = None


class Message(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One line of what the process says: the step that it begins, or what came of it.

    `reason` says why there is no version, and `died` that the training ended its process: it may
    be tried again. `verdict` is the one on the files in `checked` in the folder of the job.
    """

    step: str = ""
    reason: str = ""
    died: bool = False
    trained: Trained | None = None
    verdict: Verdict | None = None


def seen_until(card: Mapping[str, Any]) -> float:
    """Up to which time the version of a card knows selections, in seconds since 1970; or 0."""
    try:
        return dt.datetime.fromisoformat(card["training"]["feedback"]["until"]).timestamp()
    except (KeyError, TypeError, ValueError):
        return 0.0
