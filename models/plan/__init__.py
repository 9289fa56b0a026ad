"""A fitted estimator as a plan: numpy operations that are compared with scikit-learn.

Running a plan imports neither scikit-learn nor the rules.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from .errors import Difference, NotCompiled, PlanError
from .format import Plan, Step, load, save
from .run import Interpreter, Rows
from .signature import Feature, Signature

if TYPE_CHECKING:
    from .proof import Proof

__all__ = [
    "Difference",
    "Feature",
    "Interpreter",
    "NotCompiled",
    "Plan",
    "PlanError",
    "Signature",
    "Step",
    "compile",
    "load",
    "rule",
    "save",
    "verify",
]

Rule = TypeVar("Rule", bound=Callable[..., Any])


def compile(  # noqa: A001
    estimator: Any,
    signature: Signature | None = None,
    methods: Sequence[str] | None = None,
    **about: Any,
) -> Plan:
    """Compile a fitted estimator; `verify` then compares the plan with it.

    Without a signature the rows are numbers, none missing. `methods` are those to compile, by
    default all. `about` goes into the plan: model, kind, classes, outputs, versions. Methods that
    have no rule are in `Plan.fallback` with the reason.
    """
    from .compiler import compile_plan

    return compile_plan(estimator, signature, methods, **about)


def verify(
    plan: Plan, estimator: Any, rows: Rows | None = None, **how: Any
) -> tuple[Plan, dict[str, Proof]]:
    """Compare a plan with its estimator on ten thousand generated rows, and on `rows`.

    Gives the plan without the methods that differ, which are in its `fallback` with the reason, and
    the proof of each other method. `proof.verify` describes `how`.
    """
    from .proof import verify

    return verify(plan, estimator, rows, **how)


def rule(*kinds: type | str, **how: Any) -> Callable[[Rule], Rule]:
    """Register a function as the rule for these classes of estimator; see `registry.rule`."""
    from . import registry

    return registry.rule(*kinds, **how)
