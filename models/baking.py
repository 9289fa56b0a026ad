"""Compile a model to a plan, prove the plan, and save it beside the model."""

from __future__ import annotations

import importlib
import importlib.util
import logging
from pathlib import Path
from typing import Any

import msgspec

from models import fitted, pins
from models.bound import Bound
from models.engines.plan import compile_model
from models.errors import brief
from models.files import plan_path, version_of, write_file
from models.model import Model
from models.plan import Plan, Signature, save
from models.plan.proof import verify

log = logging.getLogger("models")

# CPU time for all rows of one method; BAKE_SECONDS may leave less.
MAX_SECONDS_OF_A_PROOF = 20.0


def bake(path: Path, sha256: str = "", limit: Bound | None = None) -> dict[str, Any]:
    """Compile, prove and save the plan of a model; the result of each method.

    Raises ModelError if the model cannot be served, OSError if its folder is not writable.
    """
    limit = limit or Bound()
    limit.say("loading the model")
    register_own_rules()
    # The plan names the hash of its joblib file, pinned or not.
    report, digest = bake_loaded(path, fitted.load(path, version_of(path, sha256)), limit)
    pins.remember(digest)
    limit.say("")
    return report


def bake_loaded(path: Path, model: Model, limit: Bound) -> tuple[dict[str, Any], str]:
    """Compile, prove and save the plan of a model that is loaded from `path`.

    Gives the result of each method, and the SHA-256 of the plan. Raises OSError.
    """
    limit.say("compiling the model")
    plan, found = verify(
        compile_model(model),
        model.engine,
        card=model.card,
        part=lambda parts: limit.part(MAX_SECONDS_OF_A_PROOF, parts).left,
        say=limit.say,
    )
    plan = msgspec.structs.replace(plan, batchable=model.engine.batchable)
    report = {
        method: msgspec.to_builtins(found[method], str_keys=True)
        if method in found
        else {"engine": "scikit-learn", "reason": plan.fallback[method]}
        for method in model.methods
    }
    write_card(path, model, report)
    # Last, so that it is not older than its card.
    return report, save(plan, plan_path(path))


def register_own_rules() -> None:
    """Import models/steps.py if there is one: it may register rules."""
    if importlib.util.find_spec("models.steps") is None:
        return
    try:
        importlib.import_module("models.steps")
    except Exception as error:
        log.debug("models/steps.py cannot be imported", exc_info=True)
        log.warning("models/steps.py cannot be imported (%s): it brings no rules", brief(error))


def write_card(path: Path, model: Model, report: dict[str, Any]) -> None:
    """Add the report to the card, which is created if there is none for this model."""
    card = dict(model.card) or {"sha256": model.version, "estimator": model.kind}
    card["plan"] = report
    place = path.with_suffix(".json")
    write_file(place, msgspec.json.format(msgspec.json.encode(card), indent=2) + b"\n")


def leave(path: Path, reason: str) -> None:
    """Write a plan without methods, so that the model is not baked again at the next start."""
    empty = Plan(
        model=version_of(path),
        signature=Signature(),
        steps=(),
        methods={},
        fallback={"predict": reason},
    )
    save(empty, plan_path(path))
