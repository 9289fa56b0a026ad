"""What a check is told, and what it tells: plain data, which goes between processes as JSON."""

from __future__ import annotations

from typing import Any, Self

import msgspec

from models.model import Model
from models.settings import ModelSettings
from models.signature.types import Signature


class Fault(Exception):
    """A candidate is refused: `kind` is a short word for metrics, the message is one sentence."""

    def __init__(self, kind: str, reason: str) -> None:
        super().__init__(reason)
        self.kind = kind


class Column(msgspec.Struct, frozen=True):
    """One feature, as its senders know it: `optional` says whether null is accepted."""

    name: str
    kind: str
    optional: bool
    dtype: str = ""


class Served(msgspec.Struct, frozen=True, kw_only=True):
    """The contract of a model: `example` is a row of its card, or None if the card has none."""

    version: str
    form: str
    columns: tuple[Column, ...]
    methods: tuple[str, ...]
    classes: list[Any] | None = None
    example: Any = None

    @classmethod
    def of(cls, model: Model) -> Self:
        """The contract of a loaded model."""
        return cls(
            version=model.version,
            form=model.signature.form,
            columns=columns_of(model.signature),
            methods=model.methods,
            classes=model.classes,
            example=model.card.get("example"),
        )


def columns_of(signature: Signature) -> tuple[Column, ...]:
    """The features of a signature, as their senders know them."""
    return tuple(
        Column(
            feature.name, feature.kind, feature.missing or feature.kind == "unused", feature.dtype
        )
        for feature in signature.features
    )


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """What the process of a check is told.

    `path` is the model's file, in the only folder that the process may write; a plan without a
    joblib file ends with `.plan.npz`. `version` is the SHA-256 of the file.
    """

    path: str
    version: str
    served: Served | None
    settings: ModelSettings
    hostile: bool
    accept: frozenset[str]


class Message(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One line of what the process says: the step that it begins, or what it has found.

    `kind` and `reason` say why the candidate is refused; `accepted` is the last line otherwise.
    """

    step: str = ""
    kind: str = ""
    reason: str = ""
    accepted: bool = False
    changes: tuple[str, ...] = ()
    metrics: dict[str, float] = {}


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """The result of a check.

    `version` is the SHA-256 by which the model is known, "" if the file could not be read. `reason`
    is one sentence, "" if the candidate is accepted, and `kind` a short word for it: hash,
    unreadable, file, process, network, time, memory, type, example, features, classes, methods,
    metrics, plan. `changes` are sentences on what differs from the model served now. `step` is the
    last one that was begun.

    Of an accepted candidate, `file` is the name of its file in the folder of the check:
    `model.joblib`, with its plan beside it if it has one, or `model.plan.npz` if that is all
    (`plan_only`). `plan` is the SHA-256 of the plan, and `metrics` are those of the card.
    """

    version: str = ""
    reason: str = ""
    kind: str = ""
    changes: tuple[str, ...] = ()
    plan_only: bool = False
    step: str = ""
    file: str = ""
    plan: str = ""
    metrics: dict[str, float] = {}
