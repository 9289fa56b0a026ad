"""The JSON answers of `/content/inputs` and `/content/outputs`: live rows against training rows.

Counts are of whole hours in UTC. Shares have their 95 % intervals, `low` to `high`.
"""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from api.answers import Document
from models.drift.verdict import Verdict

At = Annotated[str, Meta(description="When the hour or the day begins, in ISO 8601, in UTC.")]
Version = Annotated[str, Meta(description="The SHA-256 of the model's file.")]
Psi = Annotated[
    float | None,
    Meta(description="Population stability index; null where there is nothing to compare."),
]
Noise = Annotated[float | None, Meta(description="The mean PSI of as many rows without drift.")]
Critical = Annotated[
    float | None,
    Meta(
        description="The PSI that rows without drift exceed with a probability of 0.05, divided by "
        "the number of features."
    ),
]
Told = Annotated[
    Verdict,
    Meta(
        description="unknown: nothing to compare with; too few: rows; none: no more than noise on "
        "average; within noise: not above the critical value; slight, drifted, drifted much: above "
        "it, and a PSI below 0.1, from 0.1, from 0.25."
    ),
]
Labels = Annotated[list[str], Meta(description="Names of the bins: categories, or ranges.")]
Live = Annotated[list[int], Meta(description="Rows in each bin.")]
Trained = Annotated[
    list[float] | None, Meta(description="The share of each bin in training; null if not known.")
]
Answers = Annotated[int, Meta(description="Rows that were answered.")]


class Window(Document):
    """The time that was asked about: this hour and those before it."""

    hours: int
    since: At
    by: Literal["hour", "day"]


class Share(Document):
    """A share of rows, and the same share in training, where that is known."""

    count: int
    share: float
    low: float
    high: float
    trained: float | None


class FeatureDrift(Document, kw_only=True):
    """One feature: its live rows against its training rows."""

    name: str
    kind: Literal["number", "date", "category"]
    rows: Answers
    missing: Annotated[int, Meta(description="Rows without a value.")]
    psi: Psi
    noise: Noise
    critical: Critical
    verdict: Told
    missing_share: Share | None
    outside_share: Annotated[
        Share | None, Meta(description="Of known values, those out of the range in training.")
    ]
    unknown_share: Annotated[
        Share | None, Meta(description="Of known values, those that training did not have.")
    ]
    bins: Labels
    live: Live
    trained: Trained


class ContentInputs(Document):
    """Each feature against the card of the version that serves, since it serves."""

    window: Window
    version: Version
    rows: Answers
    features: list[FeatureDrift]
    note: Annotated[str, Meta(description="Why there is nothing to compare; else empty.")]


class LabelShare(Document):
    """One class or range of numbers among the answers."""

    label: str
    count: int
    share: float
    low: float
    high: float
    trained: float | None


class LabelsAt(Document):
    """The answers of an hour or a day, by class or range."""

    at: At
    counts: Annotated[list[int], Meta(description="In the order of `labels`.")]


class ContentOutputs(Document, kw_only=True):
    """What the version that serves answered, against its training."""

    window: Window
    version: Version
    kind: Literal["classes", "numbers", "none"]
    rows: Annotated[int, Meta(description="Answers that are a class or a number.")]
    psi: Psi
    noise: Noise
    critical: Critical
    verdict: Told
    confidence: Annotated[
        float | None, Meta(description="The mean probability of the class that was answered.")
    ]
    labels: list[LabelShare]
    series: list[LabelsAt]
    note: str
