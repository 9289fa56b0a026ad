"""How a new version of the model compares with the active one."""

from __future__ import annotations

import msgspec


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """The scores of the new and the active version on rows that the new one was not fitted on.

    `metric` is a scoring name of scikit-learn: a higher score is better. Both versions answer the
    same `rows` held-out rows; `left_out` are those that one of them refuses. `interval` holds the
    true difference in 95 % of all samples, None if these rows do not tell it. On `new_closer` rows
    only the new version is right, or it is closer to a number; on `active_closer` rows the active
    one is.
    """

    metric: str
    new_score: float
    active_score: float
    difference: float
    interval: tuple[float, float] | None
    rows: int
    left_out: int
    new_closer: int | None
    active_closer: int | None
