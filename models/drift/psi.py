"""The population stability index of two samples, and the value that chance alone hardly exceeds."""

from __future__ import annotations

import math
from collections.abc import Collection
from functools import lru_cache
from typing import Literal, NamedTuple

import numpy as np

Verdict = Literal[
    "unknown",
    "not counted",
    "too few",
    "none",
    "within noise",
    "slight",
    "drifted",
    "drifted much",
]
# The verdicts that somebody should be told of: a slight drift is sure, and too small to matter.
DRIFTED: tuple[Verdict, ...] = ("drifted", "drifted much")
# The usual sizes of an index that matter: Siddiqi (2006), Credit Risk Scorecards.
MEDIUM = 0.1
LARGE = 0.25
# At most 0.05 of samples without drift may be taken for drifted, over all features together. The
# index of few rows has heavier tails than the chi-squared distribution: in simulations, this holds
# with 0.03.
ALPHA = 0.03
MIN_ROWS = 100
MIN_TRAINED_ROWS = 50
# Cells with fewer rows expected in the smaller sample are merged: bins with their neighbours, as
# few wide ones find a moved mean more often, and categories with other rare ones. A bin of one
# value is as a category, and so is the bin that ends below it.
MIN_IN_BIN = 30
MIN_IN_CATEGORY = 10
# Added to each cell, so that an empty one has a logarithm.
SMOOTHING = 0.5


class Difference(NamedTuple):
    """How far a sample is from the training rows.

    `noise` is the mean index of two samples as large without drift, `critical` the index that they
    hardly ever exceed. All are None where there are too few rows, or nothing to compare with.
    """

    verdict: Verdict
    psi: float | None = None
    noise: float | None = None
    critical: float | None = None


def difference(
    live: np.ndarray,
    trained: np.ndarray | None,
    features: int,
    *,
    ordered: int = 0,
    alone: Collection[int] = (),
    tail: Collection[int] = (),
) -> Difference:
    """Compare the counts of a sample with those of the training rows, both of shape (cells,).

    `features` is how many are compared at a time; the first `ordered` cells are neighbours,
    and those in `alone` are of one value each. Cells in `tail` are of values that training had
    seldom or never.
    """
    if trained is None:
        return Difference("unknown")
    rows, known = int(live.sum()), int(trained.sum())
    if rows < MIN_ROWS or known < MIN_TRAINED_ROWS:
        return Difference("too few")
    both = _merged(np.stack([live, trained]), ordered, alone, tail)
    cells = both.shape[1]
    shares = (both + SMOOTHING) / (both.sum(axis=1, keepdims=True) + cells * SMOOTHING)
    psi = float(((shares[0] - shares[1]) * np.log(shares[0] / shares[1])).sum())
    # Divided by this, the index of samples without drift has a chi-squared distribution: Yurdakul
    # (2018), Statistical Properties of the Population Stability Index.
    unit = 1 / rows + 1 / known
    noise, critical = unit * (cells - 1), unit * chi_squared(cells - 1, ALPHA / max(features, 1))
    return Difference(_verdict(psi, noise, critical), psi, noise, critical)


def _verdict(psi: float, noise: float, critical: float) -> Verdict:
    if psi <= noise:
        return "none"
    if psi <= critical:
        return "within noise"
    if psi < MEDIUM:
        return "slight"
    return "drifted" if psi < LARGE else "drifted much"


def _merged(
    both: np.ndarray, ordered: int, alone: Collection[int], tail: Collection[int]
) -> np.ndarray:
    """Both samples, shape (2, cells), without cells of few rows."""
    sizes = both.sum(axis=1)
    # The rows that both cells together let expect in the smaller sample, for each row.
    part = sizes.min() / sizes.sum()
    cells: list[np.ndarray] = []
    group = np.zeros(2, np.int64)
    for i, cell in enumerate(both[:, :ordered].T):
        group = group + cell
        is_apart = i in alone or i + 1 in alone
        if group.sum() * part >= (MIN_IN_CATEGORY if is_apart else MIN_IN_BIN):
            cells.append(group)
            group = np.zeros(2, np.int64)
    if cells:
        cells[-1] = cells[-1] + group
    elif ordered:
        cells.append(group)
    # Of many rare values some are new in each sample, also without drift: I. J. Good (1953), The
    # Population Frequencies of Species. So unknown ones count as the rare ones of training.
    few = np.zeros(2, np.int64)
    for i, cell in enumerate(both[:, ordered:].T, ordered):
        if i not in tail and cell.sum() * part >= MIN_IN_CATEGORY:
            cells.append(cell)
        else:
            few = few + cell
    if few.sum() * part >= MIN_IN_CATEGORY or not cells:
        cells.append(few)
    else:
        smallest = min(range(len(cells)), key=lambda i: int(cells[i].sum()))
        cells[smallest] = cells[smallest] + few
    return np.stack(cells, axis=1)


@lru_cache(4096)
def chi_squared(degrees: int, tail: float) -> float:
    """The chi-squared value that is exceeded with the probability `tail`; 0 for 0 degrees."""
    if not degrees:
        return 0.0
    low, high = 0.0, 1.0
    while _tail(degrees, high) > tail:
        high *= 2
    while high - low > 1e-12 * high:
        middle = (low + high) / 2
        low, high = (middle, high) if _tail(degrees, middle) > tail else (low, middle)
    return high


def _tail(degrees: int, value: float) -> float:
    """The probability of more than a value: Abramowitz and Stegun (1964), 26.4.4 and 26.4.5."""
    half = value / 2
    odd = degrees % 2
    found = math.erfc(math.sqrt(half)) if odd else 0.0
    term = math.exp(-half) * (math.sqrt(half) * 2 / math.sqrt(math.pi) if odd else 1.0)
    for i in range(degrees // 2):
        found += term
        term *= half / (i + (1.5 if odd else 1))
    return found
