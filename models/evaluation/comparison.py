"""The findings of a comparison of two models."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from models.evaluation.bootstrap import Difference
from models.evaluation.facts import Kind
from models.evaluation.paired import Outcome, PairedTest
from models.evaluation.speed import Speed


class Side(msgspec.Struct, frozen=True, kw_only=True):
    """One of the two models: what it is, its size and its speed.

    `version` is the SHA-256 of its file; `plan_bytes` is 0 without a plan. `speed` is None where it
    could not be measured.
    """

    path: str
    title: str
    version: str
    estimator: str
    engine: Literal["plan", "scikit-learn"]
    bytes: int
    plan_bytes: int
    speed: Speed | None


class Example(msgspec.Struct, frozen=True, kw_only=True):
    """One row that the models answer differently: its place in the data, counted from 1."""

    row: int
    features: dict[str, Any]
    a: Any
    b: Any
    truth: Any


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """How the model B compares with the model A on `rows` rows of `data` that both answer.

    `left_out` are rows that one of them refuses, or whose truth is missing. Each difference is
    that of B less A; `unmeasured` says why there is none of a metric. `different` rows have two
    answers; `examples` are the first of them, or those of regressors that are farthest apart.
    `outcome` is B's, "" where it cannot be told, and `verdict` the sentence on it.
    """

    a: Side
    b: Side
    kind: Kind
    data: str
    sha256: str
    target: str
    rows: int
    left_out: int
    notes: list[str]
    differences: dict[str, Difference]
    unmeasured: dict[str, str]
    test: PairedTest | None
    different: int
    examples: list[Example]
    outcome: Outcome
    verdict: str

    def __str__(self) -> str:
        """The comparison as lines for a terminal."""
        from models.evaluation.compare_text import text

        return text(self)

    def __repr__(self) -> str:
        """The comparison as lines, which a notebook shows."""
        return str(self)
