"""The way that every rule is shown to be right: compile, save, load, compare."""

from __future__ import annotations

from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

import joblib
import pytest

from models import fitted
from models.engines.plan import PlanEngine, compile_model
from models.plan import compare, proof_rows
from models.plan import format as plans
from tests.trials import here

Prove = Callable[..., plans.Plan]


@pytest.fixture
def prove(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Prove:
    """Compile a fitted estimator and compare every method on many rows.

    `left` are the methods that have no rule, None if the test itself looks at them.
    """
    # A bake compares ten thousand; here there are hundreds of models.
    monkeypatch.setattr(proof_rows, "ROWS", 1_000)
    monkeypatch.setattr(proof_rows, "ONE_ROW_BATCHES", 10)
    monkeypatch.setattr(proof_rows, "MIN_ROWS", 1_000)
    # A thousand forks take longer than what is tried in them.
    monkeypatch.setattr(fitted, "apart", here)

    def check(estimator: Any, left: Collection[str] | None = (), card: bytes = b"") -> plans.Plan:
        path = tmp_path / "latest.joblib"
        joblib.dump(estimator, path)
        if card:
            path.with_suffix(".json").write_bytes(card)
        model = fitted.load(path)
        own = model.engine
        plans.save(compile_model(model), tmp_path / "latest.plan.npz")
        plan = plans.load(tmp_path / "latest.plan.npz")
        assert left is None or set(plan.fallback) == set(left), plan.fallback
        engine = PlanEngine(plan)
        batches = proof_rows.batches(plan, model.card) if plan.methods else []
        for method in plan.methods:
            compare.compare(method, own, engine, batches, compare.cpu_seconds(2))
            if single := engine.for_one_row(method):
                compare.compare(
                    method, engine, compare.RunsOneRow(single), batches, compare.cpu_seconds(2)
                )
        return plan

    return check
