"""Compile the model to a plan and prove it: `python -m models.bake models/latest.joblib`.

It writes `latest.plan.npz` with the methods that answer as scikit-learn does, and the results into
the card `latest.json`. A plan belongs to the SHA-256 of its joblib file.
"""

# ruff: noqa: E402

from __future__ import annotations

# Before numpy: a plan is compared with a scikit-learn that has one thread, as when it serves.
from models import threads

threads.limit()

import argparse
import importlib
import importlib.util
import logging
import os
import signal
import sys
import warnings
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from models import bound, fitted, logs, pins
from models.bound import Bound
from models.engines.plan import compile_model
from models.errors import ModelError, brief
from models.files import plan_path, version_of, write_file
from models.model import Model
from models.plan import Plan, Signature, save
from models.plan.proof import verify
from models.settings import ModelSettings, SettingsError

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
    model = fitted.load(path, version_of(path, sha256))
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
    pins.remember(save(plan, plan_path(path)))
    limit.say("")
    return report


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


def table(report: dict[str, Any]) -> str:
    """The report as a table for people."""
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


def run(path: Path, settings: ModelSettings) -> int:
    """Bake one model and print the table, or why there is none; gives the exit status."""
    logs.configure(settings.log_level)
    try:
        with warnings.catch_warnings():
            # Warnings of thousands of calls say nothing about the plan.
            warnings.simplefilter("ignore")
            report = bake(path, settings.model_sha256, Bound(settings.bake_seconds))
    except ModelError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        reason = f"{error.filename} cannot be written ({error.strerror})"
    except Exception as error:
        log.debug("the bake failed", exc_info=True)
        reason = f"{brief(error)}; LOG_LEVEL=debug says where"
    else:
        print(table(report))
        return 0
    print(f"{path} is served without a plan: {reason}")
    return 0


def main() -> None:
    """Bake the model of the command line within the bounds of the settings."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model_path", nargs="?", type=Path, default="models/latest.joblib")
    path = parser.parse_args().model_path
    try:
        settings = ModelSettings.from_env(os.environ)
    except SettingsError as error:
        sys.exit(f"error: {error}")
    if settings.engine == "sklearn":
        print(f"ENGINE=sklearn: {path} is served by scikit-learn, and no plan is made")
        return
    status = bound.in_child(partial(run, path, settings), settings.bake_seconds)
    if status > 0:
        sys.exit(status)
    if not status:
        return
    reason = f"the process that made it ended with {signal.Signals(-status).name}"
    if -status in bound.TIME_IS_UP:
        reason = f"a plan takes more than {settings.bake_seconds:g} seconds to make (BAKE_SECONDS)"
    leave(path, reason)
    print(f"{path} is served by scikit-learn: {reason}")


if __name__ == "__main__":
    main()
