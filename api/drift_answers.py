"""The JSON answers of `/content/inputs` and `/content/outputs`: live rows against training rows.

Counts are of whole hours in UTC. Shares have their 95 % intervals, `low` to `high`.
"""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from api.answers import Document
from models.drift.report import Drift

At = Annotated[str, Meta(description="When the hour or the day begins, in ISO 8601, in UTC.")]
Version = Annotated[str, Meta(description="The SHA-256 of the model's file.")]
Answers = Annotated[int, Meta(description="Rows that were answered.")]
Counted = Annotated[
    int,
    Meta(
        description="Rows whose values are counted: a sample of more than 256 answers of one row "
        "or 1,024 rows of batches a second and process."
    ),
]
Note = Annotated[str, Meta(description="Why there is nothing to see; empty if there is.")]


class Window(Document):
    """The time that was asked about: this hour and those before it."""

    hours: int
    since: At
    by: Literal["hour", "day"]


class ContentInputs(Document):
    """Each feature against the card of the version that serves, in the hours in which it served."""

    window: Window
    version: Version
    rows: Counted
    features: list[Drift]
    note: Note


class LabelsAt(Document):
    """The counted answers of an hour or a day."""

    at: At
    counts: Annotated[list[int], Meta(description="In the order of the bins of `answers`.")]


class ContentOutputs(Document, kw_only=True):
    """The answers of the version that serves, against its training."""

    window: Window
    version: Version
    rows: Counted
    answers: Annotated[Drift | None, Meta(description="Classes, or ranges of numbers.")]
    confidence: Annotated[
        float | None, Meta(description="The mean probability of the class that was answered.")
    ]
    series: list[LabelsAt]
    note: Note
