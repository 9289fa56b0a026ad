"""The parts of an evaluation beside its scores: what a report draws and lists."""

from __future__ import annotations

import msgspec

from models.evaluation.facts import Score


class Confusion(msgspec.Struct, frozen=True, kw_only=True):
    """How often each class was predicted: `counts[i][j]` rows of `labels[i]` as `labels[j]`.

    A label that is no class of the model is never predicted.
    """

    labels: list[str]
    counts: list[list[int]]


class OfClass(msgspec.Struct, frozen=True, kw_only=True):
    """How well one class is told: `rows` are of it, and `predicted` rows were said to be.

    Precision is the share of `predicted` that are of the class, recall the share of `rows` that
    were found; None where there are none to take a share of.
    """

    label: str
    rows: int
    predicted: int
    precision: Score | None
    recall: Score | None
    f1: float


class Bin(msgspec.Struct, frozen=True, kw_only=True):
    """`rows` with nearly the same predicted probability, and the share that turned out so."""

    predicted: float
    observed: Score
    rows: int


class Calibration(msgspec.Struct, frozen=True, kw_only=True):
    """Predicted probabilities against observed shares.

    They are the probabilities of the class `label`, or, if that is "", of each row's predicted
    class. `expected_error` is the mean distance between the two over all rows.
    """

    label: str
    bins: list[Bin]
    expected_error: float


class Curve(msgspec.Struct, frozen=True, kw_only=True):
    """The ROC curve of one class against all others, and its area.

    Each of `points` is the share of other rows that are taken for the class, and the share of the
    class that is found.
    """

    label: str
    area: float
    points: list[tuple[float, float]]


class Histogram(msgspec.Struct, frozen=True, kw_only=True):
    """How numbers are spread: `counts[i]` lie between `edges[i]` and `edges[i + 1]`."""

    mean: float
    quantiles: dict[str, float]
    edges: list[float]
    counts: list[int]


class Residuals(msgspec.Struct, frozen=True, kw_only=True):
    """Errors of a regressor: actual minus predicted, and pairs of (actual, predicted)."""

    errors: Histogram
    points: list[tuple[float, float]]


class Slice(msgspec.Struct, frozen=True, kw_only=True):
    """The rows whose `column` has `value`, with their scores.

    `worse` names the scores that are worse than those of all other rows by more than chance: the
    95 % interval of the difference does not hold 0.
    """

    column: str
    value: str
    rows: int
    scores: dict[str, Score]
    worse: list[str]


class Group(msgspec.Struct, frozen=True, kw_only=True):
    """A cluster, or the inliers or outliers, and how many rows it has."""

    label: str
    rows: int


class Gate(msgspec.Struct, frozen=True, kw_only=True):
    """A condition on a metric, and why it is not met: "" if it is."""

    condition: str
    missed: str
