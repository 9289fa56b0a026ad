"""Compile the model to a plan and prove it: `python -m models.bake models/latest.joblib`.

It writes `latest.plan.npz`, with those methods that answer as scikit-learn does, and says so in the
card `latest.json`. The joblib file stays the truth: a plan belongs to its SHA-256.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from api import fitted
from api.engines import plan as plans
from api.engines.choice import plan_path
from api.engines.scikit_learn import ScikitLearnEngine
from api.model import Model, ModelError
from models import proof
from models.compiler import compile_model

# Microseconds for one row over which it pays to wait for the rows of others: to wait takes ten.
DEAR = 40.0
# With fewer rows answered nothing is proven.
ENOUGH = 1000
# A plan that takes twice as long for any number of rows is none.
SLOWER = 0.5


def bake(path: Path) -> dict[str, Any]:
    """Compile, prove and save; what was found, for each method.

    Raises ModelError if the model cannot be served, OSError if there is no writing beside it.
    """
    model = fitted.load(path)
    plan, found = proven(model, ScikitLearnEngine(model))
    plans.save(plan, plan_path(path))
    report = {
        method: msgspec.to_builtins(found[method], str_keys=True)
        if method in found
        else {"engine": "scikit-learn", "reason": plan.left[method]}
        for method in model.methods
    }
    write_card(path, model, report)
    return report


def proven(model: Model, own: ScikitLearnEngine) -> tuple[plans.Plan, dict[str, proof.Proof]]:
    """The plan, less what it does not do as scikit-learn does; and the proof for the rest."""
    plan = compile_model(model, own.signature)
    engine = plans.PlanEngine(plan)
    left = dict(plan.left)
    found = {}
    alone: list[str] = []
    batches = proof.batches(plan, model.card)
    for method in plan.methods:
        try:
            proof_ = proof.prove(method, own, engine, batches)
        except proof.Difference as difference:
            left[method] = str(difference)
            continue
        if reason := not_worth_it(proof_):
            left[method] = reason
        else:
            found[method] = proof_
    joined = tuple(method for method, proof_ in found.items() if worth_waiting(proof_.microseconds))
    for method, proof_ in found.items():
        if faster := proof.prove_alone(method, engine, proof_, batches):
            found[method] = faster
            alone.append(method)
    methods = {method: value for method, value in plan.methods.items() if method in found}
    plan = msgspec.structs.replace(
        plan,
        methods=methods,
        left=left,
        joined=joined,
        alone=tuple(alone),
        mergeable=own.mergeable,
    )
    return plan, found


def not_worth_it(found: proof.Proof) -> str:
    """Why scikit-learn is the better engine for a method all the same; empty if it is not."""
    if found.rows < ENOUGH:
        return f"scikit-learn answered only {found.rows} of the rows that were tried"
    slow = [f"{count:,} rows" for count, faster in found.faster.items() if faster < SLOWER]
    return f"scikit-learn is faster for {', '.join(slow)}" if slow else ""


def worth_waiting(microseconds: Mapping[int, float]) -> bool:
    """Whether it pays to wait for others' rows: a call is dear, and many rows are cheaper each."""
    return microseconds[1] > DEAR and microseconds[64] / 64 < microseconds[1] / 2


def write_card(path: Path, model: Model, report: dict[str, Any]) -> None:
    """Add what was found to the card, which is made if there is none for this model."""
    card = dict(model.card) or {"sha256": model.version, "estimator": model.kind}
    card["plan"] = report
    place = path.with_suffix(".json")
    place.write_bytes(msgspec.json.format(msgspec.json.encode(card), indent=2) + b"\n")


def table(report: dict[str, Any]) -> str:
    """What was found, for a person."""
    lines: list[tuple[str, ...]] = [
        ("method", "engine", "rows compared", "largest difference", "faster: 1 row", "64", "1,024")
    ]
    for method, facts in report.items():
        if "reason" in facts:
            lines.append((method, "scikit-learn", facts["reason"], "", "", "", ""))
            continue
        times = [f"{value:.1f} x" for value in facts["faster"].values()]
        difference = f"{facts['difference']:.1e}" if facts["difference"] else "none"
        lines.append((method, "plan", f"{facts['rows']:,}", difference, *times))
    widths = [max(len(line[i]) for line in lines if len(line[2]) < 40) for i in range(7)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )


def main() -> None:
    """Bake one model and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model_path", nargs="?", type=Path, default="models/latest.joblib")
    path = parser.parse_args().model_path
    try:
        report = bake(path)
    except ModelError as error:
        sys.exit(f"error: {error}")
    except OSError as error:
        print(
            f"{path} is served without a plan: "
            f"{error.filename} cannot be written ({error.strerror})"
        )
        return
    print(table(report))


if __name__ == "__main__":
    main()
