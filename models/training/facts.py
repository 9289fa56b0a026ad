"""What the process of a training is told, and what it tells: plain data as JSON."""

from __future__ import annotations

import msgspec

from models.candidate.facts import Served, Verdict
from models.settings import ModelSettings
from models.training.comparison import Comparison

# The steps of a training, in their order; `check` is that of each new version.
STEPS = ("train", "evaluate", "check", "stage", "activate")


class Unusable(Exception):
    """The training has no result that can be used; the message is one sentence."""


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """What the process is told.

    `function` is TRAIN, `beside` the folder of MODEL_PATH. The process may leave files in `folder`,
    which it removes if it is ended. It ends with the process `parent`, and after `seconds` of
    training. `store` and `name` are those of `models.versions.Store`, `served` the contract of the
    active version.
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


class Trained(msgspec.Struct, frozen=True, kw_only=True):
    """What was trained and evaluated: `model.joblib` and its card lie in the folder of the job.

    `compared` is None where the versions could not be compared, for the reason `not_compared`;
    `unusable` says why there is no model.
    """

    unusable: str = ""
    metrics: dict[str, int | float] = {}
    compared: Comparison | None = None
    not_compared: str = ""


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
