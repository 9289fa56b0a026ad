"""What counts say of each feature and of the answers, against the training rows."""

from __future__ import annotations

import datetime as dt
import itertools
from collections.abc import Sequence
from typing import Annotated, Any, Literal

import msgspec
import numpy as np
from msgspec import Meta

from models.drift.columns import Column
from models.drift.layout import CONFIDENCE_PARTS, Layout
from models.drift.psi import Difference, Verdict, difference
from models.evaluation.intervals import wilson

Psi = Annotated[
    float | None,
    Meta(description="Population stability index; null where there is nothing to compare."),
]
Noise = Annotated[float | None, Meta(description="The mean index of as many rows without drift.")]
Critical = Annotated[
    float | None,
    Meta(
        description="The index above which it is drift: without any, at most 5 % of samples have "
        "one of their features above it."
    ),
]
Word = Annotated[
    Verdict,
    Meta(
        description="unknown: there is nothing to compare with; not counted: hidden by "
        "PREDICTION_DROP or PREDICTION_HASH, or never looked at by the model; too few: not enough "
        "rows; none: no more than noise has on average; within noise: not above the critical "
        "index; slight, drifted, drifted much: above it, and below 0.1, from 0.1, from 0.25."
    ),
]


class Share(msgspec.Struct, frozen=True, kw_only=True):
    """A share of live rows with its 95 % interval, and the share in training, if it is known."""

    count: int
    share: float
    low: float
    high: float
    trained: float | None = None


class Bin(msgspec.Struct, frozen=True, kw_only=True):
    """A category, a class, or a range of numbers: its live rows, and its share in training."""

    label: str
    count: int
    trained: float | None = None


class Drift(msgspec.Struct, frozen=True, kw_only=True):
    """Live values of one feature, or answers, against those of the training."""

    name: str
    kind: Literal["number", "date", "category"]
    rows: Annotated[int, Meta(description="Live rows that are counted: of many a sample.")]
    missing: Annotated[int, Meta(description="Live rows without a value.")]
    psi: Psi
    noise: Noise
    critical: Critical
    verdict: Word
    missing_share: Annotated[Share | None, Meta(description="Of all rows.")]
    outside_share: Annotated[
        Share | None, Meta(description="Of values: those out of the range in training.")
    ]
    unknown_share: Annotated[
        Share | None, Meta(description="Of values: those that training did not have.")
    ]
    bins: list[Bin]


def features(layout: Layout, counts: np.ndarray) -> list[Drift]:
    """What counts, shape (layout.size,), say of each feature."""
    compared = sum(column.trained is not None for column in layout.features)
    return [
        _drift(column, counts[start : start + column.size], compared)
        for start, column in zip(layout.starts, layout.features, strict=False)
    ]


def answers(layout: Layout, counts: np.ndarray) -> Drift | None:
    """What counts say of the answers; None where the layout has none."""
    if layout.output is None:
        return None
    return _drift(layout.output, counts[answer_cells(layout)], 1)


def answer_cells(layout: Layout) -> slice:
    """Where the counts of answers are."""
    start = layout.starts[-1]
    return slice(start, start + (layout.output.size if layout.output else 0))


def answer_series(layout: Layout, parts: Sequence[np.ndarray]) -> list[list[int]]:
    """The answers in each bin that `answers` tells of all parts together, for each of these.

    A part is the counts in `answer_cells`.
    """
    if layout.output is None or not parts:
        return [[] for _ in parts]
    cells = np.stack(parts)
    return cells[:, _shown(layout.output, cells.sum(axis=0))].tolist()  # type: ignore[no-any-return]


def confidence(counts: np.ndarray) -> float | None:
    """The mean probability of the class that was answered; None if no method told one."""
    rows, total = counts[-2:].tolist()
    return total / CONFIDENCE_PARTS / rows if rows else None


def share(count: int, rows: int, trained: float | None = None) -> Share | None:
    """A share of rows with its interval; None of no rows."""
    if not rows:
        return None
    low, high = wilson(count / rows, rows)
    return Share(count=count, share=count / rows, low=low, high=high, trained=trained)


