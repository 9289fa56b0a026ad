"""Work is counted, and tells how a plan is run."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.ensemble import GradientBoostingRegressor, RandomForestRegressor
from sklearn.linear_model import LinearRegression
from sklearn.preprocessing import PolynomialFeatures

from models.plan import work
from tests.test_proof_rows import plan_of

X = np.random.default_rng(0).normal(size=(300, 4))


@pytest.mark.parametrize(
    ("model", "batched", "in_python"),
    [
        (LinearRegression(), False, True),
        (RandomForestRegressor(100, random_state=0), True, True),
        (GradientBoostingRegressor(n_estimators=50), False, True),
    ],
    ids=["linear", "a forest", "shallow trees"],
)
def test_the_work_of_a_plan_tells_how_it_is_run(
    model: Any, *, batched: bool, in_python: bool
) -> None:
    plan = plan_of(model.fit(X, X[:, 0]))
    assert work.is_batched(plan, "predict") is batched
    assert work.is_sooner_in_python(plan, "predict") is in_python


def test_what_has_no_form_in_python_is_never_sooner_there() -> None:
    plan = plan_of(LinearRegression().fit(PolynomialFeatures(2).fit_transform(X), X[:, 0]))
    steps = (plan.steps[0].__class__("products", (0,), {}), *plan.steps[1:])
    plan = plan.__class__(
        **{n: getattr(plan, n) for n in plan.__struct_fields__} | {"steps": steps}
    )
    assert not work.is_sooner_in_python(plan, "predict")
