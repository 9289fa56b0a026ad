"""The model in a package whose plan is complete: numpy and msgspec run it."""

from __future__ import annotations

import logging
from pathlib import Path

import msgspec

from models.engines.plan import PlanEngine
from models.model import Model
from models.plan import format as plans

# A program that uses the package decides on its log.
logging.getLogger("models").addHandler(logging.NullHandler())


def load(folder: Path) -> Model:
    """The model of the plan `model.plan.npz` in a folder, with its card `model.json`.

    Raises PlanError if the plan is damaged.
    """
    path = folder / "model.plan.npz"
    plan = plans.load(path)
    return Model(
        path=str(path),
        version=plan.model,
        kind=plan.kind,
        engine=PlanEngine(plan),
        signature=plan.signature,
        methods=tuple(plan.methods),
        classes=plan.classes,
        card=msgspec.json.decode((folder / "model.json").read_bytes()),
        versions=plan.versions,
        outputs=plan.outputs,
    )