def _not_counted(column: Column) -> Drift:
    fields = ("psi", "noise", "critical", "missing_share", "outside_share", "unknown_share")
    nothing: dict[str, Any] = dict.fromkeys(fields)
    return Drift(
        name=column.name,
        kind=column.kind,
        rows=0,
        missing=0,
        verdict="not counted",
        bins=[],
        **nothing,
    )


def _drift(column: Column, live: np.ndarray, compared: int) -> Drift:
    if column.hidden:
        return _not_counted(column)
    trained = None if column.trained is None else np.array(column.trained, np.int64)
    inner = column.edges and column.kind != "category"
    found = (
        _difference(column, live, trained, compared)
        if inner
        else difference(live, trained, compared, tail={column.size - 3, column.size - 1})
    )
    rows, missing, unknown = int(live.sum()), int(live[-2]), int(live[-1])
    known = rows - missing
    outside = None
    if inner:
        outside = share(int(live[0] + live[-3]), known, None if trained is None else 0.0)
    is_told = column.known is not None
    return Drift(
        name=column.name,
        kind=column.kind,
        rows=rows,
        missing=missing,
        psi=found.psi,
        noise=found.noise,
        critical=found.critical,
        verdict=found.verdict,
        missing_share=share(missing, rows, _part(trained, -2)),
        outside_share=outside,
        unknown_share=share(unknown, known, 0.0) if is_told or unknown else None,
        bins=_bins(column, live, trained),
    )


def _difference(
    column: Column, live: np.ndarray, trained: np.ndarray | None, compared: int
) -> Difference:
    """How far numbers are from those of the training, those out of the range in the end bins.

    No training row is out of the range. Numbers below a bin of one value stay apart from it; above
    one, there is an empty bin.
    """
    first = 0 if 0 in column.alone else 1
    return difference(
        _folded(live, first),
        None if trained is None else _folded(trained, first),
        compared,
        ordered=len(column.edges) - first,
        alone={i + 1 - first for i in column.alone},
    )


def _folded(cells: np.ndarray, first: int) -> np.ndarray:
    """The cells of numbers from the first one that stays, with all others in the end bins."""
    folded = cells[first:].copy()
    folded[0] += cells[:first].sum()
    # The last bin is before the numbers above it, the missing and the unknown values.
    folded[-4] += folded[-3]
    return np.delete(folded, -3)


def _part(trained: np.ndarray | None, cell: int) -> float | None:
    if trained is None or not trained.sum():
        return None
    return float(trained[cell] / trained.sum())


def _bins(column: Column, live: np.ndarray, trained: np.ndarray | None) -> list[Bin]:
    shares: list[float | None] = [None] * len(live)
    if trained is not None and (total := int(trained[:-2].sum())):
        shares = (trained[:-2] / total).tolist()
    names = labels(column)
    return [
        Bin(label=names[i], count=int(live[i]), trained=shares[i]) for i in _shown(column, live)
    ]


def _shown(column: Column, live: np.ndarray) -> list[int]:
    """The cells of values, without those that can hold nothing."""
    found = [i for i, label in enumerate(labels(column)) if label]
    if column.kind == "category":
        other = found[-1]
        if not live[other] and not (column.trained and column.trained[other]):
            del found[-1]
    elif column.trained is not None:
        # Between two values with bins of their own there is nothing, most often.
        found = [i for i in found if i in (0, len(column.edges)) or live[i] or column.trained[i]]
    return found


def labels(column: Column) -> list[str]:
    """The name of each cell of values; empty for those that can hold nothing."""
    if column.kind == "category":
        return [*column.values, "other"]
    if not column.edges:
        return ["all"]
    # The edge below a value is called as the value is.
    names = [_name(column, column.edges[i + (i in column.alone)]) for i in range(len(column.edges))]
    ranges = [f"{low} to {high}" for low, high in itertools.pairwise(names)]
    for i, (low, high) in enumerate(itertools.pairwise(column.edges)):
        if i in column.alone:
            ranges[i] = names[i]
        elif low == high:
            ranges[i] = ""
    return [f"below {names[0]}", *ranges, f"above {names[-1]}"]


def _name(column: Column, edge: float) -> str:
    if column.kind == "date":
        return dt.datetime.fromtimestamp(edge, dt.UTC).date().isoformat()
    return f"{edge:.6g}"
