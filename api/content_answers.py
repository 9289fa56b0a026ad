"""The JSON answers of `/content/`: what the service has counted of its predictions.

Counts are of whole hours in UTC. Shares and means have their 95 % intervals, `low` to `high`.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import Meta

from api.answers import Document
from api.drift_answers import Answers, At, Note, Version, Window
from models.drift.accuracy import AccuracyVerdict

Selected = Annotated[int, Meta(description="Predictions whose truth was told.")]
Coverage = Annotated[
    float | None,
    Meta(
        description="Selections for each answer; null where there is none, and for the second in "
        "which answers are told and not counted yet."
    ),
]
Bound = float | None


class VersionCounts(Document):
    """The rows that one version answered, and those whose truth was told."""

    version: Version
    answers: Answers
    selected: Selected
    coverage: Coverage


class CountsAt(Document):
    """The rows that one version answered in an hour or a day, and those with their truth."""

    at: At
    version: Version
    answers: Answers
    selected: Selected


class ContentPredictions(Document):
    """How many rows were answered: by version, and in each hour or day."""

    window: Window
    answers: Answers
    versions: list[VersionCounts]
    series: list[CountsAt]


Quantile = Annotated[
    float,
    Meta(
        description="Interpolated within a bucket of the histogram in /metrics: of few requests it "
        "may be far from the time of each, and below the mean; it is in the same bucket."
    ),
]


class RouteLatency(Document):
    """The times of one route, in milliseconds: the mean is exact, quantiles are estimates."""

    route: str
    requests: int
    mean: float
    p50: Quantile
    p90: Quantile
    p99: Quantile


class ContentLatency(Document):
    """How long requests took since the service was started, whatever the window."""

    milliseconds: list[RouteLatency]


class LabelCount(Document):
    """How often a class was told; the label is null for none of the classes."""

    label: Any
    kind: Annotated[
        Literal["class", "none of the classes"],
        Meta(description="Tells an empty label in a table from a class of that name."),
    ]
    count: int


class SelectionsAt(Document):
    """The selections for predictions of one version, made in an hour or a day."""

    at: At
    version: Version
    selected: Selected
    none: int


class ContentSelections(Document):
    """The truths that were told, by class, and in each hour or day of the prediction."""

    window: Window
    answers: Answers
    selected: Selected
    none: Annotated[int, Meta(description="Those that told: none of the classes.")]
    coverage: Coverage
    labels: list[LabelCount]
    series: list[SelectionsAt]


class VersionAccuracy(Document, kw_only=True):
    """How good the answers of one version were, as far as their truth was told."""

    version: Version
    selected: Selected
    correct: int | None
    accuracy: float | None
    mean_absolute_error: float | None
    bias: Annotated[float | None, Meta(description="The mean of predicted minus told.")]
    low: Bound
    high: Bound
    answers: Answers
    coverage: Coverage
    verdict: Annotated[
        AccuracyVerdict,
        Meta(
            description="Against its own card: worse or better only where both intervals are apart."
        ),
    ]


class AccuracyAt(Document, kw_only=True):
    """How good the answers of one version were in an hour or a day."""

    at: At
    version: Version
    selected: Selected
    correct: int | None
    accuracy: float | None
    mean_absolute_error: float | None
    low: Bound
    high: Bound


class CardAccuracy(Document, kw_only=True):
    """The metric in the card of the version that serves, on rows held out in its training."""

    version: Version
    accuracy: float | None
    mean_absolute_error: float | None
    low: Bound
    high: Bound
    rows: int | None


class Confusion(Document):
    """How often a class was told (columns) where a class was predicted (rows).

    The last column, whose label is null, is none of the classes. The classes are those of the
    version that serves, and of others that are kept. Of more than 50, it has those that were
    predicted or told most often.
    """

    labels: list[Any]
    counts: list[list[int]]


class ContentAccuracy(Document, kw_only=True):
    """How good the answers were, by version, and in each hour or day, against the card.

    The metric is that of the version that serves; versions of which the other kind was told have
    no figures. For numbers, it is the mean absolute error, whose interval needs 30 selections.
    """

    window: Window
    metric: Literal["accuracy", "mean_absolute_error"]
    versions: list[VersionAccuracy]
    card: CardAccuracy
    days: list[AccuracyAt]
    confusion: Annotated[Confusion | None, Meta(description="Of all versions together.")]


class ContentTasks(Document, kw_only=True):
    """The tasks that are kept, and how those ended that were ever accepted."""

    states: dict[str, int]
    ended: dict[str, int]
    rows: int
    attempts: int
    oldest_seconds: float | None
    note: Note


class VersionFacts(Document, kw_only=True):
    """A version, the service's own or one that has answered in the window."""

    version: Version
    state: Literal["active", "before", "kept", "removed"]
    added: str
    release: str
    metrics: dict[str, Any]
    answers: Answers
    selected: Selected


class SwapAt(Document):
    """A time at which another version began to serve."""

    at: str
    version: Version


class ContentModels(Document):
    """The versions, and when each began to serve."""

    window: Window
    active: Version
    versions: list[VersionFacts]
    swaps: list[SwapAt]


class ContentInfo(Document, kw_only=True):
    """The settings of feedback: which rows are kept, where, and for how long."""

    model: str
    version: Version
    mode: Annotated[
        Literal["all", "statistics", "off"],
        Meta(description="all: rows, selections and counts; statistics: selections and counts."),
    ]
    note: Note
    kept_in: Annotated[str, Meta(description="Where it is kept, in words.")]
    ttl_seconds: float
    rate: Annotated[int, Meta(description="Answers a second and process whose rows are kept.")]
    hashed: Annotated[
        list[str], Meta(description="Features that are kept as an HMAC, and not counted.")
    ]
    dropped: Annotated[list[str], Meta(description="Features that are neither kept nor counted.")]
    predictions: Annotated[int, Meta(description="Predictions that are kept.")]
    selections: Annotated[int, Meta(description="All selections since the store was made.")]
    first: Annotated[str | None, Meta(description="The first hour with counts, in ISO 8601.")]
    last: Annotated[str | None, Meta(description="The last hour with counts, in ISO 8601.")]
    values: Annotated[list[str], Meta(description="The names after /content/ that there are.")]
