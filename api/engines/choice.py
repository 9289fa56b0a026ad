"""Choose what runs a model: its plan where it has one, else scikit-learn."""

from __future__ import annotations

import functools
import importlib.util
import logging
from pathlib import Path

from api.engines import Engine
from api.engines import plan as plans
from api.model import Model, ModelError, open_file, read_card
from api.settings import Settings

log = logging.getLogger("api")


def choose(settings: Settings) -> tuple[Model, Engine]:
    """The model and what runs it, as ENGINE says.

    scikit-learn is imported only if it is needed. Raises ModelError if the model cannot be served.
    """
    path = Path(settings.model_path)
    if settings.engine != "sklearn" and (plan := _read_plan(path, settings)):
        return _with_plan(path, plan, settings)
    return _with_scikit_learn(path, settings)


def plan_path(path: Path) -> Path:
    """Where the plan of the model at `path` is."""
    return path.with_suffix(".plan.npz")


def _read_plan(path: Path, settings: Settings) -> plans.Plan | None:
    """The plan that belongs to the model; None if there is none and none is asked for."""
    place = plan_path(path)
    reason = f"there is no plan {place}: make bake"
    if place.exists():
        file, version = open_file(path, settings.model_sha256)
        file.close()
        try:
            plan = plans.load(place)
        except plans.PlanError as error:
            raise ModelError(str(error)) from None
        if plan.model == version:
            return plan if plan.methods else None
        reason = f"the plan {place} belongs to another model: make bake"
        log.warning("%s", reason)
    if settings.engine == "plan":
        raise ModelError(reason)
    return None


def _with_plan(path: Path, plan: plans.Plan, settings: Settings) -> tuple[Model, Engine]:
    # An image without scikit-learn can do what the plan can, and no more.
    others = importlib.util.find_spec("sklearn") is not None
    model = Model(
        path=str(path),
        version=plan.model,
        kind=plan.kind,
        signature=plan.signature,
        methods=(*plan.methods, *plan.left) if others else tuple(plan.methods),
        classes=plan.classes,
        card=read_card(path.with_suffix(".json"), plan.model),
        versions=plan.versions,
    )

    @functools.cache
    def scikit_learn() -> Engine:
        log.info("scikit-learn is loaded: the plan has only %s", ", ".join(plan.methods))
        return _with_scikit_learn(path, settings, engine)[1]

    engine = plans.PlanEngine(plan, scikit_learn)
    return model, engine


def _with_scikit_learn(
    path: Path, settings: Settings, known: Engine | None = None
) -> tuple[Model, Engine]:
    try:
        from api import fitted
    except ModuleNotFoundError as error:
        raise ModelError(
            f"{path} has no plan and {error.name} is not installed: make bake before a slim image"
        ) from None
    from api.engines.scikit_learn import ScikitLearnEngine

    model = fitted.load(path, settings.model_sha256)
    return model, ScikitLearnEngine(model, known)
