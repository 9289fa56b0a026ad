"""Run a model by its plan, and by scikit-learn where the plan lacks a method."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from models.engines import Engine, Rows
from models.model import Model
from models.plan.format import Plan
from models.plan.run import Interpreter


class PlanEngine(Interpreter):
    """Runs the methods that a plan has; see `Engine`.

    `fallback` gives the engine for the other methods; it is called at the first request for one.
    """

    def __init__(self, plan: Plan, fallback: Callable[[], Engine] | None = None) -> None:
        super().__init__(plan)
        self.batchable = plan.batchable
        self.concurrent = frozenset(plan.methods).difference(plan.batched)
        self._fallback = fallback
        forms = {
            method: self.for_one_row(method) for method in plan.one_row if method in plan.methods
        }
        self.one_row = {method: form for method, form in forms.items() if form}

    def run_other(self, method: str, rows: Rows) -> Any:
        """Call a method that the plan lacks, with scikit-learn."""
        if self._fallback is None:
            return super().run_other(method, rows)
        return self._fallback().run(method, rows)

    def refuses(self, method: str, error: Exception) -> bool:
        """Whether an error of a call says that the model refuses the values of its rows."""
        if method in self._lines or self._fallback is None:
            # Operations raise only ValueError.
            return isinstance(error, ValueError)
        return self._fallback().refuses(method, error)


def compile_model(model: Model) -> Plan:
    """The plan of a model; `fallback` has its methods without a rule."""
    from models.plan import compile as compile_plan

    return compile_plan(
        model.estimator,
        model.signature,
        model.methods,
        model=model.version,
        kind=model.kind,
        classes=model.classes,
        outputs=model.outputs,
        versions=model.versions,
    )
