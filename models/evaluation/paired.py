"""Two models on the same rows: a test of who is right more often, and a verdict in words."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Literal

import msgspec
import numpy as np
from scipy.stats import binomtest, wilcoxon

from models.evaluation import words
from models.evaluation.bootstrap import Difference
from models.evaluation.facts import Answers, Kind
from models.evaluation.intervals import MIN_ROWS
from models.evaluation.labels import truth_of

# Which B is; "" where it cannot be told.
Outcome = Literal["better", "worse", ""]
# The metric that decides, for each kind of models, unless the rows do not allow it.
DECIDES: dict[Kind, str] = {
    "classifier": "accuracy",
    "regressor": "r2",
    "clusterer": "silhouette",
    "outliers": "roc_auc",
}
# A difference is told in 4 of 5 samples of so many times the rows at which its interval just
# excludes 0: ((1.96 + 0.84) / 1.96)².
POWER = 2.04
# More rows than these are no advice.
MAX_ROWS_ADVISED = 100_000_000


class PairedTest(msgspec.Struct, frozen=True, kw_only=True):
    """A paired test of two models: how likely such a difference is if neither is better.

    On `only_a` rows only A is right, or it is closer to the truth; on `only_b` rows B is.
    """

    name: str
    p_value: float
    only_a: int
    only_b: int


def test_of(a: Answers, b: Answers) -> PairedTest | None:
    """McNemar's exact test for labels, Wilcoxon's signed-rank test for errors of numbers.

    None for models without a known truth, and for clusters, whose numbers mean nothing.
    """
    if a.truth is None or a.kind == "clusterer":
        return None
    truth = truth_of(a)
    if a.kind == "regressor":
        far_a, far_b = np.abs(a.predictions - truth), np.abs(b.predictions - truth)
        name = "Wilcoxon's signed-rank test of the absolute errors"
    else:
        far_a, far_b = a.predictions != truth, b.predictions != truth
        name = "McNemar's exact test"
    only_a, only_b = int((far_a < far_b).sum()), int((far_b < far_a).sum())
    if not only_a + only_b:
        p_value = 1.0
    elif a.kind == "regressor":
        p_value = float(wilcoxon(far_a, far_b, method="approx").pvalue)
    else:
        p_value = float(binomtest(only_a, only_a + only_b).pvalue)
    return PairedTest(name=name, p_value=p_value, only_a=only_a, only_b=only_b)


def differ(a: Answers, b: Answers) -> np.ndarray:
    """The places, among these rows, of those that the models answer differently.

    Those of numbers come with the largest difference first. The numbers of clusters mean nothing.
    """
    if a.kind == "clusterer":
        return np.arange(0)
    if a.kind == "regressor":
        apart = np.abs(a.predictions - b.predictions)
        # The two engines of one model may differ by rounding.
        places = np.flatnonzero(~np.isclose(a.predictions, b.predictions, rtol=1e-9, atol=0))
        return places[np.argsort(-apart[places], kind="stable")]
    return np.flatnonzero(a.predictions != b.predictions)


def deciding(kind: Kind, differences: Mapping[str, Difference]) -> str:
    """The metric that decides: that of the kind, or the first that these rows have; "" for none."""
    names = [DECIDES[kind], *differences]
    return next((name for name in names if name in differences and name != "outlier_share"), "")


def verdict(kind: Kind, differences: Mapping[str, Difference], rows: int) -> tuple[Outcome, str]:
    """Whether B is better, worse, or "" if this cannot be told, and a sentence on it."""
    name = deciding(kind, differences)
    if not name:
        return "", "It cannot be told whether B is better: these rows have no metric of both models"
    found = differences[name]
    interval = "no interval"
    if found.low is not None and found.high is not None:
        interval = f"{words.number(found.low)} to {words.number(found.high)}"
    size = abs(found.difference)
    way = "higher" if found.difference > 0 else "lower"
    said = f"its {name} is {words.number(size)} {way} ({interval}) on {words.rows(rows)}"
    if found.verdict:
        return found.verdict, f"B is {found.verdict} than A: {said}{_others(differences, name)}"
    start = "It cannot be told whether B is better than A"
    if not size:
        return "", f"{start}: {name} is equal on {words.rows(rows)}{_others(differences, name)}"
    return "", f"{start}: {said}{_needed(found, rows)}{_others(differences, name)}"


def _needed(found: Difference, rows: int) -> str:
    """How many rows would tell a difference of this size, if it is the true one."""
    if rows < MIN_ROWS:
        return f"; it takes {MIN_ROWS} rows or more to tell anything"
    if found.low is None or found.high is None:
        return ""
    reach = (found.high - found.low) / 2
    needed = POWER * rows * (reach / found.difference) ** 2
    if not math.isfinite(needed) or needed > MAX_ROWS_ADVISED:
        return "; no number of rows at hand would tell so small a difference"
    # Two digits: it is an estimate.
    digits = max(0, len(str(int(needed))) - 2)
    rounded = math.ceil(max(needed, rows + 1) / 10**digits) * 10**digits
    return (
        f"; if the true difference is as large, about {words.rows(rounded)} will probably tell it"
    )


def _others(differences: Mapping[str, Difference], name: str) -> str:
    """Which other metrics are better or worse."""
    parts = []
    for which in ("better", "worse"):
        names = [key for key, each in differences.items() if each.verdict == which and key != name]
        if names:
            parts.append(f"B is {which} by {', '.join(names)}")
    return f". Of the other metrics, {' and '.join(parts)}" if parts else ""
