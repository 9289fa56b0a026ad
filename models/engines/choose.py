"""Choose what runs a model: its plan where it has one, else scikit-learn."""

from __future__ import annotations

import functools
import importlib.util
import logging
from pathlib import Path

import msgspec

from models import pins
from models.engines import Engine
from models.engines.plan import PlanEngine
from models.errors import ModelError, Replaced
from models.model import Model, read_card, version_of
from models.plan import format as plans
from models.plan.errors import PlanError
from models.settings import ModelSettings

log = logging.getLogger("models")


def choose(settings: ModelSettings) -> tuple[Model, Engine]:
    """The model and what runs it, as ENGINE says.

    scikit-learn is imported only if it is needed. Raises ModelError if the model cannot be served.
    """
    path = Path(settings.model_path)
    if settings.engine == "sklearn":
        return _with_scikit_learn(path, settings)
    try:
        found = _with_plan(path, settings)
    except PlanError as error:
        if settings.engine == "plan":
            raise ModelError(str(error)) from None
        if plan_path(path).exists():
            if not importlib.util.find_spec("sklearn"):
                raise ModelError(f"{error}; scikit-learn is not installed") from None
            log.warning("%s; until then scikit-learn serves", error)
        found = None
    return found or _with_scikit_learn(path, settings)


def plan_path(path: Path) -> Path:
    """Where the plan of the model at `path` is."""
    return path.with_suffix(".plan.npz")


def _with_plan(path: Path, settings: ModelSettings) -> tuple[Model, Engine] | None:
    """The model run by its plan; None if the plan has no method.

    Raises PlanError if there is no plan, or none that can be used for this model.
    """
    place = plan_path(path)
    if not place.exists():
        raise PlanError(f"there is no plan {place}: make bake")
    version = version_of(path, settings.model_sha256)
    plan = plans.load(place, pins.is_ours if settings.model_sha256 else None)
    if plan.model != version:
        raise PlanError(f"the plan {place} belongs to another model: make bake")
    if not plan.methods:
        return None

    @functools.cache
    def scikit_learn() -> Engine:
        log.info("scikit-learn is loaded: the plan has only %s", ", ".join(plan.methods))
        pinned = msgspec.structs.replace(settings, model_sha256=version)
        try:
            return _with_scikit_learn(path, pinned, engine)[1]
        except ModelError as error:
            log.error("%s: restart the service", error)  # noqa: TRY400
            raise Replaced from None

    try:
        engine = PlanEngine(plan, scikit_learn)
        engine.try_out()
    except Exception as error:
        # The digest fits, but another version of this code wrote the file, or a person did.
        reason = f"{type(error).__name__}: {error}"
        raise PlanError(f"the plan {place} cannot be used ({reason}): make bake") from None
    # An image without scikit-learn can do what the plan can, and no more.
    others = importlib.util.find_spec("sklearn") is not None
    model = Model(
        path=str(path),
        version=plan.model,
        kind=plan.kind,
        signature=plan.signature,
        methods=(*plan.methods, *plan.fallback) if others else tuple(plan.methods),
        classes=plan.classes,
        card=read_card(path.with_suffix(".json"), plan.model),
        versions=plan.versions,
        outputs=plan.outputs,
    )
    return model, engine


def _with_scikit_learn(
    path: Path, settings: ModelSettings, known: Engine | None = None
) -> tuple[Model, Engine]:
    try:
        from models import fitted
    except ModuleNotFoundError as error:
        raise ModelError(
            f"{path} has no plan and {error.name} is not installed: make bake before a slim image"
        ) from None
    from models.engines.scikit_learn import ScikitLearnEngine

    model = fitted.load(path, settings.model_sha256)
    return model, ScikitLearnEngine(model, known)
